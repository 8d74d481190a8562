"""Intensity statistics of objects, from their pixels collected object by object."""

import numpy

from .compiled import compiled, compiled_in_any_order


@compiled
def inner_boundary(labels):
    """Return 1 for labeled pixels with a 4-neighbor of another label or background, else 0."""
    height, width = labels.shape
    edge = numpy.zeros((height, width), numpy.uint8)
    for i in range(height):
        for j in range(width):
            label = labels[i, j]
            if label > 0 and (
                (i > 0 and labels[i - 1, j] != label)
                or (j > 0 and labels[i, j - 1] != label)
                or (j < width - 1 and labels[i, j + 1] != label)
                or (i < height - 1 and labels[i + 1, j] != label)
            ):
                edge[i, j] = 1
    return edge


@compiled
def quantile(ordered, fraction):
    """Return the value at `fraction` of the sorted pixels: weighted mean of neighbors, or the lower."""
    size = ordered.size
    place = size * fraction
    index = int(numpy.floor(place))
    rest = place - index
    if index < size - 1:
        return ordered[index] * (1.0 - rest) + ordered[index + 1] * rest
    return numpy.float64(ordered[index])


@compiled
def median_deviation(ordered, median):
    """Return the median distance from the median, walking outward from it in the sorted pixels."""
    size = ordered.size
    place = size / 2.0
    index = int(numpy.floor(place))
    rest = place - index
    wanted = index + 1 if index < size - 1 else index
    above = 0
    while above < size and ordered[above] < median:
        above += 1
    below = above - 1
    previous = 0.0
    current = 0.0
    for _ in range(wanted + 1):
        previous = current
        up = ordered[above] - median if above < size else numpy.inf
        down = median - ordered[below] if below >= 0 else numpy.inf
        if down <= up:
            current = down
            below -= 1
        else:
            current = up
            above += 1
    if index < size - 1:
        return previous * (1.0 - rest) + current * rest
    return current


@compiled_in_any_order
def statistics(values, ordered, rows, columns, edge, starts):
    """Return twenty statistics (rows) per object, and whether several pixels share its maximum.

    0 integrated, 1 mean, 2 deviation, 3 minimum, 4 maximum; 5 to 9 the same of the edge pixels;
    10 mass displacement, 11 lower quartile, 12 median, 13 median deviation, 14 upper quartile;
    15, 16 intensity-weighted center (column, row); 17, 18 place of the maximum (column, row);
    19 number of edge pixels. Objects without pixels keep zeros.

    Parameters
    ----------
    values
        (pixels,) object after object.
    ordered
        (pixels,) the same, sorted within each object.
    rows, columns
        (pixels,) position in the image.
    edge
        (pixels,) whether a pixel is at its object's edge.
    starts
        (objects + 1,) where each object's pixels begin.

    Returns
    -------
    (20, objects) float64, and (objects,) booleans.
    """
    count = starts.size - 1
    out = numpy.zeros((20, count))
    tied = numpy.zeros(count, numpy.bool_)
    for owner in range(count):
        first = starts[owner]
        last = starts[owner + 1]
        if first == last:
            continue
        size = float(last - first)
        total = 0.0
        edge_total = 0.0
        edge_size = 0.0
        row_sum = 0.0
        column_sum = 0.0
        row_weighted = 0.0
        column_weighted = 0.0
        inside = ordered[first:last]
        of_values = values[first:last]
        of_rows = rows[first:last]
        of_columns = columns[first:last]
        of_edge = edge[first:last]
        for k in range(of_values.size):
            value = numpy.float64(of_values[k])
            total += value
            row_sum += of_rows[k]
            column_sum += of_columns[k]
            row_weighted += of_rows[k] * value
            column_weighted += of_columns[k] * value
            edge_total += value if of_edge[k] else 0.0
            edge_size += 1.0 if of_edge[k] else 0.0
        mean = total / size
        edge_mean = edge_total / edge_size
        squares = 0.0
        for k in range(of_values.size):
            away = numpy.float64(of_values[k]) - mean
            squares += away * away
        edge_squares = 0.0
        edge_low = numpy.inf
        edge_high = -numpy.inf
        for k in range(of_values.size):
            if of_edge[k]:
                value = numpy.float64(of_values[k])
                edge_squares += (value - edge_mean) * (value - edge_mean)
                edge_low = min(edge_low, value)
                edge_high = max(edge_high, value)
        place = first
        while values[place] != inside[-1]:
            place += 1
        tied[owner] = last - first > 1 and inside[-1] == inside[-2]
        center_column = column_weighted / total
        center_row = row_weighted / total
        away_column = column_sum / size - center_column
        away_row = row_sum / size - center_row
        median = quantile(inside, 0.5)
        out[0, owner] = total
        out[1, owner] = mean
        out[2, owner] = numpy.sqrt(squares / size)
        out[3, owner] = inside[0]
        out[4, owner] = inside[-1]
        out[5, owner] = edge_total
        out[6, owner] = edge_mean
        out[7, owner] = numpy.sqrt(edge_squares / edge_size)
        out[8, owner] = edge_low if edge_size > 0 else 0.0
        out[9, owner] = edge_high if edge_size > 0 else 0.0
        out[10, owner] = numpy.sqrt(away_column * away_column + away_row * away_row)
        out[11, owner] = quantile(inside, 0.25)
        out[12, owner] = median
        out[13, owner] = median_deviation(inside, median)
        out[14, owner] = quantile(inside, 0.75)
        out[15, owner] = center_column
        out[16, owner] = center_row
        out[17, owner] = columns[place]
        out[18, owner] = rows[place]
        out[19, owner] = edge_size
    return out, tied
