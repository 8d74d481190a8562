"""Stacks, channels of a file and OME-Zarr: the pixels are those of the planes, computed by hand."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from lib import image_checks, plane_reader
from lib.errors import InputError
from lib.image_checks import Found, StoredImage, find_repeated_faults
from lib.image_files import properties, read_intensities, read_plane_and_scale
from lib.image_finding import Reading
from lib.image_references import is_reference, read_reference, write_reference
from lib.planes import get_focus, project
from load_data import load_data
from microscope_files import blurred_stack, write_ome_tiff, write_ome_zarr
from workflow import PROJECT

pytestmark = pytest.mark.unit
RANDOM = np.random.default_rng(0)
PLANES = [np.array(values, np.uint16) for values in ([[1, 8], [3, 0]], [[5, 2], [3, 9]], [[0, 2], [6, 3]])]


def noise(*shape):
    return RANDOM.integers(0, 60000, shape).astype(np.uint16)


# --- references -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "options"),
    [
        (["a.tif"], {"project": "max"}),
        (["Z 1/a.tif", "Z 2/ä;=%.tif"], {}),
        (["x.czi"], {"channel": "Alexa 488; <long>", "scene": 3}),
    ],
)
def test_a_reference_is_read_as_it_was_written(files, options):
    name = write_reference(files, **options)
    assert is_reference(name)
    assert "/" not in name
    assert read_reference(name) == (files, {key: str(value) for key, value in options.items()})


def test_a_plain_file_is_its_own_name():
    assert write_reference(["a.tif"], project=None, scale="") == "a.tif"
    assert not is_reference("a.tif")
    assert read_reference("a.tif") == (["a.tif"], {})


# --- projections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("max", [[5, 8], [6, 9]]),
        ("mean", [[2, 4], [4, 4]]),
        ("sum", [[6, 12], [12, 12]]),
    ],
)
def test_projections(how, expected):
    assert project(iter(PLANES), how).tolist() == expected


def test_focus_is_the_squared_difference_of_pixels_two_apart():
    plane = np.array([[1, 2, 4], [0, 0, 0], [3, 9, 4]], np.uint8)
    # Rows: 3-1, 9-2, 4-4; columns: 4-1, 0-0, 4-3.
    assert get_focus(plane) == 4 + 49 + 0 + 9 + 0 + 1


@pytest.mark.parametrize("at", range(5))
def test_the_sharpest_plane_is_taken(at):
    sharp = noise(40, 50)
    stack = blurred_stack(sharp, 5, at)
    assert np.array_equal(project(iter(stack), "best_focus"), sharp)
    assert np.array_equal(project(iter(stack), "max"), sharp)


def test_of_equal_planes_the_first_is_taken():
    first = np.zeros((4, 4), np.uint8)
    assert project(iter([first, np.ones((4, 4), np.uint8)]), "best_focus") is first


def test_planes_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="planes of different sizes"):
        project(iter([np.zeros((2, 2)), np.zeros((3, 2))]), "max")


# --- TIFF -----------------------------------------------------------------------------------------


def test_a_stack_in_files(tmp_path):
    for number, plane in enumerate(PLANES):
        tifffile.imwrite(tmp_path / f"p{number}.tif", plane)
    path = tmp_path / write_reference([f"p{n}.tif" for n in range(3)], project="max")
    assert properties(path) == ((2, 2), "uint16")
    assert read_intensities(path).tolist() == (np.float32([[5, 8], [6, 9]]) / np.float32(65535)).tolist()


def test_pages_without_information_are_planes_or_channels(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.array(PLANES), photometric="minisblack")
    pixels, scale = read_plane_and_scale(tmp_path / "a.tif<project=mean>")
    assert (pixels.tolist(), scale) == ([[2, 4], [4, 4]], 65535)
    assert read_plane_and_scale(tmp_path / "a.tif<channel=2>")[0].tolist() == PLANES[1].tolist()
    assert read_plane_and_scale(tmp_path / "a.tif<project=3>")[0].tolist() == PLANES[2].tolist()
    with pytest.raises(InputError, match="3 pages, and does not say which are channels"):
        read_plane_and_scale(tmp_path / "a.tif<channel=2;project=max>")
    assert "holds 3 planes: set images.project" in properties(tmp_path / "a.tif<scale=2>")


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX", "CYX", "TCZYX"])
def test_ome_tiff_by_the_name_of_the_channel(tmp_path, axes):
    sizes = {"T": 1, "C": 2, "Z": 3, "Y": 6, "X": 5}
    pixels = noise(*(sizes[axis] for axis in axes))
    path = write_ome_tiff(tmp_path / "a.ome.tif", pixels, axes, ["DAPI", "Alexa 488"])
    wide = pixels if "Z" in axes else pixels[:, None]
    wide = wide[0] if axes[0] == "T" else wide
    wide = wide.swapaxes(0, 1) if axes == "ZCYX" else wide
    assert np.array_equal(
        read_plane_and_scale(path.with_name("a.ome.tif<channel=Alexa 488;project=max>"))[0],
        wide[1].max(axis=0),
    )
    assert np.array_equal(
        read_plane_and_scale(path.with_name("a.ome.tif<channel=1;project=1>"))[0], wide[0][0]
    )


def test_a_channel_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    write_ome_tiff(tmp_path / "a.ome.tif", noise(2, 6, 5), "CYX", ["DAPI", "GFP"])
    expected = "has no channel `RFP`; it has the channels 1 (DAPI), 2 (GFP)"
    assert properties(tmp_path / "a.ome.tif<channel=RFP>") == expected
    with pytest.raises(InputError, match=r"a.ome.tif has no channel `RFP`"):
        read_plane_and_scale(tmp_path / "a.ome.tif<channel=RFP>")
    assert "holds 2 channels (1 (DAPI), 2 (GFP))" in properties(tmp_path / "a.ome.tif<project=max>")


def test_imagej_hyperstacks(tmp_path):
    pixels = noise(3, 2, 6, 5)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "ZCYX"})
    found, _ = read_plane_and_scale(tmp_path / "a.tif<channel=2;project=max>")
    assert np.array_equal(found, pixels[:, 1].max(axis=0))


def test_time_points_must_be_chosen(tmp_path):
    pixels = noise(2, 6, 5)
    write_ome_tiff(tmp_path / "a.ome.tif", pixels, "TYX")
    assert "holds 2 time points: set images.timepoint" in properties(tmp_path / "a.ome.tif<project=max>")
    found, _ = read_plane_and_scale(tmp_path / "a.ome.tif<project=max;timepoint=2>")
    assert np.array_equal(found, pixels[1])


def test_color_and_truncated_files_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", noise(6, 5, 3), photometric="rgb")
    assert "YXS" in properties(tmp_path / "rgb.tif<project=max>")
    tifffile.imwrite(tmp_path / "cut.tif", np.array([noise(20, 20)] * 3), photometric="minisblack")
    data = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[:-100])
    with pytest.raises(InputError, match=r"cut\.tif"):
        read_plane_and_scale(tmp_path / "cut.tif<project=max>")
    assert properties(tmp_path / "none.tif<project=max>") == "does not exist"


def test_a_smaller_camera_is_scaled(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 6), 700, np.uint16))
    assert properties(tmp_path / "a.tif<scale=2>") == ((8, 12), "uint16")
    found, _ = read_plane_and_scale(tmp_path / "a.tif<scale=2>")
    assert (found.shape, found.dtype, set(found.ravel().tolist())) == ((8, 12), np.uint16, {700})
    tifffile.imwrite(tmp_path / "b.tif", np.array([[0, 100]], np.uint16))
    # Pixel centers of the new image at -1/4, 1/4, 3/4, 5/4 of the old.
    assert read_plane_and_scale(tmp_path / "b.tif<scale=2>")[0][0].tolist() == [0, 25, 75, 100]


# --- OME-Zarr -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path, version):
    stack = noise(2, 3, 6, 5)
    plate = write_ome_zarr(tmp_path / "P.zarr", {"B03": {"0": stack}}, ["DAPI", "GFP"], version)
    path = plate / "B/3/0<channel=GFP;project=max>"
    assert properties(path) == ((6, 5), "uint16")
    assert np.array_equal(read_plane_and_scale(path)[0], stack[1].max(axis=0))
    assert "no channel `RFP`; it has the channels 1 (DAPI), 2 (GFP)" in properties(
        plate / "B/3/0<channel=RFP>"
    )
    assert "cannot be opened as OME-Zarr" in properties(plate / "B/3/7<channel=GFP>")


# --- the process that reads for other environments -------------------------------------------------


@pytest.mark.run
def test_another_environment_gets_the_same_pixels(tmp_path):
    stack = noise(2, 3, 6, 5)
    write_ome_tiff(tmp_path / "a.ome.tif", stack, "CZYX", ["DAPI", "GFP"])
    plate = write_ome_zarr(tmp_path / "P.zarr", {"B03": {"0": stack}}, ["DAPI", "GFP"], "0.5")
    code = (
        "import sys, numpy; sys.path.insert(0, sys.argv[1])\n"
        "from lib import plane_reader\n"
        "plane_reader.is_at_home = lambda: False\n"
        "from pathlib import Path\n"
        "from lib.image_files import properties, read_plane_and_scale\n"
        "for name in sys.argv[2:]:\n"
        "    pixels, scale = read_plane_and_scale(name)\n"
        "    print(properties(Path(name)), pixels.dtype, scale, pixels.tolist())\n"
        "try:\n    read_plane_and_scale(sys.argv[2] + '>')\nexcept Exception as error: "
        "print(type(error).__name__)\n"
        "try:\n    read_plane_and_scale('/none.tif<project=max>')\nexcept Exception as error: print(error)\n"
    )
    names = [f"{tmp_path}/a.ome.tif<channel=2;project=max>", f"{plate}/B/3/0<channel=GFP;project=max>"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(PROJECT / "scripts"), *names],
        env={**os.environ, plane_reader.PYTHON: sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    expected = f"((6, 5), 'uint16') uint16 65535.0 {stack[1].max(axis=0).tolist()}"
    assert lines[:2] == [expected, expected]
    assert lines[2] != ""
    assert "/none.tif cannot be read as an image (FileNotFoundError" in lines[3]


def test_without_snakemakes_python_the_message_says_so(monkeypatch):
    monkeypatch.setattr(plane_reader, "is_at_home", lambda: False)
    monkeypatch.setattr(plane_reader, "_process", None)
    monkeypatch.delenv(plane_reader.PYTHON, raising=False)
    with pytest.raises(InputError, match="PLATEWISE_PYTHON"):
        plane_reader.read_image(Path("a.tif<project=max>"))


# --- a plate of stacks ----------------------------------------------------------------------------


def write_plate_of_stacks(folder, planes=3):
    for well in ("A01", "A02", "A03"):
        for plane in range(1, planes + 1):
            tifffile.imwrite(folder / f"{well}_z{plane}.tif", noise(12, 10))
    return r"^(?P<well>[A-Z]\d\d)_z(?P<plane>\d+)\.tif$"


def load_plate(folder, pattern, project, bad_sites="drop"):
    reading = Reading(project=project)
    return load_data(
        folder, {"batch": "B", "plate": "P"}, {"1": "DNA"}, pattern, bad_sites, 2, reading=reading
    )


def test_the_planes_of_a_site_are_one_image(tmp_path):
    pattern = write_plate_of_stacks(tmp_path)
    table, faults = load_plate(tmp_path, pattern, "max")
    assert not faults
    assert table["FileName_OrigDNA"][0] == "A01_z1.tif|A01_z2.tif|A01_z3.tif<project=max>"
    assert list(load_plate(tmp_path, pattern, 2)[0]["FileName_OrigDNA"]) == [
        f"A0{n}_z2.tif" for n in (1, 2, 3)
    ]


def test_a_site_that_lacks_a_plane_is_a_fault(tmp_path):
    pattern = write_plate_of_stacks(tmp_path)
    (tmp_path / "A02_z2.tif").unlink()
    table, faults = load_plate(tmp_path, pattern, "max")
    assert list(table["Metadata_Well"]) == ["A01", "A03"]
    assert faults[0].reason == "has 2 planes of DNA; most sites have 3"
    assert load_plate(tmp_path, pattern, 2)[1][0].reason == "has no plane 2 of DNA; it has 1, 3"
    tifffile.imwrite(tmp_path / "A02_z2.tif", noise(6, 10))
    assert "planes of different sizes or types" in load_plate(tmp_path, pattern, "max")[1][0].reason


def test_stacks_with_the_same_bytes_are_reported(tmp_path):
    pattern = write_plate_of_stacks(tmp_path)
    (tmp_path / "A03_z1.tif").write_bytes((tmp_path / "A01_z1.tif").read_bytes())
    _, faults = load_plate(tmp_path, pattern, "max")
    assert {fault.well for fault in faults} == {"A01", "A03"}


def test_planes_without_a_projection_say_what_to_set(tmp_path):
    pattern = write_plate_of_stacks(tmp_path)
    with pytest.raises(InputError, match=r"Most sites have several planes of a channel: set images\.project"):
        load_plate(tmp_path, pattern, None)


def test_a_sum_above_the_files_numbers_is_not_clipped(tmp_path):
    for number in (1, 2):
        tifffile.imwrite(tmp_path / f"p{number}.tif", np.full((4, 4), 40000, np.uint16))
    path = tmp_path / write_reference(["p1.tif", "p2.tif"], project="sum")
    assert read_intensities(path).max() == np.float32(80000) / np.float32(65535)
    assert read_intensities(path, 100000).max() == np.float32(80000) / np.float32(100000)


def test_planes_that_are_counted_from_zero(tmp_path):
    for plane in (0, 1):
        tifffile.imwrite(tmp_path / f"A01_z{plane}.tif", noise(8, 6))
    pattern = r"(?P<well>[A-Z]\d\d)_z(?P<plane>\d+)\.tif$"
    plate = {"batch": "B", "plate": "P"}
    table, _ = load_data(tmp_path, plate, {"1": "DNA"}, pattern, "error", 1, reading=Reading(project=0))
    assert list(table["FileName_OrigDNA"]) == ["A01_z0.tif"]
    # Within a file, the first plane is 1.
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((3, 8, 6), np.uint16), photometric="minisblack")
    found = properties(tmp_path / "stack.tif<project=0>")
    assert found == "has no plane 0; it has 3, the first of which is 1"


def test_stacks_in_object_storage_with_the_same_first_plane_are_reported():
    folder, tag = "s3://bucket/plate", '"abc"'
    found = [
        Found(well, "1", "DNA", StoredImage(folder, f"{well}_z1.tif|{well}_z2.tif<project=max>", 900, tag))
        for well in ("A01", "A02")
    ]
    faults = find_repeated_faults(found, 1)
    assert [fault.well for fault in faults] == ["A01", "A02"]


def test_a_file_is_read_once_for_all_its_channels_and_scenes(tmp_path, monkeypatch):
    read = []

    def read_ends(path):
        read.append(path.name)
        return path.read_bytes()

    monkeypatch.setattr(image_checks, "read_ends", read_ends)
    names = [f"{well}.tif" for well in ("A01", "A02")]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    found = [
        Found(name[:3], scene, channel, tmp_path / f"{name}<channel={channel};scene={scene}>")
        for name in names
        for scene in "12"
        for channel in ("DNA", "ER")
    ]
    assert find_repeated_faults(found, 1) == []
    assert sorted(read) == names
