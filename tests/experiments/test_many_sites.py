"""Plates with ten or more sites per well, sites with names, and rows AA to AF are measured site by site.

CellProfiler numbers the sites in the order of the text of their metadata (site 10 before 2, row AA before B).
Neighboring sites of these plates show different numbers of nuclei: a site that is taken for another is found.
"""

import csv
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tifffile
import yaml

import compare_cellprofiler
import single_cells
import small_images
from lib.cellprofiler import get_environment as environment_variables
from lib.cellprofiler_output import find_chunk_folders
from lib.sites import get_site_order
from lib.wells import get_well_order
from workflow import PROJECT, SUPPORT, snakemake

pytestmark = pytest.mark.run

SCRIPTS = PROJECT / "scripts"
PLUGINS = SCRIPTS / "cellprofiler_plugins"
SIZE = (60, 76)
PLATES = {
    "numbers": [("B02", str(site)) for site in range(1, 13)] + [("B03", "1"), ("B03", "2")],
    "names": [("B02", site) for site in ("1", "2", "10", "2-3", "a", "a b", "top")] + [("B03", "1")],
    "rows": [(well, "1") for well in ("A01", "B01", "B48", "Z01", "AA01", "AF48")],
    "decimals": [("B02", site) for site in ("1", "1.5", "2", "10", "10.5")],
}


def nuclei_of(position):
    """How many nuclei the site at a position of the plate shows: neighbors differ."""
    return 1 + position * 5 % 7


def write_plate(folder, sites):
    """Write the images of a plate and its image table, in the order of `load_data`."""
    folder.mkdir()
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    lines = []
    for position, (well, site) in enumerate(sites):
        random = np.random.default_rng(position)
        pixels = 500 + 200 * random.random(SIZE)
        for nucleus in range(nuclei_of(position)):
            middle = 12 + 18 * (nucleus // 3), 14 + 24 * (nucleus % 3)
            pixels += 20000 * np.exp(-((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2) / 20)
        line = {"Metadata_Plate": "0012", "Metadata_Well": well, "Metadata_Site": site}
        for channel in ("DNA", "RNA"):
            name = f"{position}_{channel}.tif"
            tifffile.imwrite(folder / name, pixels.astype(np.uint16))
            line |= {f"FileName_{channel}": name, f"PathName_{channel}": str(folder)}
        lines.append(line)
    with (folder / "load_data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return folder / "load_data.csv"


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory, cellprofiler_environment):
    """A user's pipeline that groups images by plate, well and site; by site alone; and not at all."""
    folder = tmp_path_factory.mktemp("pipelines")
    write_plate(folder / "plate", PLATES["rows"])
    (folder / "load_data.csv").write_text((folder / "plate" / "load_data.csv").read_text())
    subprocess.run(
        [cellprofiler_environment / "bin" / "python", SUPPORT / "runner_pipelines.py", folder],
        check=True,
        capture_output=True,
    )
    text = (folder / "everything.cppipe").read_text()
    by_site, times = re.subn("tags for grouping:.*", "tags for grouping:Site", text)
    ungrouped, again = re.subn("Group images by metadata.:Yes", "Group images by metadata?:No", text)
    assert (times, again) == (1, 1)
    (folder / "site.cppipe").write_text(by_site)
    (folder / "none.cppipe").write_text(ungrouped)
    return {"Plate,Well,Site": folder / "everything.cppipe"} | {
        name: folder / f"{name}.cppipe" for name in ("site", "none")
    }


@pytest.mark.parametrize(
    ("plate", "engine", "grouping", "chunks"),
    [
        ("numbers", "platewise", "Plate,Well,Site", 3),
        ("names", "platewise", "Plate,Well,Site", 2),
        ("rows", "platewise", "Plate,Well,Site", 2),
        *(
            pytest.param(*case, marks=pytest.mark.oracle)
            for case in (
                ("numbers", "platewise", "site", 2),
                ("numbers", "platewise", "none", 2),
                ("decimals", "platewise", "Plate,Well,Site", 2),
                ("numbers", "stock", "Plate,Well,Site", 2),
                ("rows", "stock", "site", 1),
            )
        ),
    ],
)
def test_each_site_keeps_its_cells(
    tmp_path, pipelines, cellprofiler_environment, plate, engine, grouping, chunks
):
    sites = PLATES[plate]
    load_data = write_plate(tmp_path / "plate", sites)
    for chunk in range(chunks):
        command = [sys.executable, SCRIPTS / "features.py", "--plate", "0012", "--objects", "Nuclei", "Rings"]
        command += ["--cellprofiler", cellprofiler_environment / "bin" / "cellprofiler"]
        command += ["--pipeline", pipelines[grouping], "--load-data", load_data, "--engine", engine]
        command += ["--chunk", str(chunk), "--chunks", str(chunks), "--timeout", "2000"]
        command += [] if engine == "stock" else ["--plugins", PLUGINS]
        command += ["--log", tmp_path / f"{chunk}.log", "--output", tmp_path / f"chunk_{chunk}"]
        subprocess.run(command, check=True, env=environment_variables(1))
    names = ["Nuclei", "Rings"]
    single_cells.main(
        find_chunk_folders([tmp_path / f"chunk_{chunk}" for chunk in range(chunks)], names),
        {name: tmp_path / name for name in ("cells", "image", "sites")},
        {"batch": "B", "plate": "0012", "compartments": names, "site_pattern": None, "bad_sites": "error"},
    )
    cells = pl.read_parquet(tmp_path / "cells")
    counts = cells.group_by("Metadata_Well", "Metadata_Site").len()
    found = {(well, site): count for well, site, count in counts.iter_rows()}
    assert found == {place: nuclei_of(position) for position, place in enumerate(sites)}
    numbers = pl.read_parquet(tmp_path / "image")["Metadata_ImageNumber"].to_list()
    assert numbers == list(range(1, len(sites) + 1))
    manifests = [
        json.loads((tmp_path / f"chunk_{chunk}" / "sites.json").read_text()) for chunk in range(chunks)
    ]
    held = [(site["well"], site["site"]) for manifest in manifests for site in manifest["sites"]]
    assert sorted(held) == sorted(sites)


@pytest.mark.oracle
def test_both_ways_to_run_cellprofiler_are_compared_on_many_sites(
    tmp_path, pipelines, cellprofiler_environment
):
    load_data = write_plate(tmp_path / "plate", PLATES["numbers"])
    command = ["--cellprofiler", cellprofiler_environment / "bin" / "cellprofiler", "--sites", "11"]
    command += ["--pipeline", pipelines["Plate,Well,Site"], "--load-data", load_data, "--timeout", "2000"]
    command += ["--log", tmp_path / "log", "--output", tmp_path / "compared"]
    options = compare_cellprofiler.define_options().parse_args([str(word) for word in command])
    with (tmp_path / "log").open("w") as log:
        differences, _ = compare_cellprofiler.main(options, log)
    tables = {row["table"]: row for row in differences}
    assert tables["Image"]["rows"] == 11
    assert all(tables[name]["different"] == 0 for name in ("Image", "Nuclei", "Rings"))


@pytest.mark.long
def test_sixteen_sites_from_images_to_figures(tmp_path):
    """Sixteen sites per well, several chunks, and an image table of the user's own in any order."""
    folder = tmp_path / "experiment"
    small_images.write_experiment(folder)
    images = folder / "images" / small_images.PLATE
    rows = []
    for path in sorted(images.glob("r*f01*ch2*")):
        name = re.match(r"r(\d\d)c(\d\d)f01p01-ch2(.*)", path.name)
        well = f"{chr(64 + int(name[1]))}{name[2]}"
        for site in range(1, 17):
            row = {"Metadata_Well": well, "Metadata_Site": f"{site:02d}"}
            for channel, number in small_images.CHANNELS.items():
                source = images / f"r{name[1]}c{name[2]}f01p01-ch{number}{name[3]}"
                pixels = tifffile.imread(source)
                pixels[0, 0] = site
                copy = f"{well}_{site}_{channel}.tiff"
                tifffile.imwrite(images / copy, pixels)
                row[f"FileName_{channel}"] = copy
            rows.append(row)
    shuffled = [rows[at] for at in np.random.default_rng(0).permutation(len(rows))]
    pd.DataFrame(shuffled).to_csv(images / "load_data.csv", index=False)
    sheet = (folder / "plates.tsv").read_text()
    (folder / "plates.tsv").write_text(
        sheet.replace(f"images/{small_images.PLATE}", f"images/{small_images.PLATE}/load_data.csv")
    )
    config = small_images.write_config(folder, chunks=5)
    settings = yaml.safe_load(config.read_text())
    settings["normalize"] = {"minimum_wells": 3}
    config.write_text(yaml.safe_dump(settings))
    snakemake("--configfile", config)
    results = folder / "results"
    plate = small_images.PLATE
    table = pd.read_csv(results / f"workspace/load_data_csv/B/{plate}/load_data.csv", dtype=str)
    assert len(table) == 96
    keys = [
        (*get_well_order(well), *get_site_order(site))
        for well, site in table[["Metadata_Well", "Metadata_Site"]].values
    ]
    assert all(before < after for before, after in pairwise(keys))
    profiles = pd.read_parquet(results / small_images.WELL_PROFILES)
    assert set(profiles["Metadata_Count_Sites"]) == {16}
    cells = pd.read_parquet(results / f"workspace/backend/B/{plate}/{plate}.parquet")
    per_site = cells.groupby(["Metadata_Well", "Metadata_Site"]).size().unstack()
    assert per_site.shape == (6, 16)
    assert (per_site.nunique(axis=1) == 1).all()  # all sites of a well show the same cells
    assert (results / "report" / "report.html").exists()
    assert Path(results / "benchmark" / "figures" / "percent_replicating.png").exists()
