"""Shrink and stretch images as skimage.transform.resize does, at the requested pixels.

skimage smooths the entire image with a Gaussian filter before it takes every n-th pixel. Here the
filter is computed only at the rows and then the columns that bilinear interpolation reads, with
SciPy's and skimage's order and types of arithmetic, so that the values are the same to the last bit.
"""

import functools

import numpy
from skimage.transform import AffineTransform

from .compiled import compiled


@functools.lru_cache(maxsize=16)
def _positions(shape, output_shape, single):
    """Return, for rows and columns, each output pixel's position in the image (float32 if `single`)."""
    factors = numpy.asarray(shape, float) / numpy.asarray(output_shape, float)
    rows, columns = output_shape
    # skimage's own computation of the transformation, with its rounding errors.
    corners = numpy.array([[1, 1], [1, rows], [columns, rows]]) - 1
    targets = numpy.zeros(corners.shape)
    targets[:, 0] = factors[1] * (corners[:, 0] + 0.5) - 0.5
    targets[:, 1] = factors[0] * (corners[:, 1] + 0.5) - 0.5
    transform = AffineTransform()
    transform.estimate(corners, targets)
    dtype = numpy.float32 if single else numpy.float64
    matrix = transform.params.astype(dtype)
    return (
        matrix[1, 1] * numpy.arange(rows, dtype=dtype) + matrix[1, 2],
        matrix[0, 0] * numpy.arange(columns, dtype=dtype) + matrix[0, 2],
    )


@functools.lru_cache(maxsize=16)
def _gaussian(sigma):
    """Return the weights of SciPy's Gaussian filter, from the farthest pixel to the middle one."""
    radius = int(4.0 * float(sigma) + 0.5)
    weights = numpy.exp(-0.5 / (sigma * sigma) * numpy.arange(-radius, radius + 1) ** 2)
    return (weights / weights.sum())[: radius + 1]


def _reads(positions, length):
    """Return the pixels that interpolation reads: lower ones, upper ones, those in use, and the fractions."""
    low = numpy.floor(positions)
    fractions = positions - low
    lower = numpy.clip(low.astype(int), 0, length - 1)
    upper = numpy.clip(numpy.ceil(positions).astype(int), 0, length - 1)
    used = numpy.unique(numpy.concatenate([lower, upper]))
    return numpy.searchsorted(used, lower), numpy.searchsorted(used, upper), used, fractions


def _mirrored(index, length):
    """Return the pixel number at `index`, which may be outside, of an image mirrored at its edges."""
    index = index % (2 * length)
    return numpy.where(index < length, index, 2 * length - 1 - index)


@compiled
def filter_rows(image, rows, weights):
    """Return the image filtered along its columns, at one output row for each line of `rows`.

    `rows`: the rows that the weights and their mirror images apply to, 2 * len(weights) - 1 per line.
    """
    radius = weights.size - 1
    out = numpy.empty((rows.shape[0], image.shape[1]), image.dtype)
    line = numpy.empty(image.shape[1])
    for i in range(rows.shape[0]):
        center = image[rows[i, radius]]
        for j in range(line.size):
            line[j] = center[j] * weights[radius]
        for k in range(radius):
            above = image[rows[i, k]]
            below = image[rows[i, 2 * radius - k]]
            weight = weights[k]
            for j in range(line.size):
                line[j] += (numpy.float64(above[j]) + numpy.float64(below[j])) * weight
        for j in range(line.size):
            out[i, j] = line[j]
    return out


@compiled
def filter_columns(image, columns, weights):
    """Do the same as `filter_rows`, along the rows."""
    radius = weights.size - 1
    out = numpy.empty((image.shape[0], columns.shape[0]), image.dtype)
    for i in range(image.shape[0]):
        line = image[i]
        for j in range(columns.shape[0]):
            total = line[columns[j, radius]] * weights[radius]
            for k in range(radius):
                pair = numpy.float64(line[columns[j, k]]) + numpy.float64(line[columns[j, 2 * radius - k]])
                total += pair * weights[k]
            out[i, j] = total
    return out


@compiled
def interpolate(image, upper, lower, row_fractions, left, right, column_fractions):
    """Return the bilinear interpolation between rows `upper` and `lower` and columns `left` and `right`.

    The fractions have the image's type: of each sum the second product is rounded to it, as in skimage.

    Parameters
    ----------
    image
        (height, width) floats.
    upper, lower
        (rows,) rows of the image on both sides of each new row.
    row_fractions
        (rows,) distance from the upper one.
    left, right
        (columns,) columns on both sides of each new column.
    column_fractions
        (columns,) distance from the left one.

    Returns
    -------
    (rows, columns) in the image's type.
    """
    out = numpy.empty((upper.size, left.size), image.dtype)
    for i in range(upper.size):
        first = image[upper[i]]
        second = image[lower[i]]
        down = row_fractions[i]
        for j in range(left.size):
            across = column_fractions[j]
            top = (1.0 - across) * first[left[j]] + across * first[right[j]]
            bottom = (1.0 - across) * second[left[j]] + across * second[right[j]]
            out[i, j] = (1.0 - down) * top + down * bottom
    return out


def resize(pixels, output_shape):
    """Return skimage.transform.resize(pixels, output_shape, order=1, mode="symmetric"), or None.

    `pixels`: 2-D, C-contiguous, float32 or float64, finite.
    """
    shape = pixels.shape
    positions = _positions(shape, output_shape, pixels.dtype == numpy.float32)
    reads = [_reads(axis, length) for axis, length in zip(positions, shape)]
    sampled = pixels
    for axis, run in ((0, filter_rows), (1, filter_columns)):
        used = reads[axis][2]
        sigma = max(0.0, (shape[axis] / output_shape[axis] - 1) / 2)
        if sigma > 1e-15:
            weights = _gaussian(sigma)
            reach = numpy.arange(1 - weights.size, weights.size)
            sampled = run(sampled, _mirrored(used[:, numpy.newaxis] + reach, shape[axis]), weights)
        elif used.size < shape[axis]:
            sampled = numpy.ascontiguousarray(numpy.take(sampled, used, axis))
    (upper, lower, _, down), (left, right, _, across) = reads
    out = interpolate(sampled, upper, lower, down, left, right, across)
    # skimage clips to the values of the filtered image. These are known only if all of them were computed, or
    # if nothing is outside the range of those that were.
    low, high = sampled.min(), sampled.max()
    if sampled.shape == shape:
        return numpy.clip(out, low, high, out=out)
    return out if low <= out.min() and out.max() <= high else None
