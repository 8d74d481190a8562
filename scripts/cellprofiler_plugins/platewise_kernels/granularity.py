"""The granular spectrum of an image from one component tree instead of one reconstruction per scale.

CellProfiler erodes the image with a diamond of growing radius i and reconstructs each erosion under
the image (opening by reconstruction). The reconstruction keeps a bright component of the image at
gray level t exactly if the diamond of radius i fits somewhere into it, a property that grows from a
component to the larger ones around it. So one tree of the components (max-tree; Salembier et al.,
IEEE Trans. Image Process. 7, 1998, 555) and the largest radius that fits into each node give all
reconstructions at once. All operations are on the pixels' ranks, so gray values are exact.
"""

import numpy

from .compiled import compiled
from .pixels import bounding_boxes


@compiled
def sample_linear(image, rows, columns):
    """Return the linear interpolation on the grid `rows` x `columns` (float positions), 0 outside the image.

    Arithmetic and rounding (to the image's own type) follow scipy.ndimage.map_coordinates with
    order=1, mode="constant".
    """
    height, width = image.shape
    out = numpy.zeros((rows.size, columns.size), image.dtype)
    for i in range(rows.size):
        y = rows[i]
        if y < 0 or y > height - 1:
            continue
        y0 = int(numpy.floor(y))
        y1 = min(y0 + 1, height - 1)
        fy = y - y0
        for j in range(columns.size):
            x = columns[j]
            if x < 0 or x > width - 1:
                continue
            x0 = int(numpy.floor(x))
            x1 = min(x0 + 1, width - 1)
            fx = x - x0
            total = numpy.float64(image[y0, x0]) * (1.0 - fy) * (1.0 - fx)
            total += numpy.float64(image[y0, x1]) * (1.0 - fy) * fx
            total += numpy.float64(image[y1, x0]) * fy * (1.0 - fx)
            total += numpy.float64(image[y1, x1]) * fy * fx
            out[i, j] = total
    return out


@compiled
def disk_extreme(image, radius, sign):
    """Return erosion (`sign` 1) or dilation (`sign` -1) with CellProfiler's disk, borders reflected.

    The disk is symmetric and without gaps in each row, so what reflection adds at a border is
    already under the disk: pixels outside can be left out. Row by row the window grows with the
    disk's half-width, so each width takes one comparison per pixel.
    """
    height, width = image.shape
    half = numpy.zeros(radius + 1, numpy.int64)
    for dy in range(radius + 1):
        half[dy] = int(numpy.floor(numpy.sqrt(float(radius * radius - dy * dy)) + 1e-9))
    out = image.copy()
    if sign < 0:
        for i in range(height):
            for j in range(width):
                out[i, j] = -out[i, j]
    source = out.copy()
    window = source.copy()
    reach = 0
    for dy in range(radius, -1, -1):
        while reach < half[dy]:
            reach += 1
            for i in range(height):
                for j in range(width - reach):
                    window[i, j] = min(window[i, j], source[i, j + reach])
                for j in range(reach, width):
                    window[i, j] = min(window[i, j], source[i, j - reach])
        for i in range(height):
            if i + dy < height:
                for j in range(width):
                    out[i, j] = min(out[i, j], window[i + dy, j])
            if i - dy >= 0:
                for j in range(width):
                    out[i, j] = min(out[i, j], window[i - dy, j])
    if sign < 0:
        for i in range(height):
            for j in range(width):
                out[i, j] = -out[i, j]
    return out


@compiled
def diamond_erosion(image, out):
    """Write to int32 `out` the erosion of `image` with the 4-neighborhood."""
    height, width = image.shape
    last = width - 1
    for i in range(height):
        row = image[i]
        above = image[max(i - 1, 0)]
        below = image[min(i + 1, height - 1)]
        eroded = out[i]
        for j in range(width):
            eroded[j] = min(row[j], min(above[j], below[j]))
        for j in range(last):
            eroded[j] = min(eroded[j], row[j + 1])
        for j in range(last):
            eroded[j + 1] = min(eroded[j + 1], row[j])


@compiled
def find_root(forest, node):
    """Return the root of `node` in the union-find forest of `component_tree`, halving the path on the way."""
    above = forest[node]
    while above > 0:
        higher = forest[above]
        if higher <= 0:
            return above
        forest[node] = higher
        node = higher
        above = forest[node]
    return node


@compiled
def component_tree(order, height, width):
    """Return the parent of each pixel in the max-tree; pixels are named by their rank, the root is 0.

    `order`: flat pixel positions by increasing gray value, of an image of `height` x `width`. The
    smaller of two components joins the larger one (union by size); the component's lowest pixel,
    which is its node in the tree, is stored beside it. The forest holds the place above each pixel, for the
    root of a component the negative number of its pixels, and 0 for what is in no component.
    """
    stride = width + 2  # a border of pixels that belong to no component
    forest = numpy.zeros((height + 2) * stride, numpy.int32)
    lowest = numpy.empty((height + 2) * stride, numpy.int32)
    parent = numpy.zeros(order.size, numpy.int32)
    for node in range(order.size - 1, -1, -1):
        position = numpy.uint32(order[node])  # unsigned numbers are divided faster
        row = numpy.int64(position // numpy.uint32(width))
        place = numpy.int64(position) + 2 * row + stride + 1
        forest[place] = -1
        lowest[place] = node
        root = place
        for neighbor in (place - stride, place - 1, place + 1, place + stride):
            if forest[neighbor] == 0:
                continue
            other = numpy.int64(find_root(forest, neighbor))
            if other == root:
                continue
            parent[lowest[other]] = node
            if forest[other] < forest[root]:
                root, other = other, root
            forest[root] += forest[other]
            forest[other] = root
            lowest[root] = node
    return parent


@compiled
def spectrum_nodes(order, rank, scales):
    """Return, per pixel (by rank), the largest radius in its component and the next larger one.

    Returns `fits` (the largest diamond radius, up to `scales`, that fits into the node's component)
    and `jump` (the nearest enclosing node with a larger `fits`).
    """
    height, width = rank.shape
    parent = component_tree(order, height, width)
    size = order.size
    fits = numpy.zeros(size, numpy.int16)
    eroded = rank.copy()
    before = numpy.empty_like(rank)
    for scale in range(1, scales + 1):
        eroded, before = before, eroded
        diamond_erosion(before, eroded)
        for i in range(height):
            for j in range(width):
                fits[eroded[i, j]] = scale
    # The entire image is one component: its lowest value is kept at every scale.
    fits[0] = scales
    for node in range(size - 1, 0, -1):
        if fits[node] > fits[parent[node]]:
            fits[parent[node]] = fits[node]
    jump = numpy.zeros(size, numpy.int32)
    for node in range(1, size):
        above = parent[node]
        jump[node] = above if fits[above] > fits[node] else jump[above]
    return fits, jump


@compiled
def image_sums(values, fits, jump, scales):
    """Return the sum of each reconstruction over the image. `values`: gray value by rank.

    Every pixel has the value of the first node around it into which the scale's diamond fits. A
    node's pixels, its own and those that jumped to it, move to the next one together.

    Parameters
    ----------
    values
        (pixels,) gray value by rank.
    fits, jump
        As `spectrum_nodes` returns them.
    scales
        Number of radii.
    """
    # Differences between each sum and that of the next scale.
    steps = numpy.zeros(scales + 1)
    kept = numpy.zeros(scales + 1)
    pixels = numpy.ones(values.size, numpy.int32)
    for node in range(values.size - 1, 0, -1):
        fit = fits[node]
        above = jump[node]
        kept[fit] += values[node]
        pixels[above] += pixels[node]
        moved = pixels[node] * values[above]
        steps[fit] += moved
        steps[fits[above]] -= moved
    kept[fits[0]] += values[0]
    sums = numpy.zeros(scales)
    total = 0.0
    for scale in range(scales - 1, -1, -1):
        total += kept[scale + 1]
        sums[scale] = total
    total = 0.0
    for scale in range(scales):
        total += steps[scale]
        sums[scale] += total
    return sums


@compiled
def object_sums(values, fits, jump, scales, nodes, starts, owners, weights, count):
    """Return weighted sums of all reconstructions over `count` objects, objects x `scales`.

    `nodes`: the pixels (by rank) that count for any object; pixel k has the weights `starts[k]` to
    `starts[k + 1]`, each for the object `owners` at the same place.

    Parameters
    ----------
    values
        (pixels,) gray value by rank.
    fits, jump
        As `spectrum_nodes` returns them.
    scales
        Number of radii.
    nodes
        The pixels, by rank, that count for any object.
    starts
        (nodes + 1,) where the weights of each begin.
    owners, weights
        The object and the weight of each entry.
    count
        Number of objects.

    Returns
    -------
    (objects, scales) float64.
    """
    sums = numpy.zeros((count, scales))
    value = numpy.empty(scales)
    for k in range(nodes.size):
        node = nodes[k]
        scale = 0
        while True:
            while scale < fits[node]:
                value[scale] = values[node]
                scale += 1
            if scale == scales:
                break
            node = jump[node]
        for entry in range(starts[k], starts[k + 1]):
            weight = weights[entry]
            owner = owners[entry]
            for scale in range(scales):
                sums[owner, scale] += weight * value[scale]
    return sums


@compiled
def sort_by_pixel(positions, owners, weights, size):
    """Sort objects' weights by pixel.

    Parameters
    ----------
    positions
        The flat pixel of each weight, (weights,).
    owners
        The object of each weight, (weights,).
    weights
        The weights, (weights,).
    size
        Number of pixels of the image.

    Returns
    -------
    tuple
        The pixels that have a weight, (used,); where the weights of each start, (used + 1,); and the owners
        and weights in that order, (weights,).
    """
    ends = numpy.zeros(size + 1, numpy.int64)
    for k in range(positions.size):
        ends[positions[k] + 1] += 1
    for pixel in range(size):
        ends[pixel + 1] += ends[pixel]
    used = numpy.flatnonzero(ends[1:] > ends[:-1]).astype(numpy.int32)
    starts = numpy.empty(used.size + 1, numpy.int64)
    starts[:-1] = ends[used]
    starts[-1] = positions.size
    sorted_owners = numpy.empty(positions.size, numpy.int32)
    sorted_weights = numpy.empty(positions.size)
    for k in range(positions.size):
        place = ends[positions[k]]
        ends[positions[k]] += 1
        sorted_owners[place] = owners[k]
        sorted_weights[place] = weights[k]
    return used, starts, sorted_owners, sorted_weights


@compiled
def upsampling_weights(labels, count, rows, columns, height, width):
    """Return the weight of each subsampled pixel in an object's mean of the full-size image.

    `rows`, `columns`: position in the subsampled image (`height` x `width`) of each row and column
    of `labels`. Returns flat positions, weights and the start of each object's part (the linear
    interpolation's weights, summed over the object's pixels).

    Parameters
    ----------
    labels
        (height, width) object of each pixel of the full-size image.
    count
        Number of objects.
    rows, columns
        The position in the subsampled image of each row and column.
    height, width
        Of the subsampled image.
    """
    bounds = bounding_boxes(labels, count)
    starts = numpy.zeros(count + 1, numpy.int64)
    capacity = 0
    for label in range(1, count + 1):
        if bounds[label, 2] >= 0:
            y0 = int(rows[bounds[label, 0]])
            x0 = int(columns[bounds[label, 1]])
            tall = min(int(rows[bounds[label, 2]]) + 1, height - 1) - y0 + 1
            wide = min(int(columns[bounds[label, 3]]) + 1, width - 1) - x0 + 1
            capacity += tall * wide
    positions = numpy.empty(capacity, numpy.int32)
    weights = numpy.empty(capacity)
    used = 0
    for label in range(1, count + 1):
        starts[label] = used
        if bounds[label, 2] < 0:
            continue
        y0 = int(rows[bounds[label, 0]])
        x0 = int(columns[bounds[label, 1]])
        tall = min(int(rows[bounds[label, 2]]) + 1, height - 1) - y0 + 1
        wide = min(int(columns[bounds[label, 3]]) + 1, width - 1) - x0 + 1
        share = numpy.zeros((tall, wide))
        for i in range(bounds[label, 0], bounds[label, 2] + 1):
            if rows[i] > height - 1:  # a rounding error outside: the interpolation gives 0 there
                continue
            y = int(rows[i])
            fy = rows[i] - y
            below = min(y + 1, height - 1) - y0
            y -= y0
            for j in range(bounds[label, 1], bounds[label, 3] + 1):
                if labels[i, j] != label or columns[j] > width - 1:
                    continue
                x = int(columns[j])
                fx = columns[j] - x
                right = min(x + 1, width - 1) - x0
                x -= x0
                share[y, x] += (1.0 - fy) * (1.0 - fx)
                share[y, right] += (1.0 - fy) * fx
                share[below, x] += fy * (1.0 - fx)
                share[below, right] += fy * fx
        for y in range(tall):
            for x in range(wide):
                if share[y, x] > 0:
                    positions[used] = (y + y0) * width + x + x0
                    weights[used] = share[y, x]
                    used += 1
        starts[label] = used
    return positions[:used].copy(), weights[:used].copy(), starts
