"""One plate's images in every form: the features are the same, to the bit, where the pixels are."""

import csv
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tifffile
import yaml

import small_images
from lib.image_finding import Reading
from lib.wells import get_well_name
from load_data import load_data
from microscope_files import (
    blurred_stack,
    harmony_name,
    write_harmony_index,
    write_ome_tiff,
    write_ome_zarr,
)
from small_experiment import write_rows
from workflow import snakemake

pytestmark = pytest.mark.run
NAMES = list(small_images.CHANNELS)
PLANES, SHARPEST = 4, 2
BY_NAME = {name: name for name in NAMES}
BY_NUMBER = {str(number): name for number, name in enumerate(NAMES, start=1)}


def read_images(folder: Path) -> dict[str, np.ndarray]:
    """The simulated plate: per well its channels, (channels, rows, columns)."""
    numbers = small_images.CHANNELS
    wells = {}
    for well in small_images.WELLS:
        stem = harmony_name(well, 1, 0).partition("-ch")[0]
        wells[well] = np.array(
            [tifffile.imread(folder / f"{stem}-ch{numbers[name]}sk1fk1fl1.tiff") for name in NAMES]
        )
    return wells


def write_stacks(folder: Path, wells: dict[str, np.ndarray]) -> None:
    """Write each plane as a file, and the index of Harmony beside them."""
    channels = {int(number): name for name, number in small_images.CHANNELS.items()}
    write_harmony_index(folder / "Index.xml", wells, channels, planes=PLANES, version=7)
    for well, images in wells.items():
        for (number, _), image in zip(channels.items(), images, strict=True):
            for plane, pixels in enumerate(blurred_stack(image, PLANES, SHARPEST), start=1):
                name = harmony_name(well, 1, number, plane)
                tifffile.imwrite(folder / name, pixels, compression="lzw")


def write_forms(folder: Path, wells: dict[str, np.ndarray]) -> dict[str, tuple]:
    """Write the plate in every form; per form the folder, the channels, the pattern and the reading."""
    stacks = {
        well: np.array([blurred_stack(image, PLANES, SHARPEST) for image in images])
        for well, images in wells.items()
    }
    write_stacks(folder / "stack", wells)
    for well, images in wells.items():
        write_ome_tiff(folder / "ome" / f"{well.lower()}.ome.tif", images, "CYX", NAMES)
        write_ome_tiff(folder / "ome_stack" / f"{well}.ome.tif", stacks[well], "CZYX", NAMES)
        (folder / "pages").mkdir(exist_ok=True)
        tifffile.imwrite(folder / "pages" / f"{well}.tif", images, photometric="minisblack")
    write_ome_zarr(folder / "zarr4" / "P.ome.zarr", {w: {"1": s} for w, s in stacks.items()}, NAMES, "0.4")
    write_ome_zarr(folder / "zarr5.zarr", {w: {"1": images} for w, images in wells.items()}, NAMES, "0.5")
    planes = r"^r(?P<row>\d\d)c(?P<column>\d\d)f(?P<site>\d\d)p(?P<plane>\d\d)-ch(?P<channel>\d)"
    numbers = {number: name for name, number in small_images.CHANNELS.items()}
    in_files, by_well = Reading(channels_in="files"), r"^(?P<well>[A-Za-z]\d\d)\.(ome\.)?tif$"
    return {
        "stack": (folder / "stack", numbers, planes, Reading(project="best_focus")),
        "index": (folder / "stack", BY_NAME, "index", Reading(project="max")),
        "plane": (folder / "stack", BY_NAME, "index", Reading(project=SHARPEST + 1)),
        "ome": (folder / "ome", BY_NAME, by_well, in_files),
        "ome_stack": (folder / "ome_stack", BY_NAME, by_well, Reading("best_focus", None, "files")),
        "pages": (folder / "pages", BY_NUMBER, by_well, in_files),
        "zarr4": (folder / "zarr4", BY_NAME, "ome-zarr", Reading(project="best_focus")),
        "zarr5": (folder / "zarr5.zarr", BY_NUMBER, "ome-zarr", Reading()),
    }


@pytest.fixture(scope="module")
def experiment(tmp_path_factory) -> Path:
    """The experiment, with a plate for each form of the same images, measured up to its cells."""
    folder = tmp_path_factory.mktemp("forms") / "experiment"
    small_images.write_experiment(folder)
    wells = read_images(folder / "images" / small_images.PLATE)
    with (folder / "plates.tsv").open() as file:
        header, first = list(csv.reader(file, delimiter="\t"))
    sheet = [header, first]
    for name, (place, channels, pattern, reading) in write_forms(folder, wells).items():
        plate = {"batch": "B", "plate": name}
        table, faults = load_data(place, plate, channels, pattern, "error", 2, reading=reading)
        assert not faults
        table.to_csv(folder / f"{name}.csv", index=False)
        sheet.append(["B", name, *first[2:6], f"{name}.csv"])
    write_rows(folder / "plates.tsv", sheet, "\t")
    cells = [f"workspace/backend/B/{row[1]}/{row[1]}.parquet" for row in sheet[1:]]
    snakemake(*cells, "--configfile", folder / "results.yaml")
    return folder


def get_cells(folder: Path, plate: str, results: str = "results") -> pl.DataFrame:
    """The cells of a plate without what names the plate."""
    table = pl.read_parquet(folder / results / "workspace" / "backend" / "B" / plate / f"{plate}.parquet")
    return table.select([name for name in table.columns if "Plate" not in name])


@pytest.mark.parametrize("form", ["stack", "index", "plane", "ome", "ome_stack", "pages", "zarr4", "zarr5"])
def test_every_form_gives_the_same_cells(experiment, form):
    expected = get_cells(experiment, small_images.PLATE)
    assert expected.height > 20
    found = get_cells(experiment, form)
    assert found.columns == expected.columns
    assert found.equals(expected, null_equal=True)


@pytest.mark.oracle
def test_a_stack_by_the_config_with_stock_cellprofiler(experiment):
    """The config's keys reach every step, and CellProfiler's command line reads a stack too."""
    folder = experiment.with_name("by_config")
    shutil.copytree(experiment, folder, ignore=shutil.ignore_patterns("results"))
    config = yaml.safe_load((folder / "results.yaml").read_text())
    config["images"] = {"pattern": "index", "project": "best_focus"}
    config["cellprofiler"] |= {"engine": "stock", "accelerate": False}
    for channel in config["assay"]["channels"]:
        channel["image"] = channel["name"]
    (folder / "results.yaml").write_text(yaml.safe_dump(config))
    with (folder / "plates.tsv").open() as file:
        header, first, *_ = list(csv.reader(file, delimiter="\t"))
    write_rows(folder / "plates.tsv", [header, [*first[:6], "stack"]], "\t")
    snakemake("workspace/backend/B/0012/0012.parquet", "--configfile", folder / "results.yaml")
    with (folder / "results" / "workspace" / "load_data_csv" / "B" / "0012" / "load_data.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [get_well_name(row["Metadata_Well"]) for row in rows] == sorted(small_images.WELLS)
    assert rows[0]["FileName_OrigDNA"].endswith("<project=best_focus>")
    assert rows[0]["Metadata_ChannelName_OrigDNA"] == "DNA"
    assert "Metadata_PlaneID" not in rows[0]
    expected, found = get_cells(experiment, "0012"), get_cells(folder, "0012")
    assert found.height == expected.height
    area = "Nuclei_AreaShape_Area"
    assert found[area].to_list() == expected[area].to_list()
