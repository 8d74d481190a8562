"""What is run again after a change: the plans of a finished default experiment whose files were changed.

Changes that lead to different jobs are made together, so that few plans check many changes. The experiment is
copied with its results, and nothing here touches the user's own.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from workflow import copy_of_project, planned, snakemake

pytestmark = pytest.mark.run

# What a plate's change in the profiles leads to for others: the batch's selection and the benchmark.
SHARED_JOBS = {
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
OF_WELLS = {"annotate", "normalize", "dropped_features", "plot_montages", "plot_thumbnails", "feature_select"}
OF_CELLS = OF_WELLS | {"single_cells", "aggregate"}
OF_IMAGES = OF_CELLS | {"illumination", "features", "quality", "plot_heatmaps", "plot_illumination"}
PLATES = ("COMPOUND1", "COMPOUND2", "CRISPR1", "CRISPR2", "ORF1", "ORF2")
OVER_BATCH = "_normalized_feature_select_negcon_batch.parquet"


@dataclass(frozen=True)
class Output:
    """A file in a plan: its rule, what changed of the rule's own, and whether the file will be made."""

    file: str
    rule: str
    status: str
    pending: bool


class Plan(list[Output]):
    """The files of a plan."""

    def get_rules(self, plate: str = "") -> set[str]:
        """The rules that will run, for one plate or for any."""
        return {each.rule for each in self if each.pending and f"/{plate}" in each.file}

    def get_files(self, plate: str) -> set[str]:
        """The names of the files of a plate that will be made."""
        return {Path(each.file).name for each in self if each.pending and f"/{plate}/" in each.file}

    def get_changed(self) -> set[str]:
        """The rules whose own code or parameters changed."""
        return {
            each.rule for each in self if each.status in ("rule implementation changed", "params changed")
        }


def plan(copy: Path, *arguments: str) -> Plan:
    """Plan the experiment of a copy of the project."""
    lines = snakemake("--summary", *arguments, project=copy).stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("output_file\t"))
    rows = csv.DictReader(lines[start:], delimiter="\t")
    return Plan(
        Output(row["output_file"], row["rule"], row["status"], row["plan"] == "update pending")
        for row in rows
        if row["rule"] and "/.environments/" not in row["output_file"]
    )


@pytest.fixture(scope="module")
def copy(default_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with its finished default experiment, times of files kept."""
    return copy_of_project(tmp_path_factory.mktemp("copy") / "platewise", default_results)


@pytest.fixture
def edit(copy: Path) -> Iterator:
    """Change files of the copy for one test."""
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


def test_a_finished_experiment_has_nothing_to_do(copy):
    assert plan(copy).get_rules() == set()
    assert not planned(project=copy)


def test_changed_rows_and_a_deleted_folder_run_these_plates(copy, edit, tmp_path):
    """Another cell line, another plate map, a new plate, a removed plate, and profiles that were deleted."""
    sheet = "config/plates.tsv"
    rows = {row.split("\t")[1]: row for row in (copy / sheet).read_text().splitlines()[1:]}
    edit(sheet, rows["COMPOUND1"], rows["COMPOUND1"].replace("\tSIM\t", "\tSIM2\t"))
    maps = copy / "metadata" / "platemaps"
    (maps / "other.txt").write_bytes((maps / "crispr_platemap.txt").read_bytes())
    edit(sheet, rows["CRISPR1"], rows["CRISPR1"].replace("crispr_platemap.txt", "other.txt"))
    edit(sheet, rows["ORF2"], rows["ORF2"].replace("ORF2", "ORF9"))
    folder = copy / "results/default/workspace/profiles/simulated/COMPOUND2"
    folder.rename(tmp_path / "COMPOUND2")
    try:
        found = plan(copy)
        alone = plan(copy, "--config", "only=COMPOUND2")
    finally:
        (tmp_path / "COMPOUND2").rename(folder)
    assert found.get_rules("COMPOUND1") == OF_WELLS
    # The simulated images are drawn from the plate map.
    assert found.get_rules("CRISPR1") == {"simulate", "load_data"} | OF_IMAGES
    assert found.get_rules("ORF9") == {"simulate", "load_data"} | OF_IMAGES
    assert found.get_rules("COMPOUND2") == alone.get_rules("COMPOUND2") == OF_WELLS | {"aggregate"}
    for plate in ("CRISPR2", "ORF1"):
        assert found.get_files(plate) == {plate + OVER_BATCH}
    assert not [each for each in found if "/ORF2" in each.file]
    assert not [each for each in alone if each.pending and "/COMPOUND2" not in each.file]


def test_changes_of_code_and_config_run_the_steps_that_they_concern(copy, edit):
    """A helper, two scripts, a benchmark parameter, and a stain, which only pictures and the report name."""
    edit("config/config.yaml", "draws: 1000000", "draws: 5000")
    edit("config/config.yaml", "SYTO 14", "SYTO RNASelect")
    edit("scripts/lib/selection.py", 'kind="stable"', 'kind="mergesort"')
    edit("scripts/normalize.py", "EPSILON = 1e-18", "EPSILON = 1e-17")
    edit("scripts/features.py", "none for this chunk", "none in this chunk")
    found = plan(copy)
    changed = found.get_changed()
    assert changed >= {"features", "normalize", "dropped_features", "dropped_features_of_batch"}
    assert changed >= {
        "percent_replicating",
        "percent_matching",
        "plot_montages",
        "plot_thumbnails",
        "report",
    }
    untouched = {"simulate", "load_data", "illumination", "plot_illumination"}
    assert not found.get_rules() & untouched
    assert not changed & {"single_cells", "aggregate", "annotate", "quality", "plot_plate_maps"}
    assert found.get_rules() >= {"single_cells", "aggregate", "annotate"}, "their inputs change"


def test_a_parameter_of_the_benchmark_and_a_stain_run_nothing_before_them(copy, edit):
    edit("config/config.yaml", "draws: 1000000", "draws: 5000")
    edit("config/config.yaml", "SYTO 14", "SYTO RNASelect")
    not_drawn = {
        "dropped_features_of_batch",
        "plot_plate_maps",
        "plot_changed_features",
        "plot_dropped_features",
    }
    assert plan(copy).get_rules() == SHARED_JOBS - not_drawn | {"plot_montages", "plot_thumbnails"}


def test_the_runner_and_an_illumination_setting_run_cellprofiler(copy, edit):
    edit("scripts/run_cellprofiler.py", "without an error, but did", "without an error but did")
    edit("config/config.yaml", "  nuclei:\n", "  illumination: {filter_size: 30}\n  nuclei:\n")
    found = plan(copy)
    assert {"illumination", "features", "illumination_pipeline"} <= found.get_changed()
    assert {"illumination", "features"} <= found.get_rules("ORF2")
    assert not found.get_rules() & {"simulate", "load_data"}


def test_a_plate_reruns_from_its_images(copy):
    found = plan(copy, "--config", "only=COMPOUND1", "--forcerun", "load_data")
    assert found.get_rules() == found.get_rules("COMPOUND1") == {"load_data"} | OF_IMAGES


def test_a_plate_reruns_from_a_named_stage_and_no_file_of_another_is_touched(copy):
    """The last one: it changes the copy."""
    results = copy / "results" / "default"

    def get_state() -> dict[str, int]:
        folders = [results / "workspace", results / "images", results / "benchmark"]
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return {str(file.relative_to(results)): file.stat().st_mtime_ns for file in files}

    before = get_state()
    snakemake("--config", "only=COMPOUND1", "--forcerun", "aggregate", project=copy)
    after = get_state()
    changed = {name for name in after if before.get(name) != after[name]}
    assert "workspace/profiles/simulated/COMPOUND1/COMPOUND1_normalized.parquet" in changed
    assert [name for name in changed if "/COMPOUND1" not in name] == []
    assert before.keys() == after.keys()
    assert set(planned(project=copy)) <= SHARED_JOBS | {"feature_select", "all"}
