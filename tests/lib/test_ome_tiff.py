"""OME-TIFF files whose metadata describe other files, too: each file is read on its own."""

import numpy as np
import pytest
import tifffile

from cases.case import case
from cases.images import PLATE
from lib.errors import InputError
from lib.image_files import properties, read_plane_and_scale
from lib.image_finding import Reading
from lib.image_formats import open_image
from load_data import load_data
from microscope_files import write_ome_tiffs
from object_storage import put_folder

pytestmark = pytest.mark.unit
RANDOM = np.random.default_rng(0)
POSITIONS = {
    f"x_MMStack_{well}-Site_{site}.ome.tif": RANDOM.integers(100, 4000, (2, 8, 10)).astype(np.uint16)
    for well in ("B2", "B3")
    for site in (0, 1)
}
PATTERN = r"_(?P<well>[A-H]\d+)-Site_(?P<site>\d+)\.ome\.tif$"
CHANNELS = {"DAPI": "DNA", "GFP": "ER"}
IN_FILES = Reading(channels_in="files")


def read_plate(folder, channels=CHANNELS, **how):
    return load_data(folder, PLATE, channels, PATTERN, "error", 2, reading=IN_FILES, **how)[0]


@case(
    "images",
    kind="OME-TIFF files whose metadata describe the files of all positions (Micro-Manager)",
    comes_from="Micro-Manager writes the metadata of a whole plate into each of its files",
    says="",
    happens="each file is read as the one position that it holds",
)
@pytest.mark.parametrize("companion", ["", "plate.companion.ome"])
def test_each_position_has_its_own_pixels(tmp_path, companion):
    write_ome_tiffs(tmp_path, POSITIONS, ["DAPI", "GFP"], companion)
    table = read_plate(tmp_path)
    assert list(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True)) == [
        ("B02", "0"),
        ("B02", "1"),
        ("B03", "0"),
        ("B03", "1"),
    ]
    for row, pixels in zip(table.to_dict("records"), POSITIONS.values(), strict=True):
        for at, channel in enumerate(("DNA", "ER")):
            read, _ = read_plane_and_scale(tmp_path / row[f"FileName_Orig{channel}"])
            assert np.array_equal(read, pixels[at])


def test_a_file_of_one_channel_and_some_planes_is_that_part_of_its_image(tmp_path):
    inside = "".join(
        f'<TiffData IFD="{plane}" FirstC="{channel}" FirstZ="{plane}" PlaneCount="1">'
        f'<UUID FileName="A01_C{channel}.ome.tif">id-{channel}</UUID></TiffData>'
        for channel in (0, 1)
        for plane in (0, 1, 2)
    )
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{}"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="10" SizeY="8" SizeC="2" '
        'SizeZ="3" SizeT="1">'
        '<Channel ID="a" Name="DAPI"/><Channel ID="b" Name="GFP"/>' + inside + "</Pixels></Image></OME>"
    )
    planes = RANDOM.integers(100, 4000, (2, 3, 8, 10)).astype(np.uint16)
    for at in (0, 1):
        path = tmp_path / f"A01_C{at}.ome.tif"
        tifffile.imwrite(
            path,
            planes[at],
            photometric="minisblack",
            metadata=None,
            description=text.format(f"id-{at}").encode(),
        )
        with open_image(path) as opened:
            assert (opened.sizes, opened.channels) == ({"T": 1, "C": 1, "Z": 3}, [("DAPI", "GFP")[at]])
    read, _ = read_plane_and_scale(tmp_path / "A01_C1.ome.tif<project=max>")
    assert np.array_equal(read, planes[1].max(axis=0))
    read, _ = read_plane_and_scale(tmp_path / "A01_C0.ome.tif<project=2>")
    assert np.array_equal(read, planes[0, 1])


def test_a_renamed_file_is_known_by_its_identifier_or_refused(tmp_path):
    first, second, *_ = write_ome_tiffs(tmp_path, POSITIONS, ["DAPI", "GFP"])
    renamed = first.rename(tmp_path / "renamed.ome.tif")
    read, _ = read_plane_and_scale(renamed.with_name("renamed.ome.tif<channel=GFP>"))
    assert np.array_equal(read, next(iter(POSITIONS.values()))[1])
    text = tifffile.tiffcomment(second).replace(f'UUID="id-{second.name}"', 'UUID="of another"')
    tifffile.tiffcomment(second, text)
    second.rename(tmp_path / "other.ome.tif")
    found = properties(tmp_path / "other.ome.tif<channel=GFP>")
    assert found.startswith("has OME metadata that describe other files (x_MMStack_B2-Site_0.ome.tif, ")
    assert found.endswith("and not this one: was it renamed? Restore the original names of the files")


def test_the_only_file_of_its_metadata_may_be_renamed(tmp_path):
    pixels = POSITIONS["x_MMStack_B2-Site_0.ome.tif"]
    (path,) = write_ome_tiffs(tmp_path, {"a.ome.tif": pixels}, ["DAPI", "GFP"])
    tifffile.tiffcomment(path, tifffile.tiffcomment(path).replace(' UUID="id-a.ome.tif"', ""))
    path.rename(tmp_path / "b.ome.tif")
    read, _ = read_plane_and_scale(tmp_path / "b.ome.tif<channel=GFP>")
    assert np.array_equal(read, pixels[1])


@case(
    "images",
    kind="files in which one image is unlike the first: another size, another number of planes, an overview",
    comes_from="slide scanners and Leica's files keep overviews and labels beside the images",
    says="has an image 2 (label) with the dimensions ZYX (3, 4, 4), unlike its first one with CYX (2, 8, 10)",
    happens="the plate stops, or (`images.bad_sites: drop`) these images are left out and listed as sites",
)
def test_an_image_unlike_the_first_of_its_file(tmp_path):
    for well in ("B2", "B3"):
        with tifffile.TiffWriter(tmp_path / f"x_{well}-Site_1.ome.tif") as file:
            about = {"axes": "CYX", "Name": "main", "Channel": {"Name": ["DAPI", "GFP"]}}
            pixels = RANDOM.integers(100, 4000, (2, 8, 10)).astype(np.uint16)
            file.write(pixels, photometric="minisblack", metadata=about)
            label = np.ones((3, 4, 4), np.uint16)
            file.write(label, photometric="minisblack", metadata={"axes": "ZYX", "Name": "label"})
    with pytest.raises(InputError) as error:
        read_plate(tmp_path)
    table, faults = load_data(tmp_path, PLATE, CHANNELS, PATTERN, "drop", 2, reading=IN_FILES)
    assert list(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True)) == [
        ("B02", "1"),
        ("B03", "1"),
    ]
    assert {(fault.well, fault.site) for fault in faults} == {("B02", "2"), ("B03", "2")}
    return str(error.value)


@pytest.mark.parametrize("damage", ["cut off", "missing"])
def test_a_companion_that_was_not_copied_whole_is_named(tmp_path, damage):
    write_ome_tiffs(tmp_path, POSITIONS, ["DAPI", "GFP"], "plate.companion.ome")
    companion = tmp_path / "plate.companion.ome"
    content = companion.read_bytes()
    read_plate(tmp_path)
    companion.write_bytes(content[: len(content) // 2]) if damage == "cut off" else companion.unlink()
    says = {
        "cut off": r"has its metadata in plate\.companion\.ome, which is not valid XML",
        "missing": r"has 2 pages, and which channels and planes these are is written in "
        r"plate\.companion\.ome, which is not beside it: copy it there",
    }
    for channels in (CHANNELS, {"1": "DNA", "2": "ER"}):
        with pytest.raises(InputError, match=says[damage]):
            read_plate(tmp_path, channels)
    companion.write_bytes(content)
    assert len(read_plate(tmp_path)) == len(POSITIONS)


def test_a_file_in_object_storage_is_known_by_its_name(tmp_path, storage_client):
    """The identifier of a file is optional."""
    for path in write_ome_tiffs(tmp_path, POSITIONS, ["DAPI", "GFP"]):
        tifffile.tiffcomment(path, tifffile.tiffcomment(path).replace(f' UUID="id-{path.name}"', ""))
    put_folder(storage_client, tmp_path, "s3://one/ome")
    for name, pixels in POSITIONS.items():
        for at, channel in enumerate(("DAPI", "GFP")):
            read, _ = read_plane_and_scale(f"s3://one/ome/{name}<channel={channel}>")
            assert np.array_equal(read, pixels[at])
