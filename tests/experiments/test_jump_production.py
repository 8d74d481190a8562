"""The preset jump_production: the published settings, the published feature names, and stock's values."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import stock_values
from lib.chunk_tables import read_arrow
from lib.config import complete_config
from published_pipelines import comparable, published_modules, read_cppipe
from workflow import PROJECT, copy_of_config, snakemake

CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito", "Brightfield", "BFLow", "BFHigh")
BRIGHTFIELD = ("Brightfield", "BFLow", "BFHigh")
TABLES = ("Cells", "Cytoplasm", "Nuclei")
RENAMED = {
    "CorrBlue": "NucleiSubtracted",
    "IllumBlue": "NucleiBackground",
    # the brightfield channels of the published image tables
    "Brightfield_L": "BFLow",
    "Brightfield_H": "BFHigh",
    "__BackgroundOnly": "_BackgroundOnly",
}
# Settings that have no effect beside the others: without Costes' thresholds, with a global threshold, and
# where no threshold is measured.
OVERRIDDEN = {"Run all metrics?", "Method for Costes thresholding", "Size of adaptive window"}
OVERRIDDEN |= {"Use all thresholding methods?"}
LEFT_OUT = {"LoadData", "SaveImages", "ExportToSpreadsheet", "OverlayOutlines"}

pytestmark = pytest.mark.oracle


def renamed(text: str, value: str) -> str:
    """A value in the words of the generated pipeline."""
    for theirs, ours in RENAMED.items():
        value = value.replace(theirs, ours)
    return re.sub(r"^Downsample(?!d)", "Downsampled", value)


def get_assay() -> dict:
    """The assay of the preset, complete."""
    channels = [{"name": name, "image": str(at)} for at, name in enumerate(CHANNELS)]
    assay = {"preset": "jump_production", "channels": channels}
    assay |= {"nuclei": {"channel": "DNA"}, "cells": {"channel": "RNA"}}
    return complete_config({"results": "r", "plates": "p.tsv", "assay": assay}, "config.yaml")["assay"]


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory, cellprofiler_environment) -> Path:
    """The folder of the generated pipelines."""
    folder = tmp_path_factory.mktemp("pipelines")
    for name in ("illumination", "analysis"):
        command = [sys.executable, PROJECT / "scripts/pipelines.py", name, "--assay", json.dumps(get_assay())]
        command += ["--cellprofiler", cellprofiler_environment / "bin/cellprofiler"]
        command += ["--log", folder / "log", "--output", folder / f"{name}.cppipe"]
        subprocess.run(command, check=True)
    return folder


@pytest.mark.parametrize("pipeline", ["illumination", "analysis"])
def test_every_published_setting_comes_out(pipelines, shared, pipeline):
    listing = shared / "jump_production" / "published_settings.tsv"
    published = published_modules(listing, pipeline)
    generated = read_cppipe(pipelines / f"{pipeline}.cppipe")
    quality = ("MeasureImageQuality", "MeasureImageIntensity")
    # Quality control measures a percentile of the raw images, which the published pipeline does not have.
    generated = [
        (name, settings)
        for name, settings in generated
        if (name, dict(settings).get("Calculate custom percentiles")) != (quality[1], "Yes")
    ]
    theirs = comparable(published, LEFT_OUT, 0.2, renamed)
    ours = comparable(generated, LEFT_OUT, 0.2, renamed)
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    for (name, of_ours), (_, of_theirs) in zip(ours, theirs, strict=True):
        missing = [
            setting for setting in of_theirs if setting not in of_ours and setting[0] not in OVERRIDDEN
        ]
        assert not missing, (name, missing)


# --- values ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def config(shared, tmp_path_factory):
    """The experiment of the four fields, measured by the workflow."""
    config = copy_of_config(
        "jump_production_fields", tmp_path_factory.mktemp("jump_production") / "experiment"
    )
    snakemake("--configfile", config, "--until", "single_cells")
    return config


@pytest.fixture(scope="module")
def results(config):
    return config.parent / "results"


@pytest.mark.unit
def test_the_stored_values_are_those_of_the_locked_cellprofiler():
    about = json.loads(stock_values.ABOUT.read_text())
    locked = {"cellprofiler": stock_values.get_locked_version(), "lock": stock_values.get_digest_of_lock()}
    assert about == locked, "run `python tests/support/stock_values.py`"


@pytest.mark.data
def test_values_equal_those_that_stock_measured(results):
    """The stored ones; `test_values_equal_stock` runs it on all objects."""
    chunks = sorted((results / "workspace/analysis").glob("*/*/analysis/chunk_*"))
    compared, different = 0, {}
    for name in stock_values.TABLES:
        tables = [pl.from_arrow(read_arrow(chunk / f"{name}.arrow")) for chunk in chunks]
        expected = stock_values.read_stored(name)
        found = stock_values.choose_numbers(pl.concat(tables, how="vertical_relaxed"))
        compared += expected.width * expected.height
        different |= {f"{name}: {at}": n for at, n in stock_values.count_differences(expected, found).items()}
    assert different == {}
    assert compared > 300_000


@pytest.mark.long
def test_values_equal_stock(config, results):
    """Stock takes over 6 minutes."""
    snakemake("compare_cellprofiler", "--configfile", config)
    with (results / "workspace/quality_control/cellprofiler_comparison/differences.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["table"] for row in rows} >= {"Image", *TABLES}
    assert sum(int(row["values"]) for row in rows) > 1_000_000
    assert {row["table"]: int(row["different"]) for row in rows if int(row["different"])} == {}
    assert {row["columns_of_one_only"] for row in rows} == {"0"}


@pytest.mark.data
def test_the_features_are_the_published_ones(results, shared):
    published = set((shared / "jump_production" / "feature_names.txt").read_text().split())
    folder = results / "workspace/analysis/2020_11_04_CPJUMP1/FIELDS/analysis/chunk_0"
    ours = {
        f"{name}_{column}" for name in TABLES for column in read_arrow(folder / f"{name}.arrow").column_names
    }
    assert published - ours == set()
    # The published profiles leave out brightfield, objects' numbers and locations, and relations.
    more = {name for name in ours - published if not any(f"_{word}" in name for word in BRIGHTFIELD)}
    about_objects = r"_(ImageNumber|ObjectNumber|Number_Object_Number|Location_.*|Parent_.*|Children_.*)$"
    # CellProfiler 4.2 adds one feature of shape.
    assert {name for name in more if not re.search(about_objects, name)} == {
        f"{name}_AreaShape_ConvexArea" for name in TABLES
    }
