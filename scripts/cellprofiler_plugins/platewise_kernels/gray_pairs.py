"""Count pairs of gray levels of neighboring pixels, of an object or of an entire image."""

import numpy

from .compiled import compiled


@compiled
def get_bits(levels):
    """Return the number of bits that gray levels below `levels` need."""
    bits = 0
    while (1 << bits) < levels:
        bits += 1
    return bits


@compiled
def count_neighbors(levels, places, steps, bits, counts, touched):
    """Count the gray levels of an object's pixels and of their neighbors in four directions, in one pass.

    The directions take turns, each with counts of its own: incrementing the same count again would wait for
    the previous increment. Unsigned numbers avoid the check for negative indices.

    Parameters
    ----------
    levels
        Raveled gray levels of the object's box, 0 outside the object.
    places
        (pixels,) where its pixels are; each has a neighbor in each direction.
    steps
        (4,) distance to the neighbor in each direction, in the raveled box.
    bits
        Bits of a level in an entry.
    counts
        Pairs by ((pixel's level << `bits` | neighbor's level) << 2 | direction), all 0 before.
    touched
        The entries above 0, written in place.

    Returns
    -------
    The number of entries above 0.
    """
    two = numpy.uint32(2)
    shift = numpy.uint32(bits)
    to_first, to_second, to_third, to_fourth = (
        numpy.uint32(steps[0]),
        numpy.uint32(steps[1]),
        numpy.uint32(steps[2]),
        numpy.uint32(steps[3]),
    )
    used = numpy.uint32(0)
    for k in range(places.size):
        place = places[k]
        level = numpy.uint32(levels[place]) << shift
        # Whether a pair is new is no condition, which the processor would have to guess.
        entry = (level | numpy.uint32(levels[place + to_first])) << two
        count = counts[entry]
        touched[used] = entry
        used += numpy.uint32(count == 0)
        counts[entry] = count + 1
        entry = (level | numpy.uint32(levels[place + to_second])) << two | numpy.uint32(1)
        count = counts[entry]
        touched[used] = entry
        used += numpy.uint32(count == 0)
        counts[entry] = count + 1
        entry = (level | numpy.uint32(levels[place + to_third])) << two | numpy.uint32(2)
        count = counts[entry]
        touched[used] = entry
        used += numpy.uint32(count == 0)
        counts[entry] = count + 1
        entry = (level | numpy.uint32(levels[place + to_fourth])) << two | numpy.uint32(3)
        count = counts[entry]
        touched[used] = entry
        used += numpy.uint32(count == 0)
        counts[entry] = count + 1
    return numpy.int64(used)


@compiled
def order_levels(counts, touched, bits, ordered, entries, used):
    """Add up the counts of a pair's two orders by direction, without pairs with a gray level 0.

    Parameters
    ----------
    counts, touched
        As `count_neighbors` writes them; the counts are reset to 0.
    bits
        Bits of a level in an entry.
    ordered
        (4, entries) pairs by (lower level << `bits` | higher level), written in place.
    entries, used
        `entries[direction, :used[direction]]` are the entries above 0, written in place.
    """
    mask = (1 << bits) - 1
    used[:] = 0
    for k in range(touched.size):
        place = numpy.int64(touched[k])
        direction = place & 3
        one = place >> (2 + bits)
        other = (place >> 2) & mask
        count = counts[place]
        counts[place] = 0
        if other > 0:
            entry = (min(one, other) << bits) | max(one, other)
            before = ordered[direction, entry]
            entries[direction, used[direction]] = entry
            used[direction] += before == 0
            ordered[direction, entry] = before + count


@compiled
def count_four(levels, place, steps, wide, table):
    """Count a pixel's pairs with its neighbors in four directions.

    Parameters
    ----------
    levels
        Raveled gray levels.
    place
        Where the pixel is.
    steps
        The distance to the neighbor in each direction, four unsigned numbers.
    wide
        Number of gray levels.
    table
        Pairs by (pixel's level * `wide` + neighbor's level) * 4 + direction, changed in place.
    """
    four = numpy.uint64(4)
    first = numpy.uint64(levels[place]) * (four * wide)
    table[first + four * numpy.uint64(levels[place + steps[0]])] += 1
    table[first + four * numpy.uint64(levels[place + steps[1]]) + numpy.uint64(1)] += 1
    table[first + four * numpy.uint64(levels[place + steps[2]]) + numpy.uint64(2)] += 1
    table[first + four * numpy.uint64(levels[place + steps[3]]) + numpy.uint64(3)] += 1


@compiled
def count_pairs(levels, shape, stride, steps, wide, one, other):
    """Count the pairs of gray levels of an image in four directions, in two tables to be summed.

    The halves of each row alternate, each with its own table: incrementing the same count again would wait
    for the previous increment. Unsigned numbers avoid the check for negative indices.

    Parameters
    ----------
    levels
        Raveled gray levels of the image, with further ones after each row and after the last row.
    shape
        Height and width of the image.
    stride
        Width with the further levels.
    steps
        (4,) distance to the neighbor in each direction, in the raveled image.
    wide
        Number of gray levels.
    one, other
        The tables, as of `count_four`, changed in place.
    """
    height, width = shape
    to = numpy.uint64(steps[0]), numpy.uint64(steps[1]), numpy.uint64(steps[2]), numpy.uint64(steps[3])
    of_levels = numpy.uint64(wide)
    half = width // 2
    for i in range(height):
        start = i * stride
        for j in range(half):
            count_four(levels, numpy.uint64(start + j), to, of_levels, one)
            count_four(levels, numpy.uint64(start + j + half), to, of_levels, other)
        for j in range(2 * half, width):
            count_four(levels, numpy.uint64(start + j), to, of_levels, one)
