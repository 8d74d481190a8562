"""File names of many kinds: the pattern is guessed, and identifies each name."""

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
        # Gen5 (Cytation) numbers the channels that it names; the fourth number is the field.
        (
            [
                f"{r}{c}_0{n}_1_{s}Z{z}_{w}_001.tif"
                for r, c, s, z in product("AB", (2, 11), (1, 2, 3), (1, 2))
                for n, w in ((1, "DAPI"), (2, "GFP"))
            ],
            "B11_02_1_3Z2_GFP_001.tif",
            ("", "B11", "3", "2", "", "GFP"),
        ),
        # ScanR: P is the position.
        (
            names("{r}{c}--W00001--P{s:05d}--Z00000--T00000--{w}.tif", **WELLS, s=(1, 2), w=("DAPI", "Cy3")),
            "B6--W00001--P00002--Z00000--T00000--Cy3.tif",
            ("", "B06", "00002", "", "", "Cy3"),
        ),
        (
            [
                f"Well{r}{c:02d}_Point{r}{c:02d}_000{s}_Channel{w}_Seq0{s}.tif"
                for r, c, s, w in product("AB", (1, 2), (0, 1), ("DAPI", "FITC"))
            ],
            "WellB02_PointB02_0001_ChannelFITC_Seq01.tif",
            ("", "B02", "0001", "", "", "ChannelFITC"),
        ),
        (
            names("R{r:02d}C{c:02d}_{s}_{w}.png", r=(1, 2), c=(1, 2), s=(1, 2), w=("DAPI", "GFP")),
            "R02C01_2_GFP.png",
            ("", "B01", "2", "", "", "GFP"),
        ),
        (
            names("x_R{r}C{c}_F{s}_{w}.tif", r=(1, 2), c=(1, 2), s=(1, 2), w=("DAPI", "GFP")),
            "x_R2C1_F2_GFP.tif",
            ("", "B01", "2", "", "", "GFP"),
        ),
        (
            names("{w}_{r}{c:02d}_{s}.tif", w=("DAPI", "GFP"), **WELLS, s=(1, 2)),
            "GFP_B06_2.tif",
            ("", "B06", "2", "", "", "GFP"),
        ),
        (
            names("{w}_{r}{c:02d}_{s}.tif", w=(405, 561), **WELLS, s=(1, 2, 3)),
            "561_B06_3.tif",
            ("", "B06", "3", "", "", "561"),
        ),
        (
            names("P1_B02_{s}_{w}.tif", s=(1, 2), w=("a", "b")),
            "P1_B02_2_b.tif",
            ("", "B02", "2", "", "", "b"),
        ),
        (
            names("x_MMStack_{r}{c}-Site_{s}.ome.tif", **WELLS, s=(0, 1)),
            "x_MMStack_B6-Site_1.ome.tif",
            ("", "B06", "1", "", "", ""),
        ),
        (
            names("{r}{c:02d}_{s}_{w}.tif", **WELLS, s=(1, 2), w=("DAPI", "Alexa_488", "Cy 5")),
            "B06_2_Alexa_488.tif",
            ("", "B06", "2", "", "", "Alexa_488"),
        ),
        (
            names("{w}_{r}{c:02d}_{s}.tif", **WELLS, s=(1, 2), w=("DAPI", "Alexa_488")),
            "Alexa_488_B06_2.tif",
            ("", "B06", "2", "", "", "Alexa_488"),
        ),
        (
            names(
                "{r} - {c:02d}(fld {s} wv {w} z {z}).tif",
                **WELLS,
                s=(1, 2),
                w=("UV - DAPI", "FITC"),
                z=(1, 2),
            ),
            "B - 06(fld 2 wv UV - DAPI z 2).tif",
            ("", "B06", "2", "2", "", "UV - DAPI"),
        ),
        # Gen5 with one channel, and with several time points, which come last.
        (
            names("{r}{c}_02_1_{s}_Bright Field_001.tif", **WELLS, s=(1, 2, 3)),
            "B6_02_1_3_Bright Field_001.tif",
            ("", "B06", "3", "", "", "Bright Field"),
        ),
        (
            [
                f"{r}{c}_03_{n}_{s}_{w}_{t:03d}.tif"
                for r, c, s, t in product("AB", (2, 11), (1, 2), (1, 2, 3))
                for n, w in ((1, "DAPI"), (2, "GFP"))
            ],
            "B11_03_2_1_GFP_003.tif",
            ("", "B11", "1", "", "003", "GFP"),
        ),
        # Nikon: Seq counts the files; here the channels are in them.
        (
            [
                f"Well{r}{c:02d}_Point{r}{c:02d}_000{s}_ChannelDAPI,FITC_Seq{n:04d}.tif"
                for n, (r, c, s) in enumerate(product("AB", (1, 2), (0, 1)))
            ],
            "WellB01_PointB01_0001_ChannelDAPI,FITC_Seq0005.tif",
            ("", "B01", "0001", "", "", ""),
        ),
        (
            names("Well{r}{c:02d}_000{s}_ZStack000{z}_ChannelDAPI_Seq0000.tif", **WELLS, s=(0, 1), z=(0, 1)),
            "WellB06_0001_ZStack0000_ChannelDAPI_Seq0000.tif",
            ("", "B06", "0001", "0000", "", ""),
        ),
        # Zeiss: scenes are numbered through the plate, and P is the position in the well.
        (
            [
                f"Plate1-Blue-A-03-Scene-{n}-P{s}-{r}{c}-{n:02d}.czi"
                for n, (r, c, s) in enumerate(product("DE", (1, 12), (1, 2, 3)), start=1)
            ],
            "Plate1-Blue-A-03-Scene-8-P2-E1-08.czi",
            ("", "E01", "8", "", "", ""),
        ),
        # ImageXpress of the Broad Institute: wells in small letters.
        (
            [
                f"cdp2bioactives_{r}{c:02d}_s{s}_w{w}{w:X}A6949AB-0B1C-4D2E-8F00-0123456789AB.tif"
                for r, c, s, w in product("ap", (1, 24), (1, 2), range(1, 6))
            ],
            "cdp2bioactives_p24_s2_w55A6949AB-0B1C-4D2E-8F00-0123456789AB.tif",
            ("", "P24", "2", "", "", "5"),
        ),
        (
            names("{r}{c}_s0{s}_w{w}.tif", **WELLS, s=(1, 2), w=(1, 2)),
            "B6_s02_w1.tif",
            ("", "B06", "02", "", "", "1"),
        ),
        # Half of the wells would fit the layout imagexpress.
        (
            names("{r}{c}_s{s}_w{w}.tif", r="AP", c=range(1, 25), s=(1, 2), w=(1, 2)),
            "P9_s2_w1.tif",
            ("", "P09", "2", "", "", "1"),
        ),
        # Two plates of ImageXpress in a folder.
        (
            [
                f"P {p}_{r}{c:02d}_w{w}{w:X}A6949A{p}-0B1C-4D2E-8F00-0123456789AB.tif"
                for p, r, c, w in product((1, 2), "AB", (1, 2), (1, 2))
            ],
            "P 2_B02_w11A6949A2-0B1C-4D2E-8F00-0123456789AB.tif",
            ("P 2", "B02", "", "", "", "1"),
        ),
        # IN Cell with time points, a plate's name, or one field.
        (
            [
                f"{r} - {c}(fld {s} wv {w} - {w}- time {t} - {120000 * t} ms).tif"
                for r, c, s, w, t in product("AB", (1, 12), (1, 2), ("DAPI", "Cy3"), (1, 2))
            ],
            "B - 12(fld 2 wv Cy3 - Cy3- time 2 - 240000 ms).tif",
            ("", "B12", "2", "", "2", "Cy3 - Cy3"),
        ),
        (
            names(
                "Plate1_{r} - {c:02d}(fld {s} wv {w}).tif", **WELLS, s=(1, 2), w=("390 - Blue", "473 - Green")
            ),
            "Plate1_B - 06(fld 1 wv 390 - Blue).tif",
            ("", "B06", "1", "", "", "390 - Blue"),
        ),
        (
            names("{r} - {c:02d}(wv {w}).tif", **WELLS, w=("DAPI - DAPI", "FITC - FITC")),
            "B - 06(wv FITC - FITC).tif",
            ("", "B06", "", "", "", "FITC - FITC"),
        ),
        (
            names("Exp_{w}_{r}{c}_{s}.tif", **WELLS, s=(1, 2), w=("Phase", "Green")),
            "Exp_Green_B6_2.tif",
            ("", "B06", "2", "", "", "Green"),
        ),
        (
            [
                f"P_{r}{c:02d}_s{s}_w{w}{w:X}A6949AB-0B1C-4D2E-8F00-0123456789AB.tif"
                for r, c, s, w in product("AB", (1, 2), (1, 2), range(1, 13))
            ],
            "P_B02_s2_w12CA6949AB-0B1C-4D2E-8F00-0123456789AB.tif",
            ("", "B02", "2", "", "", "12"),
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
    "files",
    [
        ["IMG_0001.tif", "IMG_0002.tif", "photo.tif"],
        ["1.tif", "2.tif"],
        ["a.tif"],
        # Wells that are counted: W14 is not a well of a plate, and neither is J15 in Leica's names.
        names("W{n}F{s:03d}T0001Z00C{w}.tif", n=range(1, 15), s=(1, 2), w=(1, 2)),
        [f"image--U0{c}--V0{r}--J15--X0{s}--C0{w}.tif" for c, r, s, w in product("01", repeat=4)],
    ],
)
def test_names_without_a_well_are_not_understood(files):
    assert guess_pattern(files) is None
