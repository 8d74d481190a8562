"""Smallest and largest values around each pixel, within a disk.

A disk is a set of rows. The extremes over rows of growing length follow from each other (each takes two more
pixels), so a disk of radius r costs about 4 r comparisons per pixel; SciPy compares all its pixels, 3 r**2.
"""

import numpy
import scipy.ndimage
import skimage.morphology

from .compiled import compiled


def minimum_filter(image, footprint):
    """Replace scipy.ndimage.minimum_filter for disks and other shapes of centered rows."""
    reach = get_reach(image, footprint)
    if reach is None:
        return scipy.ndimage.minimum_filter(image, footprint=footprint)
    return find_smallest(pad(image, len(reach) // 2), reach)


def maximum_filter(image, footprint):
    """Replace scipy.ndimage.maximum_filter as `minimum_filter`."""
    reach = get_reach(image, footprint)
    if reach is None:
        return scipy.ndimage.maximum_filter(image, footprint=footprint)
    return -find_smallest(-pad(image, len(reach) // 2), reach)


def white_tophat(image, selem):
    """Replace skimage.morphology.white_tophat: the image without its opening."""
    if get_reach(image, selem) is None:
        return skimage.morphology.white_tophat(image, selem=selem)
    return image - maximum_filter(minimum_filter(image, selem), selem)


def black_tophat(image, selem):
    """Replace skimage.morphology.black_tophat: the closing without the image."""
    if get_reach(image, selem) is None:
        return skimage.morphology.black_tophat(image, selem=selem)
    return minimum_filter(maximum_filter(image, selem), selem) - image


def opening(image, selem):
    """Replace skimage.morphology.opening."""
    if get_reach(image, selem) is None:
        return skimage.morphology.opening(image, selem)
    return maximum_filter(minimum_filter(image, selem), selem)


def get_reach(image, footprint):
    """Return how far each row of a footprint extends to both sides of its center, -1 for an empty row.

    The result is None where `find_smallest` cannot be used: for images that are not plain floats, have NaN
    (SciPy's result then depends on the order of comparisons) or are smaller than the footprint, and for
    footprints of another shape.
    """
    plain = image.ndim == 2 and image.dtype in (numpy.float32, numpy.float64)
    if not plain or footprint.ndim != 2 or footprint.shape[0] != footprint.shape[1]:
        return None
    if len(footprint) % 2 == 0 or min(image.shape) < len(footprint) or numpy.isnan(image.min()):
        return None
    inside = footprint != 0
    counts = inside.sum(axis=1)
    offsets = numpy.abs(numpy.arange(len(footprint)) - len(footprint) // 2)
    reach = (counts - 1) // 2
    if not (inside == (offsets[None, :] <= reach[:, None])).all() or not counts.any():
        return None
    return numpy.where(counts == 0, -1, reach)


def pad(image, by):
    """Return an image with a border that mirrors it, as SciPy's filters assume it."""
    return numpy.ascontiguousarray(numpy.pad(image, by, mode="symmetric"))


@compiled
def find_smallest(padded, reach):
    """Return the smallest value around each pixel.

    Parameters
    ----------
    padded
        (height + 2 r, width + 2 r) floats: the image with a border of r pixels.
    reach
        (2 r + 1) integers: how far each row of the footprint extends to both sides; -1 for an empty row.

    Returns
    -------
    (height, width) values.
    """
    rows = len(reach)
    radius = rows // 2
    height, width = padded.shape[0] - 2 * radius, padded.shape[1] - 2 * radius
    out = numpy.full((height, width), numpy.inf, padded.dtype)
    for y in range(height + 2 * radius):
        row = padded[y]
        lowest = row[radius : radius + width].copy()
        for far in range(radius + 1):
            if far > 0:
                left, right = row[radius - far :], row[radius + far :]
                for j in range(width):
                    value = right[j] if right[j] < left[j] else left[j]
                    lowest[j] = value if value < lowest[j] else lowest[j]
            for k in range(rows):
                i = y - k
                if reach[k] == far and 0 <= i < height:
                    for j in range(width):
                        out[i, j] = lowest[j] if lowest[j] < out[i, j] else out[i, j]
    return out
