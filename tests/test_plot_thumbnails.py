"""Thumbnails of all wells: each is in its place on the sheet, and images of any size and number are drawn."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

import plot_thumbnails
from lib.tables import write_profiles
from lib.wells import get_plate_format

pytestmark = pytest.mark.unit

NO_FLAGS = pd.DataFrame({"Metadata_Well": [], "Metadata_Site": []}, dtype=str)


def write_images(folder, wells, size, sites=1, dtype=np.uint16):
    """Images whose right half is bright, brighter from well to well; and their image table."""
    rows = []
    for number, well in enumerate(wells):
        for site in range(1, sites + 1):
            image = np.full(size, 100, dtype=dtype)
            image[:, size[1] // 2 :] = 120 + 20 * number
            name = f"{well}_{site}.tif"
            tifffile.imwrite(folder / name, image)
            place = {"FileName_OrigDNA": name, "PathName_OrigDNA": str(folder)}
            rows.append({"Metadata_Plate": "P", "Metadata_Well": well, "Metadata_Site": str(site), **place})
    return pd.DataFrame(rows)


def draw(folder, images, side, flags=NO_FLAGS, cells=None, box=32):
    sheets = {name: folder / f"{name}.webp" for name in ("composite", "DNA", "example_cells")}
    channels = [{"name": "DNA", "stain": "", "color": ""}]
    options = {"apply": "None", "side": side, "box": box}
    plot_thumbnails.main(images, flags, channels, {}, cells, sheets, folder / "wells.csv", options)
    table = pd.read_csv(folder / "wells.csv", dtype={"Metadata_Site": str}).set_index("Metadata_Well")
    return np.asarray(Image.open(sheets["DNA"]).convert("L")).astype(int), table


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [((200, 200), 50, (50, 50)), ((40, 60), 240, (60, 40)), ((100, 50), 20, (10, 20)), ((7, 7), 1, (1, 1))],
)
def test_each_well_is_in_its_place(tmp_path, size, side, expected):
    wells = ["A01", "B03", "D06"]
    sheet, table = draw(tmp_path, write_images(tmp_path, wells, size), side)
    tile = int(table["side"].iloc[0])
    rows, columns = get_plate_format(wells)
    assert sheet.shape == (rows * tile, columns * tile)
    assert tile == max(expected)
    for well in wells:
        left, top, width, height = table.loc[well, ["left", "top", "width", "height"]].astype(int)
        assert (width, height) == expected
        if width > 8:
            picture = sheet[top : top + height, left : left + width]
            assert picture[:, : width // 2 - 2].mean() < picture[:, width // 2 + 2 :].mean()
    if tile > 8:
        assert sheet[:tile, tile + 2 : 2 * tile].mean() > 250, "a well without an image is white"


def test_a_site_without_a_flag_is_chosen(tmp_path):
    flags = pd.DataFrame({"Metadata_Well": ["A01"], "Metadata_Site": ["1"]})
    _, table = draw(tmp_path, write_images(tmp_path, ["A01", "A02"], (30, 30), sites=2), 20, flags)
    assert table["Metadata_Site"].to_dict() == {"A01": "2", "A02": "1"}


def test_sheets_of_all_plates_can_be_written():
    assert plot_thumbnails.find_side(240, (16, 24)) == 240
    assert plot_thumbnails.find_side(1024, (32, 48)) * 48 <= plot_thumbnails.LARGEST_SHEET
    assert plot_thumbnails.find_side(1, (32, 48)) == 1


def test_constant_images_are_drawn(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 20), dtype=np.uint8))
    place = {"FileName_OrigDNA": "a.tif", "PathName_OrigDNA": str(tmp_path)}
    images = pd.DataFrame([{"Metadata_Plate": "P", "Metadata_Well": "A01", "Metadata_Site": "1", **place}])
    sheet, _ = draw(tmp_path, images, 20)
    assert sheet[:20, :20].max() <= 5


def write_cells(folder, rows, named):
    """A single-cell table of `rows` (well, site, x, y, area), and profiles of the wells in `named`."""
    names = ["Metadata_Well", "Metadata_Site", "Nuclei_Location_Center_X", "Nuclei_Location_Center_Y"]
    cells = pd.DataFrame(rows, columns=[*names, "Nuclei_AreaShape_Area"])
    cells.to_parquet(folder / "cells.parquet")
    profiles = pd.DataFrame({"Metadata_Well": list(named), "Metadata_name": list(named.values())})
    write_profiles(profiles.assign(Nuclei_AreaShape_Area=1.0), folder / "profiles.parquet", {})
    return {
        "table": folder / "cells.parquet",
        "profiles": folder / "profiles.parquet",
        "group": "Metadata_name",
    }


def test_the_example_cells_of_a_well_are_cut_from_its_site(tmp_path):
    """The bright half of the image is on the right, and so is the nearest cell; the last is at the border."""
    images = write_images(tmp_path, ["A01", "B03"], (200, 200))
    rows = [("A01", "1", 0.0, 100.0, 9.0), ("A01", "1", 160.0, 100.0, 5.0), ("A01", "1", 20.0, 20.0, 4.0)]
    _, table = draw(tmp_path, images, 50, cells=write_cells(tmp_path, rows, {"A01": "x"}))
    assert table["example_cells"].to_dict() == {"A01": 3, "B03": 0}
    side = int(table["example_side"].iloc[0])
    assert side == 32
    examples = np.asarray(Image.open(tmp_path / "example_cells.webp").convert("L")).astype(int)
    assert examples.shape == (2 * side, 3 * plot_thumbnails.EXAMPLES * side)
    first, second, third = (examples[2 : side - 2, at * side + 2 : (at + 1) * side - 2] for at in range(3))
    assert first.mean() > second.mean() + 20
    assert third[:, : side // 2 - 4].max() < 10, "beyond the border of the image a cell's picture is black"
    assert examples[side:, 6 * side + 4 :].min() > 250, "a well without cells is white"


def test_the_smallest_and_the_largest_plate_have_a_sheet_of_example_cells(tmp_path):
    images = write_images(tmp_path, ["A01", "AF48"], (20, 20))
    cells = write_cells(tmp_path, [("AF48", "1", 10.0, 10.0, 1.0)], {"A01": "x", "AF48": "x"})
    _, table = draw(tmp_path, images, 20, cells=cells, box=300)
    assert Image.open(tmp_path / "example_cells.webp").width == 48 * 3 * table["example_side"].iloc[0]
    assert table["example_cells"].tolist() == [0, 1]
