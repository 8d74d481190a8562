"""The label images of a plate's sites: how they are found, and which are faults of their site."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from lib.errors import InputError
from lib.image_checks import Found
from lib.image_finding import find_in_zarr
from lib.image_names import compile_pattern, get_listing_pattern
from lib.label_files import find_label_files
from lib.label_images import read_pixels
from microscope_files import write_ome_zarr, write_ome_zarr_labels
from object_storage import put_folder

pytestmark = pytest.mark.unit

SITES = [("A01", "1"), ("A01", "2"), ("B12", "1")]
REGULAR = r"^(?P<well>[A-P]\d+)_f(?P<site>\d+)_nuclei\.tif$"


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels)


@pytest.fixture
def found(tmp_path) -> list[Found]:
    """The images of three sites in two channels, 30 x 40 pixels."""
    images = []
    for well, site in SITES:
        for channel in ("DNA", "RNA"):
            path = tmp_path / "images" / f"{well}_{site}_{channel}.tif"
            write(path, np.full((30, 40), 7, np.uint16))
            images.append(Found(well, site, channel, path))
    return images


def settings(
    pattern: str,
    folder: Path | None = None,
    mask: bool = False,
    channel: str = "DNA",
    name: str | None = None,
) -> dict:
    folder = folder and str(folder)
    return {"pattern": pattern, "folder": folder, "mask": mask, "channel": channel, "name": name}


def draw() -> np.ndarray:
    labels = np.zeros((30, 40), np.uint16)
    labels[5:9, 5:9], labels[5:9, 20:25] = 1, 2
    return labels


def test_by_the_name_of_the_image(found, tmp_path):
    for well, site in SITES:
        write(tmp_path / "images" / f"{well}_{site}_DNA_cp_masks.tif", draw())
    files, faults = find_label_files(
        found, {"Nuclei": settings("{image}_cp_masks.tif")}, tmp_path / "images", 2
    )
    assert not faults
    assert {site: path.name for site, path in files["Nuclei"].items()} == {
        (well, site): f"{well}_{site}_DNA_cp_masks.tif" for well, site in SITES
    }


def test_by_the_name_of_an_image_that_is_read_with_options(found, tmp_path):
    for well, site in SITES:
        write(tmp_path / "masks" / f"{well}_{site}_DNA_masks.tif", draw())
    scaled = [image._replace(path=image.path.with_name(f"{image.path.name}<scale=1.0>")) for image in found]
    of_name = settings("{image}_masks.tif", tmp_path / "masks")
    files, faults = find_label_files(scaled, {"Nuclei": of_name}, tmp_path / "images", 2)
    assert not faults
    assert list(files["Nuclei"]) == SITES


def test_by_a_regular_expression_in_another_folder(found, tmp_path):
    # Wells as another program writes them, and a site that has no images.
    for name in ("A1_f01", "A01_f2", "B12_f1", "C03_f1"):
        write(tmp_path / "masks" / "deep" / f"{name}_nuclei.tif", draw())
    labels = {"Nuclei": settings(REGULAR, tmp_path / "masks")}
    files, faults = find_label_files(found, labels, tmp_path / "images", 2)
    assert not faults
    assert list(files["Nuclei"]) == SITES


def test_each_fault_names_its_site_and_file(found, tmp_path):
    folder = tmp_path / "masks"
    write(folder / "A01_f1_nuclei.tif", draw()[:20])
    write(folder / "B12_f1_nuclei.tif", draw())
    write(folder / "again" / "B12_f1_nuclei.tif", draw())
    _, faults = find_label_files(found, {"Nuclei": settings(REGULAR, folder)}, tmp_path / "images", 2)
    reasons = {(fault.well, fault.site): fault.reason for fault in faults}
    assert "A01_f1_nuclei.tif is (20, 40); its image A01_1_DNA.tif is (30, 40)" in reasons["A01", "1"]
    assert "has no label image of the nuclei" in reasons["A01", "2"]
    assert "has 2 files as label image of the nuclei" in reasons["B12", "1"]


def test_a_mask_that_is_not_announced_is_a_fault_with_its_remedy(found, tmp_path):
    for well, site in SITES:
        write(tmp_path / "images" / f"{well}_{site}_DNA_m.tif", np.where(draw() > 0, 255, 0).astype(np.uint8))
    labels = {"Nuclei": settings("{image}_m.tif")}
    _, faults = find_label_files(found, labels, tmp_path / "images", 2)
    assert len(faults) == 3
    assert "set `mask: true`" in faults[0].reason
    labels["Nuclei"]["mask"] = True
    assert not find_label_files(found, labels, tmp_path / "images", 2)[1]


@pytest.mark.parametrize(
    ("folder", "words"), [("nowhere", "does not exist"), ("images", "None of the 6 files")]
)
def test_a_folder_without_label_images_is_an_error(found, tmp_path, folder, words):
    with pytest.raises(InputError, match=words):
        find_label_files(found, {"Nuclei": settings(REGULAR, tmp_path / folder)}, tmp_path / "images", 1)


def test_the_pattern_that_lists_label_images():
    expression = compile_pattern(get_listing_pattern("{image}_cp(1).tif"), 1)
    assert expression.search("r01c02_cp(1).tif")
    assert not expression.search("r01c02_cp1.tif")
    assert get_listing_pattern(REGULAR) == REGULAR


# --- OME-Zarr ----------------------------------------------------------------------------------------------


@pytest.fixture(params=["0.4", "0.5"])
def plate(tmp_path, request) -> Path:
    """A plate of two wells; the first has two label images, the second one, with axes of length 1."""
    image = np.full((2, 30, 40), 7, np.uint16)
    folder = write_ome_zarr(
        tmp_path / "x.ome.zarr", {"A01": {"0": image}, "B12": {"0": image}}, ["D", "R"], request.param
    )
    write_ome_zarr_labels(folder / "A/1/0", {"nuclei": draw(), "cells": draw() * 2}, request.param)
    write_ome_zarr_labels(folder / "B/12/0", {"nuclei": draw()[None, None]}, request.param)
    return folder


def test_labels_of_an_ome_zarr_plate(plate):
    found = find_in_zarr(plate, {"D": "DNA", "R": "RNA"}, "P")
    files, faults = find_label_files(found, {"Nuclei": settings("ome-zarr", name="nuclei")}, plate, 2)
    assert not faults
    assert files["Nuclei"]["A01", "0"] == plate / "A/1/0/labels/nuclei"
    for path in files["Nuclei"].values():
        assert np.array_equal(read_pixels(path), draw())
    # From another plate with the same wells.
    elsewhere = settings("ome-zarr", folder=plate, name="nuclei")
    assert find_label_files(found, {"Nuclei": elsewhere}, plate, 2) == (files, [])


def test_a_label_image_of_an_ome_zarr_plate_that_is_not_there_is_a_fault_of_its_site(plate):
    found = find_in_zarr(plate, {"D": "DNA"}, "P")
    _, faults = find_label_files(found, {"Cells": settings("ome-zarr", name="cells")}, plate, 2)
    assert [(fault.well, fault.reason) for fault in faults] == [
        ("B12", "has no label image of the cells (ome-zarr)")
    ]
    # Without a name, an image with one label image is clear, and one with two is not.
    _, faults = find_label_files(found, {"Nuclei": settings("ome-zarr")}, plate, 2)
    assert [fault.well for fault in faults] == ["A01"]
    assert "has 2 files as label image of the nuclei" in faults[0].reason


def test_labels_in_ome_zarr_of_another_size_or_with_planes_are_faults(tmp_path):
    image = np.full((1, 30, 40), 7, np.uint16)
    folder = write_ome_zarr(tmp_path / "x.zarr", {"A01": {"0": image}, "A02": {"0": image}}, ["D"])
    write_ome_zarr_labels(folder / "A/1/0", {"nuclei": draw()[:20]})
    write_ome_zarr_labels(folder / "A/2/0", {"nuclei": np.stack([draw(), draw()])})
    found = find_in_zarr(folder, {"D": "DNA"}, "P")
    _, faults = find_label_files(found, {"Nuclei": settings("ome-zarr")}, folder, 1)
    reasons = {fault.well: fault.reason for fault in faults}
    assert "is (20, 40)" in reasons["A01"]
    assert "its shape is (2, 30, 40), where one plane is expected" in reasons["A02"]


def test_labels_of_an_ome_zarr_plate_in_object_storage(plate, storage_client):
    address = f"s3://plates/{plate.parent.name}/x.ome.zarr"
    put_folder(storage_client, plate, address)
    found = find_in_zarr(address, {"D": "DNA"}, "P")
    files, faults = find_label_files(found, {"Nuclei": settings("ome-zarr", name="nuclei")}, address, 2)
    assert not faults
    assert [np.array_equal(read_pixels(path), draw()) for path in files["Nuclei"].values()] == [True, True]


def test_label_images_of_other_plates_in_one_folder(found, tmp_path):
    for well, site in SITES:
        write(tmp_path / "masks" / f"P2_{well}_f{site}.tif", draw())
    pattern = r"^(?P<plate>P\d)_(?P<well>[A-P]\d+)_f(?P<site>\d+)\.tif$"
    labels = {"Nuclei": settings(pattern, tmp_path / "masks")}
    with pytest.raises(InputError, match=r"are of plate P2, and not of P1"):
        find_label_files(found, labels, tmp_path / "images", 2, "P1")
    write(tmp_path / "masks" / "P1_A01_f1.tif", draw())
    files, faults = find_label_files(found, labels, tmp_path / "images", 2, "P1")
    # A well of another plate does not replace the one that is missing.
    assert list(files["Nuclei"]) == [("A01", "1")]
    assert [(fault.well, fault.site) for fault in faults] == [("A01", "2"), ("B12", "1")]


def test_one_label_image_of_two_sites_is_a_fault(tmp_path):
    write(tmp_path / "A01.tif", np.zeros((2, 30, 40), np.uint16))
    write(tmp_path / "A01_masks.tif", draw())
    found = [Found("A01", site, "DNA", tmp_path / f"A01.tif<channel=1;scene={site}>") for site in "12"]
    _, faults = find_label_files(found, {"Nuclei": settings("{image}_masks.tif")}, tmp_path, 2)
    shared = [fault for fault in faults if "of 2 sites" in fault.what]
    assert [(fault.well, fault.site) for fault in shared] == [("A01", "1"), ("A01", "2")]
    assert shared[0].what == "is the label image of the nuclei of 2 sites: each needs a file of its own"


def test_the_label_images_of_the_plates_own_name_are_taken_before_another_spelling(found, tmp_path):
    for well, site in SITES:
        write(tmp_path / "masks" / f"P 1_{well}_f{site}.tif", draw())
    labels = {
        "Nuclei": settings(r"^(?P<plate>P.1)_(?P<well>[A-P]\d+)_f(?P<site>\d+)\.tif$", tmp_path / "masks")
    }
    files, faults = find_label_files(found, labels, tmp_path / "images", 2, "P_1")
    assert faults == []
    assert files["Nuclei"]["A01", "1"].name == "P 1_A01_f1.tif"
    for well, site in SITES:
        write(tmp_path / "masks" / f"P_1_{well}_f{site}.tif", draw())
    files, faults = find_label_files(found, labels, tmp_path / "images", 2, "P_1")
    assert faults == []
    assert files["Nuclei"]["A01", "1"].name == "P_1_A01_f1.tif"
