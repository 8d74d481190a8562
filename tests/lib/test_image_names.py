"""File names of images as instruments write them."""

import pytest

from lib.errors import InputError
from lib.image_names import compile_pattern

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("layout", "name", "expected"),
    [
        (
            "phenix",
            "r01c24f09p01-ch5sk1fk1fl1.tiff",
            {"row": "01", "column": "24", "site": "09", "channel": "5"},
        ),
        (
            "operetta",
            "r16c01f100p01-ch10sk1fk1fl1.TIF",
            {"row": "16", "column": "01", "site": "100", "channel": "10"},
        ),
        (
            "opera",
            "003012-9-001001002.tif",
            {"row": "003", "column": "012", "site": "9", "channel": "002"},
        ),
        ("imagexpress", "plate_B02_s3_w1.TIF", {"well": "B02", "site": "3", "channel": "1"}),
        (
            "imagexpress",
            "plate_AF48_s10_w50A1B2C3D-1234-5678-9ABC-0123456789AB.tif",
            {"well": "AF48", "site": "10", "channel": "5"},
        ),
        (
            "cellvoyager",
            "AssayPlate_A01_T0001F012L01A01Z01C03.tif",
            {"well": "A01", "site": "012", "channel": "03"},
        ),
        (
            "incell",
            "P - 24(fld 2 wv DAPI - DAPI).tif",
            {"row": "P", "column": "24", "site": "2", "channel": "DAPI - DAPI"},
        ),
        (
            "gen5",
            "A1_-1_2_12Z3_Tsf[Bright Field]_001.tif",
            {"well": "A1", "site": "12", "channel": "Bright Field"},
        ),
        ("gen5", "P24_02_1_1_GFP 469,525_010.tif", {"well": "P24", "site": "1", "channel": "GFP"}),
    ],
)
def test_names_of_instruments(layout, name, expected):
    found = compile_pattern(layout).search(name)
    assert found is not None
    assert {key: value for key, value in found.groupdict().items() if value is not None} == expected


@pytest.mark.parametrize("layout", ["phenix", "opera", "imagexpress", "cellvoyager", "incell", "gen5"])
@pytest.mark.parametrize("name", ["Thumbs.db", "plate_B02_s3_w1_thumb.jpg", "Index.idx.xml"])
def test_other_files_beside_the_images_are_not_images(layout, name):
    assert compile_pattern(layout).search(name) is None


def test_a_pattern_of_ones_own():
    found = compile_pattern(r"^(?P<well>[A-P]\d+)-(?P<channel>\w+)\.png$").search("C7-DNA.png")
    assert found is not None
    assert found.groupdict() == {"well": "C7", "channel": "DNA"}


def test_one_channel_need_not_be_named():
    pattern = r"^(?P<row>[A-P])(?P<column>\d+)\.png$"
    assert compile_pattern(pattern, channels=1).search("C7.png")
    with pytest.raises(InputError, match="must have the named groups `channel` and `well`"):
        compile_pattern(pattern, 2)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("phoenix(", "neither a layout .phenix, .* nor a regular expression"),
        (r"(?P<row>[A-P])(?P<channel>\d)", "it has channel, row"),
        ("phoenix", "it has none"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_answered(pattern, message):
    with pytest.raises(InputError, match=message):
        compile_pattern(pattern)
