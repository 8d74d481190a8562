"""Global thresholds, and how well they separate an image's pixels, in compiled passes.

Definitions are those of CellProfiler's threshold module, scikit-image (Li's minimum cross entropy) and
centrosome (the sum of entropies). Where a sum depends on the order of the numbers, that order is kept.
"""

import math

import numpy
import skimage.filters

from .compiled import compiled

#: CellProfiler's smallest tolerance of Li's threshold, by which it compares half the smallest difference.
TOLERANCE = 0.5 / 65536
#: Number of pixels among which two distinct values that are close together are looked for first.
SAMPLE = 4096
#: Bins of centrosome's sum of entropies.
BINS = 256


def get_close_values(values):
    """Replace numpy.unique where only the smallest difference, or whether three values occur, counts.

    CellProfiler sorts the entire image to find the smallest difference between its values, and then takes at
    least `TOLERANCE` for half of it. If some of the first pixels are as close as that, the result is the
    distinct values of these pixels, which give the same tolerance. Otherwise it is that of numpy.unique.
    """
    is_float = values.dtype in (numpy.float32, numpy.float64)
    # The smallest value of an image with a NaN is NaN, and so is the smallest difference.
    if is_float and values.size > SAMPLE and not numpy.isnan(values.min()):
        found = numpy.unique(values.ravel()[:SAMPLE])
        if found.size > 2 and numpy.min(numpy.diff(found)) / 2 <= TOLERANCE:
            return found
    return numpy.unique(values)


@compiled
def split(values, threshold, above, below):
    """Write the values above a threshold to `above`, all others to `below`; return the number of the former.

    Parameters
    ----------
    values
        (pixels,) floats without NaN.
    threshold
        The threshold, in the type of the values.
    above, below
        (pixels + 1,) the results, in the order of the values.
    """
    # Unsigned numbers avoid the check for negative indices.
    high = numpy.uint64(0)
    for k in range(values.size):
        value = values[k]
        above[high] = value
        below[numpy.uint64(k) - high] = value
        high += numpy.uint64(value > threshold)
    return numpy.int64(high)


def threshold_li(image, *, tolerance=None, **options):
    """Replace skimage.filters.threshold_li of an image whose tolerance is known.

    Parameters
    ----------
    image
        The image, floats.
    tolerance
        The change between two steps at which the search ends; without it, scikit-image computes the result.
    **options
        Further arguments of scikit-image's function. With any of them, it computes the result.
    """
    plain = not options and tolerance and isinstance(image, numpy.ndarray)
    if not plain or image.size == 0 or image.dtype not in (numpy.float32, numpy.float64):
        return skimage.filters.threshold_li(image, tolerance=tolerance, **options)
    lowest, highest = image.min(), image.max()
    if not (numpy.isfinite(lowest) and numpy.isfinite(highest) and lowest < highest):
        return skimage.filters.threshold_li(image, tolerance=tolerance, **options)
    values = image.ravel() - lowest
    above, below = numpy.empty((2, values.size + 1), values.dtype)
    after = numpy.mean(values)
    before = -2 * tolerance
    while abs(after - before) > tolerance:
        before = after
        high = split(values, before, above, below)
        # NumPy's own means, since they are rounded in the order of the pixels.
        mean_above, mean_below = numpy.mean(above[:high]), numpy.mean(below[: values.size - high])
        after = (mean_below - mean_above) / (numpy.log(mean_below) - numpy.log(mean_above))
    return after + lowest


@compiled
def blurred_logs(logs_above, logs, noise):
    """Return logarithms of pixels with noise, at most 0, and the smallest and the largest of them.

    Parameters
    ----------
    logs_above, logs
        (pixels,) logarithms of the pixels plus one gray level, and of the pixels.
    noise
        (pixels,) the noise, by which a pixel lies between the two.
    """
    out = numpy.empty(logs.size)
    least = numpy.inf
    greatest = -numpy.inf
    for k in range(logs.size):
        value = min(logs_above[k] * noise[k] + (1 - noise[k]) * logs[k], 0.0)
        out[k] = value
        least = min(least, value)
        greatest = max(greatest, value)
    return out, least, greatest


@compiled
def count_by_bin(values, classes, edges):
    """Return how many values of each of two classes lie in each bin, as numpy.histogram counts them.

    Parameters
    ----------
    values
        (pixels,) floats, none beyond the first and the last edge.
    classes
        (pixels,) whether a pixel belongs to the second class.
    edges
        (bins + 1,) edges at equal distances.
    """
    bins = edges.size - 1
    counts = numpy.zeros((2, bins), numpy.int64)
    first = edges[0]
    scale = bins / (edges[bins] - first)
    for k in range(values.size):
        value = values[k]
        place = min(int((value - first) * scale), bins - 1)
        # The edges themselves decide, not the rounded place among them.
        if value < edges[place]:
            place -= 1
        elif value >= edges[place + 1] and place != bins - 1:
            place += 1
        counts[numpy.int64(classes[k]), place] += 1
    return counts


def sum_of_entropies(image, mask, binary_image, get_noise):
    """Return centrosome.threshold.sum_of_entropies of an image that is used entirely, else None.

    centrosome takes the logarithms of 2 to the power of logarithms; here they are used directly.

    Parameters
    ----------
    image
        (height, width) intensities.
    mask
        (height, width) the pixels that are used.
    binary_image
        (height, width) the foreground.
    get_noise
        A function that returns the noise of centrosome.smooth.smooth_with_noise for a shape.
    """
    plain = image.ndim == 2 and image.dtype in (numpy.float32, numpy.float64) and image.size > 0
    if not plain or binary_image.dtype != bool or not (image.shape == mask.shape == binary_image.shape):
        return None
    highest = image.max()
    if not mask.all() or not numpy.isfinite(highest):
        return None
    least = highest / 256
    if least == 0:
        return 0
    gray_level = pow(2.0, -8)
    clipped = numpy.clip(numpy.maximum(image, least), gray_level, 1)
    logs = numpy.log2(clipped + gray_level).ravel(), numpy.log2(clipped).ravel()
    values, lower, upper = blurred_logs(*logs, get_noise(image.shape).ravel())
    if upper == lower:
        return math.log(image.size, 2)
    classes = numpy.ascontiguousarray(binary_image).ravel()
    if classes.all() or not classes.any():
        return 0
    counts = count_by_bin(values, classes, numpy.linspace(lower, upper, BINS + 1))
    total = 0.0
    for of_class in counts[::-1]:
        shares = of_class[of_class > 0].astype(float) / float(of_class.sum())
        total += numpy.sum(shares * numpy.log2(shares))
    return total
