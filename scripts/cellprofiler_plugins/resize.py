"""Resize, with CellProfiler's settings and pixels, without filtering pixels that are then discarded.

Bilinear interpolation of a plain image is done by `platewise_kernels.resizing`. The illumination
function that CorrectIlluminationCalculate gathers over the cycles is computed only when its resized image is
requested: the built-in module smooths, scales and stretches it in every cycle, and only the last result is
saved. Volumes, colors, masked and cropped images, the other ways to
interpolate and a visible window are left to the built-in module.
"""

import cellprofiler.modules.resize as builtin
import numpy
from cellprofiler.modules.correctilluminationcalculate import CorrectIlluminationImageProvider
from cellprofiler_core.image import CallbackImage, Image

from platewise_kernels import resizing
from platewise_kernels.inputs import plain_pixels


class Resize(builtin.Resize):
    """CellProfiler's Resize with a faster bilinear interpolation."""

    def apply_resize(self, workspace, input_image_name, output_image_name):
        """Add the resized image to the image set, immediately or when it is requested."""
        images = workspace.image_set
        if self.show_window or self.interpolation.value != builtin.I_BILINEAR:
            super().apply_resize(workspace, input_image_name, output_image_name)
        elif isinstance(images.get_image_provider(input_image_name), CorrectIlluminationImageProvider):
            if output_image_name in images.names:
                images.clear_image(output_image_name)
                images.remove_image_provider(output_image_name)
            later = WhenAsked(self, workspace, input_image_name, output_image_name)
            images.providers.append(later)
        else:
            self._resize(workspace, input_image_name, output_image_name)

    def _resize(self, workspace, input_image_name, output_image_name):
        image = workspace.image_set.get_image(input_image_name)
        pixels = None if image.has_crop_mask else plain_pixels(image)
        resized = None
        if pixels is not None:
            shape = tuple(int(length) for length in self.resized_shape(image, workspace))
            if min(shape) > 0:
                resized = resizing.resize(pixels, shape)
        if resized is None:
            super().apply_resize(workspace, input_image_name, output_image_name)
            return
        spacing = [new / old * step for new, old, step in zip(shape, pixels.shape, image.spacing)]
        mask = numpy.ones(shape, bool)
        output = Image(resized, parent_image=image, mask=mask, dimensions=2, spacing=spacing)
        workspace.image_set.add(output_image_name, output)


class WhenAsked(CallbackImage):
    """A resized image that is computed when it is first requested."""

    def __init__(self, module, workspace, input_image_name, output_image_name):
        super().__init__(output_image_name, self._make)
        self._arguments = module, workspace, input_image_name, output_image_name

    def _make(self, image_set, _):
        module, workspace, input_image_name, output_image_name = self._arguments
        image_set.remove_image_provider(output_image_name)
        module._resize(workspace, input_image_name, output_image_name)
        return image_set.get_image(output_image_name)

    def release_memory(self):
        """Do nothing: no memory is held before the image is computed."""
