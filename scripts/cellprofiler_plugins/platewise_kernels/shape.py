"""Zernike moments of objects' shapes."""

import numpy

from .compiled import compiled


@compiled
def zernike_sums(rows, columns, starts, centers, radii, degrees, orders, table):
    """Real and imaginary sums of the Zernike polynomials over each object: objects x polynomials.

    `rows`, `columns`: pixels, object after object; `centers`, `radii`: of the smallest circle
    around each object; `degrees`, `orders`: n and m of each polynomial; `table`: its radial
    coefficients (centrosome.zernike.construct_zernike_lookuptable).
    """
    count = starts.size - 1
    real = numpy.zeros((count, degrees.size))
    imaginary = numpy.zeros((count, degrees.size))
    highest = orders.max()
    power_real = numpy.ones(highest + 1)
    power_imaginary = numpy.zeros(highest + 1)
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
                real[owner, index] += radial * power_real[order]
                imaginary[owner, index] += radial * power_imaginary[order]
    return real, imaginary
