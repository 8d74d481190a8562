"""Label matrices in one pass: which labels occur, where they touch or overlap, edges and centers.

Everything is counted in integers, so nothing is rounded. Each function replaces one of NumPy, SciPy,
centrosome or CellProfiler (see `platewise_kernels.stand_ins`), and calls the original for anything other than
a plain 2-D matrix of integers.
"""

from functools import lru_cache

import centrosome.cpmorphology
import centrosome.outline
import numpy
import scipy.ndimage
from centrosome._cpmorphology2 import fill_labeled_holes_loop

from .compiled import compiled
from .pixels import coordinate_sums
from .radial import distance_to_edge

#: Labels above this are not looked up in a table.
HIGHEST = 1 << 22


def is_plain(labels):
    """Return whether `labels` is a 2-D matrix of integers from 0 on that are not too large."""
    return (
        labels.ndim == 2
        and labels.size > 0
        and labels.dtype.kind in "iu"
        and labels.min() >= 0
        and labels.max() < HIGHEST
    )


@compiled
def find_occurring(labels, count):
    """Return whether each of 0..`count` occurs."""
    found = numpy.zeros(count + 1, numpy.bool_)
    for k in range(labels.size):
        found[labels[k]] = True
    return found


def unique(values, *arguments, **options):
    """Return numpy.unique of a label matrix (of any number of axes)."""
    plain = not arguments and not options and isinstance(values, numpy.ndarray) and values.size > 0
    if not plain or values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= HIGHEST:
        return numpy.unique(values, *arguments, **options)
    found = find_occurring(numpy.ascontiguousarray(values).ravel(), int(values.max()))
    return numpy.flatnonzero(found).astype(values.dtype)


@compiled
def label_outlines(labels):
    """Return the labels of pixels with one of eight neighbors of another label, or at the border; else 0."""
    height, width = labels.shape
    out = numpy.zeros((height, width), labels.dtype)
    for i in range(height):
        for j in range(width):
            label = labels[i, j]
            if label == 0:
                continue
            if i == 0 or j == 0 or i == height - 1 or j == width - 1:
                out[i, j] = label
                continue
            for k in range(j - 1, j + 2):
                if labels[i - 1, k] != label or labels[i, k] != label or labels[i + 1, k] != label:
                    out[i, j] = label
                    break
    return out


def outline(labels):
    """Replace centrosome.outline.outline."""
    if labels.ndim != 2 or labels.size == 0 or labels.dtype.kind not in "iu":
        return centrosome.outline.outline(labels)
    return label_outlines(numpy.ascontiguousarray(labels))


def center_of_mass(values, labels=None, index=None):
    """Replace scipy.ndimage.center_of_mass for objects with equal weights."""
    plain = labels is not None and numpy.ndim(index) == 1 and len(index) > 0 and is_plain(labels)
    if not plain or values.shape != labels.shape or not (values == 1).all():
        return scipy.ndimage.center_of_mass(values, labels, index)
    index = numpy.asarray(index)
    highest = int(labels.max())
    if index.min() < 1 or index.max() > highest:
        return scipy.ndimage.center_of_mass(values, labels, index)
    sums = coordinate_sums(numpy.ascontiguousarray(labels), highest)[index].astype(float)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return list(zip(sums[:, 1] / sums[:, 0], sums[:, 2] / sums[:, 0]))


@compiled
def sizes(labels, count):
    """Return the number of pixels of labels 0..`count`."""
    found = numpy.zeros(count + 1, numpy.int64)
    for k in range(labels.size):
        found[labels[k]] += 1
    return found


def are_ones(values):
    """Return whether all values are 1; those of a view of one number are not visited."""
    return bool((values[:1, :1] == 1).all() if not any(values.strides) else (values == 1).all())


@compiled
def add_up(values, labels, count):
    """Return the sum of whole numbers over the pixels of labels 0..`count`."""
    found = numpy.zeros(count + 1, numpy.int64)
    for k in range(labels.size):
        found[labels[k]] += numpy.int64(values[k])
    return found


def total(values, labels=None, index=None):
    """Replace scipy.ndimage.sum of ones, of other small whole numbers, and of true and false."""
    plain = labels is not None and numpy.ndim(index) == 1 and len(index) > 0 and is_plain(labels)
    if not plain or numpy.shape(values) != labels.shape:
        return scipy.ndimage.sum(values, labels, index)
    if values.dtype.kind in "biu":
        return total_of_integers(values, labels, index)
    if not are_ones(values):
        return scipy.ndimage.sum(values, labels, index)
    index = numpy.asarray(index)
    if index.min() < 0:
        return scipy.ndimage.sum(values, labels, index)
    count = max(int(labels.max()), int(index.max()))
    return sizes(numpy.ascontiguousarray(labels).ravel(), count)[index].astype(float)


def total_of_integers(values, labels, index):
    """Return `total` of integers, as floats; sums that a float cannot hold are left to SciPy."""
    index = numpy.asarray(index)
    largest = max(-int(values.min()), int(values.max()))
    if index.min() < 0 or largest * values.size >= 1 << 53:
        return scipy.ndimage.sum(values, labels, index)
    count = max(int(labels.max()), int(index.max()))
    flat = numpy.ascontiguousarray(values).ravel(), numpy.ascontiguousarray(labels).ravel()
    return add_up(*flat, count)[index].astype(float)


@compiled
def dilate(image, reach):
    """Dilate by a symmetric mask, each of whose rows is one run around the middle.

    `reach`: how far the mask's row extends to both sides; -1 for a row without a pixel. Whether a pixel is
    that close in a row of the image is looked up in the row's cumulative count.
    """
    height, width = image.shape
    tall = reach.size // 2
    out = numpy.zeros((height, width), numpy.bool_)
    count = numpy.zeros(width + 1, numpy.int32)
    for i in range(height):
        for j in range(width):
            count[j + 1] = count[j] + image[i, j]
        if count[width] == 0:
            continue
        for row in range(reach.size):
            to = i + row - tall
            side = reach[row]
            if side < 0 or not 0 <= to < height:
                continue
            line = out[to]
            for j in range(width):
                line[j] |= count[min(width, j + side + 1)] > count[max(0, j - side)]
    return out


def get_reach_of_rows(mask):
    """Return `reach` of `dilate` for a mask, or None if its rows are not runs around the middle."""
    return _get_reach_of_rows(mask.shape, (mask != 0).tobytes())


@lru_cache(maxsize=64)  # all objects of an image are dilated by the same few masks
def _get_reach_of_rows(shape, content):
    mask = numpy.frombuffer(content, bool).reshape(shape)
    if mask.ndim != 2 or min(mask.shape) == 0 or mask.shape[0] % 2 == 0 or mask.shape[1] % 2 == 0:
        return None
    if (mask != mask[::-1, ::-1]).any() or (mask != mask[:, ::-1]).any():
        return None
    width = mask.sum(1)
    reach = numpy.where(width > 0, width // 2, -1)
    offsets = abs(numpy.arange(mask.shape[1]) - mask.shape[1] // 2)
    return reach if (mask == (offsets <= reach[:, None])).all() else None


def binary_dilation(image, structure=None, *arguments, **options):
    """Replace scipy.ndimage.binary_dilation by a disk or a similar mask.

    Parameters
    ----------
    image
        The image to dilate.
    structure
        The mask; None for that of SciPy.
    *arguments, **options
        Further arguments of SciPy's function. With any of them, SciPy computes the result.
    """
    plain = not arguments and not options and structure is not None and image.ndim == 2
    reach = get_reach_of_rows(structure) if plain and image.dtype == bool and image.size > 0 else None
    if reach is None:
        return scipy.ndimage.binary_dilation(image, structure, *arguments, **options)
    return dilate(image, reach)


@compiled
def overlaps(first, second, first_count, second_count):
    """Count pixels per pair of labels, without 0: (`first_count` + 1) x (`second_count` + 1).

    Parameters
    ----------
    first, second
        (pixels,) labels of two images.
    first_count, second_count
        Largest label of each.
    """
    counts = numpy.zeros((first_count + 1, second_count + 1))
    for k in range(first.size):
        if first[k] > 0 and second[k] > 0:
            counts[first[k], second[k]] += 1.0
    return counts


@compiled
def find_touching(labels, count):
    """Return pairs of labels that touch in a row or column, as lower label * (`count` + 1) + higher.

    A pair that equals the previous one is left out; others may occur several times.
    """
    height, width = labels.shape
    pairs = numpy.empty(1024, numpy.int64)
    used = 0
    beside = -1
    below = -1
    for i in range(height):
        row = labels[i]
        next_row = labels[min(i + 1, height - 1)]
        for j in range(width):
            label = row[j]
            other = row[min(j + 1, width - 1)]
            under = next_row[j]
            if label == other and label == under:
                continue
            if used + 2 > pairs.size:
                longer = numpy.empty(2 * pairs.size, numpy.int64)
                longer[:used] = pairs[:used]
                pairs = longer
            if label != other:
                pair = min(label, other) * (count + 1) + max(label, other)
                if pair != beside:
                    beside = pair
                    pairs[used] = pair
                    used += 1
            if label != under:
                pair = min(label, under) * (count + 1) + max(label, under)
                if pair != below:
                    below = pair
                    pairs[used] = pair
                    used += 1
    return pairs[:used]


@compiled
def number_background(regions, background, first):
    """Give the pixels of the numbered background (1, 2, ...) the numbers from `first` + 1 on, in place."""
    for i in range(regions.shape[0]):
        for j in range(regions.shape[1]):
            if background[i, j] > 0:
                regions[i, j] = background[i, j] + first


@compiled
def rename(regions, names):
    """Return the name of each pixel's region."""
    out = numpy.empty(regions.shape, names.dtype)
    for i in range(regions.shape[0]):
        for j in range(regions.shape[1]):
            out[i, j] = names[regions[i, j]]
    return out


def fill_labeled_holes(labels, mask=None, size_fn=None):
    """Replace centrosome.cpmorphology.fill_labeled_holes.

    A hole is a region, of background or of objects, from which all paths to the border lead through the same
    object. The regions that touch are found in one pass; the holes follow from them by centrosome's own
    loop.
    """
    plain = labels.ndim == 2 and labels.size > 0 and labels.dtype.kind in "biu"
    if not plain or (labels.dtype.kind != "b" and not is_plain(labels)):
        return centrosome.cpmorphology.fill_labeled_holes(labels, mask=mask, size_fn=size_fn)
    regions = labels.astype(numpy.int32)
    background, background_count = scipy.ndimage.label(
        (labels == 0) if mask is None else (labels == 0) & mask
    )
    count = int(regions.max())
    last = count + background_count + 1
    number_background(regions, background, count + 1)
    open_regions = unique(numpy.concatenate([regions[0], regions[:, 0], regions[-1], regions[:, -1]])[None])
    open_regions = open_regions[open_regions != 0]
    is_open = numpy.zeros(last + 1, numpy.uint8)
    is_open[open_regions] = 1
    around = numpy.zeros(last + 1, numpy.uint32)
    pairs = numpy.unique(find_touching(regions, last))
    if pairs.size:
        low, high = numpy.divmod(pairs, last + 1)
        ends = numpy.concatenate([low, high]), numpy.concatenate([high, low])
        order = numpy.lexsort(ends[::-1])
        one, other = (end[order].astype(numpy.uint32) for end in ends)
        counts = numpy.bincount(one, minlength=last + 1).astype(numpy.uint32)
        starts = (numpy.cumsum(counts) - counts).astype(numpy.uint32)
        if size_fn is not None:
            areas = sizes(regions.ravel(), last)
            closed = numpy.flatnonzero((areas > 0) & (is_open == 0))
            closed = closed[closed > 0]
            # Many regions have the same size, and the answer depends on nothing else.
            kinds, kind_of_region = numpy.unique(2 * areas[closed] + (closed <= count), return_inverse=True)
            is_kept = [not size_fn(kind >> 1, bool(kind & 1)) for kind in kinds]
            kept = closed[numpy.array(is_kept, bool)[kind_of_region]]
            is_open[kept] = 1
            open_regions = numpy.concatenate([open_regions, kept.astype(open_regions.dtype)])
        to_do = numpy.zeros(last + 1, numpy.uint32)
        to_do[: open_regions.size] = open_regions
        fill_labeled_holes_loop(one, other, starts, counts, is_open, around, to_do, count, open_regions.size)
    names = numpy.arange(last + 1).astype(numpy.uint32)
    names[count + 1 :] = 0
    names[is_open == 0] = around[is_open == 0]
    filled = rename(regions, names)
    if mask is not None:
        filled = numpy.where(mask, filled, regions)
    return filled.astype(labels.dtype)


def distance_transform_edt(values, *arguments, **options):
    """Replace scipy.ndimage.distance_transform_edt for an image of which a large part is 0."""
    plain = not arguments and not options and values.ndim == 2 and values.size > 0
    if not plain or 2 * numpy.count_nonzero(values) > values.size:
        return scipy.ndimage.distance_transform_edt(values, *arguments, **options)
    bounds = numpy.array([[0, 0, -1, -1], [0, 0, values.shape[0] - 1, values.shape[1] - 1]])
    return distance_to_edge(numpy.ascontiguousarray(values != 0, numpy.int32), bounds, False)


@compiled
def order_by_first_pixel(labels, count):
    """Return the labels that occur, including 0, in the order of their first occurrence."""
    seen = numpy.zeros(count + 1, numpy.bool_)
    found = numpy.empty(count + 1, numpy.int64)
    number = 0
    for k in range(labels.size):
        label = labels[k]
        if not seen[label]:
            seen[label] = True
            found[number] = label
            number += 1
    return found[:number]


def grey_dilation(values, *arguments, **options):
    """Replace scipy.ndimage.grey_dilation of a label matrix by a square of three pixels."""
    if arguments or not _is_square(options) or not is_plain(values):
        return scipy.ndimage.grey_dilation(values, *arguments, **options)
    return extreme_of_nine(numpy.ascontiguousarray(values), True)


def grey_erosion(values, *arguments, **options):
    """Replace scipy.ndimage.grey_erosion of a label matrix by a square of three pixels."""
    if arguments or not _is_square(options) or not is_plain(values):
        return scipy.ndimage.grey_erosion(values, *arguments, **options)
    return extreme_of_nine(numpy.ascontiguousarray(values), False)


def _is_square(options):
    footprint = numpy.asarray(options.get("footprint", 0))
    return set(options) == {"footprint"} and footprint.shape == (3, 3) and footprint.all()


@compiled
def extreme_of_nine(values, greatest):
    """Return the largest (or smallest) of each pixel and its eight neighbors; the border is mirrored."""
    height, width = values.shape
    rows = numpy.empty_like(values)
    out = numpy.empty_like(values)
    for i in range(height):
        for j in range(width):
            found = values[i, j]
            for beside in (values[i, max(j - 1, 0)], values[i, min(j + 1, width - 1)]):
                found = max(found, beside) if greatest else min(found, beside)
            rows[i, j] = found
    for i in range(height):
        for j in range(width):
            found = rows[i, j]
            for beside in (rows[max(i - 1, 0), j], rows[min(i + 1, height - 1), j]):
                found = max(found, beside) if greatest else min(found, beside)
            out[i, j] = found
    return out
