"""What a folder of images contains, from the files' names and their folders."""

import pytest

from drafted_plates import make, write_plate
from lib.image_changes import list_images
from lib.surveys import survey

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
