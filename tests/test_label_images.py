"""Label images in a run: sites without objects, objects without a partner, label images of nuclei only."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import tifffile
import yaml

import label_images
from lib.errors import InputError
from workflow import snakemake

SHAPE = (120, 160)
# (row, column, radius) of the cells of a site.
PLACES = [(30, 30, 16), (30, 100, 18), (85, 60, 15)]


def draw(*circles: tuple[int, int, int, int]) -> np.ndarray:
    """A label image of circles (row, column, radius, number)."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    labels = np.zeros(SHAPE, np.uint16)
    for row, column, radius, number in circles:
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = number
    return labels


def cells_of(well: str) -> np.ndarray:
    """The cells of a well, which has none, or one without a nucleus."""
    if well == "A02":
        return draw()
    lone = [(85, 130, 12, 9)] if well == "A03" else []
    return draw(*((*place, number) for number, place in enumerate(PLACES, start=1)), *lone)


def nuclei_of(well: str) -> np.ndarray:
    """The nuclei of a well, in another order than its cells; one well has two in a cell, and one outside."""
    if well == "A02":
        return draw()
    more = [(22, 96, 3, 7), (110, 150, 4, 8)] if well == "A03" else []
    places = enumerate(reversed(PLACES), start=1)
    return draw(*((row, column, 6, number) for number, (row, column, _) in places), *more)


@pytest.mark.unit
def test_each_site_has_a_row_that_names_what_has_no_partner(tmp_path):
    files = {}
    for well in ("A01", "A02", "A03"):
        for name, labels in (("Nuclei", nuclei_of(well)), ("Cells", cells_of(well))):
            files[well, name] = tmp_path / f"{well}_{name}.tif"
            tifffile.imwrite(files[well, name], labels)
    sites = [
        ((well, "1"), {name: files[well, name] for name in ("Nuclei", "Cells")})
        for well in ("A01", "A02", "A03")
    ]
    outputs = {"labels": tmp_path / "labels", "relations": tmp_path / "relations.csv"}
    masks = {"Nuclei": False, "Cells": False}
    label_images.main(sites, masks, {"plate": "P", "cytoplasm": True}, outputs, 2)
    table = pd.read_csv(outputs["relations"], dtype=str, keep_default_na=False).set_index("Metadata_Well")
    assert table["nuclei"].tolist() == ["3", "0", "5"]
    assert table["pairs"].tolist() == ["3", "0", "3"]
    assert table.loc["A03", "further_nuclei_numbers"] == "4"
    assert table.loc["A03", "nuclei_outside_numbers"] == "5"
    assert table.loc["A03", "cells_without_nucleus_numbers"] == "4"
    assert table["unused_numbers_cells"].tolist() == ["0", "0", "5"]
    written = tifffile.imread(outputs["labels"] / "A03_s1--Cells.tiff")
    assert written.dtype == np.uint16
    assert np.array_equal(written > 0, cells_of("A03") > 0)


@pytest.mark.unit
def test_label_images_of_two_sizes_are_an_error(tmp_path):
    tifffile.imwrite(tmp_path / "nuclei.tif", nuclei_of("A01"))
    tifffile.imwrite(tmp_path / "cells.tif", cells_of("A01")[:50])
    files = {"Nuclei": tmp_path / "nuclei.tif", "Cells": tmp_path / "cells.tif"}
    outputs = {"labels": tmp_path / "labels", "relations": tmp_path / "relations.csv"}
    options = {"plate": "P7", "cytoplasm": True}
    with pytest.raises(InputError, match=r"Plate P7, well A01, site 1: .* \(120, 160\) and \(50, 160\)"):
        label_images.main([(("A01", "1"), files)], dict.fromkeys(files, False), options, outputs, 1)
    assert not outputs["labels"].exists()


def write_experiment(folder: Path, assay: dict) -> Path:
    """Three wells with their label images; gives the config."""
    random = np.random.default_rng(0)
    for well in ("A01", "A02", "A03"):
        nuclei, cells = nuclei_of(well), cells_of(well)
        for channel, objects in (("DNA", nuclei), ("RNA", cells)):
            light = 500 + 8000 * (objects > 0) + 400 * random.random(SHAPE)
            (folder / "images").mkdir(parents=True, exist_ok=True)
            path = folder / "images" / f"{well}_{channel}.tif"
            tifffile.imwrite(path, light.astype(np.uint16))
            tifffile.imwrite(path.with_name(f"{well}_{channel}_labels.tif"), objects)
    (folder / "map.txt").write_text("well_position\tbroad_sample\nA01\tx\nA02\ty\nA03\tz\n")
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images"]
    row = ["B", "P", "map.txt", "compound", "U2OS", "48", "images"]
    (folder / "plates.tsv").write_text("\t".join(columns) + "\n" + "\t".join(row) + "\n")
    config = {
        "results": "results",
        "plates": "plates.tsv",
        "images": {"pattern": r"^(?P<well>[A-H]\d+)_(?P<channel>DNA|RNA)\.tif$"},
        "cellprofiler": {"chunks": 1},
        "assay": {
            "channels": [{"name": name, "image": name} for name in ("DNA", "RNA")],
            "measurements": {"granularity": None, "texture": None, "colocalization": None},
            **assay,
        },
        "normalize": {"to": ["all"]},
        "feature_select": {"reference": "all"},
        "benchmark": {"feature_sets": ["normalized"], "matching": []},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


@pytest.mark.run
@pytest.mark.parametrize("cytoplasm", [True, False])
def test_sites_without_objects_and_objects_without_a_partner(tmp_path, cytoplasm):
    labels = {"labels": {"pattern": "{image}_labels.tif"}}
    assay = {
        "nuclei": {"channel": "DNA", **labels},
        "cells": {"channel": "RNA", **labels},
        "cytoplasm": cytoplasm,
    }
    config = write_experiment(tmp_path / "experiment", assay)
    snakemake("--configfile", config, "--until", "single_cells")
    results = config.parent / "results"
    cells = pl.read_parquet(results / "workspace/backend/B/P/P.parquet")
    assert cells.group_by("Metadata_Well").len().sort("Metadata_Well").rows() == [("A01", 3), ("A03", 3)]
    sites = pl.read_csv(results / "workspace/quality_control/B/P/sites.csv")
    assert sites.height == 3
    # Each nucleus lies in the middle of its cell.
    for axis in "XY":
        names = [f"{name}_AreaShape_Center_{axis}" for name in ("Nuclei", "Cells")]
        shift = (cells[names[0]] - cells[names[1]]).abs()
        assert shift.max() < 1, axis


@pytest.mark.run
def test_cellprofiler_finds_cells_around_nuclei_of_label_images(tmp_path):
    assay = {
        "nuclei": {"channel": "DNA", "labels": {"pattern": "{image}_labels.tif"}},
        "cells": {"method": "Distance - N", "distance": 4},
    }
    config = write_experiment(tmp_path / "experiment", assay)
    snakemake(
        "--configfile",
        config,
        "--until",
        "single_cells",
        "--config",
        "cellprofiler={chunks: 2, engine: stock}",
    )
    cells = pl.read_parquet(config.parent / "results/workspace/backend/B/P/P.parquet")
    assert cells.group_by("Metadata_Well").len().sort("Metadata_Well").rows() == [("A01", 3), ("A03", 5)]
