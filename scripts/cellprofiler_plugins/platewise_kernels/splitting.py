"""Thresholds that split an image's pixels into two parts, and the distinct values of pixels."""

import numpy
import skimage.filters

from .compiled import compiled
from .ranking import value_order


def is_plain(pixels):
    """Return whether `pixels` are finite 32-bit floats of at least two different values."""
    plain = isinstance(pixels, numpy.ndarray) and pixels.dtype == numpy.float32 and pixels.size > 1
    if not plain:
        return False
    least, greatest = pixels.min(), pixels.max()
    return bool(numpy.isfinite(least) and numpy.isfinite(greatest) and least < greatest)


def unique(values, *arguments, **options):
    """Replace numpy.unique of finite 32-bit pixels.

    Parameters
    ----------
    values
        Pixels.
    *arguments, **options
        Further arguments of NumPy's function. With any of them, NumPy computes the result.
    """
    if arguments or options or not is_plain(values):
        return numpy.unique(values, *arguments, **options)
    values = values.ravel()
    ordered = values[value_order(values)]
    return ordered[numpy.concatenate([[True], ordered[1:] != ordered[:-1]])]


@compiled
def split(pixels, threshold):
    """Return the pixels above a threshold and all others, both in the order of the image."""
    above = numpy.empty(pixels.size, pixels.dtype)
    below = numpy.empty(pixels.size, pixels.dtype)
    high = 0
    low = 0
    for k in range(pixels.size):
        value = pixels[k]
        above[high] = value
        below[low] = value
        is_above = value > threshold
        high += is_above
        low += not is_above
    return above[:high], below[:low]


def threshold_li(image, *, tolerance=None, **options):
    """Replace skimage.filters.threshold_li: Li's iterative minimum cross-entropy threshold.

    Parameters
    ----------
    image
        Pixels.
    tolerance
        The iteration ends when the threshold changes by less.
    **options
        Further arguments of skimage's function. With any of them, skimage computes the result.
    """
    if options or not tolerance or not is_plain(image):
        return skimage.filters.threshold_li(image, tolerance=tolerance, **options)
    least = numpy.min(image)
    pixels = image.ravel() - least
    after = numpy.mean(pixels)
    before = -2 * tolerance
    while abs(after - before) > tolerance:
        before = after
        above, below = split(pixels, before)
        mean_above, mean_below = numpy.mean(above), numpy.mean(below)
        after = (mean_below - mean_above) / (numpy.log(mean_below) - numpy.log(mean_above))
    return after + least
