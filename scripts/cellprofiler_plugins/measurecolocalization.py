"""MeasureColocalization, with CellProfiler's settings and numbers, channel by channel.

The built-in module sorts, averages and thresholds each channel again for every pair of channels.
Here an object set's pixels are collected once, each channel is ranked once, and a pair takes one
pass (`platewise_kernels.colocalization`). Costes' thresholds of a pair are found once for all object sets
(`platewise_kernels.costes`). Volumes, masked images, overlapping objects and a visible window are left to the
built-in module.
"""

import cellprofiler.modules.measurecolocalization as builtin
import numpy
import scipy.linalg

from platewise_kernels import colocalization, costes, ranking
from platewise_kernels.inputs import plain_labels, plain_pixels
from platewise_kernels.pixels import ObjectPixels


class MeasureColocalization(builtin.MeasureColocalization):
    """CellProfiler's MeasureColocalization with a faster measurement of objects."""

    def run(self, workspace):
        """Measure all pairs; what one channel or one object set needs is computed once."""
        self._shares = {}
        try:
            super().run(workspace)
        finally:
            self._shares = {}

    def run_image_pair_objects(self, workspace, first_image_name, second_image_name, object_name):
        """Measure the objects on one pair of images; return the rows of the window.

        Parameters
        ----------
        workspace
            CellProfiler's workspace of the site.
        first_image_name, second_image_name
            The two images.
        object_name
            The objects.
        """
        names = (first_image_name, second_image_name)
        images = [self._once(("image", name), self._image, workspace, name) for name in names]
        pixels = None
        if not self.show_window and all(image is not None for image in images):
            pixels = self._once(
                ("objects", object_name, images[0].shape),
                self._objects,
                workspace,
                object_name,
                images[0].shape,
            )
        if pixels is None or images[0].shape != images[1].shape:
            return super().run_image_pair_objects(workspace, first_image_name, second_image_name, object_name)
        values = self._measure(workspace, names, object_name, pixels)
        for feature, value in values:
            workspace.measurements.add_measurement(object_name, feature, value)
        return []

    def run_image_pair_images(self, workspace, first_image_name, second_image_name):
        """Measure one pair of entire images; return the rows of the window."""
        names = (first_image_name, second_image_name)
        images = [self._once(("image", name), self._image, workspace, name) for name in names]
        if self.show_window or any(image is None for image in images) or images[0].shape != images[1].shape:
            return super().run_image_pair_images(workspace, first_image_name, second_image_name)
        for feature, value in self._measure_images(workspace, names):
            workspace.measurements.add_image_measurement(feature, value)
        return []

    def _whole(self, name):
        """Return an image's values, which are above the threshold, the sum of these, and all ranks."""
        values = self._shares["image", name].ravel()
        above = values > self.thr.value * numpy.max(values) / 100
        ranks = None
        if self.do_rwc:
            ranks = ranking.dense_ranks(values, ranking.value_order(values))
        return values, above, values[above].sum(), ranks

    def _measure_images(self, workspace, names):
        """Return names and values of the features of one pair, in the built-in module's order and types."""
        x, y = (self._shares["image", name].ravel() for name in names)
        swapped = names[::-1]
        pairs = []
        if self.do_corr_and_slope:
            line = numpy.array((x, numpy.ones_like(x))).transpose()
            pairs += [
                (builtin.F_CORRELATION_FORMAT % names, numpy.corrcoef((x, y))[1, 0]),
                (builtin.F_SLOPE_FORMAT % names, scipy.linalg.lstsq(line, y)[0][0]),
            ]
        if any((self.do_manders, self.do_rwc, self.do_overlap)):
            wholes = [self._once(("whole", name), self._whole, name) for name in names]
            (_, x_above, x_total, x_ranks), (_, y_above, y_total, y_ranks) = wholes
            both = x_above & y_above
            x_both, y_both = x[both], y[both]
        if self.do_overlap:
            xy, xx, yy = (x_both * y_both).sum(), (x_both**2).sum(), (y_both**2).sum()
            pairs += [
                (builtin.F_OVERLAP_FORMAT % names, xy / numpy.sqrt(xx * yy)),
                (builtin.F_K_FORMAT % names, xy / xx),
                (builtin.F_K_FORMAT % swapped, xy / yy),
            ]
        if self.do_manders:
            pairs += [
                (builtin.F_MANDERS_FORMAT % names, x_both.sum() / x_total),
                (builtin.F_MANDERS_FORMAT % swapped, y_both.sum() / y_total),
            ]
        if self.do_rwc:
            ranks = max(x_ranks.max(), y_ranks.max()) + 1
            weights = ((ranks - abs(x_ranks - y_ranks)[both]) * 1.0) / ranks
            pairs += [
                (builtin.F_RWC_FORMAT % names, (x_both * weights).sum() / x_total),
                (builtin.F_RWC_FORMAT % swapped, (y_both * weights).sum() / y_total),
            ]
        if self.do_costes:
            x_limit, y_limit = self._once(("costes", *names), self._costes_limits, workspace, names)
            x_above, y_above = x > x_limit, y > y_limit
            both = x_above & y_above
            pairs += [
                (builtin.F_COSTES_FORMAT % names, x[both].sum() / x[x_above].sum()),
                (builtin.F_COSTES_FORMAT % swapped, y[both].sum() / y[y_above].sum()),
            ]
        return pairs

    def _once(self, key, function, *arguments):
        if key not in self._shares:
            self._shares[key] = function(*arguments)
        return self._shares[key]

    @staticmethod
    def _image(workspace, name):
        return plain_pixels(workspace.image_set.get_image(name, must_be_grayscale=True))

    @staticmethod
    def _objects(workspace, name, shape):
        labels = plain_labels(workspace.object_set.get_objects(name), shape)
        return None if labels is None else ObjectPixels(labels)

    def _channel(self, image, pixels):
        """Return values, sums and ranks of one channel on an object set's pixels."""
        values = pixels.values(image)
        percent = values.dtype.type(self.thr.value / 100)
        sums = colocalization.channel_sums(values, pixels.starts, percent)
        ranks = numpy.zeros(values.size, numpy.int32)
        if self.do_rwc:
            ranks = ranking.dense_ranks(values, ranking.value_order(values))
        return (values, ranks, int(ranks.max()), *sums)

    def _measure(self, workspace, names, object_name, pixels):
        """Return names and values of the features of one pair, in the built-in module's order."""
        if pixels.count == 0:
            none = numpy.zeros((0,))
            return self._features(names, [none], [none] * 2, [none] * 2, [none] * 3, [none] * 2)
        channels = [
            self._once(("channel", name, object_name), self._channel, self._shares["image", name], pixels)
            for name in names
        ]
        x, x_rank, x_top, x_mean, x_deviation, x_limit, x_total = channels[0]
        y, y_rank, y_top, y_mean, y_deviation, y_limit, y_total = channels[1]
        sums = colocalization.pair_sums(
            x, y, pixels.starts, x_mean, y_mean, x_limit, y_limit,
            x_rank, y_rank, max(x_top, y_top) + 1,
        )  # fmt: skip
        product, x_sum, y_sum, x_weighted, y_weighted, xx, yy, xy, both = sums.T
        none = numpy.zeros(pixels.count)
        manders = rwc = [none, none]
        overlap = [none] * 3
        with numpy.errstate(divide="ignore", invalid="ignore"):
            correlation = product / (x_deviation * y_deviation)
            correlation[pixels.starts[1:] == pixels.starts[:-1]] = numpy.nan
            if both.any():
                manders = [x_sum / x_total, y_sum / y_total]
                rwc = [x_weighted / x_total, y_weighted / y_total]
                overlap = [xy / numpy.sqrt(xx * yy), xy / xx, xy / yy]
            costes = self._costes(workspace, names, x, y, pixels) if self.do_costes else None
        return self._features(names, [correlation], manders, rwc, overlap, costes)

    def _costes(self, workspace, names, x, y, pixels):
        """Return Manders coefficients above Costes' thresholds, which are those of the entire images."""
        limits = self._once(("costes", *names), self._costes_limits, workspace, names)
        sums = colocalization.costes_sums(
            x, y, pixels.starts, x.dtype.type(limits[0]), y.dtype.type(limits[1])
        )
        x_both, y_both, x_total, y_total, x_above, y_above, both = sums.T
        if not both.any():
            return [numpy.zeros(pixels.count)] * 2
        x_total = x_total if x_above.any() else numpy.zeros(pixels.count)
        y_total = y_total if y_above.any() else numpy.zeros(pixels.count)
        return [x_both / x_total, y_both / y_total]

    def _costes_limits(self, workspace, names):
        scale = builtin.get_scale(*(workspace.image_set.get_image(name).scale for name in names))
        images = [self._shares["image", name].ravel() for name in names]
        moments = [self._once(("moments", name), costes.moments, image) for name, image in zip(names, images)]
        return self._find_limits(*images, scale, costes.regression_line(*images, *moments))

    def _find_limits(self, x, y, scale, line=None):
        if self.fast_costes == builtin.M_FASTER:
            return costes.find_by_bisection(x, y, scale, line)
        return costes.find_by_steps(x, y, scale, self.fast_costes == builtin.M_ACCURATE, line)

    def bisection_costes(self, fi, si, scale_max=255):
        """Return both thresholds of two channels' pixels by the "Faster" method."""
        return self._find_limits(fi, si, scale_max)

    def linear_costes(self, fi, si, scale_max=255):
        """Return both thresholds of two channels' pixels by the "Fast" or the "Accurate" method."""
        return self._find_limits(fi, si, scale_max)

    def _features(self, names, correlation, manders, rwc, overlap, costes):
        swapped = names[::-1]
        pairs = []
        if self.do_corr_and_slope:
            pairs += [(builtin.F_CORRELATION_FORMAT % names, correlation[0])]
        if self.do_manders:
            pairs += [(builtin.F_MANDERS_FORMAT % names, manders[0])]
            pairs += [(builtin.F_MANDERS_FORMAT % swapped, manders[1])]
        if self.do_rwc:
            pairs += [(builtin.F_RWC_FORMAT % names, rwc[0])]
            pairs += [(builtin.F_RWC_FORMAT % swapped, rwc[1])]
        if self.do_overlap:
            pairs += [(builtin.F_OVERLAP_FORMAT % names, overlap[0])]
            pairs += [(builtin.F_K_FORMAT % names, overlap[1])]
            pairs += [(builtin.F_K_FORMAT % swapped, overlap[2])]
        if self.do_costes:
            pairs += [(builtin.F_COSTES_FORMAT % names, costes[0])]
            pairs += [(builtin.F_COSTES_FORMAT % swapped, costes[1])]
        return pairs
