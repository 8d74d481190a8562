"""Maxima within objects in one pass: the local ones of an image, and the highest label of another matrix.

The former replace those of centrosome, which compares all remaining pixels with each of their neighbors in
turn.
"""

import centrosome.cpmorphology
import numpy
import scipy.ndimage

from .compiled import compiled
from .labels import is_plain


@compiled
def find_maxima(image, labels, rows, columns):
    """Return the labeled pixels of which no neighbor with the same label is brighter, (height, width) bool.

    Parameters
    ----------
    image
        (height, width) intensities.
    labels
        (height, width) objects; 0 and below is background.
    rows, columns
        (neighbors,) steps to the neighbors, which may lie outside the image.
    """
    height, width = image.shape
    largest = numpy.zeros((height, width), numpy.bool_)
    for i in range(height):
        for j in range(width):
            label = labels[i, j]
            if label <= 0:
                continue
            value = image[i, j]
            found = True
            for k in range(rows.size):
                y = i + rows[k]
                x = j + columns[k]
                if 0 <= y < height and 0 <= x < width and labels[y, x] == label and value < image[y, x]:
                    found = False
                    break
            largest[i, j] = found
    return largest


def is_local_maximum(image, labels, footprint):
    """Replace centrosome.cpmorphology.is_local_maximum.

    Parameters
    ----------
    image
        (height, width) intensities.
    labels
        (height, width) objects.
    footprint
        The neighbors, nonzero, around the middle.
    """
    plain = (
        image.ndim == 2
        and image.shape == labels.shape
        and image.dtype in (numpy.float32, numpy.float64)
        and image.flags.c_contiguous
        and labels.dtype.kind in "iu"
        and footprint.ndim == 2
        and all(length > 1 and length % 2 for length in footprint.shape)
    )
    if not plain:
        return centrosome.cpmorphology.is_local_maximum(image, labels, footprint)
    steps = numpy.argwhere(footprint != 0) - numpy.array(footprint.shape) // 2
    distances = (steps**2).sum(1)
    # Of the nearest neighbors one is likely to be brighter.
    steps = steps[numpy.argsort(distances, kind="stable")][(distances == 0).sum() :]
    return find_maxima(image, numpy.ascontiguousarray(labels), steps[:, 0].copy(), steps[:, 1].copy())


@compiled
def find_highest(values, labels, count):
    """Return the highest of `values`, from 0 on, over labels 0..`count`; 0 for absent labels."""
    found = numpy.zeros(count + 1, values.dtype)
    for k in range(labels.size):
        found[labels[k]] = max(found[labels[k]], values[k])
    return found


def maximum(values, labels=None, index=None):
    """Replace scipy.ndimage.maximum of a label matrix over the objects of another."""
    plain = labels is not None and numpy.ndim(index) == 1 and len(index) > 0 and is_plain(labels)
    if not plain or numpy.shape(values) != labels.shape or not is_plain(values) or min(index) < 0:
        return scipy.ndimage.maximum(values, labels, index)
    flat = (numpy.ascontiguousarray(matrix, numpy.int32).ravel() for matrix in (values, labels))
    found = find_highest(*flat, max(int(labels.max()), int(max(index))))
    return found[numpy.asarray(index)].astype(values.dtype)
