"""MeasureTexture, with CellProfiler's settings and numbers, from sparse co-occurrence counts.

The built-in module fills and reads a dense 256 x 256 matrix for each object, scale and direction.
Here only the gray-level pairs that occur are counted (`platewise_kernels.texture`), and the 8-bit
image is made once per channel. Volumes, masked images and a visible window are left to the built-in
module.
"""

import cellprofiler.modules.measuretexture as builtin
import numpy
import skimage.exposure
import skimage.util

from platewise_kernels import texture
from platewise_kernels.inputs import plain_labels, plain_pixels
from platewise_kernels.pixels import bounding_boxes


class MeasureTexture(builtin.MeasureTexture):
    """CellProfiler's MeasureTexture with a faster measurement."""

    def run(self, workspace):
        """Measure all images, scales and objects, in the built-in module's order."""
        image_names = self.images_list.value
        object_names = self.objects_list.value if self.wants_object_measurements() else []
        if self.show_window or not self._is_plain(workspace, image_names, object_names):
            super().run(workspace)
            return
        shared = {}
        for image_name in image_names:
            image = workspace.image_set.get_image(image_name, must_be_grayscale=True)
            regions = {}
            for name in object_names:
                key = name, image.pixel_data.shape
                if key not in shared:
                    shared[key] = _regions(workspace, *key)
                regions[name] = shared[key]
            wants_images = self.wants_image_measurements()
            # As in the built-in module, values beyond -1 and 1 are an error only if something is measured.
            if wants_images or any(present.size for _, _, present in regions.values()):
                gray = self._gray_levels(image)
            else:
                gray = numpy.zeros(image.pixel_data.shape, numpy.uint8)
            how = self._distances(), texture.DIRECTIONS, texture.LOGS
            found = {"Image": texture.image_textures(gray, *how)} if wants_images else {}
            for name, region in regions.items():
                found[name] = texture.object_textures(gray, *region, *how)
            self._record(workspace, image_name, found)

    def _is_plain(self, workspace, image_names, object_names):
        plain = {}
        for image_name in image_names:
            image = workspace.image_set.get_image(image_name, must_be_grayscale=True)
            pixels = plain_pixels(image)
            if pixels is None:
                return False
            shape = pixels.shape
            if shape not in plain:
                matrices = (plain_labels(workspace.get_objects(name), shape) for name in object_names)
                plain[shape] = all(matrix is not None for matrix in matrices)
            if not plain[shape]:
                return False
            reach = self._distances().max()
            if self.wants_image_measurements() and reach >= min(pixels.shape):
                return False
        return True

    def _distances(self):
        return numpy.array([group.scale.value for group in self.scale_groups])

    def _gray_levels(self, image):
        """Return the image in the requested gray levels, as the built-in module computes them."""
        pixels = plain_pixels(image)
        gray, beyond = texture.get_bytes(pixels, pixels.dtype.type(255))
        if beyond:
            gray = skimage.util.img_as_ubyte(pixels)  # which raises an error
        levels = int(self.gray_levels.value)
        if levels != 256:
            gray = skimage.exposure.rescale_intensity(
                gray, in_range=(0, 255), out_range=(0, levels - 1)
            ).astype(numpy.uint8)
        return numpy.ascontiguousarray(gray)

    def _record(self, workspace, image_name, found):
        levels = f"{int(self.gray_levels.value):d}"
        measurements = workspace.measurements
        features = {name: numpy.where(numpy.isfinite(values), values, 0) for name, values in found.items()}
        for index, distance in enumerate(self._distances()):
            for name, values in features.items():
                for direction, of_direction in enumerate(values[index]):
                    place = f"{image_name}_{distance:d}_{direction:02d}_{levels}"
                    for feature, value in zip(builtin.F_HARALICK, of_direction):
                        column = f"{builtin.TEXTURE}_{feature}_{place}"
                        measurements.add_measurement(name, column, value)


def _regions(workspace, object_name, shape):
    """Return label matrix, bounding boxes and existing labels of an object set."""
    labels = plain_labels(workspace.get_objects(object_name), shape)
    bounds = bounding_boxes(labels, int(labels.max()))
    return labels, bounds, numpy.flatnonzero(bounds[:, 2] >= 0)
