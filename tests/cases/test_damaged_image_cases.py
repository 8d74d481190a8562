"""Image files that were not copied to their end, or changed on the way."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from cases.case import case
from cases.images import get_refusal, pixels, read, write_plate

pytestmark = pytest.mark.unit


def write_zeros(path, share):
    """Overwrite the end of a file by zeros, from `share` of its bytes on."""
    data = path.read_bytes()
    start = int(share * len(data))
    path.write_bytes(data[:start] + bytes(len(data) - start))


@case(
    "images",
    kind="an uncompressed image that was not copied to its end, with zeros up to its full length",
    comes_from="rsync --inplace, file servers that reserve a file's space first, copies that were cut off",
    says="well C02, site 1: ...C02_5.tif was not copied to its end: from row 8 of 12 on all its pixels are 0 "
    "(if they are meant to be, save the plate's images compressed, with LZW or deflate)",
    happens="the plate stops, or (`images.bad_sites: drop`) the site is left out and listed; the job that "
    "measures an image finds it, too",
)
@pytest.mark.parametrize("how", [{}, {"rowsperstrip": 2}, {"bigtiff": True}, {"imagej": True}])
def test_an_image_with_zeros_at_its_end(tmp_path, how):
    images = write_plate(tmp_path / "images", **how)
    with tifffile.TiffFile(images / "C02_5.tif") as file:
        page = file.pages[0]
        start = page.dataoffsets[0] + int(0.6 * page.nbytes)
    write_zeros(images / "C02_5.tif", start / (images / "C02_5.tif").stat().st_size)
    table, faults = read(images, "drop")
    assert table["Metadata_Well"].tolist() == ["B02", "B03", "C03"]
    assert len(faults) == 1
    return get_refusal(images)


def test_a_bitmap_with_zeros_at_its_end(tmp_path):
    (tmp_path / "images").mkdir()
    for well in ("B02", "B03", "C02", "C03"):
        for channel in "125":
            # Rows of a bitmap are filled up with zeros to multiples of four bytes.
            image = Image.fromarray(np.ascontiguousarray(pixels(well, channel) // 20 + 5).astype(np.uint8))
            image.save(tmp_path / "images" / f"{well}_{channel}.bmp")
    assert read(tmp_path / "images")[1] == []
    write_zeros(tmp_path / "images" / "B03_2.bmp", 0.955)
    assert "B03_2.bmp was not copied to its end" in get_refusal(tmp_path / "images")


def test_black_rows_of_a_clean_image_are_not_a_fault(tmp_path):
    """Few black rows, black images and images whose background is 0 are as somebody wrote them."""

    def dark(image, well, channel):
        if well == "B02":
            image[:] = 0
        if well == "B03":
            image[image < 2000] = 0
            image[6:] = 0
        return image

    assert read(write_plate(tmp_path / "images", dark))[1] == []
    tall = np.full((100, 10), 300, np.uint16)
    tall[-5:] = 0
    one = write_plate(tmp_path / "shifted", lambda image, *at: np.vstack([image] * 8 + [tall]))
    assert read(one)[1] == []


@case(
    "images",
    kind="images that a registration shifted or turned, with rows of zeros at their ends or all around",
    comes_from="cycles of staining that were laid over each other",
    happens="they are read: the zeros begin at the end of a row, and a copy ends anywhere",
)
def test_images_filled_up_with_zeros(tmp_path):
    def shift(image, well, channel):
        image = np.vstack([image] * 8)
        image[80:] = 0
        image[:, 10 - "125".index(channel) :] = 0
        return image

    assert read(write_plate(tmp_path / "images", shift))[1] == []
