"""Sums for the colocalization coefficients of two channels, object by object.

The values of one channel (means, thresholds, ranks) are computed once per channel, not once per
pair. Products are rounded to the images' own type before they are summed in double precision, as in
the built-in module. The pixels of one channel are summed in the image's order; the sums over two
channels are added in any order, which changes their last digits only.
"""

import numpy

from .compiled import compiled, compiled_in_any_order


@compiled
def channel_sums(values, starts, percent):
    """Return, per object of one channel: mean, root of the sum of squared deviations, threshold, sum above.

    `percent`: the threshold as a percentage of the object's maximum, in the type of `values`; the
    last array sums the pixels at or above it.
    """
    count = starts.size - 1
    means = numpy.empty(count)
    deviations = numpy.empty(count)
    thresholds = numpy.zeros(count, values.dtype)
    totals = numpy.zeros(count)
    for owner in range(count):
        first = starts[owner]
        last = starts[owner + 1]
        if first == last:
            means[owner] = numpy.nan
            deviations[owner] = 0.0
            continue
        total = 0.0
        highest = values[first]
        for k in range(first, last):
            total += values[k]
            highest = max(highest, values[k])
        mean = total / (last - first)
        squares = 0.0
        threshold = highest * percent
        above = 0.0
        for k in range(first, last):
            squares += (values[k] - mean) * (values[k] - mean)
            if values[k] >= threshold:
                above += values[k]
        means[owner] = mean
        deviations[owner] = numpy.sqrt(squares)
        thresholds[owner] = threshold
        totals[owner] = above
    return means, deviations, thresholds, totals


@compiled_in_any_order
def pair_sums(x, y, starts, x_mean, y_mean, x_limit, y_limit, x_rank, y_rank, ranks):
    """Return nine columns of sums per object of two channels.

    0: sum of products of deviations; the others over pixels at or above both limits: 1, 2: x, y;
    3, 4: x, y weighted by the closeness of their ranks; 5, 6, 7: x * x, y * y, x * y; 8: the pixels.

    Parameters
    ----------
    x, y
        (pixels,) values of the two channels, object after object.
    starts
        (objects + 1,) where each object's pixels begin.
    x_mean, y_mean
        (objects,) mean of each object.
    x_limit, y_limit
        (objects,) thresholds of each object.
    x_rank, y_rank
        (pixels,) rank of each pixel within its object.
    ranks
        (objects,) largest rank of each object.

    Returns
    -------
    (objects, 9) float64.
    """
    count = starts.size - 1
    sums = numpy.zeros((count, 9))
    share = 1.0 / ranks
    zero = x.dtype.type(0)
    for owner in range(count):
        mean_x = x_mean[owner]
        mean_y = y_mean[owner]
        limit_x = x_limit[owner]
        limit_y = y_limit[owner]
        xy_deviation = 0.0
        x_sum = 0.0
        y_sum = 0.0
        x_weighted = 0.0
        y_weighted = 0.0
        xx = 0.0
        yy = 0.0
        xy = 0.0
        pixels = 0
        part = slice(starts[owner], starts[owner + 1])
        x_part, y_part, x_ranks, y_ranks = x[part], y[part], x_rank[part], y_rank[part]
        for k in range(x_part.size):
            a = x_part[k]
            b = y_part[k]
            xy_deviation += (a - mean_x) * (b - mean_y)
            # Pixels below a limit add 0: the processor takes several pixels at once where nothing branches.
            counts = (a >= limit_x) & (b >= limit_y)
            a = a if counts else zero
            b = b if counts else zero
            x_sum += a
            y_sum += b
            weight = (ranks - abs(x_ranks[k] - y_ranks[k])) * share
            x_weighted += a * weight
            y_weighted += b * weight
            xx += a * a
            yy += b * b
            xy += a * b
            pixels += counts
        sums[owner, 0] = xy_deviation
        sums[owner, 1] = x_sum
        sums[owner, 2] = y_sum
        sums[owner, 3] = x_weighted
        sums[owner, 4] = y_weighted
        sums[owner, 5] = xx
        sums[owner, 6] = yy
        sums[owner, 7] = xy
        sums[owner, 8] = pixels
    return sums


@compiled
def costes_sums(x, y, starts, x_limit, y_limit):
    """Return, per object: sums of x and y above both limits, of x and y at or above their own limit.

    The last three columns count the pixels above the x limit, the y limit and both.

    Parameters
    ----------
    x, y
        (pixels,) values of the two channels, object after object.
    starts
        (objects + 1,) where each object's pixels begin.
    x_limit, y_limit
        (objects,) thresholds of each object.

    Returns
    -------
    (objects, 7) float64.
    """
    count = starts.size - 1
    sums = numpy.zeros((count, 7))
    for owner in range(count):
        for k in range(starts[owner], starts[owner + 1]):
            a = x[k]
            b = y[k]
            if a > x_limit and b > y_limit:
                sums[owner, 0] += a
                sums[owner, 1] += b
                sums[owner, 6] += 1
            if a >= x_limit:
                sums[owner, 2] += a
            if b >= y_limit:
                sums[owner, 3] += b
            sums[owner, 4] += a > x_limit
            sums[owner, 5] += b > y_limit
    return sums
