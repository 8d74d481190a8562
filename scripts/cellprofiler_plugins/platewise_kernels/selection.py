"""Order statistics of an image's pixels, found by counting instead of sorting.

The pixels of an image of 16 bits are counted by their numbers, once for all statistics; those of other images
by their bit patterns.
"""

import numpy

from .compiled import compiled

#: The pattern of a float32 is counted by its upper and then by its lower 16 bits.
HALF = 1 << 16
#: Largest number of an image of 16 bits.
WHITE = 65535
#: Pixels whose numbers are found before they are counted.
BLOCK = 4096


class Levels:
    """The distinct pixels of an image in ascending order, and how often each occurs."""

    def __init__(self, values, counts):
        self.values = values
        self.counts = counts
        self.size = int(counts.sum())

    def find_at_ranks(self, ranks, center=None):
        """Return the pixels (or their absolute distances from `center`) at `ranks` of their order."""
        values, counts = self.values, self.counts
        if center is not None:
            values = abs(values - values.dtype.type(center))
            order = numpy.argsort(values, kind="stable")  # fast where the values fall, then rise
            values, counts = values[order], counts[order]
        return values[numpy.searchsorted(numpy.cumsum(counts), ranks, side="right")]


@compiled
def count_numbers(pixels):
    """Count the pixels of each number from 0 to `WHITE`, and return whether all pixels are such numbers.

    Parameters
    ----------
    pixels
        (pixels,) float32, numbers divided by `WHITE`.
    """
    white = numpy.float32(WHITE)
    numbers = numpy.empty(BLOCK, numpy.int32)
    # Four parts of a block alternate: to increase the same count again would wait for the previous one.
    tables = numpy.zeros((4, WHITE + 1), numpy.int32)
    one, two, three, four = tables[0], tables[1], tables[2], tables[3]
    for first in range(0, pixels.size, BLOCK):
        block = pixels[first : first + BLOCK]
        others = 0
        for k in range(block.size):
            value = block[k]
            number = numpy.int32(numpy.rint(min(max(value, numpy.float32(0)), numpy.float32(1)) * white))
            numbers[k] = number
            others += numpy.float32(number) / white != value
        if others > 0:
            return one, False
        quarter = block.size // 4
        for k in range(quarter):
            one[numpy.uint32(numbers[k])] += 1
            two[numpy.uint32(numbers[k + quarter])] += 1
            three[numpy.uint32(numbers[k + 2 * quarter])] += 1
            four[numpy.uint32(numbers[k + 3 * quarter])] += 1
        for k in range(4 * quarter, block.size):
            one[numpy.uint32(numbers[k])] += 1
    for number in range(WHITE + 1):
        one[number] += two[number] + three[number] + four[number]
    return one, True


def count_levels(pixels):
    """Return the `Levels` of an image of 8 or 16 bits divided by its largest number, else `pixels`."""
    if pixels.dtype != numpy.float32:
        return pixels
    counts, complete = count_numbers(numpy.ascontiguousarray(pixels).ravel())
    if not complete:
        return pixels
    numbers = numpy.flatnonzero(counts)
    return Levels(numbers.astype(numpy.float32) / numpy.float32(WHITE), counts[numbers])


@compiled
def get_distances(values, center):
    """Return the absolute distance of each value from `center`, in the type of the values."""
    out = numpy.empty_like(values)
    for k in range(values.size):
        out[k] = abs(values[k] - center)
    return out


@compiled
def pick_ranks(bits, ranks):
    """Return the bit patterns that are at `ranks` when the patterns are sorted.

    The bit patterns of floats that are not negative sort like the floats: one count of the upper
    16 bits, and one of the lower for each upper half that contains a rank.

    Parameters
    ----------
    bits
        (pixels,) uint32 patterns of floats, none negative or NaN.
    ranks
        (ranks,) positions among the sorted patterns, from 0, in ascending order.
    """
    half = numpy.uint32(16)
    # Four parts of the image alternate: to increase the same count again would wait for the previous one.
    tables = numpy.zeros((4, HALF), numpy.int32)
    one, two, three, four = tables[0], tables[1], tables[2], tables[3]
    quarter = bits.size // 4
    for k in range(quarter):
        one[bits[k] >> half] += 1
        two[bits[k + quarter] >> half] += 1
        three[bits[k + 2 * quarter] >> half] += 1
        four[bits[k + 3 * quarter] >> half] += 1
    for k in range(4 * quarter, bits.size):
        one[bits[k] >> half] += 1
    uppers = numpy.empty(ranks.size, numpy.int64)
    rests = numpy.empty(ranks.size, numpy.int64)
    # Where the counts of an upper half begin. Those of the halves without a rank share the first 256 counts,
    # so that no pixel is an exception.
    starts = numpy.zeros(HALF, numpy.uint32)
    masks = numpy.full(HALF, 255, numpy.uint32)
    used = 0
    place = 0
    before = 0
    count = one[0] + two[0] + three[0] + four[0]
    for r in range(ranks.size):
        while ranks[r] >= before + count:
            before += count
            place += 1
            count = one[place] + two[place] + three[place] + four[place]
        uppers[r] = place
        rests[r] = ranks[r] - before
        if starts[place] == 0:
            starts[place] = numpy.uint32(256 + used * HALF)
            masks[place] = numpy.uint32(HALF - 1)
            used += 1
    lowers = numpy.zeros(256 + used * HALF, numpy.int32)
    for k in range(bits.size):
        upper = bits[k] >> half
        lowers[starts[upper] + (bits[k] & masks[upper])] += 1
    found = numpy.empty(ranks.size, numpy.uint32)
    for r in range(ranks.size):
        of_upper = lowers[starts[uppers[r]] :]
        place = 0
        rest = rests[r]
        while rest >= of_upper[place]:
            rest -= of_upper[place]
            place += 1
        found[r] = (numpy.uint32(uppers[r]) << half) | numpy.uint32(place)
    return found


def find_at_ranks(pixels, ranks, center=None):
    """Return pixels (or absolute distances from `center`) at `ranks` of their order; finite pixels.

    Parameters
    ----------
    pixels
        The image, or its `Levels`.
    ranks
        Positions in the order.
    center
        From where distances are taken, or None.
    """
    if isinstance(pixels, Levels):
        return pixels.find_at_ranks(ranks, center)
    values = numpy.ascontiguousarray(pixels).ravel()
    if center is not None:
        values = get_distances(values, values.dtype.type(center))
    if values.dtype == numpy.float32:
        # A distance has no sign.
        plain = center is not None or values.view(numpy.int32).min() >= 0
        if not plain:
            values = values + numpy.float32(0)  # turns -0 into 0
            plain = values.view(numpy.int32).min() >= 0
        if plain:
            distinct, places = numpy.unique(ranks, return_inverse=True)
            return pick_ranks(values.view(numpy.uint32), distinct).view(numpy.float32)[places]
    return numpy.partition(values, ranks)[ranks]


def find_median_ranks(size):
    """Return the one or two positions of the median among sorted values."""
    return numpy.array([size // 2 - 1, size // 2][size % 2 :])


def median(pixels, center=None):
    """Return numpy.median of `pixels`, or of their absolute distances from `center`; finite pixels."""
    return numpy.mean(find_at_ranks(pixels, find_median_ranks(pixels.size), center))


def median_and_percentiles(pixels, percents):
    """Return numpy.median of `pixels`, and numpy.percentile at each of `percents`; finite pixels."""
    places = (pixels.size - 1) * (numpy.asarray(percents, float) / 100)
    below = numpy.floor(places).astype(int)
    above = numpy.minimum(below + 1, pixels.size - 1)
    middle = find_median_ranks(pixels.size)
    found = find_at_ranks(pixels, numpy.concatenate([middle, below, above]))
    low, high = numpy.split(found[middle.size :], 2)
    rest = places - below
    # As numpy does, from the nearer of the two.
    percentiles = numpy.where(rest < 0.5, low + (high - low) * rest, high - (high - low) * (1 - rest))
    return numpy.mean(found[: middle.size]), percentiles
