"""Pictures in the page: they keep within its size, and every caption can be read."""

import io

import numpy as np
import pytest
from PIL import Image

from report_page.pictures import (
    BYTES_OF_CONDITIONS,
    BYTES_OF_PLATES,
    compute_allowance,
    read_caption,
    shrink_picture,
)
from report_page.sheets import BYTES_OF_SHEETS
from report_page.wells import BYTES_OF_FEATURES
from workflow import PROJECT

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("number", [1, 40, 459, 5000])
def test_pictures_keep_within_the_page_whatever_their_number(number):
    """Base64 adds a third; the budgets leave room for the tables and the library in 60 MB."""
    assert number * compute_allowance(number, BYTES_OF_PLATES) <= BYTES_OF_PLATES
    assert (BYTES_OF_PLATES + BYTES_OF_CONDITIONS + BYTES_OF_SHEETS + BYTES_OF_FEATURES) * 4 / 3 < 54e6


@pytest.mark.parametrize("allowed", [8_000, 60_000])
def test_a_picture_is_shrunk_to_its_allowance(tmp_path, allowed):
    noise = np.random.default_rng(0).integers(0, 255, (700, 900, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    content, width, height = shrink_picture(tmp_path / "noise.png", allowed)
    assert len(content) <= allowed
    assert width / height == pytest.approx(900 / 700, rel=0.02)
    assert Image.open(io.BytesIO(content)).size == (width, height)


def test_a_small_picture_is_not_enlarged(tmp_path):
    Image.new("RGB", (60, 30)).save(tmp_path / "small.png")
    assert shrink_picture(tmp_path / "small.png", 100_000)[1:] == (60, 30)


@pytest.mark.parametrize("file", sorted((PROJECT / "rules" / "captions").glob("*.rst")), ids=lambda f: f.stem)
def test_every_caption_can_be_read(file):
    wildcards = dict.fromkeys(("condition", "feature_set", "batch", "plate", "channel"), "X")
    title, text = read_caption(file.parent, file.stem, wildcards)
    assert not title.endswith(".")
    assert text.endswith(".")
    assert not text.startswith(title)
    assert "{" not in title + text
