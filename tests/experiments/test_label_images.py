"""Label images instead of segmentation: the features are stock CellProfiler's on the same objects."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tifffile
import yaml
from scipy import ndimage

from lib.chunk_tables import read_arrow
from workflow import PROJECT, snakemake

pytestmark = pytest.mark.data

FIELDS = {"B07": ("B7_01_{}_3_{}_001", "3"), "D06": ("D6_01_{}_2_{}_001", "2")}
OBJECTS = {"B07": 28, "D06": 27}
TABLES = ("Nuclei", "Cells", "Cytoplasm")
# Columns that hold the numbers of objects, or depend on their order.
NUMBERS = ("ObjectNumber", "Number_Object_Number", "Parent_", "ClosestObjectNumber", "Children_")


def image_of(shared: Path, well: str, channel: int, stain: str, ending: str = ".tif") -> Path:
    """One image of the two fields."""
    return shared / "nf1_masks" / (FIELDS[well][0].format(channel, stain) + ending)


def draw_labels(shared: Path, well: str) -> tuple[np.ndarray, np.ndarray]:
    """Nuclei and cells of a field, numbered alike: a pixel of the mask of cells is its nearest nucleus's."""
    nuclei_mask = tifffile.imread(image_of(shared, well, 1, "DAPI", "_MaskNuclei.tiff")) > 0
    cells_mask = tifffile.imread(image_of(shared, well, 3, "RFP", "_MaskCells.tiff")) > 0
    nuclei, number = ndimage.label(nuclei_mask, structure=np.ones((3, 3)))
    assert number == OBJECTS[well]
    nearest = ndimage.distance_transform_edt(nuclei == 0, return_distances=False, return_indices=True)
    return nuclei, np.where(cells_mask | nuclei_mask, nuclei[tuple(nearest)], 0)


def write_experiment(folder: Path, shared: Path, labels: dict, pattern: dict) -> Path:
    """An experiment of the two fields; gives its config."""
    folder.mkdir(parents=True)
    rows = "".join(f"{well}\tsample {well}\n" for well in FIELDS)
    (folder / "plate_map.txt").write_text(f"well_position\tbroad_sample\n{rows}")
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images"]
    row = ["B", "NF1", "plate_map.txt", "compound", "Schwann", "48", str(shared / "nf1_masks")]
    (folder / "plates.tsv").write_text("\t".join(columns) + "\n" + "\t".join(row) + "\n")
    channels = [{"name": name, "image": str(at)} for at, name in enumerate(("DNA", "GFP", "RFP"), start=1)]
    config = {
        "results": "results",
        "plates": "plates.tsv",
        "images": {"pattern": r"^(?P<well>[A-H]\d+)_01_(?P<channel>\d)_(?P<site>\d)_[A-Z]+_001\.tif$"},
        "cellprofiler": {"chunks": 1},
        "assay": {
            "channels": channels,
            "nuclei": {"channel": "DNA", "labels": labels | {"pattern": pattern["nuclei"]}},
            "cells": {"channel": "RFP", "labels": labels | {"pattern": pattern["cells"]}},
            # Of two fields there is no function, and the images that are measured are those of the files.
            "illumination": {"apply": "None"},
        },
        "normalize": {"to": ["all"]},
        "benchmark": {"feature_sets": ["normalized_feature_select_plate"], "matching": []},
        "feature_select": {"reference": "all"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def read_tables(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables of a chunk, Arrow or CSV."""
    return {
        name: pl.from_arrow(read_arrow(folder / f"{name}.arrow"))
        if (folder / f"{name}.arrow").exists()
        else pl.read_csv(folder / f"{name}.csv", infer_schema_length=None)
        for name in (*TABLES, "Image")
    }


@pytest.fixture(scope="module")
def results(shared, tmp_path_factory):
    """The workflow on numbered label images, whose numbers have gaps and differ between nuclei and cells."""
    folder = tmp_path_factory.mktemp("labels")
    random = np.random.default_rng(0)
    for well in FIELDS:
        for name, labels in zip(("nuclei", "cells"), draw_labels(shared, well), strict=True):
            new = np.concatenate([[0], random.permutation(np.arange(1, 3 * labels.max()))[: labels.max()]])
            path = folder / f"masks/NF1/{well}/{name}_f0{FIELDS[well][1]}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            kind = np.uint32 if name == "nuclei" else np.uint16
            tifffile.imwrite(path, new[labels].astype(kind))
    pattern = {name: rf"^(?P<well>\w+)/{name}_f(?P<site>\d+)\.tif$" for name in ("nuclei", "cells")}
    config = write_experiment(folder / "experiment", shared, {"folder": "../masks/{plate}"}, pattern)
    snakemake("--configfile", config, "--until", "single_cells")
    snakemake("segmentation_check", "--configfile", config)
    return config.parent / "results"


@pytest.fixture(scope="module")
def stock(results, shared, tmp_path_factory, cellprofiler_environment):
    """Stock CellProfiler with ConvertImageToObjects on the label images of this test."""
    folder = tmp_path_factory.mktemp("stock")
    table = pl.read_csv(
        results / "workspace/load_data_csv/B/NF1/load_data_with_illum.csv", infer_schema_length=0
    )
    columns = {"Nuclei": [], "Cells": []}
    for well in table["Metadata_Well"]:
        for name, labels in zip(columns, draw_labels(shared, well), strict=True):
            tifffile.imwrite(folder / f"{well}_{name}.tif", labels.astype(np.uint16))
            columns[name].append(f"{well}_{name}.tif")
    table = table.with_columns(
        *(pl.Series(f"FileName_Labels{name}", files) for name, files in columns.items()),
        *(pl.lit(str(folder)).alias(f"PathName_Labels{name}") for name in columns),
    )
    table.write_csv(folder / "load_data.csv")
    command = [sys.executable, PROJECT / "scripts/features.py", "--engine", "stock", "--plate", "NF1"]
    command += ["--cellprofiler", cellprofiler_environment / "bin/cellprofiler"]
    command += ["--pipeline", results / "workspace/pipelines/analysis.cppipe"]
    command += [
        "--load-data",
        folder / "load_data.csv",
        "--objects",
        *TABLES,
        "--chunk",
        "0",
        "--chunks",
        "1",
    ]
    subprocess.run([*command, "--log", folder / "log", "--output", folder / "out"], check=True)
    return read_tables(folder / "out")


@pytest.fixture(scope="module")
def tables(results):
    """The workflow's tables."""
    return read_tables(results / "workspace/analysis/B/NF1/analysis/chunk_0")


def test_the_counts_are_those_of_the_masks(tables, results):
    for name in TABLES:
        counts = tables[name].group_by("ImageNumber").len().sort("ImageNumber")["len"].to_list()
        assert counts == list(OBJECTS.values())
    relations = pl.read_csv(results / "workspace/quality_control/B/NF1/label_images.csv")
    assert relations["pairs"].to_list() == list(OBJECTS.values())
    assert relations["unused_numbers_nuclei"].min() > 0
    cells = pl.read_parquet(results / "workspace/backend/B/NF1/NF1.parquet")
    assert cells.height == sum(OBJECTS.values())


@pytest.mark.parametrize("name", TABLES)
def test_features_equal_stock(tables, stock, name):
    def ordered(table):
        place = ["ImageNumber", "AreaShape_Center_X", "AreaShape_Center_Y"]
        return table.with_columns(pl.col(place[1:]).round(6)).sort(place)

    ours, theirs = ordered(tables[name]), ordered(stock[name])
    assert set(ours.columns) == set(theirs.columns)
    assert ours.height == theirs.height
    compared = [
        column
        for column in theirs.columns
        if not any(word in column for word in NUMBERS) and theirs[column].dtype.is_numeric()
    ]
    assert len(compared) > 500
    for column in compared:
        np.testing.assert_allclose(
            ours[column].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
            theirs[column].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
            rtol=1e-6,
            atol=2e-7 if "InfoMeas2" in column else 1e-9,
            err_msg=column,
        )


def test_the_segmentation_check_shows_them(results):
    counts = pl.read_csv(results / "workspace/quality_control/B/NF1/pictures/segmentation/objects.csv")
    assert dict(zip(counts["Metadata_Well"], counts["Count_Cells"], strict=True)) == OBJECTS
