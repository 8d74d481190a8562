"""Complete pipelines: CellProfiler itself and the runner with the accelerated modules agree."""

import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import compare_cellprofiler
import small_images
from lib.cellprofiler import CellProfiler
from workflow import PROJECT, SUPPORT, copy_of_config, snakemake

pytestmark = pytest.mark.oracle

SCRIPTS = PROJECT / "scripts"


def compared(results: Path, *arguments: str | Path) -> pd.DataFrame:
    """The differences that the target `compare_cellprofiler` finds."""
    snakemake("compare_cellprofiler", *arguments)
    folder = results / "workspace/quality_control/cellprofiler_comparison"
    return pd.read_csv(folder / "differences.csv").set_index("table")


def refuse_differences(tables: pd.DataFrame, values: int) -> None:
    assert {"Image", "Nuclei", "Cells", "Cytoplasm"} <= set(tables.index)
    assert tables["columns_of_one_only"].sum() == 0
    assert tables["values"].sum() > values
    assert tables["different"].sum() == 0, tables.T


@pytest.mark.data
def test_examplehuman(shared, tmp_path):
    config = copy_of_config("examplehuman", tmp_path / "experiment")
    tables = compared(config.parent / "results", "--configfile", config)
    refuse_differences(tables, 100_000)
    assert tables.loc["Nuclei", "rows"] > 100


@pytest.mark.data
def test_bbbc013(shared, tmp_path):
    config = copy_of_config("bbbc013", tmp_path / "experiment")
    images = config.parent / "results/images/BBBC013/images/1049"
    images.mkdir(parents=True)
    with tarfile.open(shared / "bbbc013_plate" / "images.tar.xz") as archive:
        archive.extractall(images, filter="data")
    only_two = ("--config", "cellprofiler={compare_sites: 2}")
    tables = compared(config.parent / "results", "--configfile", config, *only_two)
    refuse_differences(tables, 50_000)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Simulated images, and the differences found on them: the results' folder and the table."""
    folder = tmp_path_factory.mktemp("simulated") / "experiment"
    config = small_images.write_experiment(folder)
    return folder / "results", compared(folder / "results", "--configfile", config)


def test_simulated(simulated):
    _, tables = simulated
    refuse_differences(tables, 5_000)


def both_ways(environment: Path, pipeline: Path, load_data: Path, folder: Path, rows: tuple[int, int]):
    """Run a pipeline as it is and accelerated; gives the two folders of what it wrote."""
    kinds = {"stock": None, "platewise": SCRIPTS / "cellprofiler_plugins"}
    for engine, plugins in kinds.items():
        output = folder / engine
        output.mkdir()
        with (folder / f"{engine}.log").open("w") as log:
            cellprofiler = CellProfiler(str(environment / "bin/cellprofiler"), pipeline, engine, plugins)
            cellprofiler.run(load_data, output, log, engine, rows)
    return folder / "stock", folder / "platewise"


@pytest.mark.parametrize("when", ["across_cycles", "first_cycle"])
def test_illumination_functions_are_the_same(simulated, cellprofiler_environment, tmp_path, when):
    results, _ = simulated
    (load_data,) = results.glob("workspace/load_data_csv/*/*/load_data.csv")
    pipeline = results / "workspace/pipelines/illumination.cppipe"
    if when == "first_cycle":
        given, pipeline = pipeline, tmp_path / "first_cycle.cppipe"
        python = cellprofiler_environment / "bin" / "python"
        script = SUPPORT / "plugins_pipeline.py"
        subprocess.run([python, script, when, SCRIPTS, given, pipeline], check=True, capture_output=True)
    stock, fast = both_ways(cellprofiler_environment, pipeline, load_data, tmp_path, (1, 6))
    files = sorted(path.name for path in stock.glob("*.npy"))
    assert files == ["IllumAGP.npy", "IllumDNA.npy", "IllumRNA.npy"]
    for file in files:
        np.testing.assert_array_equal(np.load(fast / file), np.load(stock / file), err_msg=file)


@pytest.fixture(scope="module")
def users(simulated, cellprofiler_environment, tmp_path_factory):
    """A user's pipeline run as it is and accelerated; the two folders of what it wrote."""
    results, _ = simulated
    folder = tmp_path_factory.mktemp("users")
    pipeline = folder / "users.cppipe"
    analysis = results / "workspace/pipelines/analysis.cppipe"
    python = cellprofiler_environment / "bin" / "python"
    script = SUPPORT / "plugins_pipeline.py"
    subprocess.run([python, script, "users", SCRIPTS, analysis, pipeline], check=True, capture_output=True)
    (load_data,) = results.glob("workspace/load_data_csv/*/*/load_data_with_illum.csv")
    return both_ways(cellprofiler_environment, pipeline, load_data, folder, (1, 2))


def test_a_users_pipeline_with_other_modules_runs_unchanged(users):
    tables = compare_cellprofiler.compare(*users)
    image = next(table for table in tables if table["table"] == "Image")
    assert image["columns"] > 100
    assert sum(table["different"] + table["columns_of_one_only"] for table in tables) == 0, tables


def test_segmentation_is_the_same_to_the_pixel(users):
    stock, fast = users
    files = sorted(path.relative_to(stock) for path in stock.rglob("*.npy"))
    # Nuclei, cells and cytoplasm of two sites, and the tiles of the whole run.
    assert len(files) == 7
    for file in files:
        expected = np.load(stock / file)
        assert expected.max() > 0
        np.testing.assert_array_equal(np.load(fast / file), expected, err_msg=str(file))
