"""MeasureImageQuality, with CellProfiler's settings and numbers, from compiled passes over an image.

The built-in module labels the image's tiles and rings, sorts it to check whether it is constant, and
transforms all of it for the power at the lowest eighth of frequencies; `platewise_kernels.quality`
does each in one pass. Of the thresholds, Otsu's are replaced.
Volumes, masked images and a visible window are left to the built-in module.
"""

import cellprofiler.modules.measureimagequality as builtin
import centrosome.otsu
import centrosome.threshold
import numpy
import scipy.linalg

from platewise_kernels import quality, selection, stand_ins
from platewise_kernels.inputs import plain_pixels

PREFIX = builtin.C_IMAGE_QUALITY


class MeasureImageQuality(builtin.MeasureImageQuality):
    """CellProfiler's MeasureImageQuality with a faster measurement."""

    def run_on_image_group(self, image_group, workspace):
        """Measure the images of a group; return the rows of the window."""
        self._names = self.images_to_process(image_group, workspace)
        self._levels_of = {}
        self._plain = not self.show_window and all(
            plain_pixels(workspace.image_set.get_image(name, must_be_grayscale=True)) is not None
            for name in self._names
        )
        return super().run_on_image_group(image_group, workspace)

    def _images(self, workspace):
        for name in self._names:
            yield name, workspace.image_set.get_image(name, must_be_grayscale=True).pixel_data

    def _levels(self, name, pixels):
        """Return what the order statistics of an image are taken from, which is found once."""
        if name not in self._levels_of:
            self._levels_of[name] = selection.count_levels(pixels)
        return self._levels_of[name]

    @staticmethod
    def _record(workspace, feature, value):
        workspace.add_measurement("Image", f"{PREFIX}_{feature}", value)

    @staticmethod
    def _scales(image_group):
        return [group.scale.value for group in image_group.scale_groups]

    def calculate_focus_scores(self, image_group, workspace):
        """Return the normalized variance of the image and of its tiles."""
        if not self._plain:
            return super().calculate_focus_scores(image_group, workspace)
        for name, pixels in self._images(workspace):
            mean = numpy.mean(pixels)
            score = 0
            if mean > 0:
                score = numpy.sum((pixels - mean) ** 2) / (pixels.size * mean)
            self._record(workspace, f"{builtin.F_FOCUS_SCORE}_{name}", score)
            for scale in self._scales(image_group):
                score = quality.local_focus_score(pixels, scale)
                self._record(workspace, f"{builtin.F_LOCAL_FOCUS_SCORE}_{name}_{scale:d}", score)
        return []

    def calculate_correlation(self, image_group, workspace):
        """Return Haralick's correlation of 8 gray levels at each scale."""
        if not self._plain:
            return super().calculate_correlation(image_group, workspace)
        for name, pixels in self._images(workspace):
            low, high = pixels.min(), pixels.max()
            levels = quality.grey_levels(pixels, low, float(high - low) if high > low else 1.0)
            for scale in self._scales(image_group):
                value = quality.correlation(levels, scale)
                self._record(workspace, f"{builtin.F_CORRELATION}_{name}_{scale:d}", value)
        return []

    def calculate_power_spectrum(self, image_group, workspace):
        """Return the slope of log power over log radius."""
        if not self._plain:
            return super().calculate_power_spectrum(image_group, workspace)
        for name, pixels in self._images(workspace):
            radii, magnitude, power = quality.radial_power(pixels, self._levels(name, pixels))
            slope = 0
            with numpy.errstate(divide="ignore", invalid="ignore"):
                lit = magnitude > 0
                logs = numpy.log(radii[lit]), numpy.log(power[lit])
            if sum(magnitude) > 0 and pixels.min() < pixels.max() and lit.sum() > 1:
                finite = numpy.isfinite(logs[1])
                line = numpy.column_stack([logs[0], numpy.ones(logs[0].size)])
                slope = scipy.linalg.lstsq(line[finite], logs[1][finite, numpy.newaxis])[0][0]
            self._record(workspace, f"{builtin.F_POWER_SPECTRUM_SLOPE}_{name}", slope)
        return []

    def calculate_saturation(self, image_group, workspace):
        """Return the fractions of pixels with the image's highest and lowest value."""
        if not self._plain:
            return super().calculate_saturation(image_group, workspace)
        for name, pixels in self._images(workspace):
            for feature, value in (
                (builtin.F_PERCENT_MAXIMAL, pixels.max()),
                (builtin.F_PERCENT_MINIMAL, pixels.min()),
            ):
                share = 100.0 * float(numpy.count_nonzero(pixels == value)) / float(pixels.size)
                self._record(workspace, f"{feature}_{name}", share)
        return []

    def run_intensity_measurement(self, image_name, workspace):
        """Return sum, mean, spread and extremes of one image."""
        if not self._plain or workspace.pipeline.volumetric():
            return super().run_intensity_measurement(image_name, workspace)
        pixels = workspace.image_set.get_image(image_name, must_be_grayscale=True).pixel_data
        total = numpy.sum(pixels)
        levels = self._levels(image_name, pixels)
        median = selection.median(levels)
        for feature, value in (
            (builtin.F_TOTAL_AREA, pixels.size),
            (builtin.F_TOTAL_INTENSITY, total),
            (builtin.F_MEAN_INTENSITY, total / float(pixels.size)),
            (builtin.F_MEDIAN_INTENSITY, median),
            (builtin.F_STD_INTENSITY, numpy.std(pixels)),
            (builtin.F_MAD_INTENSITY, selection.median(levels, median)),
            (builtin.F_MAX_INTENSITY, numpy.max(pixels)),
            (builtin.F_MIN_INTENSITY, numpy.min(pixels)),
        ):
            self._record(workspace, f"{feature}_{image_name}", value)
        return []

    def calculate_thresholds(self, image_group, workspace):
        """Measure the thresholds of each image by each requested method."""
        if not self._plain:
            return super().calculate_thresholds(image_group, workspace)
        groups = self.get_all_threshold_groups(image_group)
        for name, pixels in self._images(workspace):
            pixels = pixels.astype(numpy.float32)
            for group in groups:
                value = self._threshold(group, pixels)
                workspace.add_measurement("Image", group.threshold_feature_name(name), value)
        return []

    @staticmethod
    def _threshold(group, pixels):
        method = group.threshold_algorithm
        of_otsu = {
            "two_class_otsu": group.two_class_otsu.value == builtin.O_TWO_CLASS,
            "use_weighted_variance": group.use_weighted_variance.value == builtin.O_WEIGHTED_VARIANCE,
            "assign_middle_to_foreground": group.assign_middle_to_foreground.value == builtin.O_FOREGROUND,
        }
        with stand_ins.stand_in((centrosome.otsu, "running_variance", quality.replace_running_variance)):
            if method == centrosome.threshold.TM_OTSU:
                return quality.otsu_threshold(pixels, **of_otsu)
            fraction = group.object_fraction.value
            return centrosome.threshold.get_global_threshold(
                method, pixels, object_fraction=fraction, **of_otsu
            )
