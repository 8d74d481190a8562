"""Spread labels over an image by the shortest path, as centrosome.propagate does, in the same order.

The method (Jones et al., ICCV Workshop 2005): a step from a pixel to one of its eight neighbors has length
sqrt(D^2 + s * w^2), where D is the sum of absolute differences between the 3 x 3 pixels around both, s the
number of rows and columns moved and w the weight. The pixel with the shortest path gets its label next; of
paths of one length, the one with the lower label, then row, then column. As in centrosome, lengths that
differ in the last bit of a double count as one, and the heap begins with all starts in the order of the
image.
"""

import numpy

from .compiled import compiled

#: Bits of a position's row and of its column in the second part of a key.
PLACE_BITS = 20


def propagate(image, labels, mask, weight):
    """Return labels and path length of each pixel, as centrosome.propagate.propagate does.

    Parameters
    ----------
    image : two-dimensional array of heights, or None for a flat one
    labels : array of the same shape; where labels start
    mask : array of the same shape; where they may go
    weight : of the distance in the plane relative to the difference in height

    Returns
    -------
    label of each pixel (int32; 0 if none reached it), length of the path (-1 if none reached it)
    """
    labels = numpy.ascontiguousarray(labels, numpy.int32)
    mask = numpy.ascontiguousarray(mask, numpy.bool_)
    flat = image is None or not numpy.any(image)
    heights = numpy.zeros((1, 1)) if flat else numpy.ascontiguousarray(image, numpy.float64)
    steps = compute_steps(heights, mask, flat)
    return spread(labels, mask, steps, float(weight), flat)


def fits(image, labels, mask):
    """Return whether `propagate` can process these: one shape, finite, labels and positions fit in a key."""
    return (
        labels.ndim == 2
        and image.shape == labels.shape == mask.shape
        and labels.size > 0
        and labels.dtype.kind in "iu"
        and image.dtype.kind in "iuf"
        and max(labels.shape) < 1 << PLACE_BITS
        and labels.min() >= 0
        and labels.max() < 1 << (62 - 2 * PLACE_BITS)
        and bool(numpy.isfinite(image).all())
    )


@compiled
def compute_steps(image, mask, flat):
    """Return sums of differences to the pixels right, below left, below and below right: rows, columns, 4."""
    if flat:
        return numpy.zeros((1, 1, 4))
    height, width = image.shape
    steps = numpy.zeros((height, width, 4))
    for i in range(height):
        for j in range(width):
            for direction in range(4):
                row = i if direction == 0 else i + 1
                column = j + 1 if direction == 0 else j + direction - 2
                if row >= height or column < 0 or column >= width:
                    continue
                # A path may start at a label outside the mask, but not lead there.
                if not mask[i, j] and not mask[row, column]:
                    continue
                total = 0.0
                for down in range(-1, 2):
                    first_row = min(max(i + down, 0), height - 1)
                    second_row = min(max(row + down, 0), height - 1)
                    for right in range(-1, 2):
                        first = image[first_row, min(max(j + right, 0), width - 1)]
                        second = image[second_row, min(max(column + right, 0), width - 1)]
                        total += abs(first - second)
                steps[i, j, direction] = total
    return steps


@compiled
def spread(labels, mask, steps, weight, flat):
    """Return labels and lengths, given `compute_steps` of the image.

    Parameters
    ----------
    labels
        (height, width) seeds.
    mask
        (height, width) where labels may spread.
    steps
        (height, width, 4) differences, from `steps_of`.
    weight
        Of distance beside intensity.
    flat
        Whether the image is one value.
    """
    height, width = labels.shape
    out = numpy.zeros((height, width), numpy.int32)
    lengths = numpy.full((height, width), -1.0)
    number = 0
    for i in range(height):
        for j in range(width):
            if labels[i, j] > 0:
                lengths[i, j] = 0.0
            if labels[i, j] != 0 and mask[i, j]:
                number += 1
    room = max(4 * number, 1024)
    keys = numpy.empty(room, numpy.uint64)
    places = numpy.empty(room, numpy.int64)
    bits = numpy.empty(1)
    as_bits = bits.view(numpy.uint64)
    items = 0
    for i in range(height):
        for j in range(width):
            if labels[i, j] != 0 and mask[i, j]:
                # In the image's order, as in centrosome, which is not that of a heap.
                keys[items] = numpy.uint64(0)
                places[items] = (numpy.int64(labels[i, j]) << (2 * PLACE_BITS)) | (i << PLACE_BITS) | j
                items += 1
    while items > 0:
        place = places[0]
        items = drop_first(keys, places, items)
        i = (place >> PLACE_BITS) & ((1 << PLACE_BITS) - 1)
        j = place & ((1 << PLACE_BITS) - 1)
        if out[i, j] != 0:
            continue
        label = place >> (2 * PLACE_BITS)
        out[i, j] = label
        length = lengths[i, j]
        if items + 8 > keys.size:
            keys = numpy.concatenate((keys, numpy.empty_like(keys)))
            places = numpy.concatenate((places, numpy.empty_like(places)))
        for down in range(-1, 2):
            row = i + down
            if row < 0 or row >= height:
                continue
            for right in range(-1, 2):
                column = j + right
                if (down == 0 and right == 0) or column < 0 or column >= width:
                    continue
                if out[row, column] > 0 or not mask[row, column]:
                    continue
                step = 0.0
                if not flat:
                    if down == 1:
                        step = steps[i, j, right + 2]
                    elif down == -1:
                        step = steps[row, column, 2 - right]
                    elif right == 1:
                        step = steps[i, j, 0]
                    else:
                        step = steps[row, column, 0]
                moved = 2.0 if down != 0 and right != 0 else 1.0
                whole = numpy.sqrt(step * step + moved * weight * weight) + length
                if lengths[row, column] == -1.0 or lengths[row, column] > whole:
                    lengths[row, column] = whole
                    bits[0] = whole
                    there = (label << (2 * PLACE_BITS)) | (row << PLACE_BITS) | column
                    items = push(keys, places, items, as_bits[0] >> numpy.uint64(1), there)
    for i in range(height):
        for j in range(width):
            if labels[i, j] > 0:
                out[i, j] = labels[i, j]
    return out, lengths


@compiled
def push(keys, places, items, key, place):
    """Add an item to the heap; return the number of items.

    Parameters
    ----------
    keys, places
        The heap: length and place of each item.
    items
        Number of items.
    key, place
        The item to add.
    """
    at = items
    while at > 0:
        parent = (at - 1) >> 1
        if keys[parent] < key or (keys[parent] == key and places[parent] < place):
            break
        keys[at] = keys[parent]
        places[at] = places[parent]
        at = parent
    keys[at] = key
    places[at] = place
    return items + 1


@compiled
def drop_first(keys, places, items):
    """Take the first item out of the heap; return the number of items."""
    items -= 1
    key = keys[items]
    place = places[items]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= items:
            break
        other = child + 1
        if other < items and (
            keys[other] < keys[child] or (keys[other] == keys[child] and places[other] < places[child])
        ):
            child = other
        if key < keys[child] or (key == keys[child] and place < places[child]):
            break
        keys[at] = keys[child]
        places[at] = places[child]
        at = child
    keys[at] = key
    places[at] = place
    return items
