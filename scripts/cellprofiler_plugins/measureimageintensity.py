"""MeasureImageIntensity, with CellProfiler's settings and numbers, without sorting the image.

Median, quartiles, percentiles and the deviation from the median are found by counting
(`platewise_kernels.selection`). Pixels that are not finite and a visible window are left to the
built-in module.
"""

import cellprofiler.modules.measureimageintensity as builtin
import numpy

from platewise_kernels import selection


class MeasureImageIntensity(builtin.MeasureImageIntensity):
    """CellProfiler's MeasureImageIntensity with a faster measurement."""

    def measure(self, pixels, image_name, object_name, measurement_name, workspace, percentiles=None):
        """Measure an array of pixels; return the rows of the window.

        Parameters
        ----------
        pixels
            The array.
        image_name, object_name, measurement_name
            What the measurements are called.
        workspace
            CellProfiler's workspace of the site.
        percentiles
            The percentiles to measure, or None.
        """
        pixels = numpy.ascontiguousarray(pixels).ravel()
        plain = pixels.dtype in (numpy.float32, numpy.float64) and pixels.size > 0
        if self.show_window or not plain or not numpy.isfinite(pixels).all():
            return super().measure(pixels, image_name, object_name, measurement_name, workspace, percentiles)
        total = numpy.sum(pixels)
        percentiles = percentiles or []
        levels = selection.count_levels(pixels)
        median, (lower, upper, *others) = selection.median_and_percentiles(levels, [25, 75, *percentiles])
        highest = numpy.max(pixels)
        at_highest = 100.0 * float(numpy.count_nonzero(pixels == highest)) / float(pixels.size)
        for feature, value in (
            (builtin.F_TOTAL_INTENSITY, total),
            (builtin.F_MEAN_INTENSITY, total / float(pixels.size)),
            (builtin.F_MEDIAN_INTENSITY, median),
            (builtin.F_STD_INTENSITY, numpy.std(pixels)),
            (builtin.F_MAD_INTENSITY, selection.median(levels, median)),
            (builtin.F_MAX_INTENSITY, highest),
            (builtin.F_MIN_INTENSITY, numpy.min(pixels)),
            (builtin.F_TOTAL_AREA, pixels.size),
            (builtin.F_PERCENT_MAXIMAL, at_highest),
            (builtin.F_LOWER_QUARTILE, lower),
            (builtin.F_UPPER_QUARTILE, upper),
            *((f"Intensity_Percentile_{percent}_%s", value) for percent, value in zip(percentiles, others)),
        ):
            workspace.measurements.add_image_measurement(feature % measurement_name, value)
        return []
