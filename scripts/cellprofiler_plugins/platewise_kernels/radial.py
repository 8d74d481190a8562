"""Distances inside objects and sums over rings and wedges around their centers."""

import numpy

from .compiled import compiled

DIAGONAL = numpy.sqrt(2.0)


@compiled
def distance_to_edge(labels, bounds, border):
    """Return the Euclidean distance of each labeled pixel to the nearest pixel outside its object.

    `bounds`: boxes as of `pixels.bounding_boxes`; `border`: whether the image's border counts as an
    edge. Exact: squared distances are integers. Infinite where an object has no edge.
    """
    height, width = labels.shape
    far = numpy.int64(height + width) * (height + width)
    out = numpy.zeros((height, width))
    for label in range(1, bounds.shape[0]):
        top, left, bottom, right = bounds[label]
        if bottom < 0:
            continue
        tall = bottom - top + 1
        wide = right - left + 1
        vertical = numpy.empty((tall, wide + 2), numpy.int64)
        # Columns beside the box hold no pixel of the object: distance 0, if they are in the image.
        vertical[:, 0] = 0 if left > 0 or border else far
        vertical[:, wide + 1] = 0 if right < width - 1 or border else far
        # Row by row, since a processor does several columns at a time: rows without a gap from above, ...
        above = 0 if top > 0 or border else height + width
        for i in range(tall):
            for j in range(wide):
                gap = above if i == 0 else vertical[i - 1, j + 1]
                vertical[i, j + 1] = gap + 1 if labels[top + i, left + j] == label else 0
        # ... then from below.
        below = 0 if bottom < height - 1 or border else height + width
        for i in range(tall - 1, -1, -1):
            for j in range(wide):
                gap = below if i == tall - 1 else vertical[i + 1, j + 1]
                vertical[i, j + 1] = min(vertical[i, j + 1], gap + 1)
        for i in range(tall):
            for j in range(1, wide + 1):
                vertical[i, j] = min(vertical[i, j] * vertical[i, j], far)
        for i in range(tall):
            for j in range(1, wide + 1):
                if labels[top + i, left + j - 1] != label:
                    continue
                best = vertical[i, j]
                step = 1
                while step * step < best and (j - step >= 0 or j + step <= wide + 1):
                    if j - step >= 0:
                        best = min(best, step * step + vertical[i, j - step])
                    if j + step <= wide + 1:
                        best = min(best, step * step + vertical[i, j + step])
                    step += 1
                distance = numpy.sqrt(numpy.float64(best)) if best < far else numpy.inf
                out[top + i, left + j - 1] = distance
    return out


@compiled
def distance_from_seeds(labels, bounds, seeds):
    """Return the shortest path length inside the object (steps 1 and sqrt 2) from its seeds, or -1.

    `seeds`: rows and columns; a seed belongs to the object that contains it. Repeated sweeps over each
    object's box until nothing changes give what a priority queue would.
    """
    height, width = labels.shape
    out = numpy.full((height, width), numpy.inf)
    for k in range(seeds.shape[1]):
        out[seeds[0, k], seeds[1, k]] = 0.0
    for label in range(1, bounds.shape[0]):
        top, left, bottom, right = bounds[label]
        changed = bottom >= 0
        while changed:
            changed = False
            for sweep in range(2):
                for row in range(bottom - top + 1):
                    i = top + row if sweep == 0 else bottom - row
                    back = i - 1 if sweep == 0 else i + 1
                    inside = 0 <= back < height
                    for pass_ in range(2):
                        for column in range(right - left + 1):
                            j = left + column if pass_ == sweep else right - column
                            if labels[i, j] != label:
                                continue
                            best = out[i, j]
                            beside = j - 1 if pass_ == sweep else j + 1
                            if 0 <= beside < width and labels[i, beside] == label:
                                best = min(best, out[i, beside] + 1.0)
                            if inside:
                                if labels[back, j] == label:
                                    best = min(best, out[back, j] + 1.0)
                                if j > 0 and labels[back, j - 1] == label:
                                    best = min(best, out[back, j - 1] + DIAGONAL)
                                if j < width - 1 and labels[back, j + 1] == label:
                                    best = min(best, out[back, j + 1] + DIAGONAL)
                            if best < out[i, j]:
                                out[i, j] = best
                                changed = True
    for i in range(height):
        for j in range(width):
            if labels[i, j] == 0 or out[i, j] == numpy.inf:
                out[i, j] = -1.0
    return out


@compiled
def find_places(labels, positions, normalized, centers, nearest, bin_count):
    """Return the place of each pixel among all objects' rings and wedges, eight wedges to a ring.

    Parameters
    ----------
    labels
        (height, width) object of each pixel.
    positions
        (pixels,) flat positions.
    normalized
        (pixels,) distance from the center, as a fraction; 1 and more are beyond the last ring.
    centers
        (2, centers) row and column of each center, from that of label 1 on.
    nearest
        (pixels,) the label of each pixel's center.
    bin_count
        Number of rings, without the one beyond.
    """
    width = labels.shape[1]
    places = numpy.empty(positions.size, numpy.int32)
    for k in range(positions.size):
        row = positions[k] // width
        column = positions[k] - row * width
        ring = min(numpy.int64(normalized[k] * bin_count), bin_count)
        down = row - centers[0, nearest[k] - 1]
        right = column - centers[1, nearest[k] - 1]
        wedge = numpy.int64(down > 0) + 2 * numpy.int64(right > 0) + 4 * numpy.int64(abs(down) > abs(right))
        places[k] = ((labels[row, column] - 1) * (bin_count + 1) + ring) * 8 + wedge
    return places


@compiled
def ring_sums(values, places, count, ring_count):
    """Return sums of `values` by object and ring, and by object, ring and wedge, in their own type.

    Parameters
    ----------
    values
        (pixels,) intensities.
    places
        (pixels,) as `find_places` returns them.
    count
        Number of objects.
    ring_count
        Number of rings.

    Returns
    -------
    (objects, rings) and (objects, rings, 8).
    """
    by_ring = numpy.zeros(count * ring_count, values.dtype)
    by_wedge = numpy.zeros(count * ring_count * 8, values.dtype)
    for k in range(values.size):
        by_ring[places[k] >> 3] += values[k]
        by_wedge[places[k]] += values[k]
    return by_ring.reshape((count, ring_count)), by_wedge.reshape((count, ring_count, 8))
