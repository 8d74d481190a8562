"""What the header of an image file says, and whether the file is whole.

tifffile and Pillow, which CellProfiler brings too, Python 3.8: CellProfiler's LoadData uses it.
"""

from operator import add

import tifffile
from PIL import Image

TIFF = {".tif", ".tiff"}


def properties(path):
    """Shape and type of the image in the file `path`, as (tuple, str); or, in words, what is wrong with it.

    A TIFF is truncated when its header points beyond the end of the file.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            return "is empty (0 bytes)"
        if path.suffix.lower() not in TIFF:
            with Image.open(path) as image:
                image.load()
                return (image.height, image.width), image.mode
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            ends = list(map(add, page.dataoffsets, page.databytecounts))
            if not ends or max(ends) > size:
                return f"is truncated ({size} bytes of at least {max(ends, default=0)})"
            return tuple(page.shape), str(page.dtype)
    except FileNotFoundError:
        return "does not exist"
    except Exception as error:
        return f"cannot be read ({type(error).__name__}: {error})"
