"""Thumbnails of all wells: each is in its place on the sheet, and images of any size and number are drawn."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

import plot_thumbnails
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


def draw(folder, images, side, flags=NO_FLAGS):
    sheets = {name: folder / f"{name}.webp" for name in ("composite", "DNA")}
    channels = [{"name": "DNA", "stain": "", "color": ""}]
    options = {"apply": "None", "side": side}
    plot_thumbnails.main(images, flags, channels, {}, sheets, folder / "wells.csv", options)
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
