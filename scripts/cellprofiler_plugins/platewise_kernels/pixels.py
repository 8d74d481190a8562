"""An object set's pixels, object after object, so that each object's values are contiguous."""

from functools import cached_property

import numpy

from .compiled import compiled

#: Later versions of NumPy sort positions in another way on some processors.
SORTS_BY_QUICKSORT = numpy.lib.NumpyVersion(numpy.__version__) < "1.25.0"


class ObjectPixels:
    """The labeled pixels of an object set.

    `count`: highest label; `positions`: flat positions in the image, label after label and in the
    image's order within each; `starts`: label l's part is `starts[l - 1]` to `starts[l]`; `rows` and
    `columns`: the positions as row and column.
    """

    def __init__(self, labels):
        self.labels = labels
        self.count = int(labels.max())
        self.positions, self.starts = group_pixels(labels.ravel(), self.count)

    @cached_property
    def rows(self):
        """Return the row of each position."""
        return self.positions // numpy.int32(self.labels.shape[1])

    @cached_property
    def columns(self):
        """Return the column of each position."""
        return self.positions - self.rows * numpy.int32(self.labels.shape[1])

    def values(self, image):
        """Return the pixels' values in an image of the labels' shape."""
        return pick(image.ravel(), self.positions)


@compiled
def pick(values, positions):
    """Return the values at `positions`, which NumPy would first convert to wider numbers."""
    out = numpy.empty(positions.size, values.dtype)
    for k in range(positions.size):
        out[k] = values[positions[k]]
    return out


@compiled
def group_pixels(labels, count):
    """Return positions of the labeled pixels by label, and each label's start."""
    starts = numpy.zeros(count + 1, numpy.int64)
    for k in range(labels.size):
        if labels[k] > 0:
            starts[labels[k]] += 1
    for label in range(count):
        starts[label + 1] += starts[label]
    positions = numpy.empty(starts[count], numpy.int32)
    free = starts.copy()
    for k in range(labels.size):
        label = labels[k]
        if label > 0:
            positions[free[label - 1]] = k
            free[label - 1] += 1
    return positions, starts


@compiled
def sum_objects(values, positions, starts):
    """Return the sum of `values` over each object, in the order of its pixels.

    Parameters
    ----------
    values
        (height * width,) floats.
    positions, starts
        The objects' pixels, as `group_pixels` returns them.

    Returns
    -------
    (objects,) float64.
    """
    sums = numpy.zeros(starts.size - 1)
    for owner in range(sums.size):
        total = 0.0
        for k in range(starts[owner], starts[owner + 1]):
            total += values[positions[k]]
        sums[owner] = total
    return sums


def sort_by_object(values, starts):
    """Return `values` sorted within each object.

    NumPy sorts the few thousand pixels of an object faster than one pass of a radix sort over all pixels.

    Parameters
    ----------
    values
        The values of the objects' pixels, object after object, (pixels,).
    starts
        The first position of each object, and the end of the last, (objects + 1,).
    """
    ordered = values.copy()
    for first, end in zip(starts[:-1], starts[1:]):
        ordered[first:end].sort()
    return ordered


#: Parts of at most this many values are sorted by insertion (NumPy's quicksort).
SMALL = 15


@compiled
def get_least_maximum(values, labels, count):
    """Return the smallest of the maxima of labels 1..`count` that occur."""
    maxima = numpy.full(count + 1, -numpy.inf)
    for k in range(values.size):
        if values[k] > maxima[labels[k]]:
            maxima[labels[k]] = values[k]
    least = numpy.inf
    for label in range(1, count + 1):
        if maxima[label] > -numpy.inf:
            least = min(least, maxima[label])
    return least


@compiled
def swap(keys, order, one, other):
    """Exchange two values and their positions in place.

    Parameters
    ----------
    keys, order
        The values, and their positions.
    one, other
        Which two are exchanged.
    """
    keys[one], keys[other] = keys[other], keys[one]
    order[one], order[other] = order[other], order[one]


@compiled
def order_from(values, limit):
    """Return positions of all values, of which those from `limit` on are sorted as NumPy sorts them.

    NumPy's quicksort (median of three, small parts by insertion) leaves equal values in an order that depends
    on all of them. The same steps are taken here, but a part whose values are all below `limit` is left as it
    is. The result is empty where NumPy would change to another method, after too many uneven steps.
    """
    order = numpy.arange(values.size).astype(numpy.int32)
    # The values move with their positions, so that memory is read in order.
    keys = values.copy()
    waiting = numpy.empty((128, 3), numpy.int64)
    items = 0
    steps = 0
    while values.size >> (steps + 1):
        steps += 1
    steps *= 2
    first = 0
    last = values.size - 1
    while True:
        if steps < 0:
            return order[:0]
        while last - first > SMALL:
            middle = first + ((last - first) >> 1)
            if keys[middle] < keys[first]:
                swap(keys, order, middle, first)
            if keys[last] < keys[middle]:
                swap(keys, order, last, middle)
            if keys[middle] < keys[first]:
                swap(keys, order, middle, first)
            pivot = keys[middle]
            up = first
            down = last - 1
            swap(keys, order, middle, down)
            while True:
                up += 1
                while keys[up] < pivot:
                    up += 1
                down -= 1
                while pivot < keys[down]:
                    down -= 1
                if up >= down:
                    break
                swap(keys, order, up, down)
            swap(keys, order, up, last - 1)
            steps -= 1
            if pivot < limit:
                first = up + 1
                continue
            waiting[items, 2] = steps
            if up - first < last - up:
                waiting[items, 0] = up + 1
                waiting[items, 1] = last
                last = up - 1
            else:
                waiting[items, 0] = first
                waiting[items, 1] = up - 1
                first = up + 1
            items += 1
        for k in range(first + 1, last + 1):
            key = keys[k]
            place = order[k]
            at = k
            while at > first and key < keys[at - 1]:
                keys[at] = keys[at - 1]
                order[at] = order[at - 1]
                at -= 1
            keys[at] = key
            order[at] = place
        if items == 0:
            return order
        items -= 1
        first = waiting[items, 0]
        last = waiting[items, 1]
        steps = waiting[items, 2]


@compiled
def last_places(order, labels, count):
    """Return the last pixel of each label 1..`count` in an order of all pixels; 0 for absent labels."""
    places = numpy.zeros(count, numpy.int64)
    missing = count
    found = numpy.zeros(count, numpy.bool_)
    for k in range(order.size - 1, -1, -1):
        label = labels[order[k]]
        if label > 0 and not found[label - 1]:
            found[label - 1] = True
            places[label - 1] = order[k]
            missing -= 1
            if missing == 0:
                break
    return places


def find_last_maxima(values, labels, count):
    """Return the flat position of the maximum of each label 1..`count`; 0 for absent labels.

    Of the pixels that share an object's maximum, SciPy's maximum_position takes the one that comes last when
    NumPy sorts the entire image, so the choice depends on all pixels.

    Parameters
    ----------
    values
        (pixels,) floats without NaN.
    labels
        (pixels,) the label of each pixel.
    count
        The highest label.
    """
    order = numpy.empty(0, numpy.int32)
    if SORTS_BY_QUICKSORT:
        # In double precision, values are ordered by the same steps.
        exact = values.astype(float, copy=False)
        order = order_from(exact, get_least_maximum(exact, labels, count))
    if not order.size:
        order = numpy.argsort(values).astype(numpy.int32)
    return last_places(order, labels, count)


@compiled
def bounding_boxes(labels, count):
    """Return first row, first column, last row, last column of labels 0..`count` (last -1 if absent)."""
    bounds = numpy.empty((count + 1, 4), numpy.int64)
    bounds[:, 0] = labels.shape[0]
    bounds[:, 1] = labels.shape[1]
    bounds[:, 2:] = -1
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            label = labels[i, j]
            if label > 0:
                bounds[label, 0] = min(bounds[label, 0], i)
                bounds[label, 1] = min(bounds[label, 1], j)
                bounds[label, 2] = max(bounds[label, 2], i)
                bounds[label, 3] = max(bounds[label, 3], j)
    return bounds


@compiled
def coordinate_sums(labels, count):
    """Return number of pixels, sum of rows and sum of columns of labels 0..`count`."""
    sums = numpy.zeros((count + 1, 3), numpy.int64)
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            label = labels[i, j]
            if label > 0:
                sums[label, 0] += 1
                sums[label, 1] += i
                sums[label, 2] += j
    return sums


def centers_of_labels(labels):
    """Return rows and columns of the objects' centers, as centrosome.cpmorphology.centers_of_labels."""
    count = int(labels.max())
    if count == 0:
        return numpy.zeros((2, 0), int)
    sums = coordinate_sums(numpy.ascontiguousarray(labels, numpy.int32), count)[1:].astype(float)
    with numpy.errstate(invalid="ignore"):
        return numpy.array([sums[:, 1] / sums[:, 0], sums[:, 2] / sums[:, 0]])
