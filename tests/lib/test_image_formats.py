"""The files of microscopes' own formats, written by code: channels, planes, scenes and pixels."""

import numpy as np
import pytest

from lib import image_formats
from lib.errors import InputError
from lib.image_files import properties, read_plane_and_scale
from lib.image_finding import Reading, divide_files
from lib.image_formats import open_image
from load_data import load_data
from microscope_files import write_czi, write_lif

pytestmark = pytest.mark.unit
RANDOM = np.random.default_rng(0)
SCENES = [RANDOM.integers(0, 60000, (2, 3, 16, 20)).astype(np.uint16) for _ in range(2)]


def test_czi(tmp_path):
    path = write_czi(tmp_path / "A01.czi", SCENES, ["DAPI", "GFP"])
    with open_image(path) as opened:
        assert (opened.sizes, opened.shape, opened.kind) == ({"T": 1, "C": 2, "Z": 3}, (16, 20), "uint16")
        assert (opened.channels, len(opened.scenes), opened.pixel_size) == (["DAPI", "GFP"], 2, 0.5)
    for number, pixels in enumerate(SCENES, start=1):
        named = path.with_name(f"A01.czi<channel=GFP;scene={number};project=max>")
        assert np.array_equal(read_plane_and_scale(named)[0], pixels[1].max(axis=0))
    assert "no channel `RFP`; it has the channels 1 (DAPI), 2 (GFP)" in properties(
        path.with_name("A01.czi<channel=RFP;project=max>")
    )


def test_lif(tmp_path):
    path = write_lif(tmp_path / "A01.lif", {"one": SCENES[0], "two": SCENES[1]})
    with open_image(path) as opened:
        assert (opened.sizes, opened.shape, opened.kind) == ({"T": 1, "C": 2, "Z": 3}, (16, 20), "uint16")
        assert len(opened.scenes) == 2
    for number, pixels in enumerate(SCENES, start=1):
        named = path.with_name(f"A01.lif<channel=2;scene={number};project=2>")
        assert np.array_equal(read_plane_and_scale(named)[0], pixels[1, 1])


def test_scenes_are_sites(tmp_path):
    write_czi(tmp_path / "A01.czi", SCENES, ["DAPI", "GFP"])
    write_czi(tmp_path / "B02.czi", [scene[:, :, ::-1] for scene in SCENES], ["DAPI", "GFP"])
    channels = {"DAPI": "DNA", "2": "GFP"}
    reading = Reading(project="best_focus", channels_in="files")
    plate, pattern = {"batch": "B", "plate": "P"}, r"^(?P<well>[A-Z]\d\d)\.czi$"
    table, faults = load_data(tmp_path, plate, channels, pattern, "error", 2, reading=reading)
    assert not faults
    assert list(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True)) == [
        ("A01", "1"),
        ("A01", "2"),
        ("B02", "1"),
        ("B02", "2"),
    ]
    assert table["FileName_OrigDNA"][1] == "A01.czi<channel=DAPI;scene=2;project=best_focus>"


def test_a_damaged_file_is_a_fault_of_its_site(tmp_path):
    for name in ("a.czi", "a.lif", "a.nd2"):
        (tmp_path / name).write_bytes(b"nothing")
        assert properties(tmp_path / f"{name}<channel=1>").startswith("cannot be read (")
        with pytest.raises(InputError, match=name):
            read_plane_and_scale(tmp_path / f"{name}<channel=1>")
    assert divide_files([], {"1": "DNA"}) == []


def test_a_library_that_is_not_installed_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.nd2").write_bytes(b"x")
    monkeypatch.setitem(image_formats.LIBRARIES, ".nd2", "no_such_library")
    with pytest.raises(InputError, match=r"needs the package no_such_library.*--extra microscopes"):
        read_plane_and_scale(tmp_path / "a.nd2<channel=1>")
