"""Decode TIFF's LZW (TIFF 6.0, section 13).

Each code stands for bytes that were written before: those of the previous code and the byte that followed.
The table therefore holds where these bytes begin in the output, and their number, and decoding copies them.
"""

import numpy

from .compiled import compiled

CLEAR, END = 256, 257
#: Bytes after the decoded ones that may be overwritten: short copies always have eight bytes.
SPARE = 16


@compiled
def decode(data, out):
    """Decode a strip into `out` (uint8), which has `SPARE` extra bytes; return the number of decoded bytes.

    The result is -1 for an invalid strip, and less than the expected number for a truncated one.
    """
    one = numpy.uint64(1)
    eight = numpy.uint64(8)
    clear = numpy.uint64(CLEAR)
    end = numpy.uint64(END)
    starts = numpy.zeros(4096, numpy.uint32)
    lengths = numpy.zeros(4096, numpy.uint32)
    total = numpy.uint64(out.size - SPARE)
    place = numpy.uint64(0)
    at = 0
    buffer = numpy.uint64(0)
    bits = numpy.uint64(0)
    width = numpy.uint64(9)
    mask = numpy.uint64(511)
    size = end + one
    before = numpy.uint64(0)
    before_length = numpy.uint64(0)
    while place < total:
        if bits < width and at + 4 <= data.size:
            buffer <<= numpy.uint64(32)
            buffer |= numpy.uint64(data[at]) << numpy.uint64(24)
            buffer |= numpy.uint64(data[at + 1]) << numpy.uint64(16)
            buffer |= numpy.uint64(data[at + 2]) << eight
            buffer |= numpy.uint64(data[at + 3])
            at += 4
            bits += numpy.uint64(32)
        while bits < width:
            if at >= data.size:
                return numpy.int64(place)
            buffer = (buffer << eight) | numpy.uint64(data[at])
            at += 1
            bits += eight
        bits -= width
        code = (buffer >> bits) & mask
        if code == clear:
            width = numpy.uint64(9)
            mask = numpy.uint64(511)
            size = end + one
            before_length = numpy.uint64(0)
            continue
        if code == end:
            return numpy.int64(place)
        if code < clear:
            out[place] = code
            length = one
        else:
            if code < size:
                source = numpy.uint64(starts[code])
                length = numpy.uint64(lengths[code])
            elif code == size and before_length > 0:
                source = before
                length = before_length + one
            else:
                return -1
            length = min(length, total - place)
            if length <= eight and place - source >= eight:
                for k in range(8):
                    out[place + numpy.uint64(k)] = out[source + numpy.uint64(k)]
            else:
                for k in range(length):
                    out[place + k] = out[source + k]
        if before_length > 0:
            if size > numpy.uint64(4095):
                return -1
            starts[size] = before
            lengths[size] = before_length + one
            size += one
            # TIFF's codes grow one code early.
            if size == mask and width < numpy.uint64(12):
                width += one
                mask = (one << width) - one
        before = place
        before_length = length
        place += length
    return numpy.int64(place)
