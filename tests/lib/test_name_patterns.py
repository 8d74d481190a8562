"""File names of many kinds: the pattern is guessed, and says of each name what it is."""

import re
from itertools import product

import pytest

from lib.name_patterns import guess_pattern

pytestmark = pytest.mark.unit


def names(form: str, **values: object) -> list[str]:
    """All names of a form, over the product of the values."""
    return [form.format(**dict(zip(values, each, strict=True))) for each in product(*values.values())]


WELLS = {"r": "AB", "c": range(1, 7)}


@pytest.mark.parametrize(
    ("files", "name", "expected"),
    [
        (
            names("r{r:02d}c{c:02d}f{s:02d}p01-ch{w}sk1fk1fl1.tiff", r=(1, 2), c=(1, 2), s=(1, 2), w=(1, 5)),
            "r02c01f02p01-ch5sk1fk1fl1.tiff",
            ("", "B01", "02", "", "", "5"),
        ),
        (
            names("r{r:02d}c{c:02d}f01p{p:02d}-ch{w}sk1fk1fl1.tiff", r=(1, 2), c=(1, 2), p=(1, 2), w=(1, 5)),
            "r02c01f01p02-ch5sk1fk1fl1.tiff",
            ("", "B01", "01", "02", "", "5"),
        ),
        (
            names(
                "X_{r}{c:02d}_T0001F{s:03d}L01A01Z{z:02d}C{w:02d}.tif", **WELLS, s=(1, 2), z=(1, 2), w=(1, 2)
            ),
            "X_B06_T0001F002L01A01Z02C01.tif",
            ("", "B06", "002", "02", "", "01"),
        ),
        (
            [f"Channel{w}-{n:02d}-{'ABCD'[n // 12]}-{n % 12 + 1:02d}.tif" for n in range(48) for w in (1, 2)],
            "Channel2-13-B-02.tif",
            ("", "B02", "", "", "", "2"),
        ),
        (
            names("AS_0912_D{c:02d}f{s:02d}d{w}.TIF", c=(3, 4), s=(0, 1), w=(0, 1, 2)),
            "AS_0912_D04f01d2.TIF",
            ("", "D04", "01", "", "", "2"),
        ),
        (
            names("Plate1_{r}{c}_{w}_s{s}.tif", **WELLS, w=("DAPI", "Alexa488", "w5"), s=(1, 2)),
            "Plate1_B6_Alexa488_s2.tif",
            ("", "B06", "2", "", "", "Alexa488"),
        ),
        (
            names("{r}{c:02d}_f{s}_{w}.png", r="ab", c=range(1, 13), s=(1, 2), w=("dna", "er")),
            "b12_f2_er.png",
            ("", "B12", "2", "", "", "er"),
        ),
        (
            names("{r}{c:02d}_z{z}_ch{w}.tif", **WELLS, z=range(1, 12), w=(0, 1)),
            "B06_z11_ch1.tif",
            ("", "B06", "", "11", "", "1"),
        ),
        (names("{r}{c:02d}.tif", **WELLS), "B06.tif", ("", "B06", "", "", "", "")),
        (
            names("x_{r}{c:02d}_w{w}.tif", r=("A", "Z", "AF"), c=(1, 48), w=(1, 2)),
            "x_AF48_w2.tif",
            ("", "AF48", "", "", "", "2"),
        ),
        (
            names("BR{p}_{r}{c:02d}_s{s}_{w}.png", p=(17, 18), **WELLS, s=(1, 2), w=("DNA", "ER")),
            "BR18_B06_s2_ER.png",
            ("BR18", "B06", "2", "", "", "ER"),
        ),
    ],
)
def test_names_are_understood(files, name, expected):
    found = guess_pattern(files)
    assert found.keys[name] == expected
    assert set(found.keys) == set(files)
    assert len(set(found.keys.values())) == len(files)


@pytest.mark.parametrize(
    "form", ["P_{r}{c:02d}_f{f:02d}_w{w}.tif", "{r}{c:02d}_s{f}_DAPI.tif", "{r}{c:02d}f{f:02d}d{w}.tif"]
)
def test_a_second_site_that_comes_later_fits_the_pattern_of_one(form):
    first = names(form, **WELLS, f=(1,), w=(1, 2))
    found = guess_pattern(first)
    assert {key[2].lstrip("0") for key in found.keys.values()} == {"1"}
    for name in names(form, **WELLS, f=(2,), w=(1, 2)):
        assert re.search(found.pattern, name)["site"].lstrip("0") == "2"


def test_other_files_do_not_disturb():
    files = names("{r}{c:02d}_s{s}_w{w}.tif", **WELLS, s=(1, 2), w=(1, 2))
    found = guess_pattern([*files, "overview.tif", "A01_s1_w1_thumb.tif", "IMG 1.tif"])
    assert set(found.keys) == set(files)


@pytest.mark.parametrize(
    "files", [["IMG_0001.tif", "IMG_0002.tif", "photo.tif"], ["1.tif", "2.tif"], ["a.tif"]]
)
def test_names_without_a_well_are_not_understood(files):
    assert guess_pattern(files) is None
