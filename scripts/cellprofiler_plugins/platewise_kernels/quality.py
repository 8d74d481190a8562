"""Image quality: focus of tiles, co-occurrence of neighbors, power by radius, Otsu's scores.

The definitions are those of CellProfiler's MeasureImageQuality and of centrosome (haralick,
radial_power_spectrum, otsu); sums are added up in their order and type.
"""

import centrosome.otsu
import numpy
import scipy.fft
from centrosome.threshold import inverse_log_transform, log_transform

from .compiled import compiled
from .ranking import value_order
from .selection import median

#: Gray levels that centrosome.haralick reduces an image to.
LEVELS = 8


@compiled
def tile_sums(image, row_tiles, column_starts, rows):
    """Return mean, sum of squared distances from it and pixel count of each of `rows` x columns tiles.

    `row_tiles`: tile number of each row of the image; `column_starts`: where each column of tiles starts, and
    the image's width.

    Parameters
    ----------
    image
        (height, width) floats.
    row_tiles
        (height,) tile of each row.
    column_starts
        Where each column of tiles starts, and the image's width.
    rows
        Number of rows of tiles.

    Returns
    -------
    Three arrays (rows, columns of tiles).
    """
    columns = column_starts.size - 1
    means = numpy.zeros((rows, columns))
    squares = numpy.zeros((rows, columns))
    counts = numpy.zeros((rows, columns))
    for i in range(image.shape[0]):
        for tile in range(columns):
            total = 0.0
            for j in range(column_starts[tile], column_starts[tile + 1]):
                total += image[i, j]
            means[row_tiles[i], tile] += total
            counts[row_tiles[i], tile] += column_starts[tile + 1] - column_starts[tile]
    means /= counts
    for i in range(image.shape[0]):
        for tile in range(columns):
            mean = means[row_tiles[i], tile]
            total = 0.0
            for j in range(column_starts[tile], column_starts[tile + 1]):
                away = image[i, j] - mean
                total += away * away
            squares[row_tiles[i], tile] += total
    return means.ravel(), squares.ravel(), counts.ravel()


def local_focus_score(image, scale):
    """Return variance over median of the normalized variances of tiles of about `scale` pixels."""
    tiles = [(length + scale - 1) // scale for length in image.shape]
    numbers = [
        (numpy.arange(length).astype(float) * float(number) / float(length)).astype(int)
        for length, number in zip(image.shape, tiles)
    ]
    column_starts = numpy.searchsorted(numbers[1], numpy.arange(tiles[1] + 1))
    means, squares, counts = tile_sums(image, numbers[0], column_starts, tiles[0])
    lit = (means != 0) & ~numpy.isnan(means)
    if not lit.any():
        return 0
    variances = squares[lit] / (counts[lit] * means[lit])
    middle = numpy.median(variances)
    if numpy.isfinite(middle) and middle > 0:
        return numpy.var(variances) / middle
    return 0


@compiled
def grey_levels(image, low, width):
    """Return the image in 8 gray levels of `width` / 8 each from `low` on."""
    levels = numpy.empty(image.shape, numpy.uint8)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            share = numpy.float64(image[i, j] - low) / width
            levels[i, j] = min(LEVELS - 1, max(0, int(numpy.floor(share * LEVELS))))
    return levels


@compiled
def level_pairs(levels, distance):
    """Count how often each gray level (row) has each other (column) `distance` pixels to its right."""
    # Two tables alternate: incrementing the same count again would wait for the previous increment.
    pairs = numpy.zeros((2, LEVELS * LEVELS), numpy.int64)
    half = (levels.shape[1] - distance) // 2
    for i in range(levels.shape[0]):
        line = levels[i]
        for j in range(half):
            pairs[0, numpy.int64(line[j]) * LEVELS + line[j + distance]] += 1
            k = j + half
            pairs[1, numpy.int64(line[k]) * LEVELS + line[k + distance]] += 1
        for j in range(2 * half, levels.shape[1] - distance):
            pairs[0, numpy.int64(line[j]) * LEVELS + line[j + distance]] += 1
    return (pairs[0] + pairs[1]).astype(numpy.float64).reshape((LEVELS, LEVELS))


def correlation(levels, distance):
    """Return Haralick's correlation of gray levels `distance` columns apart; 0 if undefined."""
    if distance >= levels.shape[1]:
        return 0.0
    used = int(levels.max()) + 1
    pairs = level_pairs(levels, distance)[:used, :used]
    pairs = pairs / pairs.sum()
    left, right = pairs.sum(1), pairs.sum(0)
    left, right = left / left.sum(), right / right.sum()
    numbers = numpy.arange(used) + 1
    mean_left, mean_right = (numbers * left).sum(), (numbers * right).sum()
    deviation_left = numpy.sqrt(((numbers - mean_left) ** 2 * left).sum())
    deviation_right = numpy.sqrt(((numbers - mean_right) ** 2 * right).sum())
    product = (numpy.outer(numbers, numbers) * pairs).sum()
    with numpy.errstate(divide="ignore", invalid="ignore"):
        value = (product - mean_left * mean_right) / (deviation_left * deviation_right)
    return float(value) if numpy.isfinite(value) else 0.0


@compiled
def ring_sums(magnitude, rings):
    """Return sums of magnitude and power over the rings 2 to `rings` - 1 of a spectrum that starts at 0.

    `magnitude`: of the columns 0 to `rings` of the transform of a real image. As in centrosome
    the last row and column count as distance 0, not 1, from the first.
    """
    height = magnitude.shape[0]
    magnitudes = numpy.zeros(rings)
    powers = numpy.zeros(rings)
    for i in range(height):
        row = min(i, height - 1 - i)
        if row >= rings:
            continue
        opposite = (height - i) % height
        for j in range(rings):
            ring = int(numpy.sqrt(numpy.float64(row * row + j * j))) + 1
            if ring >= rings:
                break
            # The column itself, and the one as far from the other end.
            for value in (magnitude[i, j], magnitude[opposite, j + 1]):
                magnitudes[ring] += value
                powers[ring] += value * value
    return magnitudes[2:], powers[2:]


def radial_power(pixels):
    """Return radii and their sums of magnitude and power, as centrosome.radial_power_spectrum.rps.

    Only the columns that the rings reach are transformed along the rows' direction: the image is
    real, and rings end at an eighth of its shorter side.
    """
    rings = int(numpy.floor(min(pixels.shape) / 8.0))
    if rings <= 2:
        return numpy.array([2]), numpy.array([0]), numpy.array([0])
    with numpy.errstate(divide="ignore", invalid="ignore"):
        if pixels.max() > pixels.min():
            pixels = pixels / median(pixels, pixels.mean())
        spectrum = scipy.fft.rfft(pixels - numpy.mean(pixels), axis=1)[:, : rings + 1]
        spectrum = scipy.fft.fft(spectrum, axis=0, overwrite_x=True)
    magnitudes, powers = ring_sums(numpy.abs(spectrum), rings)
    return numpy.arange(2, rings), magnitudes, powers


@compiled
def running_variance(ordered):
    """Return the variance of the first 1, 2, ... values, by centrosome.otsu.running_variance's recurrence."""
    out = numpy.zeros(ordered.size)
    total = ordered[0]
    mean = numpy.float64(total)
    squares = 0.0
    for k in range(1, ordered.size):
        total += ordered[k]
        before = ordered[k] - mean
        mean = total / numpy.float64(k + 1)
        squares += before * (ordered[k] - mean)
        out[k] = squares / k
    return out


def replace_running_variance(values):
    """Replace centrosome.otsu.running_variance."""
    if values.ndim != 1 or values.size == 0 or values.dtype not in (numpy.float32, numpy.float64):
        return centrosome.otsu.running_variance(values)
    return running_variance(numpy.ascontiguousarray(values))


def otsu_threshold(pixels):
    """Replace centrosome.threshold.get_otsu_threshold with two classes and weighted variances.

    The pixels are sorted before they are scaled, as 32-bit floats, and not afterwards.
    """
    values = pixels.ravel()
    values = values[values >= 0]
    if values.size == 0:
        return 1
    scaled, limits = log_transform(values[value_order(values)])
    if (scaled[1:] < scaled[:-1]).any():  # a logarithm that is not quite monotonic
        scaled.sort()
    return inverse_log_transform(otsu(scaled), limits)


def otsu(ordered, bins=256):
    """Return Otsu's two-class threshold of sorted values, as centrosome.otsu.otsu."""
    size = ordered.size
    if size == 1:
        return ordered[0]
    step = size // min(bins, size)
    below = running_variance(ordered)
    above = running_variance(ordered[::-1])[::-1]
    thresholds = ordered[1:size:step]
    scores = below[0 : size - 1 : step] * numpy.arange(0, size - 1, step)
    scores = scores + above[1:size:step] * (size - numpy.arange(1, size, step))
    best = int(numpy.argmin(scores))
    return (thresholds[max(best - 1, 0)] + thresholds[min(best + 1, thresholds.size - 1)]) / 2
