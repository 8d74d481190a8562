"""Flood an image from markers (watershed) as scikit-image does, in the same order.

The method (Vincent and Soille 1991, with a queue of pixels by value and then by age): the lowest pixel of the
queue gives its label to its neighbors that have none, and these join the queue. Pixels of the same value and
age, as markers are, come in the order in which scikit-image's heap releases them, so the same heap is used
here.
"""

import numpy

from .compiled import compiled


def watershed_raveled(image, markers, offsets, mask, strides, compactness, output, lines):
    """Replace skimage.segmentation._watershed_cy.watershed_raveled: write the labels into `output`.

    Parameters
    ----------
    image
        Raveled, padded gray values.
    markers
        Places of the labeled pixels.
    offsets
        Distance of each neighbor in the raveled image.
    mask
        Where labels may spread.
    strides, compactness, lines
        As in scikit-image; other values than its defaults are left to it.
    output
        Labels, changed in place.
    """
    from skimage.segmentation import _watershed_cy

    if compactness > 0 or lines or image.dtype != numpy.float64:
        _watershed_cy.watershed_raveled(image, markers, offsets, mask, strides, compactness, output, lines)
    else:
        flood(image, markers, offsets, mask, output)


@compiled
def flood(image, markers, offsets, mask, output):
    """Label the pixels of `mask` from those that have a label; all arrays are raveled and padded.

    Parameters
    ----------
    image
        Raveled, padded gray values.
    markers
        Places of the labeled pixels.
    offsets
        Distance of each neighbor in the raveled image.
    mask
        Where labels may spread.
    output
        Labels, changed in place.
    """
    room = max(4 * markers.size, 1024)
    values = numpy.empty(room)
    ages = numpy.empty(room, numpy.int64)
    places = numpy.empty(room, numpy.int64)
    items = 0
    for k in range(markers.size):
        items = push(values, ages, places, items, image[markers[k]], 0, markers[k])
    age = 1
    while items > 0:
        place = places[0]
        items = drop_first(values, ages, places, items)
        label = output[place]
        if items + offsets.size > values.size:
            values = numpy.concatenate((values, numpy.empty_like(values)))
            ages = numpy.concatenate((ages, numpy.empty_like(ages)))
            places = numpy.concatenate((places, numpy.empty_like(places)))
        for k in range(offsets.size):
            beside = place + offsets[k]
            if mask[beside] and output[beside] == 0:
                age += 1
                output[beside] = label
                items = push(values, ages, places, items, image[beside], age, beside)


@compiled
def push(values, ages, places, items, value, age, place):
    """Add a pixel to the heap; return the number of pixels.

    Parameters
    ----------
    values, ages, places
        The heap: gray value, age and place of each pixel.
    items
        Number of pixels in the heap.
    value, age, place
        The pixel to add.
    """
    at = items
    while at > 0:
        parent = (at - 1) >> 1
        if not (value < values[parent] or (value == values[parent] and age < ages[parent])):
            break
        values[at] = values[parent]
        ages[at] = ages[parent]
        places[at] = places[parent]
        at = parent
    values[at] = value
    ages[at] = age
    places[at] = place
    return items + 1


@compiled
def drop_first(values, ages, places, items):
    """Take the first pixel out of the heap; return the number of pixels.

    Parameters
    ----------
    values, ages, places
        The heap: gray value, age and place of each pixel.
    items
        Number of pixels in the heap.
    """
    items -= 1
    value = values[items]
    age = ages[items]
    place = places[items]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= items:
            break
        other = child + 1
        if other < items and (
            values[other] < values[child] or (values[other] == values[child] and ages[other] < ages[child])
        ):
            child = other
        if not (values[child] < value or (values[child] == value and ages[child] < age)):
            break
        values[at] = values[child]
        ages[at] = ages[child]
        places[at] = places[child]
        at = child
    values[at] = value
    ages[at] = age
    places[at] = place
    return items
