"""What is run again after a change: the jobs of dry runs on the finished default experiment.

The experiment and its results are copied together, so that nothing here touches the user's own.
"""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from workflow import copy_of_project, planned, snakemake

pytestmark = pytest.mark.run

# What a plate's change in the profiles leads to for others: the batch's selection and the benchmark.
SHARED_JOBS = {
    "all",
    "dropped_features_of_batch",
    "percent_replicating",
    "percent_matching",
    "mean_average_precision",
    "mean_average_precision_matching",
    "benchmark_table",
    "plot_benchmark",
    "plot_plate_maps",
    "plot_replicates",
    "plot_profile_maps",
    "plot_position_effects",
    "plot_changed_features",
    "plot_dropped_features",
    "hits",
    "hits_table",
    "clusters_table",
    "left_out",
    "report",
}
# Of these, what does not stand on the benchmark's draws.
NOT_DRAWN = {"dropped_features_of_batch", "plot_plate_maps", "plot_changed_features", "plot_dropped_features"}
PLATE = "COMPOUND1"
PLATES = 6
OF_WELLS = {"annotate": 1, "normalize": 2, "dropped_features": 1, "plot_montages": 1, "plot_thumbnails": 1}
OF_IMAGES = {"illumination": 1, "features": 1, "quality": 1, "plot_heatmaps": 1, "plot_illumination": 1}


@pytest.fixture(scope="module")
def copy(default_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with its finished default experiment, times of files kept."""
    return copy_of_project(tmp_path_factory.mktemp("copy") / "platewise", default_results)


def jobs(copy: Path, *arguments: str) -> Counter[str]:
    return planned(*arguments, project=copy)


def per_plate(counted: Counter[str]) -> dict[str, int]:
    return {rule: number for rule, number in counted.items() if rule not in SHARED_JOBS}


@pytest.fixture
def edit(copy: Path):
    """Change a file of the copy for one test."""
    saved: list[tuple[Path, bytes, os.stat_result]] = []

    def change(name: str, old: str, new: str) -> None:
        path = copy / name
        saved.append((path, path.read_bytes(), path.stat()))
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        os.utime(path, ns=(saved[-1][2].st_atime_ns, saved[-1][2].st_mtime_ns))

    yield change
    for path, content, times in reversed(saved):
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def row_of(copy: Path, plate: str = PLATE) -> str:
    rows = (copy / "config" / "plates.tsv").read_text().splitlines()
    return next(row for row in rows if f"\t{plate}\t" in row)


def test_a_finished_experiment_has_nothing_to_do(copy):
    assert jobs(copy) == Counter()


def test_a_changed_row_runs_that_plate_from_where_the_row_matters(copy, edit):
    row = row_of(copy)
    edit("config/plates.tsv", row, row.replace("\tSIM\t", "\tSIM2\t"))
    assert per_plate(jobs(copy)) == {**OF_WELLS, "feature_select": 1 + PLATES}


def test_another_plate_map_runs_that_plate(copy, edit):
    """From its simulated images on, since they are drawn from the plate map."""
    shutil.copy(copy / "metadata/platemaps/compound_platemap.txt", copy / "metadata/platemaps/other.txt")
    row = row_of(copy)
    edit("config/plates.tsv", row, row.replace("compound_platemap.txt", "other.txt"))
    counted = per_plate(jobs(copy))
    assert counted.pop("feature_select") == 1 + PLATES
    assert counted.pop("normalize") == 2
    assert counted["simulate"] == counted["annotate"] == 1
    assert set(counted.values()) == {1}


def test_an_added_plate_runs_alone(copy, edit):
    row = row_of(copy)
    edit("config/plates.tsv", row, row + "\n" + row.replace(PLATE, "COMPOUND9"))
    assert per_plate(jobs(copy)) == {
        "simulate": 1,
        "load_data": 1,
        **OF_IMAGES,
        "single_cells": 1,
        "aggregate": 1,
        **OF_WELLS,
        "feature_select": 2 + PLATES,
    }


def test_a_removed_plate_runs_only_what_all_plates_share(copy, edit):
    row = row_of(copy)
    edit("config/plates.tsv", row + "\n", "")
    assert per_plate(jobs(copy)) == {"feature_select": PLATES - 1}


def test_a_plate_reruns_from_its_images(copy):
    counted = jobs(copy, "--config", f"only={PLATE}", "--forcerun", "load_data")
    assert per_plate(counted) == {
        "load_data": 1,
        **OF_IMAGES,
        "single_cells": 1,
        "aggregate": 1,
        **OF_WELLS,
        "feature_select": 1,
    }


def test_a_plate_reruns_from_a_named_stage_and_no_file_of_another_is_touched(copy):
    results = copy / "results" / "default"

    def state() -> dict[str, int]:
        folders = [results / "workspace", results / "images", results / "benchmark"]
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return {str(file.relative_to(results)): file.stat().st_mtime_ns for file in files}

    before = state()
    snakemake("--config", f"only={PLATE}", "--forcerun", "aggregate", project=copy)
    after = state()
    changed = {name for name in after if before.get(name) != after[name]}
    assert f"workspace/profiles/simulated/{PLATE}/{PLATE}_normalized.parquet" in changed
    assert [name for name in changed if f"/{PLATE}" not in name] == []
    assert before.keys() == after.keys()
    assert set(jobs(copy)) <= SHARED_JOBS | {"feature_select"}
    snakemake("--touch", project=copy)


def test_a_deleted_plate_folder_rebuilds_that_plate(copy, tmp_path):
    folder = copy / "results/default/workspace/profiles/simulated" / PLATE
    folder.rename(tmp_path / PLATE)
    try:
        assert per_plate(jobs(copy, "--config", f"only={PLATE}")) == {
            "aggregate": 1,
            **OF_WELLS,
            "feature_select": 1,
        }
        assert per_plate(jobs(copy)) == {"aggregate": 1, **OF_WELLS, "feature_select": 1 + PLATES}
    finally:
        (tmp_path / PLATE).rename(folder)


def test_one_parameter_reruns_what_depends_on_it(copy, edit):
    edit("config/config.yaml", "draws: 1000000", "draws: 5000")
    assert set(jobs(copy)) == SHARED_JOBS - NOT_DRAWN


def test_an_illumination_setting_reruns_from_the_illumination_pipeline(copy, edit):
    edit("config/config.yaml", "  nuclei:\n", "  illumination: {filter_size: 30}\n  nuclei:\n")
    counted = jobs(copy)
    assert counted["illumination"] == PLATES
    assert counted["features"] == PLATES
    assert counted["load_data"] == 0


def test_a_stain_is_no_setting_of_a_pipeline(copy, edit):
    """The pictures and the report tell it, and nothing else is made anew."""
    edit("config/config.yaml", "SYTO 14", "SYTO RNASelect")
    assert set(jobs(copy)) == {"plot_montages", "plot_thumbnails", "report", "all"}


def test_an_edited_helper_reruns_the_steps_that_import_it(copy, edit):
    edit("scripts/lib/selection.py", 'kind="stable"', 'kind="mergesort"')
    counted = jobs(copy)
    assert counted["dropped_features"] == PLATES
    assert counted["dropped_features_of_batch"] == 1
    assert not set(counted) & {"normalize", "annotate", "aggregate", "features", "load_data"}


def test_an_edited_script_reruns_its_step(copy, edit):
    edit("scripts/normalize.py", "EPSILON = 1e-18", "EPSILON = 1e-17")
    counted = jobs(copy)
    assert counted["normalize"] == 2 * PLATES
    assert not set(counted) & {"annotate", "aggregate", "features"}


def test_an_edited_features_script_reruns_features(copy, edit):
    edit("scripts/features.py", "none for this chunk", "none in this chunk")
    counted = jobs(copy)
    assert counted["features"] == PLATES
    assert counted["illumination"] == 0


def test_an_edited_runner_reruns_what_it_ran(copy, edit):
    edit("scripts/run_cellprofiler.py", "without an error, but not", "without an error but not")
    counted = jobs(copy)
    assert counted["features"] == PLATES
    assert counted["illumination"] == PLATES
    assert counted["load_data"] == 0
