"""The sheets of thumbnails in the page: unchanged where there is room, otherwise smaller by whole pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from report_page.results import Results
from report_page.sheets import BYTES_OF_SHEETS, allow_sheets, get_sheets, shrink_sheet

pytestmark = pytest.mark.unit


@pytest.fixture
def sheet(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (8 * 60, 12 * 60)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "sheet.webp", quality=90)
    return tmp_path / "sheet.webp"


def test_a_sheet_that_fits_is_the_file_itself(sheet):
    assert shrink_sheet(sheet, 60, 10**7, gray=True) == sheet.read_bytes()


def test_a_smaller_sheet_keeps_its_thumbnails_apart(sheet):
    content = shrink_sheet(sheet, 60, 40_000, gray=True)
    width, height = Image.open(io.BytesIO(content)).size
    assert len(content) <= 40_000
    assert width % 12 == height % 8 == 0
    assert width // 12 == height // 8 < 60


@pytest.mark.parametrize(("plates", "channels"), [(1, 5), (51, 5), (51, 8), (2000, 5)])
def test_all_sheets_together_keep_within_the_page(plates, channels):
    names = ["composite", *map(str, range(channels))]
    manifest = [{"thumbnails": dict.fromkeys(names, "x")}] * plates
    composite, channel = allow_sheets(manifest, 384)
    assert plates * (composite + channels * channel) <= BYTES_OF_SHEETS
    assert composite > 0
    assert bool(channel) == (plates == 1)


def test_a_plate_without_images_has_no_sheet(tmp_path):
    assert allow_sheets([{"thumbnails": {}}], 384) == (0, 0)
    nothing = {"thumbnails": {"composite": "a.webp"}, "thumbnail_wells": "wells.csv"}
    assert get_sheets(Results(tmp_path), nothing, (100, 100)) is None
