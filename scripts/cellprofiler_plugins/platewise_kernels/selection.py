"""Order statistics of an image's pixels, found by counting bit patterns instead of sorting."""

import numpy

from .compiled import compiled

#: The pattern of a float32 is counted by its upper and then by its lower 16 bits.
HALF = 1 << 16


@compiled
def pick_ranks(values, center, deviation, ranks):
    """Return the float32 `values` (or their distances from `center`) that are at `ranks` when sorted.

    The bit patterns of floats that are not negative sort like the floats: one count of the upper
    16 bits, and one of the lower for each upper half that contains a rank. None of the counted values
    may be negative or NaN.

    Parameters
    ----------
    values
        Pixels, (pixels,).
    center
        The number from which distances are taken; it counts with `deviation` only.
    deviation
        Whether distances from `center` are sorted instead of the values.
    ranks
        Positions in ascending order of the values, from 0, (ranks,).
    """
    pair = numpy.zeros(1, numpy.float32)
    bits = pair.view(numpy.uint32)
    counts = numpy.zeros(HALF, numpy.int64)
    for k in range(values.size):
        pair[0] = abs(values[k] - center) if deviation else values[k] + numpy.float32(0)
        counts[bits[0] >> 16] += 1
    uppers = numpy.empty(ranks.size, numpy.int64)
    rests = ranks.copy()
    tables = numpy.full(HALF, -1, numpy.int64)
    used = 0
    for r in range(ranks.size):
        place = 0
        while rests[r] >= counts[place]:
            rests[r] -= counts[place]
            place += 1
        uppers[r] = place
        if tables[place] < 0:
            tables[place] = used
            used += 1
    inside = numpy.zeros((used, HALF), numpy.int64)
    for k in range(values.size):
        pair[0] = abs(values[k] - center) if deviation else values[k] + numpy.float32(0)
        table = tables[bits[0] >> 16]
        if table >= 0:
            inside[table, bits[0] & (HALF - 1)] += 1
    found = numpy.empty(ranks.size, numpy.float32)
    for r in range(ranks.size):
        table = tables[uppers[r]]
        place = 0
        while rests[r] >= inside[table, place]:
            rests[r] -= inside[table, place]
            place += 1
        bits[0] = (uppers[r] << 16) | place
        found[r] = pair[0]
    return found


def find_at_ranks(pixels, ranks, center=None):
    """Return pixels (or absolute distances from `center`) at `ranks` of their order; finite pixels."""
    if pixels.dtype != numpy.float32 or (center is None and pixels.min() < 0):
        values = pixels if center is None else numpy.abs(pixels - center)
        return numpy.partition(values, ranks, axis=None)[ranks]
    deviation = center is not None
    return pick_ranks(pixels.ravel(), numpy.float32(center if deviation else 0), deviation, ranks)


def median(pixels, center=None):
    """Return numpy.median of `pixels`, or of their absolute distances from `center`; finite pixels."""
    half = pixels.size // 2
    return numpy.mean(find_at_ranks(pixels, numpy.array([half - 1, half][pixels.size % 2 :]), center))


def percentiles(pixels, percents):
    """Return numpy.percentile of `pixels` at each of `percents`; finite pixels."""
    places = (pixels.size - 1) * (numpy.asarray(percents, float) / 100)
    below = numpy.floor(places).astype(int)
    above = numpy.minimum(below + 1, pixels.size - 1)
    found = find_at_ranks(pixels, numpy.concatenate([below, above]))
    low, high = found[: below.size], found[below.size :]
    rest = places - below
    # As numpy does, from the nearer of the two.
    return numpy.where(rest < 0.5, low + (high - low) * rest, high - (high - low) * (1 - rest))
