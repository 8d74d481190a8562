"""Read plain TIFF and PNG files as Bio-Formats would, without a Java virtual machine.

Only unambiguous files are read here: one gray plane of 8 or 16 bits, from a TIFF file that holds
nothing that one of Bio-Formats' many readers would treat differently, or from a PNG file. For
everything else `read_plane` returns None and CellProfiler uses Bio-Formats. A plain file whose pixels
cannot be decoded is corrupt: this is an error, since Bio-Formats would fill in the missing part.
"""

import io
import re

import numpy
import PIL.PngImagePlugin
import PIL.TiffImagePlugin
import tifffile

from . import lzw

from lib.image_damage import find_wrong_sums  # isort: skip

#: Tags that do not affect the pixels: TIFF's own, Photoshop's, the notes of Harmony and Flex.
PLAIN_TAGS = {
    254, 255, 256, 257, 258, 259, 262, 263, 266, 269, 270, 271, 272, 273, 274, 277, 278, 279, 280,
    281, 282, 283, 284, 285, 296, 297, 305, 306, 315, 316, 317, 320, 322, 323, 324, 325, 338, 339,
    340, 341, 700, 34377, 34665, 34675, 65200, 65500,
}  # fmt: skip
COMPRESSIONS = {1, 5, 8, 32773, 32946}  # none, LZW, deflate, PackBits, old deflate
LZW, PACKBITS = 5, 32773
MAX_SAMPLE_VALUE = 281
#: Programs whose files Bio-Formats reads in a special way.
SPECIAL_SOFTWARE = ("MetaMorph", "MetaSeries", "EZ-C1", "SlideBook", "FluoView", "Improvision", "OME")


def may_be_plain(path):
    """Return whether a file's name is that of a TIFF or PNG file."""
    return path.suffix.lower() in (".tif", ".tiff", ".png")


def read_plane(path, plane, data):
    """Return pixels (2-D, the file's own numbers) and the value that Bio-Formats scales by, or None.

    `path`: a pathlib.Path; `plane`: number of the TIFF page from 0; None is the first, as in
    Bio-Formats, unless the file is a stack of channels; `data`: all bytes of the file.

    Raises CorruptError if a plain file's pixels cannot be decoded.
    """
    try:
        if path.suffix.lower() != ".png":
            return _read_tiff(data, plane)
        if not plane:
            return _read_png(data)
    except CorruptError:
        raise
    except (OSError, ValueError, KeyError, SyntaxError, tifffile.TiffFileError):
        return None  # Bio-Formats reads it, or reports what is wrong with it
    return None


class CorruptError(ValueError):
    """The pixels of a plain file cannot be decoded."""


def _decoded(image):
    """Return the pixels of an open image, decoded by Pillow."""
    try:
        return numpy.array(image)
    except Exception as error:
        raise CorruptError(
            f"is corrupt: its pixels cannot be decoded ({type(error).__name__}: {error})"
        ) from error


def _read_tiff(data, plane):
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        if tiff.is_bigtiff or (plane is not None and not 0 <= int(plane) < len(tiff.pages)):
            return None
        first = tiff.pages[0]
        page = tiff.pages[int(plane or 0)]
        if not _is_plain(first) or not _is_plain(page) or _is_special(tiff, first):
            return None
        if page.shape != first.shape or page.dtype != first.dtype:
            return None
        scale = first.tags[MAX_SAMPLE_VALUE].value if MAX_SAMPLE_VALUE in first.tags else None
        dtype = numpy.dtype(page.dtype).newbyteorder("=")
        shape = page.shape
        pixels = _decode_strips(data, page)
    if pixels is None:
        with PIL.TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as image:
            image.seek(int(plane or 0))
            pixels = _decoded(image)
    if pixels.shape != shape or pixels.dtype.newbyteorder("=") != dtype:
        return None
    if scale is None:
        scale = numpy.iinfo(dtype).max
    return pixels, int(scale)


def _decode_strips(data, page):
    """Return the pixels of a TIFF page in strips of LZW; None if Pillow has to decode them.

    A strip of another compression that is damaged raises a CorruptError.
    """
    _check_strips(data, page)
    if int(page.compression) != LZW or page.is_tiled or page.predictor not in (1, 2):
        return None
    height = page.shape[0]
    rows = min(page.rowsperstrip or height, height)
    dtype = numpy.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    if len(page.dataoffsets) != -(-height // rows):
        return None
    everything = numpy.frombuffer(data, numpy.uint8)
    pixels = numpy.empty(page.shape, dtype.newbyteorder("="))
    for strip, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts)):
        part = pixels[strip * rows : (strip + 1) * rows]
        packed = everything[offset : offset + length]
        # A strip begins with the code that clears the table; strips of the old, reversed kind do not.
        if packed.size < 2 or packed[0] != 0x80:
            return None
        decoded = numpy.empty(part.nbytes + lzw.SPARE, numpy.uint8)
        if lzw.decode(packed, decoded) != part.nbytes:
            return None
        part[:] = decoded[: part.nbytes].view(dtype).reshape(part.shape)
    if page.predictor == 2:
        numpy.cumsum(pixels, axis=1, dtype=pixels.dtype, out=pixels)
    return pixels


def _unpacked_length(packed):
    """Return how many bytes a strip of PackBits holds; -1 if it ends within a run."""
    at = length = 0
    while at < len(packed):
        code = packed[at]
        at += code + 2 if code < 128 else 2 if code > 128 else 1
        length += code + 1 if code < 128 else 257 - code if code > 128 else 0
    return length if at == len(packed) else -1


def _check_strips(data, page):
    """Raise a CorruptError if a strip or tile is damaged in a way that Pillow's decoder does not notice.

    Deflate ends with a checksum, and a strip of PackBits has a known length.
    """
    problem = find_wrong_sums(data, page)
    if problem:
        raise CorruptError(problem)
    if int(page.compression) != PACKBITS or page.is_tiled:
        return
    rows = min(page.rowsperstrip or page.shape[0], page.shape[0])
    wide = page.shape[1] * page.dtype.itemsize
    for strip, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts)):
        expected = min(rows, page.shape[0] - strip * rows) * wide
        if _unpacked_length(data[offset : offset + length]) != expected:
            raise CorruptError(
                "is corrupt: its pixels cannot be decoded (a strip of PackBits has not its length)"
            )


def _is_plain(page):
    """Return whether a TIFF page is one gray plane of integers with an unambiguous meaning."""
    tags = page.tags
    photometric = int(page.photometric)
    if {tag.code for tag in tags} - PLAIN_TAGS or page.samplesperpixel != 1:
        return False
    if page.bitspersample not in (8, 16) or page.sampleformat not in (None, 1):
        return False
    if int(page.compression) not in COMPRESSIONS or len(page.shape) != 2:
        return False
    if any(tags[code].value != 1 for code in (266, 274) if code in tags):  # bit order, orientation
        return False
    if 65200 in tags and set(re.findall(r'Factor="([^"]*)"', str(tags[65200].value))) - {"1"}:
        return False
    if photometric == 3:  # a palette: only the one that changes nothing
        levels = numpy.arange(1 << page.bitspersample)
        table = numpy.array(page.colormap)
        return page.bitspersample == 8 and bool((table >> 8 == levels).all())
    return photometric == 1


def _is_special(tiff, page):
    """Return whether a file's notes may make Bio-Formats take its pages for channels or read other files."""
    notes = page.description or ""
    software = str(page.software or "")
    if any(name in software or name == notes for name in SPECIAL_SOFTWARE):
        return True
    if len(tiff.pages) > 1:
        return notes != ""
    # No reader of Bio-Formats looks for a single word; what they look for has spaces, = or <.
    a_word = notes.isascii() and notes.isalnum()
    return not (notes == "" or a_word or notes.startswith(("ImageJ=", '{"shape"')))


def _read_png(data):
    with PIL.PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
        if "transparency" in image.info or getattr(image, "n_frames", 1) > 1:
            return None
        if image.mode not in ("L", "I", "I;16"):
            return None
        wide = image.mode != "L"
        pixels = _decoded(image)
    if not wide:
        if data[24] != 8:  # fewer bits are rescaled by one reader and not by the other
            return None
        return pixels, 255
    return pixels.astype(numpy.uint16), 65535
