"""Zernike moments of objects, of their shape or of the image inside them.

Definitions are those of centrosome.zernike: the polynomials lie on the smallest circle around each object.
"""

import centrosome.cpmorphology
import centrosome.zernike
import numpy

from .compiled import compiled


def moments(numbers, pixels, weights, hull, indices):
    """Return each object's real and imaginary moments (weights x objects x polynomials), and radii.

    `numbers`: n and m of each polynomial; `pixels`: the ObjectPixels; `weights`: rows of one value per pixel;
    `hull`: the objects' convex hulls, None to compute them.

    Parameters
    ----------
    numbers
        N and m of each polynomial.
    pixels
        The `ObjectPixels`.
    weights
        (weights, pixels) floats.
    hull
        The objects' convex hulls; None to compute them.
    indices
        The objects' labels.
    """
    numbers = numpy.array(numbers)
    centers, radii = centrosome.cpmorphology.minimum_enclosing_circle(
        pixels.labels, indices, hull_and_point_count=hull
    )
    rows, columns = numpy.divmod(pixels.positions, pixels.labels.shape[1])
    real, imaginary = weighted_sums(
        rows.astype(float),
        columns.astype(float),
        pixels.starts,
        weights,
        centers,
        radii,
        numbers[:, 0],
        numbers[:, 1],
        centrosome.zernike.construct_zernike_lookuptable(numbers),
    )
    return real, imaginary, radii


@compiled
def weighted_sums(rows, columns, starts, weights, centers, radii, degrees, orders, table):
    """Return real and imaginary sums of the weighted Zernike polynomials: weights x objects x polynomials.

    `rows`, `columns`: pixels, object after object; `centers`, `radii`: of the smallest circle
    around each object; `degrees`, `orders`: n and m of each polynomial; `table`: its radial
    coefficients (centrosome.zernike.construct_zernike_lookuptable).

    Parameters
    ----------
    rows, columns
        (pixels,) object after object.
    starts
        (objects + 1,) where each object begins.
    weights
        (weights, pixels) floats.
    centers, radii
        Of the smallest circle around each object.
    degrees, orders
        N and m of each polynomial.
    table
        Its radial coefficients (centrosome.zernike.construct_zernike_lookuptable).
    """
    count = starts.size - 1
    real = numpy.zeros((weights.shape[0], count, degrees.size))
    imaginary = numpy.zeros((weights.shape[0], count, degrees.size))
    highest = orders.max()
    power_real = numpy.ones(highest + 1)
    power_imaginary = numpy.zeros(highest + 1)
    value_real = numpy.empty(degrees.size)
    value_imaginary = numpy.empty(degrees.size)
    for owner in range(count):
        for k in range(starts[owner], starts[owner + 1]):
            y = (rows[k] - centers[owner, 0]) / radii[owner]
            x = (columns[k] - centers[owner, 1]) / radii[owner]
            square = x * x + y * y
            if square > 1:
                continue
            for order in range(1, highest + 1):
                a = power_real[order - 1]
                b = power_imaginary[order - 1]
                power_real[order] = a * y - b * x
                power_imaginary[order] = a * x + b * y
            for index in range(degrees.size):
                order = orders[index]
                radial = 0.0
                for term in range((degrees[index] - order) // 2 + 1):
                    radial = radial * square + table[index, term]
                value_real[index] = radial * power_real[order]
                value_imaginary[index] = radial * power_imaginary[order]
            for row in range(weights.shape[0]):
                weight = weights[row, k]
                for index in range(degrees.size):
                    real[row, owner, index] += weight * value_real[index]
                    imaginary[row, owner, index] += weight * value_imaginary[index]
    return real, imaginary
