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
from .selection import WHITE, median

#: Gray levels that centrosome.haralick reduces an image to.
LEVELS = 8


@compiled
def tile_sums(image, row_starts, column_starts):
    """Return mean, sum of squared distances from it and pixel count of each tile.

    The rows of a tile are added up first, which a processor does for several columns at a time.

    Parameters
    ----------
    image
        (height, width) floats.
    row_starts, column_starts
        Where each row (column) of tiles starts, and the image's height (width).

    Returns
    -------
    Three arrays (rows of tiles * columns of tiles,).
    """
    rows = row_starts.size - 1
    columns = column_starts.size - 1
    width = image.shape[1]
    means = numpy.zeros((rows, columns))
    squares = numpy.zeros((rows, columns))
    counts = numpy.zeros((rows, columns))
    sums = numpy.empty(width)
    mean_of_column = numpy.empty(width)
    for row in range(rows):
        sums[:] = 0.0
        for i in range(row_starts[row], row_starts[row + 1]):
            line = image[i]
            for j in range(width):
                sums[j] += line[j]
        for tile in range(columns):
            first, last = column_starts[tile], column_starts[tile + 1]
            counts[row, tile] = (row_starts[row + 1] - row_starts[row]) * (last - first)
            total = 0.0
            for j in range(first, last):
                total += sums[j]
            means[row, tile] = total / counts[row, tile]
            mean_of_column[first:last] = means[row, tile]
        sums[:] = 0.0
        for i in range(row_starts[row], row_starts[row + 1]):
            line = image[i]
            for j in range(width):
                away = line[j] - mean_of_column[j]
                sums[j] += away * away
        for tile in range(columns):
            total = 0.0
            for j in range(column_starts[tile], column_starts[tile + 1]):
                total += sums[j]
            squares[row, tile] = total
    return means.ravel(), squares.ravel(), counts.ravel()


def local_focus_score(image, scale):
    """Return variance over median of the normalized variances of tiles of about `scale` pixels."""
    starts = []
    for length in image.shape:
        tiles = (length + scale - 1) // scale
        numbers = (numpy.arange(length).astype(float) * float(tiles) / float(length)).astype(int)
        starts.append(numpy.searchsorted(numbers, numpy.arange(tiles + 1)))
    means, squares, counts = tile_sums(image, *starts)
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


def radial_power(pixels, levels):
    """Return radii and their sums of magnitude and power, as centrosome.radial_power_spectrum.rps.

    Only the columns that the rings reach are transformed along the rows' direction: the image is
    real, and rings end at an eighth of its shorter side.

    Parameters
    ----------
    pixels
        (height, width) intensities.
    levels
        The image as of `selection.count_levels`.
    """
    rings = int(numpy.floor(min(pixels.shape) / 8.0))
    if rings <= 2:
        return numpy.array([2]), numpy.array([0]), numpy.array([0])
    with numpy.errstate(divide="ignore", invalid="ignore"):
        if pixels.max() > pixels.min():
            pixels = pixels / median(levels, pixels.mean())
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


def otsu_threshold(pixels, two_class_otsu, use_weighted_variance, assign_middle_to_foreground):
    """Replace centrosome.threshold.get_otsu_threshold.

    Parameters
    ----------
    pixels
        The image, float32.
    two_class_otsu
        Whether two classes are separated, or three.
    use_weighted_variance
        Whether the weighted variance is minimized, or the entropy.
    assign_middle_to_foreground
        Which of the two thresholds between three classes is the result: the lower one, or the upper one.
    """
    values = pixels.ravel()
    values = values[values >= 0]
    if values.size == 0:
        return 1
    ordered, limits = sort_in_log_space(values)
    if two_class_otsu:
        threshold = otsu(ordered) if use_weighted_variance else centrosome.otsu.entropy(ordered)
    else:
        both = centrosome.otsu.otsu3(ordered) if use_weighted_variance else centrosome.otsu.entropy3(ordered)
        threshold = both[0 if assign_middle_to_foreground else 1]
    return inverse_log_transform(threshold, limits)


def sort_in_log_space(values):
    """Return centrosome.threshold.log_transform of float32 values, sorted, and its limits.

    The values are sorted before they are scaled. Those of an image of 16 bits are counted, and each number
    that occurs is scaled once.
    """
    # A value that is no 16-bit number, or beyond 1, does not come back from this.
    numbers = numpy.rint(numpy.minimum(values, 1) * numpy.float32(WHITE)).astype(numpy.uint16)
    counts = 1
    if (numbers / numpy.float32(WHITE) == values).all():
        counts = numpy.bincount(numbers, minlength=WHITE + 1)
        numbers = numpy.flatnonzero(counts)
        values, counts = (numbers / WHITE).astype(values.dtype), counts[numbers]
    else:
        values = values[value_order(values)]
    scaled, limits = log_transform(values)
    if (scaled[1:] < scaled[:-1]).any():  # a logarithm that is not quite monotonic
        scaled = numpy.sort(numpy.repeat(scaled, counts))
        counts = 1
    return numpy.repeat(scaled, counts), limits


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
