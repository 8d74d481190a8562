"""Shapes of objects, one at a time in their bounding boxes: hulls, counts, distances.

Definitions are those of skimage.measure.regionprops and of centrosome. Counts are in whole
numbers; second moments are left to skimage's own function, since an orientation or an eccentricity of a
symmetric object depends on its last bit.
"""

import centrosome.cpmorphology
import numpy
import skimage.measure
from skimage.measure._regionprops_utils import EULER_COEFS2D_8

from .compiled import compiled
from .labels import label_outlines
from .pixels import bounding_boxes, coordinate_sums
from .radial import distance_to_edge

#: The weight of a border pixel by the sum of its neighbors that are also border pixels: 10 for each
#: diagonal one, 2 for each other one, 1 for itself (Benkrid and Crookes' perimeter).
PERIMETER = numpy.zeros(50)
PERIMETER[[5, 7, 15, 17, 25, 27]] = 1
PERIMETER[[21, 33]] = numpy.sqrt(2)
PERIMETER[[13, 23]] = (1 + numpy.sqrt(2)) / 2


def convex_hull(labels, indices):
    """Return centrosome's convex hull of each object, from the pixels of its outline."""
    outline = label_outlines(labels)
    rows, columns = numpy.nonzero(outline)
    points = numpy.column_stack([rows, columns, outline[rows, columns]])
    return centrosome.cpmorphology.convex_hull_ijv(points, indices)


@compiled
def count_shapes(labels, bounds):
    """Return the counts of each object: 50 perimeter sums, 16 squares of 2 x 2 pixels, convex pixels.

    The squares are numbered by which of their four pixels belong to the object; the convex pixels are
    those in the convex hull of the object's pixels' edges' middles.
    """
    objects = bounds.shape[0] - 1
    perimeters = numpy.zeros((objects, 50), numpy.int64)
    squares = numpy.zeros((objects, 16), numpy.int64)
    convex = numpy.zeros(objects, numpy.int64)
    for label in range(1, objects + 1):
        top, left, bottom, right = bounds[label]
        if bottom < 0:
            continue
        tall = bottom - top + 1
        wide = right - left + 1
        inside = numpy.zeros((tall + 2, wide + 2), numpy.uint8)
        for i in range(tall):
            for j in range(wide):
                inside[i + 1, j + 1] = labels[top + i, left + j] == label
        edge = numpy.zeros((tall + 2, wide + 2), numpy.uint8)
        for i in range(1, tall + 1):
            for j in range(1, wide + 1):
                if inside[i, j]:
                    around = inside[i - 1, j] + inside[i + 1, j] + inside[i, j - 1] + inside[i, j + 1]
                    edge[i, j] = around < 4
        for i in range(1, tall + 1):
            for j in range(1, wide + 1):
                diagonal = edge[i - 1, j - 1] + edge[i - 1, j + 1] + edge[i + 1, j - 1] + edge[i + 1, j + 1]
                beside = edge[i - 1, j] + edge[i + 1, j] + edge[i, j - 1] + edge[i, j + 1]
                perimeters[label - 1, 10 * diagonal + 2 * beside + edge[i, j]] += 1
        for i in range(1, tall + 2):
            for j in range(1, wide + 2):
                square = inside[i, j] + 2 * inside[i - 1, j] + 4 * inside[i, j - 1] + 8 * inside[i - 1, j - 1]
                squares[label - 1, square] += 1
        convex[label - 1] = convex_pixels(inside)
    return perimeters, squares, convex


@compiled
def convex_pixels(inside):
    """Count the pixels in the convex hull of an object; `inside`: its box with a border of 0.

    Hull and pixels are in whole numbers, twice the coordinates. A pixel on an edge of the hull belongs to it.
    """
    tall, wide = inside.shape[0] - 2, inside.shape[1] - 2
    far = 4 * (wide + 2)
    # Smallest and largest column of the midpoints of the pixels' edges, by row (both doubled, from -1 on).
    least = numpy.full(2 * tall + 1, far, numpy.int64)
    greatest = numpy.full(2 * tall + 1, -far, numpy.int64)
    for i in range(tall):
        first = -1
        last = -1
        for j in range(wide):
            if inside[i + 1, j + 1]:
                if first < 0:
                    first = j
                last = j
        if first < 0:
            continue
        for row in (2 * i, 2 * i + 2):
            least[row] = min(least[row], 2 * first)
            greatest[row] = max(greatest[row], 2 * last)
        least[2 * i + 1] = min(least[2 * i + 1], 2 * first - 1)
        greatest[2 * i + 1] = max(greatest[2 * i + 1], 2 * last + 1)
    start = numpy.full(wide, numpy.inf)
    stop = numpy.full(wide, -numpy.inf)
    chain_row = numpy.empty(2 * tall + 1, numpy.int64)
    chain_column = numpy.empty(2 * tall + 1, numpy.int64)
    ends = numpy.empty((2, 2, 2), numpy.int64)
    for side in range(2):
        size = 0
        sign = 1 if side == 0 else -1
        for row in range(2 * tall + 1):
            column = least[row] if side == 0 else -greatest[row]
            if column == far:
                continue
            while size > 1:
                turn = (chain_row[size - 1] - chain_row[size - 2]) * (column - chain_column[size - 2])
                turn -= (chain_column[size - 1] - chain_column[size - 2]) * (row - chain_row[size - 2])
                if turn > 0:
                    break
                size -= 1
            chain_row[size] = row
            chain_column[size] = column
            size += 1
        for k in range(size - 1):
            crossings(
                start,
                stop,
                chain_row[k] - 1,
                sign * chain_column[k],
                chain_row[k + 1] - 1,
                sign * chain_column[k + 1],
            )
        ends[side, 0, 0] = chain_row[0] - 1
        ends[side, 0, 1] = sign * chain_column[0]
        ends[side, 1, 0] = chain_row[size - 1] - 1
        ends[side, 1, 1] = sign * chain_column[size - 1]
    for end in range(2):
        crossings(start, stop, ends[0, end, 0], ends[0, end, 1], ends[1, end, 0], ends[1, end, 1])
    pixels = 0
    for j in range(wide):
        if start[j] <= stop[j]:
            first = max(0, int(numpy.ceil(start[j])))
            last = min(tall - 1, int(numpy.floor(stop[j])))
            pixels += max(0, last + 1 - first)
    return pixels


@compiled
def crossings(start, stop, row, column, other_row, other_column):
    """Note, for each column of pixels, the rows at which an edge of the hull (doubled) crosses it.

    Parameters
    ----------
    start, stop
        (columns,) first and last row of the hull in each column, changed in place.
    row, column
        One end of the edge, doubled.
    other_row, other_column
        The other end, doubled.
    """
    if column == other_column:
        return
    if column > other_column:
        row, column, other_row, other_column = other_row, other_column, row, column
    for j in range(max(0, (column + 1) // 2), min(start.size, (other_column + 1) // 2)):
        if column <= 2 * j < other_column:
            at = (other_row - row) * (2 * j - column) / (other_column - column) + row
            start[j] = min(start[j], at / 2)
            stop[j] = max(stop[j], at / 2)


@compiled
def median_of_roots(values):
    """Return the median of square roots of whole numbers, found by counting their squares."""
    size = values.size
    counts = numpy.zeros(int(numpy.rint(values.max() ** 2)) + 1, numpy.int64)
    for k in range(size):
        counts[int(numpy.rint(values[k] * values[k]))] += 1
    square = 0
    below = counts[0]
    while below <= (size - 1) // 2:
        square += 1
        below += counts[square]
    middle = numpy.sqrt(float(square))
    if size % 2:
        return middle
    while below <= size // 2:
        square += 1
        below += counts[square]
    return (middle + numpy.sqrt(float(square))) / 2


@compiled
def radii(labels, bounds):
    """Return largest, mean and median distance of an object's pixels to the nearest pixel outside it."""
    distance = distance_to_edge(labels, bounds, True)
    objects = bounds.shape[0] - 1
    out = numpy.zeros((3, objects))
    for label in range(1, objects + 1):
        top, left, bottom, right = bounds[label]
        if bottom < 0:
            continue
        inside = numpy.empty((bottom - top + 1) * (right - left + 1))
        size = 0
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                inside[size] = distance[i, j]
                size += labels[i, j] == label
        inside = inside[:size]
        out[0, label - 1] = inside.max()
        out[1, label - 1] = inside.mean()
        out[2, label - 1] = median_of_roots(inside)
    return out


def second_moments(labels, bounds):
    """Return inertia tensors (objects x 2 x 2) as of skimage's regionprops."""
    tensors = numpy.empty((bounds.shape[0] - 1, 2, 2))
    for label, (top, left, bottom, right) in enumerate(bounds[1:], 1):
        inside = (labels[top : bottom + 1, left : right + 1] == label).astype(numpy.uint8)
        by_row, by_column = inside.sum(1, dtype=int), inside.sum(0, dtype=int)
        area = by_row.sum()
        center = [(line @ numpy.arange(line.size)) / area for line in (by_row, by_column)]
        moments = skimage.measure.moments_central(inside, center, order=3)
        tensors[label - 1] = skimage.measure.inertia_tensor(inside, moments)
    return tensors


def orientation(tensor):
    """Return the angle between the rows and the major axis of an inertia tensor."""
    (a, b), (_, c) = tensor
    if a - c == 0:
        return -numpy.pi / 4 if b < 0 else numpy.pi / 4
    return 0.5 * numpy.arctan2(-2 * b, c - a)


def properties(labels):
    """Return the regionprops that CellProfiler records, by name; all of 1..`labels.max()` occur."""
    count = int(labels.max())
    bounds = bounding_boxes(labels, count)
    sums = coordinate_sums(labels, count)[1:]
    area = sums[:, 0]
    perimeters, squares, convex = count_shapes(labels, bounds)
    box_area = numpy.prod(bounds[1:, 2:] - bounds[1:, :2] + 1, axis=1)
    tensors = second_moments(labels, bounds)
    eigenvalues = numpy.clip(numpy.linalg.eigvalsh(tensors), 0, None)
    minor, major = eigenvalues.T
    with numpy.errstate(divide="ignore", invalid="ignore"):
        eccentricity = numpy.where(major == 0, 0, numpy.sqrt(1 - minor / major))
    return {
        "area": area,
        "perimeter": numpy.array([sums @ PERIMETER for sums in perimeters]),
        "major_axis_length": 4 * numpy.sqrt(major),
        "minor_axis_length": 4 * numpy.sqrt(minor),
        "eccentricity": eccentricity,
        "orientation": numpy.array([orientation(tensor) for tensor in tensors]),
        "centroid-0": sums[:, 1] / area,
        "centroid-1": sums[:, 2] / area,
        "bbox_area": box_area,
        "bbox-0": bounds[1:, 0],
        "bbox-1": bounds[1:, 1],
        "bbox-2": bounds[1:, 2] + 1,
        "bbox-3": bounds[1:, 3] + 1,
        "extent": area / box_area,
        "solidity": area / convex,
        "euler_number": squares @ numpy.array(EULER_COEFS2D_8),
        "convex_area": convex,
        "equivalent_diameter": numpy.sqrt(4 * area / numpy.pi),
    }
