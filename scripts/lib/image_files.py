"""What the header of an image file says, whether the file is whole, and its pixels.

tifffile and Pillow, which CellProfiler brings too, Python 3.8: CellProfiler's LoadData uses it.
"""

from operator import add
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from lib.errors import InputError
from lib.object_storage import at_hand

TIFF = {".tif", ".tiff"}
KINDS_OF_TIFF = {".stk", ".lsm", ".flex"}
STACK = (
    "holds several planes (a stack, or all channels in one file); write one plane a file: of a stack its "
    "projection, of a file of channels each channel"
)
COLOUR = "is in colour; write one grey image for each channel"


def properties(path):
    """Shape and type of the image in the file `path`, as (tuple, str); or, in words, what is wrong with it.

    A TIFF is truncated when its header points beyond the end of the file. A stack, or an image in colour,
    is not what a channel's image should be.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            return "is empty (0 bytes)"
        if path.suffix.lower() not in TIFF:
            with Image.open(path) as image:
                image.load()
                if image.mode.startswith("RGB") and in_colour(np.asarray(image)):
                    return COLOUR
                return (image.height, image.width), image.mode
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            ends = list(map(add, page.dataoffsets, page.databytecounts))
            if not ends or max(ends) > size:
                return f"is truncated ({size} bytes of at least {max(ends, default=0)})"
            if is_stack(file):
                return STACK
            if len(page.shape) == 3 and page.shape[-1] in (3, 4) and in_colour(page.asarray()):
                return COLOUR
            return tuple(page.shape), str(page.dtype)
    except FileNotFoundError:
        return "does not exist"
    except Exception as error:
        return f"cannot be read ({type(error).__name__}: {error})"


def is_stack(file):
    """Whether an open TIFF file holds several planes of one size (a pyramid's or thumbnail's are smaller)."""
    first = file.pages[0]
    if file.is_imagej and (file.imagej_metadata or {}).get("images", 1) > 1:
        return True
    try:
        return file.pages[1].shape == first.shape
    except IndexError:
        return False


def in_colour(pixels):
    """Whether the colours of an image differ; many programs write grey as three equal ones."""
    return not all(np.array_equal(pixels[..., 0], pixels[..., other]) for other in (1, 2))


def read_pixels(path):
    """The first plane of an image file (or of an image in object storage) as it is stored.

    Raises InputError, naming the file, when it cannot be read.
    """
    path = Path(path)
    source = at_hand(path)
    try:
        if path.suffix.lower() in TIFF | KINDS_OF_TIFF:
            return tifffile.imread(source, key=0)
        with Image.open(source) as image:
            return np.asarray(image)
    except Exception as error:
        raise InputError(f"{path} cannot be read as an image ({type(error).__name__}: {error}).") from error


def as_parts(pixels):
    """Pixels as float32, integers in parts of their type's largest value, as CellProfiler reads them."""
    largest = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1
    return pixels.astype(np.float32) / np.float32(largest)
