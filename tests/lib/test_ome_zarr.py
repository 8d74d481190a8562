"""OME-Zarr plates: their metadata on disk and in object storage."""

import json

import numpy as np
import pytest
import zarr

from cases.case import case
from lib.errors import InputError
from lib.image_files import read_plane_and_scale
from lib.image_finding import Reading, find_in_zarr
from lib.ome_zarr import list_fields, open_multiscale
from load_data import load_data
from microscope_files import write_ome_zarr
from object_storage import put_folder

pytestmark = pytest.mark.unit
RANDOM = np.random.default_rng(0)
PLATE = {"batch": "B", "plate": "P"}


def pixels(*shape):
    return RANDOM.integers(0, 60000, shape).astype(np.uint16)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_wells_fields_and_channels(tmp_path, version):
    fields = {"A01": {"0": pixels(2, 8, 6), "1": pixels(2, 8, 6)}, "B12": {"0": pixels(2, 8, 6)}}
    plate = write_ome_zarr(tmp_path / "x.ome.zarr", fields, ["DAPI", "GFP"], version)
    assert [(each.well, each.site, each.path) for each in list_fields(str(plate))] == [
        ("A01", "0", "A/1/0"),
        ("A01", "1", "A/1/1"),
        ("B12", "0", "B/12/0"),
    ]
    image = open_multiscale(plate / "B/12/0")
    assert (image.axes, image.channels, image.pixel_size) == ("cyx", ["DAPI", "GFP"], 0.5)
    table, faults = load_data(tmp_path, PLATE, {"GFP": "ER", "1": "DNA"}, "ome-zarr", "error", 2)
    assert not faults
    assert list(table["FileName_OrigER"]) == ["0<channel=GFP>", "1<channel=GFP>", "0<channel=GFP>"]
    assert table["PathName_OrigDNA"][2] == str(plate / "B/12")


def test_an_image_that_is_missing_is_a_fault(tmp_path):
    fields = {"A01": {"0": pixels(1, 8, 6)}, "A02": {"0": pixels(1, 8, 6)}, "A03": {"0": pixels(1, 8, 6)}}
    plate = write_ome_zarr(tmp_path / "x.zarr", fields, ["DAPI"])
    (plate / "A/2/0/.zattrs").write_text("{}")
    table, faults = load_data(plate, PLATE, {"DAPI": "DNA"}, "ome-zarr", "drop", 2)
    assert list(table["Metadata_Well"]) == ["A01", "A03"]
    assert "its metadata have no `multiscales`" in faults[0].reason


def test_old_metadata_without_axes_and_indexes(tmp_path):
    image = pixels(1, 2, 1, 8, 6)
    plate = write_ome_zarr(tmp_path / "x.zarr", {"C03": {"0": image[0, :, 0]}}, ["DAPI", "GFP"])
    group = zarr.open_group(str(plate / "C/3/0"), mode="a")
    group.create_array("old", data=image)
    (plate / "C/3/0/.zattrs").write_text(json.dumps({"multiscales": [{"datasets": [{"path": "old"}]}]}))
    (plate / ".zattrs").write_text(json.dumps({"plate": {"wells": [{"path": "C/3"}]}}))
    assert [each.well for each in list_fields(str(plate))] == ["C03"]
    found, _ = read_plane_and_scale(plate / "C/3/0<channel=2>")
    assert np.array_equal(found, image[0, 1, 0])


def test_what_is_not_a_plate(tmp_path):
    with pytest.raises(InputError, match=r"contains 0 OME-Zarr plates \(no folder \*\.zarr\)"):
        find_in_zarr(tmp_path, {"1": "DNA"}, "P")
    zarr.open_group(str(tmp_path / "x.zarr"), mode="w")
    with pytest.raises(InputError, match="is not a plate of OME-Zarr"):
        find_in_zarr(tmp_path, {"1": "DNA"}, "P")
    with pytest.raises(InputError, match="does not exist"):
        find_in_zarr(tmp_path / "none", {"1": "DNA"}, "P")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_in_object_storage(tmp_path, storage_client, version):
    stack = pixels(2, 3, 8, 6)
    plate = write_ome_zarr(
        tmp_path / "x.zarr", {"A01": {"0": stack}, "A02": {"0": pixels(2, 3, 8, 6)}}, ["D", "G"], version
    )
    address = f"s3://plates/{version}/x.zarr"
    put_folder(storage_client, plate, address)
    table, faults = load_data(
        address,
        PLATE,
        {"G": "ER", "D": "DNA"},
        "ome-zarr",
        "error",
        2,
        reading=Reading("max"),
    )
    assert not faults
    assert table["PathName_OrigER"][0] == f"{address}/A/1"
    found, scale = read_plane_and_scale(f"{address}/A/1/0<channel=G;project=max>")
    assert np.array_equal(found, stack[1].max(axis=0))
    assert scale == 65535


@case(
    "images",
    kind="an OME-Zarr plate of which not all chunks were copied",
    comes_from="Zarr gives a chunk that is missing the value 0, without a word",
    says="0<channel=DAPI> lacks 1 of the 4 chunks of a plane (0.1.1 for one): it was not written or copied "
    "to its end",
    happens="the plate stops, or (`images.bad_sites: drop`) the site is left out and listed",
)
def test_a_missing_chunk(tmp_path):
    fields = {well: {"0": 1 + pixels(1, 8, 6) // 2} for well in ("A01", "A02", "A03")}
    plate = write_ome_zarr(tmp_path / "x.zarr", fields, ["DAPI"], chunks=(1, 4, 3))
    chunk = plate / "A/2/0/0/0.1.1"
    chunk.unlink()
    with pytest.raises(InputError) as error:
        load_data(plate, PLATE, {"DAPI": "DNA"}, "ome-zarr", "error", 2)
    with pytest.raises(InputError, match="lacks 1 of the 4 chunks"):
        read_plane_and_scale(plate / "A/2/0<channel=DAPI>")
    table, _ = load_data(plate, PLATE, {"DAPI": "DNA"}, "ome-zarr", "drop", 2)
    assert list(table["Metadata_Well"]) == ["A01", "A03"]
    return str(error.value)


def test_blocks_of_zeros_are_read_where_zeros_are_usual(tmp_path):
    image = 1 + pixels(1, 8, 6) // 2
    image[0, ::2] = 0
    image[0, 4:, 3:] = 0
    plate = write_ome_zarr(tmp_path / "x.zarr", {"A01": {"0": image}}, ["DAPI"], chunks=(1, 4, 3))
    (plate / "A/1/0/0/0.1.1").unlink(missing_ok=True)
    table, faults = load_data(plate, PLATE, {"DAPI": "DNA"}, "ome-zarr", "error", 2)
    assert (len(table), faults) == (1, [])
    assert np.array_equal(read_plane_and_scale(plate / "A/1/0<channel=DAPI>")[0], image[0])


def test_wells_whose_path_and_indexes_differ(tmp_path):
    plate = write_ome_zarr(tmp_path / "x.zarr", {"A01": {"0": pixels(1, 8, 6)}}, ["DAPI"])
    metadata = json.loads((plate / ".zattrs").read_text())
    metadata["plate"]["rows"] = [{"name": "B"}, {"name": "A"}]
    (plate / ".zattrs").write_text(json.dumps(metadata))
    with pytest.raises(InputError, match="the well A/1 has the row B and the column 1 by its rowIndex"):
        list_fields(str(plate))
