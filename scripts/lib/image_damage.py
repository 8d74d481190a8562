"""Find image files that are truncated or corrupt, from their bytes.

Bio-Formats reads such files, and fills in what is missing. Needs only tifffile and Pillow, which CellProfiler
also has, and Python 3.8: CellProfiler's LoadData uses it.
"""

import io
import struct
import zlib
from operator import add

import numpy as np
import tifffile
from PIL import Image

TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_BEGINNING = b"\x89PNG\r\n\x1a\n"
JPEG_BEGINNING, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
# In a BMP file: where its pixels begin, the size of its second header, width, height, planes, bits per pixel,
# compression.
BITMAP_HEADER = struct.Struct("<10xIIiiHHI")
# Of TIFF's compressions; JPEG and JPEG 2000 end each strip or tile with the same mark.
UNCOMPRESSED, DEFLATE, OF_JPEG = 1, (8, 32946), (7, 33003, 33004, 33005, 34712)
# An uncompressed image may not have been copied to its end if at least this share of its bytes, at the end,
# are zero, and at most this share of its other pixels.
ZERO_END, ZERO_ELSEWHERE = 1 / 16, 0.01
LAST_BYTES = 1024


class DamagedImageError(ValueError):
    """An image file that is truncated or corrupt."""


def damage(data):
    """Return the error in the bytes of a TIFF, PNG, BMP or JPEG file as text; None if they seem complete.

    Bio-Formats reads a truncated file and fills in the missing part. Other files are not checked.
    """
    if not data:
        return "is empty (0 bytes)"
    if data[:8] == PNG_BEGINNING:
        return (
            None
            if b"IEND" in data[-1024:]
            else f"is truncated (a PNG file of {len(data)} bytes without its end)"
        )
    if data[:3] == JPEG_BEGINNING and JPEG_END not in data[-1024:]:
        return f"is truncated (a JPEG file of {len(data)} bytes without its end)"
    if data[:2] == b"BM":
        size = get_bytes_of_bitmap(data)
        if len(data) < size:
            return f"is truncated ({len(data)} bytes of at least {size})"
        return find_zero_end_of_bitmap(data[:size]) if size else None
    if data[:4] not in TIFF_BEGINNINGS:
        return None
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            return cut_off(file, len(data)) or find_zero_end(file.pages[0], file.filehandle)
    except Exception as error:
        return f"cannot be read ({type(error).__name__}: {error})"


def get_bytes_of_bitmap(data):
    """Return how many bytes a BMP file has at least, from its header; 0 for a compressed one."""
    if len(data) < BITMAP_HEADER.size:
        return BITMAP_HEADER.size
    start, _, width, height, _, bits, compression = BITMAP_HEADER.unpack_from(data)
    rows = abs(height)
    return 0 if compression else start + rows * ((width * bits + 31) // 32 * 4)


def find_zero_end_of_bitmap(data):
    """Return, as text, that an uncompressed BMP file was not copied to its end; None if it was."""
    start, _, width, height, _, bits, _ = BITMAP_HEADER.unpack_from(data)
    if not height:
        return None
    lines = np.frombuffer(data[start:], np.uint8).reshape(abs(height), -1)
    # Each row is filled up with zeros to a multiple of four bytes.
    pixels = lines[:, : (width * bits + 7) // 8]
    return describe_zero_end([pixels], 1, abs(height))


def cut_off(file, size):
    """Return, as text, how much of an open TIFF file of `size` bytes is missing; None if nothing is."""
    page = file.pages[0]
    ends = list(map(add, page.dataoffsets, page.databytecounts))
    if not ends or max(ends) > size:
        return f"is truncated ({size} bytes of at least {max(ends, default=0)})"
    return None


def find_zero_end(page, file):
    """Return, as text, that an uncompressed TIFF page was not copied to its end; None if it was.

    The rest of a file that is still being copied, or that was not copied to its end, may hold zeros; its
    length is then right.

    `file`: the open file, or its bytes in a `BytesIO`.
    """
    lengths = page.databytecounts
    if int(page.compression) != UNCOMPRESSED or not lengths or sum(lengths) < page.nbytes:
        return None
    last = min(LAST_BYTES, lengths[-1], int(ZERO_END * page.nbytes))
    file.seek(page.dataoffsets[-1] + lengths[-1] - last)
    if file.read(last).strip(b"\0"):
        return None
    return describe_zero_end(read_lines(page, file), max(page.bitspersample // 8, 1), page.imagelength)


def read_lines(page, file):
    """Yield the lines of each strip or tile of a page: rows of pixels as arrays of bytes.

    What a tile holds beyond the edges of the image is left out.
    """
    across, down = page.imagewidth, min(page.rowsperstrip, page.imagelength)
    if page.is_tiled:
        across, down = page.tilewidth, page.tilelength
    columns, rows = -(-page.imagewidth // across), -(-page.imagelength // down)
    for number, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts)):
        row, column = divmod(number % (columns * rows), columns)
        high = min(down, page.imagelength - row * down)
        wide = min(across, page.imagewidth - column * across)
        stored = down if page.is_tiled else high
        file.seek(offset)
        width = length // stored
        lines = np.frombuffer(file.read(length), np.uint8)[: stored * width].reshape(stored, width)
        yield lines[:high, : wide * width // across]


def count_zeros(lines, size):
    """Return, of each line, the number of its pixels, how many of them are 0, and how many at its end.

    `lines`: those of a strip or tile, as `read_lines` yields them; `size`: bytes of a pixel.
    """
    pixels = lines[:, : lines.shape[1] // size * size].reshape(len(lines), -1, size).any(axis=2)
    count = pixels.shape[1]
    at_end = np.where(pixels.any(axis=1), np.argmax(pixels[:, ::-1], axis=1), count)
    return np.full(len(lines), count), count - pixels.sum(axis=1), at_end


def describe_zero_end(pieces, size, height):
    """Return, as text, that an image was not copied to its end, and from which row on; None if it was.

    An image that was shifted to fit another one ends in rows of zeros, too. They begin at the end of a row,
    or, if it was turned, where several rows become shorter one after the other; a copy ends anywhere, and
    seldom there. Images that are often zero elsewhere are not judged.

    Parameters
    ----------
    pieces
        The lines of each strip or tile of the image, as `read_lines` yields them.
    size
        Bytes of a pixel.
    height
        Number of rows of the image.
    """
    counted = [count_zeros(piece, size) for piece in pieces]
    counts, zeros, at_end = (np.concatenate(column) for column in zip(*counted))
    filled = np.flatnonzero(at_end < counts)
    if not filled.size:
        return None
    last = filled[-1]
    written = counts[: last + 1].sum() - at_end[last]
    if counts.sum() - written < ZERO_END * counts.sum():
        return None
    if zeros[: last + 1].sum() - at_end[last] > ZERO_ELSEWHERE * written:
        return None
    row = written * height // counts.sum() + 1
    usual, before = at_end[filled[:-2]].max(initial=0), at_end[filled[-2]] if len(filled) > 1 else 0
    if not at_end[last] > usual >= before:
        return None
    return (
        f"was not copied to its end: from row {row} of {height} on all its pixels are 0 (if they are meant "
        "to be, save the plate's images compressed, with LZW or deflate)"
    )


def find_wrong_sums(data, page):
    """Return, as text, that a strip or tile of deflate does not match its checksum; None if all match."""
    if int(page.compression) not in DEFLATE:
        return None
    for offset, length in zip(page.dataoffsets, page.databytecounts):
        try:
            if length:
                zlib.decompress(data[offset : offset + length])
        except zlib.error as error:
            return f"is corrupt: its pixels cannot be decoded ({error})"
    return None


def find_missing_ends(data, page):
    """Return, as text, that a strip or tile of JPEG has no end; None if all have one."""
    if int(page.compression) in OF_JPEG:
        for offset, length in zip(page.dataoffsets, page.databytecounts):
            if length and JPEG_END not in data[offset : offset + length][-16:]:
                return "is corrupt: its pixels cannot be decoded (a strip of JPEG has no end)"
    return None


def find_undecodable(data):
    """Return, as text, why the pixels of a TIFF file cannot be decoded; None if they can, or may be.

    Bio-Formats fills in what it cannot decode. Checksums of deflate are compared, and Pillow decodes the
    compressed files that it can read; what other files hold is not known here.
    """
    if data[:4] not in TIFF_BEGINNINGS:
        return None
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        problem = find_wrong_sums(data, page) or find_missing_ends(data, page)
        if problem or int(page.compression) in (UNCOMPRESSED, *DEFLATE):
            return problem
    try:
        image = Image.open(io.BytesIO(data))
    except Exception:
        return None
    try:
        with image:
            image.load()
    except OSError as error:
        # `decoder error`, and not a kind of file that Pillow does not know.
        if "decoder error" in str(error):
            return f"is corrupt: its pixels cannot be decoded (OSError: {error})"
    except Exception:
        return None
    return None
