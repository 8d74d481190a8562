"""Read the header of an image file, check whether the file is complete, and read its pixels.

Needs only tifffile and Pillow, which CellProfiler also has, and Python 3.8: CellProfiler's LoadData uses it.
"""

import io
import re
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from lib.errors import InputError
from lib.image_damage import (
    JPEG_BEGINNING,
    PNG_BEGINNING,
    TIFF_BEGINNINGS,
    cut_off,
    damage,
    find_zero_end,
)
from lib.image_references import is_reference
from lib.object_storage import open_image_file
from lib.plane_reader import get_image_properties, read_image

TIFF = {".tif", ".tiff"}
KINDS_OF_TIFF = {".stk", ".lsm", ".flex"}
STACK = (
    "holds several planes: set images.project in the config for a stack, or images.channels_in to `files` if "
    "they are channels"
)
PALETTE = (
    "holds numbers of the colors of a palette, not intensities; write one gray image for each channel (8 or "
    "16 bits)"
)
# Of TIFF's photometric interpretations: white is 0, a palette, and inks (CMYK).
WHITE_IS_ZERO, OF_PALETTE, OF_INKS = 0, 3, 5
# Types of pixels that CellProfiler's readers do not support.
UNREAD_TYPES = ("float16", "int64", "uint64", "complex64", "complex128")
COLOR = "is in color; write one gray image for each channel"
# The compressions of TIFF that CellProfiler's readers support: none, LZW, JPEG, deflate, PackBits, JPEG
# 2000.
COMPRESSIONS = {1, 5, 7, 8, 32773, 32946, 33003, 33004, 33005, 34712}
# How the fault begins of an image that Snakemake's Python can decode and CellProfiler's cannot.
COMPRESSED = "is compressed"
# First bytes of a kind of image, its name, how such a file must end, and endings under which it is not read.
KINDS = (
    (TIFF_BEGINNINGS, "TIFF", ".tif or .tiff", ("", ".png", ".bmp", ".gif", ".dat", ".img", ".ome", ".raw")),
    ((PNG_BEGINNING,), "PNG", ".png", (".tif", ".tiff", ".bmp")),
    ((JPEG_BEGINNING,), "JPEG", ".jpg or .jpeg", (".tif", ".tiff", ".png", ".bmp")),
    ((b"BM",), "BMP", ".bmp", (".tif", ".tiff", ".png")),
)
MAX_SAMPLE_VALUE = 281
# The column of the image table with the pixel value that stands for 1 (`images.maximum` in the config).
MAXIMUM = "Metadata_ImageMaximum"
# Integers whose scale is certain: their type's largest value, or the value in the file's tag.
PLAIN_TYPES = ("uint8", "uint16")


def properties(path):
    """Return shape and type of the image at `path` (or address), as (tuple, str), or an error as text.

    A TIFF is truncated when its header points beyond the end of the file. A stack, or an image in color,
    is not a valid image of a channel, and files that CellProfiler's readers cannot read are also errors.
    """
    path = Path(path)
    if is_reference(path.name):
        return get_image_properties(path)
    try:
        source = open_image_file(path)
        size = path.stat().st_size if source is path else source.getbuffer().nbytes
        if size == 0:
            return "is empty (0 bytes)"
        if path.suffix.lower() not in TIFF:
            data = source.read_bytes() if source is path else source.getvalue()
            problem = find_wrong_ending(path, data[:8]) or damage(data)
            if problem:
                return problem
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                return properties_of_picture(image)
        with tifffile.TiffFile(source) as file:
            return properties_of_tiff(file, size)
    except FileNotFoundError:
        return "does not exist"
    except tifffile.TiffFileError as error:
        return find_wrong_ending(path, read_beginning(source)) or f"cannot be read (TiffFileError: {error})"
    except Exception as error:
        return f"cannot be read ({type(error).__name__}: {error})"


def read_beginning(source):
    """Return the first bytes of a file, given by its path or open."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(8)
    return source.getvalue()[:8]


def find_wrong_ending(path, beginning):
    """Return, as text, that a file's name ends like that of another kind of image; None if it does not.

    CellProfiler chooses the reader by the ending. `beginning`: the file's first bytes.
    """
    for beginnings, kind, right, wrong_endings in KINDS:
        if beginning.startswith(beginnings) and path.suffix.lower() in wrong_endings:
            return f"is a {kind} file, which CellProfiler reads only if its name ends in {right}; rename it"
    return None


def properties_of_picture(image):
    """Return the `properties` of an image that Pillow has read."""
    if image.mode in ("LA", "La", "PA"):
        return "holds a gray image with alpha (2 samples per pixel); write it without alpha"
    if image.mode == "1":
        return "holds 1 bit per pixel, which is not an intensity; export the image with 8 or 16 bits"
    pixels = np.asarray(image)
    if image.mode.startswith("RGB") and in_color(pixels):
        return COLOR
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        return COLOR
    if image.mode == "P" and not is_gray_ramp(np.reshape(image.getpalette("RGB"), (-1, 3)).T, 1):
        return PALETTE
    # Pillow reads 16 bits as 32 if its version has no mode for them.
    kind = "uint16" if image.format == "PNG" and image.mode == "I" else pixels.dtype.name
    return (image.height, image.width), kind


def properties_of_tiff(file, size):
    """Return the `properties` of an open TIFF file of `size` bytes."""
    problem = cut_off(file, size) or find_zero_end(file.pages[0], file.filehandle)
    if problem:
        return problem
    page = file.pages[0]
    if is_stack(file):
        return STACK
    if page.is_reduced and len(file.pages) > 1:
        return "begins with a smaller copy of the image (a thumbnail); save the image without it"
    if page.bitspersample == 1:
        return "holds 1 bit per pixel, which is not an intensity; export the image with 8 or 16 bits"
    if int(page.photometric) == WHITE_IS_ZERO:
        return (
            "stores white as 0 (WhiteIsZero), which programs interpret differently; save it with black as 0"
        )
    if int(page.photometric) == OF_PALETTE and not is_gray_ramp(
        page.colormap, 2 ** (16 - page.bitspersample)
    ):
        return PALETTE
    kind = np.dtype(page.dtype).name
    if kind in UNREAD_TYPES:
        return (
            f"holds numbers of the type {kind}, which CellProfiler does not read; write the image as whole "
            "numbers of 16 bits"
        )
    if int(page.compression) not in COMPRESSIONS:
        how = f"by {name_of(page.compression)}"
        if page.samplesperpixel > 1:
            return f"holds {page.samplesperpixel} samples per pixel, compressed {how}; write one gray image"
        return (
            f"{COMPRESSED} {how}, which CellProfiler does not read; write it with LZW or deflate, or "
            "uncompressed (`tiffcp -c lzw`, or ImageJ's Save as Tiff)"
        )
    if int(page.predictor or 1) == 3:
        return (
            f"{COMPRESSED} with the predictor for floating point numbers, which CellProfiler does not read; "
            "write it without (`tiffcp -c lzw:1`)"
        )
    if page.samplesperpixel > 1:
        pixels = samples_last(page, page.asarray())
        if page.samplesperpixel == 2 or page.samplesperpixel > 4:
            return (
                f"holds {page.samplesperpixel} samples per pixel (channels in one file, or gray with alpha); "
                "write one gray image for each channel, without alpha"
            )
        if int(page.photometric) == OF_INKS or in_color(pixels):
            return COLOR
        return tuple(pixels.shape[:2]), pixels.dtype.name
    return tuple(page.shape), np.dtype(page.dtype).name


def is_gray_ramp(colors, step):
    """Return whether a palette, (3, colors), makes each number the gray of that number times `step`."""
    colors = np.asarray(colors).astype(int)
    return bool((colors // step == np.arange(colors.shape[1])).all())


def name_of(compression):
    """Return the name of a TIFF compression."""
    return getattr(compression, "name", f"the method {compression}").upper().replace("_", " ")


def samples_last(page, pixels):
    """Return the pixels of a TIFF page with the samples of a pixel along the last axis."""
    return np.moveaxis(pixels, 0, -1) if page.planarconfig == 2 else pixels


def is_stack(file):
    """Return whether a TIFF holds several planes of one size (pyramids and thumbnails are smaller)."""
    first = file.pages[0]
    if file.is_imagej and (file.imagej_metadata or {}).get("images", 1) > 1:
        return True
    try:
        return file.pages[1].shape == first.shape
    except IndexError:
        return False


def in_color(pixels):
    """Return whether the colors of an image differ; many programs write gray as three equal ones."""
    return not all(np.array_equal(pixels[..., 0], pixels[..., other]) for other in (1, 2))


def read_plane_and_scale(path):
    """Return the first plane of an image file, or of one in object storage, and the value that becomes 1.

    The pixels are as stored; three equal colors are one gray image. The value is the tag's, or the type's
    largest.

    Raises InputError, naming the file, if it cannot be read.
    """
    path = Path(path)
    if is_reference(path.name):
        pixels, _, scale = read_image(path)
        return pixels, scale
    source = open_image_file(path)
    scale = None
    try:
        if path.suffix.lower() in TIFF | KINDS_OF_TIFF:
            with tifffile.TiffFile(source) as file:
                page = file.pages[0]
                pixels = page.asarray()
                if page.samplesperpixel > 1:
                    pixels = samples_last(page, pixels)
                if MAX_SAMPLE_VALUE in page.tags and page.samplesperpixel == 1:
                    scale = page.tags[MAX_SAMPLE_VALUE].value
        else:
            with Image.open(source) as image:
                pixels = np.asarray(image)
                if image.format == "PNG" and image.mode == "I":
                    pixels = pixels.astype(np.uint16)
    except Exception as error:
        raise InputError(f"{path} cannot be read as an image ({type(error).__name__}: {error}).") from error
    if pixels.ndim == 3 and pixels.shape[-1] in (3, 4) and not in_color(pixels):
        pixels = pixels[..., 0]
    if scale is None:
        scale = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1
    return pixels, float(scale)


def read_intensities(path, maximum=None):
    """Return the first plane of an image file as float32, 1 for the largest value, as CellProfiler reads it.

    `maximum`: the value that becomes 1 (a text or a number, as in the image table; None or "" for the
    largest of the file's type, or the value in its tag). Floats are unchanged.
    """
    pixels, scale = read_plane_and_scale(path)
    return pixels.astype(np.float32) / np.float32(maximum or scale)


def describe_values_problem(pixels, kind, maximum=None):
    """Return why pixels cannot be read as intensities from 0 to 1; None if they can.

    `kind`: their type's name; `maximum`: the config's `images.maximum`, or None.
    """
    if np.issubdtype(pixels.dtype, np.floating) and not np.isfinite(pixels).all():
        return (
            f"holds {int((~np.isfinite(pixels)).sum())} pixels that are NaN or infinite; write the image as "
            "whole numbers of 16 bits"
        )
    low, high = pixels.min(), pixels.max()
    if maximum is not None:
        if high > maximum:
            return f"holds values up to {high:g}, above images.maximum ({maximum:g}): raise it"
        if low < 0:
            return f"holds negative values (down to {low:g}), beside images.maximum; write it unsigned"
        return None
    if kind in PLAIN_TYPES:
        return None
    if np.issubdtype(pixels.dtype, np.floating):
        if low < 0:
            return (
                f"holds negative numbers (down to {low:g}), where CellProfiler expects 0 to 1; write the "
                "image as whole numbers of 16 bits, or add an offset"
            )
        if high > 1:
            return (
                f"holds floating point numbers up to {high:g}, where CellProfiler expects 0 to 1; set "
                f"images.maximum in the config to the value that stands for 1 ({get_usual_maximum(high)}?)"
            )
        return None
    if low < 0:
        return (
            f"holds signed numbers of the type {kind}, from {low:g} to {high:g}; write the images as "
            "unsigned numbers of 16 bits"
        )
    return (
        f"holds numbers of the type {kind}, up to {high:g}: which of them stands for 1 is not known; set "
        f"images.maximum in the config ({get_usual_maximum(high)}?)"
    )


def get_usual_maximum(value):
    """Return the smallest of the usual largest values of a camera or file that is not below `value`."""
    usual = [2**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 32)]
    return next((number for number in usual if number >= value), int(np.ceil(value)))


def remove_numbers(text):
    """Return the text of a fault without its numbers, to find faults of the same kind."""
    return re.sub(r"\d[\d.,]*", "#", text)
