"""Which wells have images: file names of any layout, and image tables."""

import os
from pathlib import Path

import pandas as pd
import pytest

from lib.imaged_wells import find_name_problem, find_wells_with_images, lacks_images

pytestmark = pytest.mark.unit


def write_images(folder, wells, name="{}_s1_w1.tif"):
    folder.mkdir(parents=True, exist_ok=True)
    for well in wells:
        (folder / name.format(well)).touch()


def test_the_wells_of_any_layout_and_of_an_image_table_are_found(tmp_path):
    plate = {"plate": "0012", "images": "i"}
    write_images(tmp_path / "i", ["r01c02", "r27c03"], "{}f01p01-ch1sk1fk1fl1.tiff")
    assert find_wells_with_images(plate, tmp_path, "phenix") == {"A02", "AA03"}
    below = tmp_path / "i" / "B7"
    write_images(below, ["x"], "{}_1.png")
    by_folder = r"(?P<well>[A-Z]\d+)/x_(?P<channel>\d)\.png$"
    assert find_wells_with_images(plate, tmp_path, by_folder) == {"B07"}
    table = tmp_path / "load_data.csv"
    table.write_text("Metadata_Plate,Metadata_Well,FileName_OrigDNA\n12,a1,x.tif\n13,A02,y.tif\n")
    assert find_wells_with_images({**plate, "images": table.name}, tmp_path, "phenix") == {"A01"}
    table.write_text("Image_Metadata_Row,Image_Metadata_Column,FileName_OrigDNA\n2,3,x.tif\n")
    assert find_wells_with_images({**plate, "images": table.name}, tmp_path, "phenix") == {"B03"}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["Metadata_Plate", "Metadata_Barcode", "Image_Metadata_PlateID"])
def test_a_plate_of_a_table_has_its_own_wells(tmp_path, name, ending):
    table = pd.DataFrame({name: ["P1", "P2", "P2"], "Metadata_Well_Position": ["A01", "A02", "b3"]})
    path = tmp_path / f"t.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    found = [find_wells_with_images({"plate": p, "images": path.name}, tmp_path, "phenix") for p in "12"]
    assert found == [None, None]  # a plate that is not there
    plates = [{"plate": plate, "images": path.name} for plate in ("P1", "P2")]
    assert [find_wells_with_images(plate, tmp_path, "phenix") for plate in plates] == [
        {"A01"},
        {"A02", "B03"},
    ]


def test_images_that_cannot_be_listed_get_no_warning(tmp_path):
    for images in ("s3://bucket/images", "nowhere", "table.parquet"):
        assert find_wells_with_images({"plate": "P", "images": images}, tmp_path, "phenix") is None
    write_images(tmp_path / "i", ["A01"], "{}.txt")
    assert find_wells_with_images({"plate": "P", "images": "i"}, tmp_path, "phenix") is None
    assert find_wells_with_images({"plate": "P", "profiles": "i"}, tmp_path, "phenix") is None


def test_names_of_images_that_load_data_will_refuse(tmp_path):
    plate = {"plate": "P1", "images": "i"}
    pattern = r"(?P<plate>\w+)_(?P<well>[A-Z]\d+)_(?P<channel>\d+)\.tif$"
    channels = {"1": "DNA", "2": "RNA"}
    (tmp_path / "i").mkdir()
    # Images that are still drawn, simulated ones, are not missed.
    assert find_name_problem(plate, tmp_path, pattern, channels) == ""
    write_images(tmp_path / "i", ["A01"], "{}.tif")
    found = find_name_problem(plate, tmp_path, pattern, channels)
    assert found == "images.pattern matches none of the names in i, which has A01.tif."
    write_images(tmp_path / "i", ["A01"], "A_{}_1.tif")
    write_images(tmp_path / "i", ["A01"], "B_{}_1.tif")
    found = find_name_problem(plate, tmp_path, pattern, channels)
    assert found.startswith("the names of the images in i are of plate A, B. Write one of these")
    found = find_name_problem({**plate, "plate": "A"}, tmp_path, pattern, channels)
    assert found.startswith("no image in i is of channel 2 (RNA); the names have 1.")
    write_images(tmp_path / "i", ["A01"], "A_{}_02.tif")
    assert find_name_problem({**plate, "plate": "A"}, tmp_path, pattern, channels) == ""
    # A group that a name need not have: of a plate, and of the only channel.
    optional = r"((?P<plate>[A-Z])_)?(?P<well>[A-Z]\d+)(_w(?P<channel>\d))?\.tif$"
    one = {"plate": "C", "images": "j"}
    write_images(tmp_path / "j", ["A01"], "{}.tif")
    assert find_name_problem(one, tmp_path, optional, {"1": "DNA"}) == ""
    assert find_name_problem(one, tmp_path, optional, channels) == ""
    write_images(tmp_path / "j", ["A01"], "{}_w1.tif")
    assert "no image in j is of channel 2 (RNA)" in find_name_problem(one, tmp_path, optional, channels)
    # The files hold the channels.
    assert find_name_problem({**plate, "plate": "B"}, tmp_path, pattern, {}) == ""
    assert find_name_problem({**plate, "images": "s3://b/i"}, tmp_path, pattern, channels) == ""
    assert find_name_problem(plate, tmp_path, "index", channels) == ""


def test_a_folder_without_a_name_that_fits(tmp_path):
    plate = {"plate": "P1", "images": "i"}
    write_images(tmp_path / "i", ["A01"], "{}.tif")
    (tmp_path / "i" / ".A01_s1_w1.tif").touch()
    (tmp_path / "i" / "loop").symlink_to(tmp_path / "i")
    (tmp_path / "i" / "circle").symlink_to(tmp_path / "i" / "circle")
    assert lacks_images(plate, tmp_path, "imagexpress") is False
    assert lacks_images(plate, tmp_path, "phenix") is True
    write_images(tmp_path / "i" / "below", ["r01c02"], "{}f01p01-ch1sk1fk1fl1.tiff")
    assert lacks_images(plate, tmp_path, "phenix") is False
    assert lacks_images(plate, tmp_path, r"below/r(?P<row>\d+)c(?P<column>\d+)") is False
    assert lacks_images({"plate": "P1", "images": "nowhere"}, tmp_path, "phenix") is False


def test_a_subfolder_that_cannot_be_listed_is_left_out(tmp_path, monkeypatch):
    write_images(tmp_path / "i" / "a", ["A01"], "{}_s1_w1.tif")
    write_images(tmp_path / "i" / "z", ["A01"], "{}_s1_w1.tif")

    def refuse(place, scandir=os.scandir):
        if Path(place).name == "z":
            raise PermissionError(13, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)
    plate = {"plate": "P1", "images": "i"}
    assert lacks_images(plate, tmp_path, "imagexpress") is False
    assert lacks_images(plate, tmp_path, "phenix") is True
