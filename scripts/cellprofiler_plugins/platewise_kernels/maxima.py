"""Local maxima of an image within its objects, pixel by pixel.

They replace those of centrosome, which compares all remaining pixels with each of their neighbors in turn.
"""

import centrosome.cpmorphology
import numpy

from .compiled import compiled


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
