"""Channels of files that hold several: each is one of the config's, in every file."""

import shutil

import numpy as np
import pytest
import tifffile

from cases.case import case
from cases.images import PLATE
from lib import channel_checks
from lib.channel_checks import find_channel_faults
from lib.errors import InputError
from lib.image_checks import Found
from lib.image_finding import Reading
from load_data import load_data

pytestmark = pytest.mark.unit
RANDOM = np.random.default_rng(0)


def write_wells(folder, orders):
    """Write a file of two channels per well, given the names of its channels in their order."""
    for well, names in orders.items():
        pixels = RANDOM.integers(100, 4000, (2, 8, 10)).astype(np.uint16)
        about = {"axes": "CYX", "Channel": {"Name": names}}
        tifffile.imwrite(folder / f"{well}.ome.tif", pixels, photometric="minisblack", metadata=about)
    return folder


def read(folder, channels, bad_sites="error"):
    pattern = r"^(?P<well>[A-H]\d\d)\.ome\.tif$"
    return load_data(folder, PLATE, channels, pattern, bad_sites, 2, reading=Reading(channels_in="files"))


def get_refusal(folder, channels):
    with pytest.raises(InputError) as error:
        read(folder, channels)
    return str(error.value)


USUAL = {"A01": ["DAPI", "GFP"], "A02": ["DAPI", "GFP"], "A03": ["DAPI", "GFP"]}


def test_names_and_numbers_of_different_channels_are_read(tmp_path):
    write_wells(tmp_path, USUAL)
    for channels in ({"DAPI": "DNA", "GFP": "ER"}, {"1": "DNA", "2": "ER"}, {"2": "ER", "dapi": "DNA"}):
        assert read(tmp_path, channels)[1] == []


@case(
    "images",
    kind="two channels of the config that are one channel of the files, by its name and by its number",
    comes_from="numbers from a viewer that counts from 0, names from another",
    says="every image of channel DNA (3) is channel 1 of its file, as is the image of channel ER: correct "
    "`image` (DAPI, 1) in assay.channels",
    happens="the plate stops",
)
def test_one_channel_by_name_and_number(tmp_path):
    return get_refusal(write_wells(tmp_path, USUAL), {"DAPI": "DNA", "1": "ER"})


@case(
    "images",
    kind="channels by number, in files with different orders of channels",
    comes_from="a plate that was scanned in two runs, the second with the channels in another order",
    says="A02.ome.tif<channel=1> is called GFP in its file, where channel 1 of most files is DAPI: give the "
    "names of the channels as `image` in assay.channels, instead of numbers",
    happens="the plate stops, or (`images.bad_sites: drop`) the sites are left out and listed",
)
def test_another_order_of_channels(tmp_path):
    write_wells(tmp_path, USUAL | {"A02": ["GFP", "DAPI"]})
    message = get_refusal(tmp_path, {"1": "DNA", "2": "ER"})
    assert read(tmp_path, {"DAPI": "DNA", "GFP": "ER"})[1] == []
    table, _ = read(tmp_path, {"1": "DNA", "2": "ER"}, "drop")
    assert list(table["Metadata_Well"]) == ["A01", "A03"]
    return message


def test_names_that_only_differ_are_no_other_order(tmp_path):
    write_wells(tmp_path, USUAL | {"A02": ["Hoechst", "GFP"]})
    assert read(tmp_path, {"1": "DNA", "2": "ER"})[1] == []


@case(
    "images",
    kind="copies of a file with several channels in two wells",
    comes_from="a copy that was started again under the next name",
    says="A02.ome.tif<channel=DAPI> has the same bytes as A01.ome.tif<channel=DAPI>, the image of well A01, "
    "site 1",
    happens="the plate stops, or (`images.bad_sites: drop`) both sites are left out and listed",
)
def test_copies_of_a_file_with_several_channels(tmp_path):
    write_wells(tmp_path, USUAL)
    shutil.copy(tmp_path / "A01.ome.tif", tmp_path / "A02.ome.tif")
    return get_refusal(tmp_path, {"DAPI": "DNA", "GFP": "ER"})


def test_a_file_that_is_cut_off_before_its_first_page_is_a_fault_of_its_site(tmp_path):
    write_wells(tmp_path, USUAL)
    path = tmp_path / "A02.ome.tif"
    path.write_bytes(path.read_bytes()[:8])
    assert "A02.ome.tif" in get_refusal(tmp_path, {"1": "DNA", "2": "ER"})
    table, faults = read(tmp_path, {"1": "DNA", "2": "ER"}, "drop")
    assert list(table["Metadata_Well"]) == ["A01", "A03"]
    assert {(fault.well, fault.site) for fault in faults} == {("A02", "1")}


def test_a_file_with_several_scenes_is_opened_once(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(channel_checks, "open_image", lambda path, pages: opened.append(path) or 1 / 0)
    names = [f"A01.czi<channel={channel};scene={scene}>" for scene in "123" for channel in "12"]
    found = [Found("A01", name[-2], name[16], tmp_path / name) for name in names]
    assert find_channel_faults(found, 2) == []
    assert opened == [tmp_path / "A01.czi"]


def test_each_scene_is_checked_for_its_own_channels(tmp_path):
    write_wells(tmp_path, {"A01": ["DAPI", "GFP"]})
    scenes = {"1": ("DAPI", "1"), "2": ("DAPI", "2")}
    found = [
        Found("A01", scene, label, tmp_path / f"A01.ome.tif<channel={label};scene={scene}>")
        for scene, labels in scenes.items()
        for label in labels
    ]
    assert {(fault.site, fault.channel) for fault in find_channel_faults(found, 2)} == {
        ("1", "DAPI"),
        ("1", "1"),
    }
