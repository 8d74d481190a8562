"""MeasureObjectSizeShape, with CellProfiler's settings and numbers, with faster Zernike moments.

The Zernike polynomials are summed in one pass over the objects' pixels
(`platewise_kernels.shape`) instead of one array of the image's size for each polynomial.
"""

import cellprofiler.modules.measureobjectsizeshape as builtin
import centrosome.cpmorphology
import centrosome.zernike
import numpy

from platewise_kernels import shape
from platewise_kernels.inputs import plain_labels
from platewise_kernels.pixels import ObjectPixels


class MeasureObjectSizeShape(builtin.MeasureObjectSizeShape):
    """CellProfiler's MeasureObjectSizeShape with faster Zernike moments."""

    def analyze_objects(self, objects, desired_properties):
        """All shape features of an object set by name, in the built-in module's order."""
        labels = plain_labels(objects, objects.segmented.shape)
        if labels is None or not self.calculate_zernikes.value:
            return super().analyze_objects(objects, desired_properties)
        self.calculate_zernikes.value = False
        try:
            features = super().analyze_objects(objects, desired_properties)
        finally:
            self.calculate_zernikes.value = True
        numbers = self.get_zernike_numbers()
        for number, values in zip(numbers, zernikes(numbers, labels, objects.indices).T):
            features[self.get_zernike_name(number)] = values
        return features


def zernikes(numbers, labels, indices):
    """Magnitude of each Zernike moment by the circle's area: objects x polynomials.

    The same as centrosome.zernike.zernike, of which this is the definition.
    """
    numbers = numpy.array(numbers)
    centers, radii = centrosome.cpmorphology.minimum_enclosing_circle(labels, indices)
    pixels = ObjectPixels(labels)
    real, imaginary = shape.zernike_sums(
        (pixels.positions // labels.shape[1]).astype(float),
        (pixels.positions % labels.shape[1]).astype(float),
        pixels.starts,
        centers,
        radii,
        numbers[:, 0],
        numbers[:, 1],
        centrosome.zernike.construct_zernike_lookuptable(numbers),
    )
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return numpy.sqrt(real**2 + imaginary**2) / (numpy.pi * radii[:, None] ** 2)
