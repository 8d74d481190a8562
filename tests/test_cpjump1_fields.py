"""Four real CPJUMP1 fields: the generated pipelines give the published pipelines' values."""

import csv
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import features
import numpy as np
import polars as pl
import pytest
import yaml
from cellprofiler_assays import assay_schema, filled

SCRIPTS = Path(features.__file__).parent
ASSAY = Path(__file__).parent / "configs" / "cpjump1_fields" / "assay.yaml"
FIELDS = [("A21", "r01c21"), ("D08", "r04c08"), ("D14", "r04c14"), ("F10", "r06c10")]
TABLES = ("Cells", "Cytoplasm", "Nuclei")

# The listing's own names of images that are only steps on the way, here told by the channel; and
# Resize by a factor where the generated pipeline asks for the image's own size, which is the same
# for a size that is a multiple of the factor and right for the others.
RENAMED = {"CorrBlue": "NucleiSubtracted", "IllumBlue": "NucleiBackground"}
# Settings that CellProfiler 4.2.8 no longer has, or that these values do not use.
UNUSED = {
    "Display accepted local maxima?",
    "Select maxima color",
    "Threshold setting version",
    "Select colormap",
    "Resizing factor",
}


def run(script, *arguments):
    """Run one of the workflow's scripts as its rule does."""
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def command():
    """CellProfiler's command in the environment that PLATEWISE_CELLPROFILER names."""
    folder = os.environ.get("PLATEWISE_CELLPROFILER")
    if not folder:
        pytest.skip("PLATEWISE_CELLPROFILER names no CellProfiler environment")
    return Path(folder) / "bin" / "cellprofiler"


@pytest.fixture(scope="module")
def assay():
    return filled(assay_schema(), yaml.safe_load(ASSAY.read_text())["assay"])


@pytest.fixture(scope="module")
def pipelines(command, assay, tmp_path_factory):
    """Folder of the two generated pipelines."""
    folder = tmp_path_factory.mktemp("pipelines")
    for name in ("illumination", "analysis"):
        described = ["--assay", json.dumps(assay), "--cellprofiler", command]
        output = ["--output", folder / f"{name}.cppipe", "--log", folder / f"{name}.log"]
        run("pipelines.py", name, *described, *output)
    return folder


def write_load_data(path, assay, images, functions=None):
    """The image table of the four fields, with the illumination functions where they are given."""
    names = {channel["name"]: channel["image"] for channel in assay["channels"]}
    header = ["Metadata_Batch", "Metadata_Plate", "Metadata_Well", "Metadata_Site"]
    header += [f"{part}_Orig{name}" for name in names for part in ("FileName", "PathName")]
    if functions:
        header += [f"{part}_Illum{name}" for name in names for part in ("FileName", "PathName")]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for well, place in FIELDS:
            row = ["2020_11_04_CPJUMP1", "FIELDS", well, "5"]
            for number in names.values():
                row += [f"{place}f05p01-ch{number}sk1fk1fl1.tiff", images]
            if functions:
                row += [cell for name in names for cell in (f"FIELDS_Illum{name}.npy", functions)]
            writer.writerow(row)


@pytest.fixture(scope="module")
def functions(command, assay, pipelines, shared, tmp_path_factory):
    """Folder of the fields' illumination functions."""
    folder = tmp_path_factory.mktemp("illum")
    load_data = folder / "load_data.csv"
    write_load_data(load_data, assay, shared / "cpjump1" / "images")
    run(
        "illumination.py",
        *("--cellprofiler", command, "--pipeline", pipelines / "illumination.cppipe"),
        *("--load-data", load_data, "--plate", "FIELDS", "--channels"),
        *(channel["name"] for channel in assay["channels"]),
        *("--log", folder / "log", "--output", folder / "FIELDS"),
    )
    return folder / "FIELDS"


@pytest.fixture(scope="module")
def tables(command, assay, pipelines, functions, shared, tmp_path_factory):
    """The fields' tables by name, measured in two chunks."""
    folder = tmp_path_factory.mktemp("analysis")
    load_data = folder / "load_data_with_illum.csv"
    write_load_data(load_data, assay, shared / "cpjump1" / "images", functions)

    def chunk(number):
        run(
            "features.py",
            *("--cellprofiler", command, "--pipeline", pipelines / "analysis.cppipe"),
            *("--load-data", load_data, "--plate", "FIELDS", "--objects", *TABLES),
            *("--chunk", number, "--chunks", 2, "--log", folder / f"{number}.log"),
            *("--output", folder / f"chunk_{number}"),
        )

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(chunk, range(2)))
    return {
        name: pl.concat(
            [pl.read_csv(folder / f"chunk_{k}" / f"{name}.csv", infer_schema_length=None) for k in range(2)],
            how="vertical_relaxed",
        )
        for name in (*TABLES, "Image")
    }


def read_cppipe(path):
    """A pipeline's modules as (name, [(setting, value), ...])."""
    modules = []
    for line in path.read_text().splitlines():
        if re.match(r"\w+:\[module_num:", line):
            modules.append((line.split(":")[0], []))
        elif line.startswith("    "):
            text, _, value = line.strip().partition(":")
            modules[-1][1].append((text, value))
    return modules


def published_modules(path, pipeline):
    """The listed modules of a published pipeline as (name, [(setting, value), ...])."""
    modules = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["pipeline"] == pipeline:
                _, settings = modules.setdefault(int(row["module_number"]), (row["module"], []))
                settings.append((row["setting"], row["value"]))
    return [modules[number] for number in sorted(modules)]


def canonical(name, settings):
    """The settings that count, in one spelling: a sorted list of (setting, value)."""
    given = dict(settings)
    kept = []
    methods = 0
    for text, value in settings:
        if text in UNUSED or "averaged image" in text or "dilated image" in text:
            continue
        if text == "Thresholding method":
            methods += 1
            if methods == (1 if given["Threshold strategy"] == "Adaptive" else 2):
                continue
        value = RENAMED.get(value, value)
        value = re.sub("L(ow)?zBF|LzBF", "LowZBF", value, flags=re.I)
        value = re.sub("H(igh)?zBF|HzBF", "HighZBF", value, flags=re.I)
        value = re.sub("^Pre", "", value) if text == "Name the output image" else value
        if re.fullmatch(r"[\d.]+", value):
            value = str(float(value))
        elif re.fullmatch(r"[\d.]+,[\d.]+", value):
            value = str([float(part) for part in value.split(",")])
        elif ", " in value:
            value = ", ".join(sorted(value.split(", ")))
        kept.append((text, value))
    return name, sorted(kept)


def comparable(modules, shrinking):
    """The modules that the listing holds, in the form `canonical` gives them."""
    left_out = {"LoadData", "SaveImages", "ExportToSpreadsheet", "OverlayOutlines"}
    found = []
    for name, settings in modules:
        given = dict(settings)
        if name in left_out:
            continue
        if name == "Resize":
            factor = given.get("Resizing factor", given.get("X Resizing factor"))
            shrinks = given["Select the input image"].startswith("Orig")
            assert not shrinks or float(factor) == shrinking
            settings = [
                (text, given[text])
                for text in ("Select the input image", "Name the output image", "Interpolation method")
            ]
        found.append(canonical(name, settings))
    return sorted(found)


@pytest.mark.parametrize("pipeline", ["illumination", "analysis"])
def test_every_published_setting_comes_out(pipelines, shared, pipeline):
    listing = shared / "cpjump1" / "published_settings.tsv"
    published = comparable(published_modules(listing, pipeline), 0.2)
    generated = comparable(read_cppipe(pipelines / f"{pipeline}.cppipe"), 0.2)
    assert [name for name, _ in generated] == [name for name, _ in published]
    for (name, ours), (_, theirs) in zip(generated, published, strict=True):
        missing = [setting for setting in theirs if setting not in ours]
        assert not missing, (name, missing)


def test_illumination_functions(functions, shared, assay):
    for channel in assay["channels"]:
        name = f"FIELDS_Illum{channel['name']}"
        ours = np.load(functions / f"{name}.npy", allow_pickle=False)
        theirs = np.load(shared / "cpjump1" / "stock_output" / f"{name}_every10th.npy")
        assert ours.shape == (1080, 1080)
        np.testing.assert_allclose(ours[::10, ::10], theirs, rtol=1e-5)


@pytest.mark.parametrize("name", TABLES)
def test_tables(tables, shared, name):
    keys = ["ImageNumber", "ObjectNumber"]
    theirs = pl.read_parquet(shared / "cpjump1" / "stock_output" / f"{name}.parquet").sort(keys)
    ours = tables[name].sort(keys)
    assert ours.height == 310
    assert set(ours.columns) == set(theirs.columns)
    for column in theirs.columns:
        np.testing.assert_allclose(
            ours[column].cast(pl.Float64).to_numpy(),
            theirs[column].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
            rtol=1e-6,
            # A texture correlation of 0 is 6e-13 on another machine.
            atol=1e-12,
            err_msg=column,
        )


def test_features_and_images(tables, shared):
    assert sum(len(tables[name].columns) - 2 for name in TABLES) == 5795
    images = tables["Image"].sort("ImageNumber")
    assert images["Metadata_Well"].to_list() == [well for well, _ in FIELDS]
    theirs = pl.read_parquet(shared / "cpjump1" / "stock_output" / "Image.parquet")
    # The reference kept outlines; the generated pipeline does so when asked.
    outlines = {"FileName_CellOutlines", "FileName_NucleiOutlines"}
    assert set(theirs.columns) - set(images.columns) == outlines
    for column in ("Count_Cells", "Group_Number", "Threshold_FinalThreshold_Nuclei", "MD5Digest_OrigDNA"):
        assert images[column].to_list() == theirs.sort("ImageNumber")[column].to_list(), column
