"""Plates that start with published CellProfiler output, through the workflow, and bad ones of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scanpy
import yaml

from workflow import snakemake

pytestmark = pytest.mark.data


def experiment(folder: Path, tables: Path, plate: str, **config) -> Path:
    """An experiment of one plate that starts with CellProfiler's tables."""
    (folder / "map.txt").write_text("well_position\tbroad_sample\nA01\tx\n")
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "cellprofiler"]
    row = ["B", plate, "map.txt", "compound", "U2OS", "48", str(tables)]
    (folder / "plates.tsv").write_text("\t".join(columns) + "\n" + "\t".join(row) + "\n")
    settings = {"results": "results", "plates": "plates.tsv", **config}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    return folder / "config.yaml"


def aggregated(config: Path, plate: str, check: bool = True):
    target = f"workspace/profiles/B/{plate}/{plate}.parquet"
    return snakemake(target, "--configfile", config, check=check)


def test_examplehuman(shared, tmp_path):
    pattern = r"_(?P<well>[A-P]\d\d)f(?P<site>\d\d)d\d"
    config = experiment(tmp_path, shared / "examplehuman", "AS09125", single_cells={"site_pattern": pattern})
    aggregated(config, "AS09125")
    cells = pl.read_parquet(tmp_path / "results/workspace/backend/B/AS09125/AS09125.parquet")
    assert cells.height == 289
    assert cells["Metadata_Well"].unique().to_list() == ["D03"]
    assert {"Cells_AreaShape_Area", "Nuclei_AreaShape_Area", "Cytoplasm_AreaShape_Area"} <= set(cells.columns)


def test_examplehuman_without_a_pattern_says_what_to_write(shared, tmp_path):
    config = experiment(tmp_path, shared / "examplehuman", "AS09125")
    result = aggregated(config, "AS09125", check=False)
    assert result.returncode != 0
    assert "Give `site_pattern`" in result.stdout
    assert "logs/single_cells/B/AS09125.log" in result.stdout


def test_jump_single_cells(shared, tmp_path):
    """Two of the four sites have no object tables although their Image table counts cells."""
    tables = shared / "jump_single_cells/analysis/2021_04_20_Target2/BR00121431/analysis"
    config = experiment(tmp_path, tables, "BR00121431", single_cells={"bad_sites": "drop"})
    aggregated(config, "BR00121431")
    results = tmp_path / "results/workspace"
    cells = pl.read_parquet(results / "backend/B/BR00121431/BR00121431.parquet")
    assert cells.group_by("Metadata_Well").len().sort("Metadata_Well").rows() == [("A01", 89), ("A02", 36)]
    keys = [f"Metadata_{name}" for name in ("Plate", "Well", "Site", "ImageNumber", "ObjectNumber")]
    assert cells.select(keys).n_unique() == 125
    sites = pl.read_csv(results / "quality_control/B/BR00121431/sites.csv")
    assert sites.height == 4
    profiles = pl.read_parquet(results / "profiles/B/BR00121431/BR00121431.parquet")
    assert profiles["Metadata_Count_Cells"].to_list() == [89, 36]


@pytest.mark.parametrize(
    ("tables", "plate", "single_cells", "number"),
    [
        ("jump_single_cells/analysis/2021_04_20_Target2", "BR00121431", {"bad_sites": "drop"}, 125),
        ("examplehuman", "AS09125", {"site_pattern": r"_(?P<well>[A-P]\d\d)f(?P<site>\d\d)d\d"}, 289),
    ],
)
def test_cells_of_published_tables_are_flagged_normalized_and_opened(
    shared, tmp_path, tables, plate, single_cells, number
):
    config = experiment(
        tmp_path,
        shared / tables,
        plate,
        single_cells=single_cells,
        cell_quality={"sets": ["elongated_nuclei", "large_nuclei"]},
        normalized_cells={"features": "all", "reference": "all"},
    )
    cells = f"workspace/single_cells/B/{plate}/{plate}"
    snakemake(f"{cells}.h5ad", "workspace/single_cells/sample.h5ad", "--configfile", config)
    found = scanpy.read_h5ad(tmp_path / "results" / f"{cells}.h5ad")
    assert found.n_obs == number
    assert found.n_vars > 100
    assert found.obsm["spatial"].shape == (number, 2)
    assert set(found.var["compartment"]) == {"Cells", "Cytoplasm", "Nuclei"}
    assert np.abs(np.nanmedian(found.X, axis=0)).max() < 1e-5
    flags = pl.read_csv(tmp_path / f"results/workspace/quality_control/B/{plate}/cell_flags.csv")
    assert flags["cells"].sum() == number
    assert flags["flagged"].sum() < number / 5
    assert (found.obs["Metadata_Flags"] != "").sum() == flags["flagged"].sum()
    assert scanpy.read_h5ad(tmp_path / "results/workspace/single_cells/sample.h5ad").n_obs == number


def test_sites_without_their_tables_stop_the_plate_unless_dropped(shared, tmp_path):
    tables = shared / "jump_single_cells/analysis/2021_04_20_Target2/BR00121431/analysis"
    result = aggregated(experiment(tmp_path, tables, "BR00121431"), "BR00121431", check=False)
    assert result.returncode != 0
    assert "well A01, site 2" in result.stdout
    assert "well A02, site 2" in result.stdout


@pytest.mark.parametrize(
    ("site", "expected"),
    [("E17-4", "well E17, site 4"), ("J21-2", "well J21, site 2"), ("N23-5", "well N23, site 5")],
)
def test_broken_tables_are_named(shared, tmp_path, site, expected):
    tables = tmp_path / "tables"
    tables.mkdir()
    for folder in ("A01-1", "A01-2", "B01-1", "B01-2", site):
        (tables / folder).symlink_to(shared / "single_cell_edge_cases" / "data_b" / folder)
    result = aggregated(experiment(tmp_path, tables, plate_of(tables), **{}), plate_of(tables), check=False)
    assert result.returncode != 0
    assert expected in result.stdout
    assert "well A01" not in result.stdout


def plate_of(tables: Path) -> str:
    """The plate that the tables name."""
    return str(pl.read_csv(tables / "A01-1" / "Image.csv")["Metadata_Plate"][0])
