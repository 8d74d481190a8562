"""Haralick's texture features from sparse co-occurrence counts.

The definitions are those of mahotas.features.haralick (symmetric co-occurrence, features 1 to 13,
base-2 logarithms, `ignore_zeros` for objects): of a region's pairs, only the gray-level pairs that
occur are kept and visited. With symmetric counts the two marginals are equal, and the entropies
HXY1 and HXY2 are both twice the marginal's entropy HX.
"""

import numpy

from .compiled import compiled
from .gray_pairs import count_neighbors, count_pairs, get_bits, order_levels

#: Row and column step of each direction, in mahotas' order.
DIRECTIONS = numpy.array([(0, 1), (1, 1), (1, 0), (1, -1)])

#: n * log2(n) for the counts that occur often.
LOGS = numpy.arange(1 << 15, dtype=float)
LOGS[1:] *= numpy.log2(LOGS[1:])

#: Gray levels of a pair that share less information (bits) than this share none: the remainder is
#: rounding, of which the square root in the 13th feature would make up to 1e-7.
INDEPENDENT = 1e-14


@compiled
def get_bytes(image, scale):
    """Return a float image, 0 to 1, as whole numbers from 0 to 255, and whether a value lies beyond -1 and 1.

    `scale` is 255 in the type of the image: the arithmetic is that of skimage.util.img_as_ubyte.
    """
    out = numpy.empty(image.shape, numpy.uint8)
    beyond = False
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            value = image[i, j]
            beyond |= (value < -1) | (value > 1)
            level = numpy.int32(numpy.rint(value * scale))
            out[i, j] = numpy.uint8(min(max(level, numpy.int32(0)), numpy.int32(255)))
    return out, beyond


@compiled
def n_log_n(count, logs):
    """Return count * log2(count) from the table `logs`, or computed beyond its end."""
    return logs[count] if count < logs.size else count * numpy.log2(float(count))


@compiled
def haralick(counts, touched, used, bits, levels, logs, out):
    """Write the 13 features of one co-occurrence matrix to `out`, and reset `counts` to 0.

    Parameters
    ----------
    counts
        Pairs by (lower level << `bits` | higher level).
    touched, used
        `touched[:used]` are its entries above 0.
    bits
        Bits of a level in an entry.
    levels
        One more than the region's highest gray level.
    logs
        Logarithms of whole numbers.
    out
        (13,) the features, written in place.

    Returns
    -------
    The number of pairs; without a pair, `out` is left as it is.
    """
    marginal = numpy.zeros(levels, numpy.int64)
    plus = numpy.zeros(2 * levels, numpy.int64)
    minus = numpy.zeros(levels, numpy.int64)
    pairs = 0
    squares = 0.0
    inverse = 0.0
    entropy = 0.0
    products = 0
    mask = (1 << bits) - 1
    for k in range(used):
        entry = numpy.int64(touched[k])
        low = entry >> bits
        high = entry & mask
        count = numpy.int64(counts[entry])
        counts[entry] = 0
        pairs += count
        marginal[low] += count
        marginal[high] += count
        plus[low + high] += 2 * count
        minus[high - low] += 2 * count
        products += count * low * high
        if low == high:
            squares += 4.0 * count * count
            entropy += n_log_n(2 * count, logs)
        else:
            squares += 2.0 * count * count
            entropy += 2.0 * n_log_n(count, logs)
    if pairs == 0:
        return pairs
    product = 2.0 * products
    total = 2.0 * pairs
    log_total = numpy.log2(total)
    mean = 0.0
    mean_square = 0.0
    marginal_entropy = 0.0
    occupied = 0
    for level in range(levels):
        count = marginal[level]
        if count > 0:
            occupied += 1
            share = count / total
            mean += share * level
            mean_square += share * level * level
            marginal_entropy += n_log_n(count, logs)
    contrast = 0.0
    minus_mean = 0.0
    minus_entropy = 0.0
    for level in range(levels):
        count = minus[level]
        if count > 0:
            share = count / total
            inverse += count / (1.0 + level * level)
            contrast += share * level * level
            minus_mean += share
            minus_entropy += n_log_n(count, logs)
    minus_mean /= levels
    minus_variance = 0.0
    for level in range(levels):
        difference = minus[level] / total - minus_mean
        minus_variance += difference * difference
    plus_mean = 0.0
    plus_square = 0.0
    plus_entropy = 0.0
    for level in range(2 * levels):
        count = plus[level]
        if count > 0:
            share = count / total
            plus_mean += share * level
            plus_square += share * level * level
            plus_entropy += n_log_n(count, logs)
    variance = mean_square - mean * mean
    if occupied == 1:  # exactly 0 in mahotas; here the logarithms could leave a rounding error
        entropy = plus_entropy = minus_entropy = marginal_entropy = 0.0
        variance = 0.0
    else:
        entropy = log_total - entropy / total
        plus_entropy = log_total - plus_entropy / total
        minus_entropy = log_total - minus_entropy / total
        marginal_entropy = log_total - marginal_entropy / total
    out[0] = squares / total / total
    out[1] = contrast
    deviation = numpy.sqrt(variance)
    if occupied == 1 or deviation == 0.0:
        out[2] = 1.0
    else:
        out[2] = (1.0 / deviation / deviation) * (product / total - mean * mean)
    out[3] = variance
    out[4] = inverse / total
    out[5] = plus_mean
    out[6] = plus_square - plus_mean * plus_mean
    out[7] = plus_entropy
    out[8] = entropy
    out[9] = minus_variance / levels
    out[10] = minus_entropy
    shared = entropy - 2.0 * marginal_entropy
    if abs(shared) < INDEPENDENT:
        shared = 0.0
    out[11] = shared if marginal_entropy == 0.0 else shared / marginal_entropy
    out[12] = numpy.sqrt(max(0.0, 1.0 - numpy.exp(2.0 * shared)))
    return pairs


@compiled
def object_textures(image, labels, bounds, present, distances, directions, logs):
    """Return the features of each object: distances x four directions x 13 x objects.

    Pairs with a gray level 0 do not count; an object without a pair in one of the directions gets NaN at that
    distance (mahotas raises an error).

    Parameters
    ----------
    image
        (height, width) uint8.
    labels
        (height, width) object of each pixel.
    bounds
        (labels, 4) first row, first column, last row, last column.
    present
        The labels that occur.
    distances
        (distances,) in pixels.
    directions
        (4, 2) steps in rows, from 0 on, and columns; steps along both axes are among them.
    logs
        Logarithms of whole numbers.
    """
    out = numpy.full((distances.size, 4, 13, present.size), numpy.nan)
    counts = numpy.zeros(4 * 256 * 256, numpy.int32)
    touched = numpy.empty(4 * 256 * 256 + 1, numpy.uint32)
    ordered = numpy.zeros((4, 256 * 256), numpy.int32)
    entries = numpy.empty((4, 256 * 256 + 1), numpy.uint16)
    used = numpy.empty(4, numpy.int64)
    steps = numpy.empty(4, numpy.int64)
    for index in range(present.size):
        label = present[index]
        top, left, bottom, right = bounds[label]
        tall = bottom - top + 1
        wide = right - left + 1
        # At a distance beyond the box, no pixel has a neighbor in a row, or in a column.
        reach = min(distances.max(), tall - 1, wide - 1)
        # Zeros after each row and after the last one: what is beyond a side of the box is among them.
        stride = wide + reach
        box = numpy.zeros((tall + reach) * stride + reach, numpy.uint8)
        places = numpy.empty(tall * wide, numpy.uint32)
        pixels = 0
        levels = 0
        for i in range(tall):
            for j in range(wide):
                if labels[top + i, left + j] == label:
                    value = image[top + i, left + j]
                    box[i * stride + j] = value
                    places[pixels] = i * stride + j
                    pixels += value > 0
                    levels = max(levels, int(value))
        levels += 1
        bits = get_bits(levels)
        for d in range(distances.size):
            if distances[d] > reach:
                continue
            for direction in range(4):
                down, to_right = directions[direction]
                steps[direction] = distances[d] * (down * stride + to_right)
            found = count_neighbors(box, places[:pixels], steps, bits, counts, touched)
            order_levels(counts, touched[:found], bits, ordered, entries, used)
            complete = True
            for direction in range(4):
                of_direction = ordered[direction], entries[direction], used[direction]
                features = out[d, direction, :, index]
                complete &= haralick(*of_direction, bits, levels, logs, features) > 0
            if not complete:
                out[d, :, :, index] = numpy.nan
    return out


@compiled
def image_textures(image, distances, directions, logs):
    """Return the features of an entire uint8 image: distances x four directions x 13; NaN without a pair.

    Parameters
    ----------
    image
        (height, width) uint8.
    distances
        (distances,) in pixels.
    directions
        (4, 2) steps in rows, from 0 on, and columns.
    logs
        Logarithms of whole numbers.
    """
    height, width = image.shape
    out = numpy.full((distances.size, 4, 13), numpy.nan)
    levels = int(image.max()) + 1
    bits = get_bits(levels)
    # What lies beyond the image has a level of its own, whose pairs are left out.
    wide = levels + 1
    stride = width + distances.max()
    framed = numpy.full((height + distances.max() + 1) * stride, levels, numpy.uint16)
    for i in range(height):
        for j in range(width):
            framed[i * stride + j] = image[i, j]
    tables = numpy.zeros((2, 4 * wide * wide), numpy.int32)
    counts = numpy.zeros(levels << bits, numpy.int32)
    touched = numpy.empty(levels * levels, numpy.uint16)
    steps = numpy.empty(4, numpy.int64)
    for d in range(distances.size):
        for direction in range(4):
            down, to_right = directions[direction]
            steps[direction] = distances[d] * (down * stride + to_right)
        count_pairs(framed, image.shape, stride, steps, wide, tables[0], tables[1])
        for direction in range(4):
            used = 0
            for low in range(levels):
                for high in range(low, levels):
                    place = 4 * (low * wide + high) + direction
                    count = tables[0, place] + tables[1, place]
                    if high > low:
                        place = 4 * (high * wide + low) + direction
                        count += tables[0, place] + tables[1, place]
                    if count > 0:
                        touched[used] = (low << bits) | high
                        counts[(low << bits) | high] = count
                        used += 1
            haralick(counts, touched, used, bits, levels, logs, out[d, direction])
        tables[:] = 0
    return out
