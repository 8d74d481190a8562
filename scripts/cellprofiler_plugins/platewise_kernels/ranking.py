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


def value_order(values):
    """Return positions that sort the 1-D float array `values` (no NaN) by increasing value; stable."""
    wide = values.dtype != numpy.float32
    values = numpy.ascontiguousarray(values, numpy.float64 if wide else numpy.float32)
    bits = 64 if wide else 32
    unsigned = numpy.uint64 if wide else numpy.uint32
    # The bit patterns of non-negative floats sort like the floats; + 0 turns -0 into 0.
    keys = (values + values.dtype.type(0)).view(unsigned)
    sign = unsigned(1 << (bits - 1))
    negative = keys >= sign
    if negative.any():
        keys = numpy.where(negative, ~keys, keys | sign)
    used = int(keys.max()).bit_length() if keys.size else 0
    return radix_order(keys, used)


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
