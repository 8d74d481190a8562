"""Gaussian smoothing with zeros beyond the border, identical to SciPy's to the last bit.

scipy.ndimage.correlate1d adds, for a symmetric filter, the pairs of pixels at equal distance on both
sides, from the outermost pair inward. Here each step processes an entire row, which a processor
does several pixels at a time; each pixel's own sum is the same. Four pairs are added in one step, one after
the other, so that the sums so far are read and written less often.
"""

from functools import lru_cache

import numpy

from .compiled import compiled


@compiled
def add_pair(line, one, other, weight):
    """Add the weighted sums of two rows to a line of sums, in place.

    Parameters
    ----------
    line
        (width,) float64 sums so far, changed in place.
    one, other
        (width,) the rows.
    weight
        Of both rows.
    """
    for j in range(line.size):
        line[j] += (numpy.float64(one[j]) + numpy.float64(other[j])) * weight


@compiled
def add_four_pairs(line, ones, others, weights):
    """Add the weighted sums of four pairs of rows to a line of sums, in place, as four calls of `add_pair`.

    Parameters
    ----------
    line
        (width,) float64 sums so far, changed in place.
    ones, others
        (4, width) the rows; the pairs are the first of `ones` with the last of `others`, and so on.
    weights
        (4,) weight of each pair.
    """
    a, b, c, d = weights[0], weights[1], weights[2], weights[3]
    for j in range(line.size):
        total = line[j] + (numpy.float64(ones[0, j]) + numpy.float64(others[3, j])) * a
        total += (numpy.float64(ones[1, j]) + numpy.float64(others[2, j])) * b
        total += (numpy.float64(ones[2, j]) + numpy.float64(others[1, j])) * c
        line[j] = total + (numpy.float64(ones[3, j]) + numpy.float64(others[0, j])) * d


@compiled
def along_columns(image, weights):
    """Filter along the columns; `weights`: from the outermost to the middle one of a symmetric filter."""
    height, width = image.shape
    radius = weights.size - 1
    out = numpy.empty((height, width), image.dtype)
    line = numpy.empty(width)
    # Pairs of which both pixels lie beyond the border add nothing.
    first = max(0, radius - height + 1)
    padded = numpy.zeros((height + 2 * radius, width), image.dtype)
    padded[radius : radius + height] = image
    for i in range(height):
        rows = padded[i : i + 2 * radius + 1]
        for j in range(width):
            line[j] = numpy.float64(rows[radius, j]) * weights[radius]
        k = first
        while k + 4 <= radius:
            beyond = 2 * radius - k
            add_four_pairs(line, rows[k : k + 4], rows[beyond - 3 : beyond + 1], weights[k : k + 4])
            k += 4
        while k < radius:
            add_pair(line, rows[k], rows[2 * radius - k], weights[k])
            k += 1
        for j in range(width):
            out[i, j] = line[j]
    return out


@compiled
def along_rows(image, weights):
    """Do the same as `along_columns`, along the rows."""
    height, width = image.shape
    radius = weights.size - 1
    out = numpy.empty((height, width), image.dtype)
    line = numpy.empty(width)
    padded = numpy.zeros(width + 2 * radius)
    for i in range(height):
        for j in range(width):
            padded[radius + j] = image[i, j]
        for j in range(width):
            line[j] = padded[radius + j] * weights[radius]
        k = 0
        while k + 4 <= radius:
            left = padded[k:]
            right = padded[2 * radius - k - 3 :]
            a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            for j in range(width):
                total = line[j] + (left[j] + right[j + 3]) * a
                total += (left[j + 1] + right[j + 2]) * b
                total += (left[j + 2] + right[j + 1]) * c
                line[j] = total + (left[j + 3] + right[j]) * d
            k += 4
        while k < radius:
            add_pair(line, padded[k : k + width], padded[2 * radius - k : 2 * radius - k + width], weights[k])
            k += 1
        for j in range(width):
            out[i, j] = line[j]
    return out


def is_plain(image):
    """Return whether this method applies to an image."""
    return image.ndim == 2 and image.dtype in (numpy.float32, numpy.float64) and image.size > 0


def filter_plane(image, weights):
    """Apply a symmetric filter along the columns, then along the rows; `weights`: all of them."""
    half = numpy.ascontiguousarray(weights[: weights.size // 2 + 1], float)
    return along_rows(along_columns(numpy.ascontiguousarray(image), half), half)


@lru_cache(maxsize=8)
def gaussian_weights(sigma):
    """Return the weights of scipy.ndimage.gaussian_filter, up to four times `sigma` to each side."""
    radius = int(4.0 * sigma + 0.5)
    weights = numpy.exp(-0.5 / (sigma * sigma) * numpy.arange(-radius, radius + 1) ** 2)
    return weights / weights.sum()


def gaussian(image, sigma):
    """Return scipy.ndimage.gaussian_filter(image, sigma, mode="constant", cval=0) of a plain image."""
    return filter_plane(image, gaussian_weights(float(sigma)))


@lru_cache(maxsize=2)
def gaussian_of_ones(shape, sigma):
    """Return the filter's result for an image of ones: the part of it inside, at each pixel."""
    return gaussian(numpy.ones(shape), sigma)


@lru_cache(maxsize=2)
def short_gaussian_weights(size):
    """Return the weights with which IdentifyPrimaryObjects smooths, for the size of its filter in pixels."""
    sigma = size / 2.35
    reach = max(int(size / 2.0), 1)
    distances = numpy.arange(-reach, reach + 1)
    return 1 / numpy.sqrt(2.0 * numpy.pi) / sigma * numpy.exp(-0.5 * distances**2 / sigma**2)


@lru_cache(maxsize=2)
def short_gaussian_of_ones(shape, size):
    """Return the result of that filter for an image of ones: the part of it inside, at each pixel."""
    return filter_plane(numpy.ones(shape), short_gaussian_weights(size))


def gaussian_inside(image, mask, sigma):
    """Smooth, corrected for the border: centrosome.smooth.smooth_with_function_and_mask.

    `mask`: the pixels that are used.
    """
    if mask.all():
        inside, image = gaussian_of_ones(mask.shape, float(sigma)), image
    else:
        inside, image = gaussian(mask.astype(float), sigma), numpy.where(mask, image, image.dtype.type(0))
    return gaussian(image, sigma) / (inside + numpy.finfo(float).eps)


@compiled
def correct(image, function, divide, low, high):
    """Return an image divided by an illumination function, or the function subtracted from it.

    Parameters
    ----------
    image, function
        (height, width) float32.
    divide
        Whether to divide. A difference below 0 is 0.
    low, high
        Whether a result below 0 becomes 0, and one above 1 becomes 1.

    Returns
    -------
    (height, width) float32.
    """
    none = numpy.float32(0)
    lowest = none if low or not divide else numpy.float32(-numpy.inf)
    highest = numpy.float32(1 if high else numpy.inf)
    out = numpy.empty_like(image)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            value = image[i, j] / function[i, j] if divide else image[i, j] - function[i, j]
            # NaN is neither below nor above.
            value = lowest if value < lowest else value
            out[i, j] = highest if value > highest else value
    return out


@compiled
def block_minima(image, row_blocks, column_blocks, rows, columns):
    """Return the smallest pixel of each of `rows` x `columns` blocks at all its pixels, as float64.

    `row_blocks`, `column_blocks`: block number of each row and column of the image.

    Parameters
    ----------
    image
        (height, width) floats.
    row_blocks, column_blocks
        Block of each row and column of the image.
    rows, columns
        Number of blocks.

    Returns
    -------
    (height, width) float64.
    """
    least = numpy.full((rows, columns), numpy.inf)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            block = column_blocks[j]
            least[row_blocks[i], block] = min(least[row_blocks[i], block], image[i, j])
    out = numpy.empty(image.shape)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            out[i, j] = least[row_blocks[i], column_blocks[j]]
    return out


def background(image, block_shape):
    """Return the smallest pixel around each pixel, in the blocks of centrosome.cpmorphology.block."""
    blocks = [max(1, int(float(length) / float(size))) for length, size in zip(image.shape, block_shape)]
    numbers = [
        (numpy.arange(length) * (float(number) / float(length))).astype(int)
        for length, number in zip(image.shape, blocks)
    ]
    return block_minima(image, *numbers, *blocks)
