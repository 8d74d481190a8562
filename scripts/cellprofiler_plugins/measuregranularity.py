"""MeasureGranularity, with CellProfiler's settings and numbers, from one tree of each image.

The built-in module reconstructs the image once per scale and resizes each reconstruction to full
size for the objects. Here all scales come from one component tree of the subsampled image
(`platewise_kernels.granularity`), and an object's mean is a weighted sum over subsampled pixels.
Volumes, masked images and a visible window are left to the built-in module.
"""

import cellprofiler.modules.measuregranularity as builtin
import numpy

from platewise_kernels import granularity, ranking
from platewise_kernels.inputs import plain_labels, plain_pixels
from platewise_kernels.pixels import group_pixels, sum_objects


class MeasureGranularity(builtin.MeasureGranularity):
    """CellProfiler's MeasureGranularity with a faster measurement."""

    def run(self, workspace):
        """Measure all images; what the images share is computed once."""
        self._shares = {}
        try:
            super().run(workspace)
        finally:
            self._shares = {}

    def run_on_image_setting(self, workspace, image_name):
        """Measure one image as a whole and each object; return the row of the window."""
        image = workspace.image_set.get_image(image_name, must_be_grayscale=True)
        original = plain_pixels(image)
        labels = {
            name: None if original is None else self._labels(workspace, name, original.shape)
            for name in self.objects_list.value
        }
        pixels = None
        if original is not None and all(matrix is not None for matrix in labels.values()):
            pixels = self._without_background(original)
        if pixels is None:
            return super().run_on_image_setting(workspace, image_name)
        return self._measure(workspace, image_name, original, pixels, labels)

    def _labels(self, workspace, name, shape):
        key = ("labels", name, shape)
        if key not in self._shares:
            self._shares[key] = plain_labels(workspace.object_set.get_objects(name), shape)
        return self._shares[key]

    def _pixels(self, name, matrix, count):
        key = ("pixels", name, matrix.shape)
        if key not in self._shares:
            self._shares[key] = group_pixels(matrix.ravel(), count)
        return self._shares[key]

    def _without_background(self, original):
        """Return the subsampled image minus its opened background; None if its border falls outside."""
        small_shape = numpy.array(original.shape)
        pixels = original.copy()
        if self.subsample_size.value < 1:
            small_shape = small_shape * self.subsample_size.value
            grid = self._grid(small_shape, self.subsample_size.value, original.shape)
            if grid is None:
                return None
            pixels = granularity.sample_linear(original, *grid)
        background = pixels
        back_shape = small_shape
        if self.image_sample_size.value < 1:
            back_shape = small_shape * self.image_sample_size.value
            grid = self._grid(back_shape, self.image_sample_size.value, pixels.shape)
            if grid is None:
                return None
            background = granularity.sample_linear(pixels, *grid)
        radius = int(self.element_size.value)
        background = granularity.disk_extreme(background, radius, 1)
        background = granularity.disk_extreme(background, radius, -1)
        if self.image_sample_size.value < 1:
            background = granularity.sample_linear(background, *self._stretched(small_shape, back_shape))
        pixels -= background
        pixels[pixels < 0] = 0
        return pixels

    @staticmethod
    def _grid(shape, factor, source_shape):
        """Return row and column positions of a subsampled image; None if one lies outside the source."""
        grid = [numpy.mgrid[0:length].astype(float) / factor for length in shape]
        outside = any(axis.size < 2 or axis[-1] > length - 1 for axis, length in zip(grid, source_shape))
        return None if outside else grid

    @staticmethod
    def _stretched(shape, source_shape):
        """Return row and column positions in an image of `source_shape` that stretch it to `shape`."""
        return [
            numpy.mgrid[0:length].astype(float) * (float(source - 1) / float(length - 1))
            for length, source in zip(shape, source_shape)
        ]

    def _shares_of(self, labels, shape):
        """Return the objects' weights on the subsampled pixels, the same for all images of a size.

        The result is each set's number of objects, and `granularity.sort_by_pixel` of all sets, concatenated.
        """
        full = next(iter(labels.values())).shape if labels else ()
        key = ("shares", full, shape)
        if key not in self._shares:
            self._shares[key] = self._weights(labels, shape)
        return self._shares[key]

    def _weights(self, labels, shape):
        counts = {name: int(matrix.max()) for name, matrix in labels.items()}
        parts = []
        first = 0
        for name, matrix in labels.items():
            small_shape = numpy.array(matrix.shape)
            if self.subsample_size.value < 1:
                small_shape = small_shape * self.subsample_size.value
            rows, columns = self._stretched(matrix.shape, small_shape)
            positions, weights, starts = granularity.upsampling_weights(
                matrix, counts[name], rows, columns, *shape
            )
            owners = numpy.repeat(numpy.arange(first, first + counts[name]), numpy.diff(starts))
            parts.append((positions, owners, weights))
            first += counts[name]
        positions, owners, weights = (numpy.concatenate(part) for part in zip(*parts))
        return counts, granularity.sort_by_pixel(positions, owners, weights, shape[0] * shape[1])

    def _measure(self, workspace, image_name, original, pixels, labels):
        measurements = workspace.measurements
        scales = self.granular_spectrum_length.value
        order = ranking.value_order(pixels.ravel())
        rank = ranking.inverse_order(order)
        values = pixels.ravel()[order].astype(float)
        fits, jump = granularity.spectrum_nodes(order, rank.reshape(pixels.shape), scales)
        mean = numpy.mean(pixels.ravel())
        means = granularity.image_sums(values, fits, jump, scales) / pixels.size
        spectrum = _spectrum(mean, max(mean, numpy.finfo(float).eps), means)
        object_spectra = {}
        if labels:
            counts, (used, *share) = self._shares_of(labels, pixels.shape)
            sums = granularity.object_sums(
                values, fits, jump, scales, rank[used], *share, sum(counts.values())
            )
        first = 0
        for name, matrix in labels.items():
            count = counts[name]
            if count == 0:
                object_spectra[name] = numpy.zeros((scales, 0))
                continue
            with numpy.errstate(divide="ignore", invalid="ignore"):
                positions, starts = self._pixels(name, matrix, count)
                sizes = numpy.diff(starts).astype(float)
                means = sum_objects(original.ravel(), positions, starts) / sizes
                start = numpy.maximum(means, numpy.finfo(float).eps)
                of_set = sums[first : first + count]
                object_spectra[name] = _spectrum(means, start, (of_set / sizes[:, None]).T)
            first += count
        statistics = [image_name]
        for scale in range(1, scales + 1):
            feature = self.granularity_feature(scale, image_name)
            statistics.append(f"{spectrum[scale - 1]:.2f}")
            measurements.add_image_measurement(feature, spectrum[scale - 1])
            for name in self.objects_list.value:
                measurements.add_measurement(name, feature, object_spectra[name][scale - 1])
        return statistics


def _spectrum(mean, start, means):
    """Return the percentage of the initial mean that each opening removes; `means`: after each opening."""
    before = numpy.concatenate([numpy.asarray(mean, float)[None], means[:-1]])
    return (before - means) * 100 / start
