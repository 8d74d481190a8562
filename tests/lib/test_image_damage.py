"""The end of zeros of an image that was not copied to its end, and of one that was filled up with zeros."""

import io

import numpy as np
import pytest
import tifffile

from lib.image_damage import damage

pytestmark = pytest.mark.unit

KINDS = {
    "one strip": {},
    "strips": {"rowsperstrip": 16},
    "tiles": {"tile": (32, 32)},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "ImageJ": {"imagej": True},
    "OME": {"ome": True},
}
TYPES = [(np.uint16, 100, 4000), (np.uint16, 1, 250), (np.uint8, 0, 200), (np.float32, 1, 4000)]


def write_tiff(image, **how):
    """Return the bytes of a TIFF file."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, image, **how)
    return buffer.getvalue()


def get_image(kind, low, high):
    """Return an image, 130 x 100 pixels, that fills no row of 32 x 32 tiles."""
    return np.random.default_rng(1).integers(low, high, (130, 100)).astype(kind)


def find_pixels(data):
    """Return where the pixels of a TIFF file begin and end."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        return page.dataoffsets[0], page.dataoffsets[-1] + page.databytecounts[-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "low", "high"), TYPES)
def test_a_copy_that_ends_in_a_row_is_found(kind, dtype, low, high):
    whole = write_tiff(get_image(dtype, low, high), **KINDS[kind])
    assert damage(whole) is None
    start, end = find_pixels(whole)
    width = 32 if kind == "tiles" else 100
    row = width * np.dtype(dtype).itemsize
    for number in range(5, 100, 7):
        # A third of a row: a tile at the right edge has 4 of its 32 columns in the image.
        cut = start + number * row + row // 3
        if cut > end - (end - start) // 8 or (kind == "tiles" and number // 32 % 4 == 3):
            continue
        found = damage(whole[:cut] + bytes(end - cut) + whole[end:])
        assert str(found).startswith("was not copied to its end: from row "), (number, found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "low", "high"), TYPES)
@pytest.mark.parametrize("rows", [1, 9, 31, 64, 110])
@pytest.mark.parametrize("columns", [0, 1])
def test_zeros_that_a_registration_filled_in_are_not_damage(kind, dtype, low, high, rows, columns):
    image = get_image(dtype, low, high)
    image[len(image) - rows :] = 0
    image[:, :columns] = 0
    image[:, image.shape[1] - columns :] = 0
    assert damage(write_tiff(image, **KINDS[kind])) is None


def test_an_image_that_was_turned_is_not_damage():
    image = np.random.default_rng(1).integers(100, 4000, (400, 100)).astype(np.uint16)
    y, x = np.mgrid[:400, :100]
    image[y > 350 - x * 0.03] = 0
    assert damage(write_tiff(image)) is None


def test_zeros_that_begin_with_a_row_and_a_block_of_the_file_are_not_damage():
    image = np.random.default_rng(1).integers(100, 4000, (64, 2048)).astype(np.uint16)
    image[48:] = 0
    data = write_tiff(image, align=4096)
    assert find_pixels(data)[0] % 4096 == 0
    assert damage(data) is None
