"""Zernike moments of objects, of their shape or of the image inside them.

Definitions are those of centrosome.zernike: the polynomials lie on the smallest circle around each object.
"""

import centrosome.cpmorphology
import centrosome.zernike
import numpy

from .compiled import compiled

#: Pixels that are added up side by side.
LANES = 32


def moments(numbers, pixels, weights, hull, indices):
    """Return each object's real and imaginary moments (weights x objects x polynomials), and radii.

    Parameters
    ----------
    numbers
        N and m of each polynomial.
    pixels
        The `ObjectPixels`.
    weights
        (weights, pixels) floats; None if each pixel counts once.
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
    rows, columns = rows.astype(float), columns.astype(float)
    table = centrosome.zernike.construct_zernike_lookuptable(numbers)
    if weights is None:
        top = int(numbers[:, 0].max())
        # The coefficients of a polynomial begin with that of its highest power.
        factors = numpy.zeros((len(numbers), top + 1, top // 2 + 1))
        for polynomial, (degree, order) in enumerate(numbers):
            terms = (degree - order) // 2 + 1
            factors[polynomial, order, :terms] = table[polynomial, :terms][::-1]
        sums = power_sums(rows, columns, pixels.starts, centers, radii, top)
        # Not a product of matrices, whose rounding may depend on the number of threads.
        real, imaginary = numpy.einsum("somk,pmk->sop", sums, factors)[:, None]
        return real, imaginary, radii
    real, imaginary = weighted_sums(
        rows, columns, pixels.starts, weights, centers, radii, numbers[:, 0], numbers[:, 1], table
    )
    return real, imaginary, radii


@compiled
def power_sums(rows, columns, starts, centers, radii, top):
    """Return sums over each object's pixels, of which the moments of its shape are linear combinations.

    With z = y + ix, these are the sums of z to the power of m times the square of |z| to the power of k, for
    m + 2k up to `top`. `LANES` pixels are added up side by side.

    Parameters
    ----------
    rows, columns
        (pixels,) object after object.
    starts
        (objects + 1,) where each object begins.
    centers, radii
        Of the smallest circle around each object.
    top
        Highest degree of the polynomials.

    Returns
    -------
    (2, objects, `top` + 1, `top` // 2 + 1) real and imaginary parts by m and k.
    """
    count = starts.size - 1
    out = numpy.zeros((2, count, top + 1, top // 2 + 1))
    sums_real = numpy.empty((top + 1, top // 2 + 1, LANES))
    sums_imaginary = numpy.empty((top + 1, top // 2 + 1, LANES))
    x = numpy.empty(LANES)
    y = numpy.empty(LANES)
    square = numpy.empty(LANES)
    power_real = numpy.empty(LANES)
    power_imaginary = numpy.empty(LANES)
    term_real = numpy.empty(LANES)
    term_imaginary = numpy.empty(LANES)
    for owner in range(count):
        sums_real[:] = 0.0
        sums_imaginary[:] = 0.0
        for k in range(starts[owner], starts[owner + 1], LANES):
            for lane in range(LANES):
                power_real[lane] = 0.0
                power_imaginary[lane] = 0.0
                x[lane] = y[lane] = square[lane] = 0.0
            for lane in range(min(LANES, starts[owner + 1] - k)):
                y[lane] = (rows[k + lane] - centers[owner, 0]) / radii[owner]
                x[lane] = (columns[k + lane] - centers[owner, 1]) / radii[owner]
                square[lane] = x[lane] * x[lane] + y[lane] * y[lane]
                # Pixels outside the circle do not count.
                power_real[lane] = 0.0 if square[lane] > 1 else 1.0
            for order in range(top + 1):
                term_real[:] = power_real
                term_imaginary[:] = power_imaginary
                for degree in range((top - order) // 2 + 1):
                    of_real = sums_real[order, degree]
                    of_imaginary = sums_imaginary[order, degree]
                    # One loop each: a processor does several lanes at a time where few arrays are involved.
                    for lane in range(LANES):
                        of_real[lane] += term_real[lane]
                    for lane in range(LANES):
                        of_imaginary[lane] += term_imaginary[lane]
                    for lane in range(LANES):
                        term_real[lane] *= square[lane]
                    for lane in range(LANES):
                        term_imaginary[lane] *= square[lane]
                for lane in range(LANES):
                    a = power_real[lane]
                    b = power_imaginary[lane]
                    power_real[lane] = a * y[lane] - b * x[lane]
                    power_imaginary[lane] = a * x[lane] + b * y[lane]
        for order in range(top + 1):
            for degree in range((top - order) // 2 + 1):
                out[0, owner, order, degree] = sums_real[order, degree].sum()
                out[1, owner, order, degree] = sums_imaginary[order, degree].sum()
    return out


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
