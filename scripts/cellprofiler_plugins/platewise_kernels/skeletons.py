"""Reduce a binary image to its skeleton, and measure skeletons, as centrosome does."""

from functools import lru_cache

import centrosome.cpmorphology
import numpy
import scipy.ndimage
from centrosome._cpmorphology2 import skeletonize_loop

from . import labels
from .compiled import compiled

EIGHT = numpy.ones((3, 3), bool)


@lru_cache(maxsize=1)
def get_tables():
    """Return for each pattern of nine pixels whether the middle one stays, and how many are empty.

    The middle pixel stays if at most two pixels are set, or if its removal changes what is connected.
    """
    patterns = [centrosome.cpmorphology.pattern_of(index) for index in range(512)]
    sizes = numpy.array([pattern.sum() for pattern in patterns])
    pieces = numpy.array([scipy.ndimage.label(pattern, EIGHT)[1] for pattern in patterns])
    without = numpy.arange(512) & ~(1 << 4)
    has_middle = numpy.arange(512) != without
    stays = has_middle & ((pieces != pieces[without]) | (sizes < 3))
    return stays.astype(numpy.uint8), 9 - sizes


@lru_cache(maxsize=1)
def get_tie_breakers(shape):
    """Return the random rank of each pixel, and the state in which NumPy's generator is left."""
    numpy.random.seed(0)
    ranks = numpy.random.permutation(numpy.arange(numpy.prod(shape))).reshape(shape)
    return ranks, numpy.random.get_state()


def skeletonize(image, *arguments, **options):
    """Replace centrosome.cpmorphology.skeletonize of a binary image without a mask.

    Parameters
    ----------
    image
        (height, width) binary image.
    *arguments, **options
        Further arguments of centrosome's function. With any of them, centrosome computes the result.
    """
    if arguments or options or image.ndim != 2 or image.dtype != bool or image.size == 0:
        return centrosome.cpmorphology.skeletonize(image, *arguments, **options)
    stays, emptiness = get_tables()
    ranks, state = get_tie_breakers(image.shape)
    # The generator is left as centrosome leaves it.
    numpy.random.set_state(state)
    scores = centrosome.cpmorphology.table_lookup(image, emptiness, False, 1)
    distances = labels.distance_transform_edt(image)
    order = numpy.lexsort((ranks[image], scores[image], distances[image]))
    rows, columns = (numpy.ascontiguousarray(places, numpy.int32) for places in numpy.nonzero(image))
    result = numpy.ascontiguousarray(image, numpy.uint8).copy()
    skeletonize_loop(result, rows, columns, numpy.ascontiguousarray(order, numpy.int32), stays)
    return result.astype(bool)


@lru_cache(maxsize=1)
def get_length_table():
    """Return centrosome's length of the skeleton at a pixel for each pattern of nine pixels."""
    morphology = centrosome.cpmorphology
    morphology.skeleton_length(numpy.zeros((3, 3), int), [1])  # makes the table
    return vars(morphology)["__skel_length_table"]


@compiled
def find_patterns(matrix, positions):
    """Return for each of the flat `positions` which of its nine pixels have its label, as bits.

    Parameters
    ----------
    matrix
        (height, width) labels.
    positions
        (pixels,) flat positions.
    """
    height, width = matrix.shape
    found = numpy.zeros(positions.size, numpy.int64)
    for k in range(positions.size):
        row = positions[k] // width
        column = positions[k] % width
        bit = 1
        for i in range(row - 1, row + 2):
            for j in range(column - 1, column + 2):
                if 0 <= i < height and 0 <= j < width and matrix[i, j] == matrix[row, column]:
                    found[k] += bit
                bit *= 2
    return found


def skeleton_length(matrix, indices=None):
    """Replace centrosome.cpmorphology.skeleton_length: only labeled pixels are looked at."""
    plain = numpy.ndim(indices) == 1 and len(indices) > 0 and numpy.min(indices) > 0
    if not plain or not labels.is_plain(matrix) or min(matrix.shape) == 1:
        return centrosome.cpmorphology.skeleton_length(matrix, indices)
    positions = numpy.flatnonzero(matrix)
    lengths = get_length_table()[find_patterns(numpy.ascontiguousarray(matrix), positions)]
    owners = matrix.ravel()[positions]
    return numpy.bincount(owners, weights=lengths, minlength=numpy.max(indices) + 1)[indices]
