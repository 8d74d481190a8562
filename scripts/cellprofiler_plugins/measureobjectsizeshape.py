"""MeasureObjectSizeShape, with CellProfiler's settings and numbers, object by object in compiled passes.

The values that skimage's regionprops computes for each object in turn (perimeter, Euler number, convex hull,
distances) are computed in one pass (`platewise_kernels.shape`), and so are the Zernike polynomials
(`platewise_kernels.zernikes`), which the built-in module sums over an array of the image's size for each.
An object set's hulls are found once. Volumes, overlapping objects, missing labels and the advanced features
are left to the built-in module, except for the Zernike polynomials.
"""

import cellprofiler.modules.measureobjectsizeshape as builtin
import centrosome.cpmorphology
import numpy

from platewise_kernels import shape, stand_ins, zernikes
from platewise_kernels.inputs import plain_labels
from platewise_kernels.pixels import ObjectPixels


class MeasureObjectSizeShape(builtin.MeasureObjectSizeShape):
    """CellProfiler's MeasureObjectSizeShape with faster measurements."""

    def run(self, workspace):
        """Measure all object sets."""
        with stand_ins.stand_in(*stand_ins.OBJECTS):
            super().run(workspace)

    def analyze_objects(self, objects, desired_properties):
        """Return all shape features of an object set by name, in the built-in module's order."""
        labels = plain_labels(objects, objects.segmented.shape)
        if labels is None:
            return super().analyze_objects(objects, desired_properties)
        count = len(objects.indices)
        pixels = ObjectPixels(labels)
        complete = count > 0 and (numpy.diff(pixels.starts) > 0).all()
        if complete and not self.calculate_advanced.value:
            hull = shape.convex_hull(labels, objects.indices)
            features = plain_features(labels, hull, objects.indices)
        else:
            hull = None
            features = self._features_without_zernikes(objects, desired_properties)
        if self.calculate_zernikes.value:
            numbers = self.get_zernike_numbers()
            values = magnitudes(numbers, pixels, hull, objects.indices)
            features.update(zip(map(self.get_zernike_name, numbers), values.T))
        return features

    def _features_without_zernikes(self, objects, desired_properties):
        wanted = self.calculate_zernikes.value
        self.calculate_zernikes.value = False
        try:
            return super().analyze_objects(objects, desired_properties)
        finally:
            self.calculate_zernikes.value = wanted


def plain_features(labels, hull, indices):
    """Return the features without Zernikes and advanced ones, in the built-in module's order."""
    found = shape.properties(labels)
    area, perimeter = found["area"], found["perimeter"]
    greatest, mean, median = shape.radii(labels, shape.bounding_boxes(labels, area.size))
    least_feret, greatest_feret = centrosome.cpmorphology.feret_diameter(*hull, indices)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        form_factor = 4.0 * numpy.pi * area / perimeter**2
        compactness = perimeter**2 / numpy.maximum(4.0 * numpy.pi * area, 1)
    return {
        builtin.F_AREA: area,
        builtin.F_PERIMETER: perimeter,
        builtin.F_MAJOR_AXIS_LENGTH: found["major_axis_length"],
        builtin.F_MINOR_AXIS_LENGTH: found["minor_axis_length"],
        builtin.F_ECCENTRICITY: found["eccentricity"],
        builtin.F_ORIENTATION: found["orientation"] * (180 / numpy.pi),
        builtin.F_CENTER_X: found["centroid-1"],
        builtin.F_CENTER_Y: found["centroid-0"],
        builtin.F_BBOX_AREA: found["bbox_area"],
        builtin.F_MIN_X: found["bbox-1"],
        builtin.F_MAX_X: found["bbox-3"],
        builtin.F_MIN_Y: found["bbox-0"],
        builtin.F_MAX_Y: found["bbox-2"],
        builtin.F_FORM_FACTOR: form_factor,
        builtin.F_EXTENT: found["extent"],
        builtin.F_SOLIDITY: found["solidity"],
        builtin.F_COMPACTNESS: compactness,
        builtin.F_EULER_NUMBER: found["euler_number"],
        builtin.F_MAXIMUM_RADIUS: greatest,
        builtin.F_MEAN_RADIUS: mean,
        builtin.F_MEDIAN_RADIUS: median,
        builtin.F_CONVEX_AREA: found["convex_area"],
        builtin.F_MIN_FERET_DIAMETER: least_feret,
        builtin.F_MAX_FERET_DIAMETER: greatest_feret,
        builtin.F_EQUIVALENT_DIAMETER: found["equivalent_diameter"],
    }


def magnitudes(numbers, pixels, hull, indices):
    """Return the magnitude of each Zernike moment by the circle's area: objects x polynomials.

    The definition is that of centrosome.zernike.zernike. `hull`: None to compute it.

    Parameters
    ----------
    numbers
        N and m of each polynomial.
    pixels
        The `ObjectPixels`.
    hull
        The objects' convex hulls; None to compute them.
    indices
        The objects' labels.
    """
    (real,), (imaginary,), radii = zernikes.moments(numbers, pixels, None, hull, indices)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return numpy.sqrt(real**2 + imaginary**2) / (numpy.pi * radii[:, None] ** 2)
