"""Gaussian smoothing with zeros beyond the border, identical to SciPy's to the last bit.

scipy.ndimage.correlate1d adds, for a symmetric filter, the pairs of pixels at equal distance on both
sides, from the outermost pair inward. Here each step processes an entire row, which a processor
does several pixels at a time; each pixel's own sum is the same.
"""

from functools import lru_cache

import numpy

from .compiled import compiled


@compiled
def along_columns(image, weights):
    """Filter along the columns; `weights`: from the outermost to the middle one of a symmetric filter."""
    height, width = image.shape
    radius = weights.size - 1
    out = numpy.empty((height, width), image.dtype)
    line = numpy.empty(width)
    none = numpy.zeros(width, image.dtype)
    for i in range(height):
        center = image[i]
        for j in range(width):
            line[j] = numpy.float64(center[j]) * weights[radius]
        for k in range(radius):
            away = radius - k
            if i - away < 0 and i + away >= height:
                continue
            above = image[i - away] if i - away >= 0 else none
            below = image[i + away] if i + away < height else none
            weight = weights[k]
            for j in range(width):
                line[j] += (numpy.float64(above[j]) + numpy.float64(below[j])) * weight
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
        for k in range(radius):
            left = padded[k : k + width]
            right = padded[2 * radius - k : 2 * radius - k + width]
            weight = weights[k]
            for j in range(width):
                line[j] += (left[j] + right[j]) * weight
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
