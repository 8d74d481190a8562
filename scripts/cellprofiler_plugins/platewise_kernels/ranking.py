"""Order the pixels of an image by value with a radix sort."""

import numpy

from .compiled import compiled

DIGIT_BITS = 11


@compiled
def radix_order(keys, key_bits):
    """Return positions that sort unsigned integer `keys` (their lowest `key_bits` bits); stable."""
    size = keys.size
    order = numpy.arange(size).astype(numpy.int32)
    spare = numpy.empty(size, numpy.int32)
    buckets = 1 << DIGIT_BITS
    for shift in range(0, key_bits, DIGIT_BITS):
        starts = numpy.zeros(buckets + 1, numpy.int64)
        for k in range(size):
            starts[((keys[k] >> shift) & (buckets - 1)) + 1] += 1
        if starts.max() == size:  # one digit for all: nothing to move
            continue
        for digit in range(buckets):
            starts[digit + 1] += starts[digit]
        for k in range(size):
            position = order[k]
            digit = (keys[position] >> shift) & (buckets - 1)
            spare[starts[digit]] = position
            starts[digit] += 1
        order, spare = spare, order
    return order


@compiled
def packed_order(keys, lowest, key_bits):
    """Return positions that sort the uint32 `keys`, which are `lowest` plus at most `key_bits` bits; stable.

    Key and position move together in one 64-bit number, so that each pass reads memory in order. All
    digits are counted in one pass.
    """
    size = keys.size
    passes = max(1, (key_bits + DIGIT_BITS - 1) // DIGIT_BITS)
    digit_bits = numpy.uint64((key_bits + passes - 1) // passes)
    buckets = 1 << int(digit_bits)
    mask = numpy.uint64(buckets - 1)
    half = numpy.uint64(32)
    starts = numpy.zeros((passes, buckets + 1), numpy.int32)
    pairs = numpy.empty(size, numpy.uint64)
    spare = numpy.empty(size, numpy.uint64)
    for k in range(size):
        key = numpy.uint64(keys[k]) - lowest
        pairs[k] = (key << half) | numpy.uint64(k)
        for number in range(passes):
            starts[number, numpy.int64((key >> (numpy.uint64(number) * digit_bits)) & mask) + 1] += 1
    for number in range(passes):
        free = starts[number]
        for digit in range(buckets):
            free[digit + 1] += free[digit]
        shift = half + numpy.uint64(number) * digit_bits
        for k in range(size):
            pair = pairs[k]
            digit = (pair >> shift) & mask
            spare[free[digit]] = pair
            free[digit] += 1
        pairs, spare = spare, pairs
    order = numpy.empty(size, numpy.int32)
    for k in range(size):
        order[k] = numpy.int32(pairs[k] & numpy.uint64(0xFFFFFFFF))
    return order


def value_order(values):
    """Return positions that sort the 1-D float array `values` (no NaN) by increasing value; stable."""
    wide = values.dtype != numpy.float32
    values = numpy.ascontiguousarray(values, numpy.float64 if wide else numpy.float32)
    bits = 64 if wide else 32
    unsigned = numpy.uint64 if wide else numpy.uint32
    # The bit patterns of non-negative floats sort like the floats; + 0 turns -0 into 0.
    keys = (values + values.dtype.type(0)).view(unsigned)
    if not keys.size:
        return numpy.zeros(0, numpy.int32)
    sign = unsigned(1 << (bits - 1))
    highest = keys.max()
    if highest >= sign:
        keys = numpy.where(keys >= sign, ~keys, keys | sign)
        highest = keys.max()
    if wide:
        return radix_order(keys, int(highest).bit_length())
    lowest = keys.min()
    return packed_order(keys, numpy.uint64(lowest), int(highest - lowest).bit_length())


@compiled
def inverse_order(order):
    """Return the rank of each position, given the positions in increasing order."""
    rank = numpy.empty(order.size, numpy.int32)
    for k in range(order.size):
        rank[order[k]] = k
    return rank


@compiled
def dense_ranks(values, order):
    """Return the rank of each value among the distinct values: equal values share one, without gaps."""
    ranks = numpy.empty(order.size, numpy.int32)
    rank = 0
    for k in range(order.size):
        if k > 0 and values[order[k]] != values[order[k - 1]]:
            rank += 1
        ranks[order[k]] = rank
    return ranks
