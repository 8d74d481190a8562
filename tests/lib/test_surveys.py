"""What a folder of images contains, from the files' names and their folders."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile

from drafted_plates import NOISE, RANDOM, draw_nuclei, make, write_plate
from lib.errors import InputError
from lib.image_changes import list_images
from lib.image_finding import Reading
from lib.surveys import survey
from load_data import load_data
from microscope_files import harmony_name, write_harmony_index, write_htd

pytestmark = pytest.mark.unit


def test_names_in_folders_of_wells_with_a_channel_in_words(tmp_path):
    """The pattern of a name has no slash, which would make it one of paths."""
    for well in ("A01", "A02"):
        place = tmp_path / "P" / well
        write_plate(place, "{well}_{site}_{channel}.tif", (well,), ("DAPI", "GFP"), sites=(1, 2))
    config, rows, tasks = make(tmp_path / "P", tmp_path)
    assert config["images"]["pattern"] == (
        r"^(?P<well>[A-Za-z]{1,2}\d\d)_(?P<site>\d+)_(?P<channel>[^_.]+?)\.tif$"
    )
    assert len(list_images(tmp_path / "P", config["images"]["pattern"])) == 8
    assert [row["plate"] for row in rows] == ["P"]
    assert not any("not used" in task for task in tasks)


def test_a_first_plate_without_a_channel_of_the_others(tmp_path):
    for plate, channels in (("P1", (1,)), ("P2", (1, 2))):
        write_plate(tmp_path / "in" / plate, "{well}_w{channel}.tif", channels=channels)
    config, rows, _ = make(tmp_path / "in", tmp_path)
    assert [row["plate"] for row in rows] == ["P1", "P2"]
    assert [channel["image"] for channel in config["assay"]["channels"]] == ["1", "2"]
    assert survey(tmp_path / "in").pattern == "imagexpress"


def test_plates_with_wells_and_planes_in_folders(tmp_path):
    for plate, well, site in product(("P1", "P2"), ("A01", "B02"), (0, 1)):
        write_plate(tmp_path / "mm" / plate / f"{well}-Site_{site}", "img_{channel}.tif", (well,))
        write_plate(tmp_path / "mx" / plate / f"ZStep_{site + 1}", "{well}_w{channel}.tif", (well,))
    found = survey(tmp_path / "mm")
    assert [(plate.name, plate.wells, plate.sites) for plate in found.plates] == [
        ("P1", ["A01", "B02"], 2),
        ("P2", ["A01", "B02"], 2),
    ]
    config, rows, _ = make(tmp_path / "mx", tmp_path)
    assert [Path(row["images"]).name for row in rows] == ["P1", "P2"]
    assert config["images"]["project"] == "max"
    images = Path(rows[1]["images"])
    assert len(list_images(images, config["images"]["pattern"])) == 8
    for file in images.rglob("*.tif"):
        tifffile.imwrite(file, RANDOM.integers(0, 999, (40, 40)).astype(np.uint16))
    channels = {"1": "DNA", "2": "ER"}
    reading = Reading(project="max")
    table, faults = load_data(
        images, rows[1], channels, config["images"]["pattern"], "error", 2, reading=reading
    )
    assert (list(table["Metadata_Well"]), faults) == (["A01", "B02"], [])
    assert table["FileName_OrigER"][1] == "ZStep_1%2FB02_w2.tif|ZStep_2%2FB02_w2.tif<project=max>"


def test_empty_files_hidden_files_and_thumbnails(tmp_path):
    folder = write_plate(tmp_path / "P", "{well}_s{site}_w{channel}.TIF", sites=(1, 2))
    write_plate(folder, "{well}_s{site}_w{channel}_Thumb.TIF", sites=(1, 2))
    (folder / "A01_s1_w1.TIF").write_bytes(b"")
    (folder / "._A01_s1_w1.TIF").write_bytes(b"Mac OS X")
    (folder / "Thumbs.db").write_bytes(b"x")
    found = survey(folder)
    assert [(plate.wells, plate.sites) for plate in found.plates] == [(["A01", "B02"], 2)]
    assert [channel.label for channel in found.channels] == ["1", "2"]
    assert len(found.ignored) == 9


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["001001000.flex"], r"none of its 1 file is an image that can be read \(001001000\.flex\)\. Export"),
        (["W0001F0001T0001Z001C1.tif"], "if positions have only numbers, write a table of the images with"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(tmp_path, names, message):
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=message):
        survey(tmp_path)


def test_a_plate_without_its_index_beside_one_that_has_it_is_reported(tmp_path):
    for plate in ("P1", "P2"):
        for channel in (1, 2):
            file = tmp_path / "in" / plate / "Images" / harmony_name("A01", 1, channel)
            file.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(file, draw_nuclei())
    write_harmony_index(tmp_path / "in" / "P1" / "Images" / "Index.xml", ["A01"], {1: "DAPI", 2: "FITC"})
    _, rows, tasks = make(tmp_path / "in", tmp_path)
    assert [row["plate"] for row in rows] == ["P1"]
    assert any("2 files in the folder are not used: P2/Images/r01c01f01p01-ch1sk1" in task for task in tasks)


def test_an_index_without_its_images_is_reported(tmp_path):
    write_htd(tmp_path / "in" / "X.HTD", ["A01"], ["DAPI", "FITC"])
    write_plate(tmp_path / "in" / "TimePoint_1", "image_{site}_{channel}.tif")
    with pytest.raises(
        InputError, match=r"which were found by the index of MetaXpress \(X\.HTD\), can be read"
    ):
        make(tmp_path / "in", tmp_path)


def test_two_reads_of_gen5_are_not_sites_of_one_plate(tmp_path):
    for step in ("01", "03"):
        write_plate(tmp_path / "P", "{well}_" + step + "_1_{site}_DAPI_001.tif", ("A1", "B12"), (1,), (1, 2))
    found = survey(tmp_path / "P")
    assert found.plates[0].repeated == ("A1_01_1_1_DAPI_001.tif", "A1_03_1_1_DAPI_001.tif")
    _, _, tasks = make(tmp_path / "P", tmp_path)
    named = "several files of plate P are one image by their names, as are A1_01_1_1_DAPI_001.tif, A1_03_1_1_"
    assert any(named in task for task in tasks)


METASERIES = (
    '<MetaData><PlaneInfo><prop id="spatial-calibration-state" type="bool" value="{state}"/>'
    '<prop id="spatial-calibration-x" type="float" value="1.3672"/>'
    '<prop id="spatial-calibration-units" type="string" value="{unit}"/></PlaneInfo></MetaData>'
)
GEN5 = "<BTIImageMetaData><ImageWidthMicrons>26</ImageWidthMicrons></BTIImageMetaData>"


@pytest.mark.parametrize(
    ("description", "size"),
    [
        (METASERIES.format(state="on", unit="um"), 1.3672),
        (METASERIES.format(state="off", unit="um"), None),
        (METASERIES.format(state="on", unit="pixel"), None),
        (GEN5, 0.65),
        ("26 micrometers wide", None),
    ],
)
@pytest.mark.parametrize("has_index", [True, False])
def test_the_pixel_size_that_a_microscope_wrote_into_its_files(tmp_path, description, size, has_index):
    for well in ("A01", "B02"):
        path = tmp_path / f"X_{well}_w1.tif"
        tifffile.imwrite(path, NOISE, description=description, metadata=None, software="MetaSeries")
    if has_index:
        write_htd(tmp_path / "X.HTD", ["A01", "B02"], ["DAPI"])
    assert survey(tmp_path).pixel_size == (None if size is None else pytest.approx(size))


def test_a_channel_without_images_is_reported(tmp_path):
    write_htd(tmp_path / "in" / "X.HTD", ["A01", "B02"], ["DAPI", "FITC"])
    write_plate(tmp_path / "in" / "TimePoint_1", "X_{well}_w{channel}.TIF", channels=(1,), kind=draw_nuclei())
    _, _, tasks = make(tmp_path / "in", tmp_path)
    assert any("none of the examined images of FITC is there and can be read" in task for task in tasks)


def test_a_channel_beside_the_folders_of_planes_is_reported(tmp_path):
    """Without an index, the projections of MetaXpress are told from planes by their folders alone."""
    for channels, folder in (((1,), "ZStep_1"), ((1,), "ZStep_2"), ((1, 3), ".")):
        write_plate(tmp_path / "P" / folder, "X_{well}_s{site}_w{channel}.tif", channels=channels)
    _, _, tasks = make(tmp_path / "P", tmp_path)
    assert any("the images of channel 3 are not in the folders of planes" in task for task in tasks)


def test_plates_of_harmony_whose_only_time_points_have_different_numbers(tmp_path):
    for plate, times in (("P1", (0,)), ("P2", (1,))):
        write_harmony_index(tmp_path / plate / "Index.xml", ["A01"], {1: "DAPI"}, times=times, plates=[plate])
    assert survey(tmp_path).timepoints == []
    write_harmony_index(tmp_path / "P3" / "Index.xml", ["A01"], {1: "DAPI"}, times=(0, 1), plates=["P3"])
    assert survey(tmp_path).timepoints == ["0", "1"]
