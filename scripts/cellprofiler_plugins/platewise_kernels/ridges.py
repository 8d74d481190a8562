"""Curvature of an image at each pixel, in one pass."""

import centrosome.filter
import numpy

from .compiled import compiled


def hessian(image, return_hessian=True, return_eigenvalues=True, return_eigenvectors=True):
    """Replace centrosome.filter.hessian where only the eigenvalues are requested.

    Parameters
    ----------
    image
        (height, width) smoothed image.
    return_hessian, return_eigenvalues, return_eigenvectors
        What is requested. centrosome computes everything but the eigenvalues alone.

    Returns
    -------
    (height, width, 2) eigenvalues; of a pixel's two, the one with the larger absolute value is first.
    """
    plain = image.ndim == 2 and image.dtype in (numpy.float32, numpy.float64) and min(image.shape) > 1
    if not plain or not return_eigenvalues or return_hessian or return_eigenvectors:
        return centrosome.filter.hessian(image, return_hessian, return_eigenvalues, return_eigenvectors)
    number = image.dtype.type
    return eigenvalues(numpy.ascontiguousarray(image), number(2), number(4))


@compiled
def eigenvalues(image, two, four):
    """Return the eigenvalues of each pixel's matrix of second derivatives, in centrosome's order of rounding.

    Parameters
    ----------
    image
        (height, width) floats.
    two, four
        These numbers in the type of the image, so that differences are rounded as NumPy rounds them.
    """
    height, width = image.shape
    out = numpy.empty((height, width, 2))
    for i in range(height):
        for j in range(width):
            down = across = both = 0.0
            if 0 < i < height - 1:
                down = numpy.float64(image[i - 1, j] - two * image[i, j] + image[i + 1, j])
                if 0 < j < width - 1:
                    corners = image[i + 1, j + 1] + image[i - 1, j - 1] - image[i + 1, j - 1]
                    both = numpy.float64((corners - image[i - 1, j + 1]) / four)
            if 0 < j < width - 1:
                across = numpy.float64(image[i, j - 1] - two * image[i, j] + image[i, j + 1])
            total = down + across
            determinant = down * across - both * both
            root = numpy.sqrt(total * total - 4 * determinant)
            first = (total + root) / 2
            second = (total - root) / 2
            if abs(second) > abs(first):
                first, second = second, first
            out[i, j, 0] = first
            out[i, j, 1] = second
    return out
