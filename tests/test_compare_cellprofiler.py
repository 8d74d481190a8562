"""The comparison of built-in and accelerated modules, with a stand-in for CellProfiler."""

import csv
import math
import stat
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import compare_cellprofiler as comparison
from lib.errors import InputError
from workflow import planned

pytestmark = pytest.mark.unit

# Writes one object per site; with the plugins, `{shift}` more than without.
FAKE = """#!{python}
import sys
options = dict(zip(sys.argv[1:], sys.argv[2:]))
fast = "--plugins-directory" in options
for number in range(int(options["-f"]), int(options["-l"]) + 1):
    for module, seconds in (("LoadData", 1.5), ("MeasureTexture", 0.5 if fast else 4.0)):
        print(f"Image # {{number}}, module {{module}} # 3: CPU_time = {{seconds}} secs, Wall_time = 9 secs")
with open(options["-o"] + "/Cells.csv", "w") as file:
    print("ImageNumber,ObjectNumber,Area,Texture,ExecutionTime_1", file=file)
    for number in range(int(options["-f"]), int(options["-l"]) + 1):
        print(number, 1, "nan", 2.0 + fast * {shift}, number + fast, sep=",", file=file)
open(options["-d"], "w").write("Complete")
"""


def run(folder: Path, shift: float) -> dict[str, list[dict[str, str]]]:
    command = folder / "cellprofiler"
    command.write_text(FAKE.format(python=sys.executable, shift=shift))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    (folder / "load_data.csv").write_text("Metadata_Well\n" + "".join(f"A{n:02d}\n" for n in range(1, 9)))
    (folder / "p").write_text("CellProfiler Pipeline: http://www.cellprofiler.org\nModuleCount:0\n")
    arguments = [
        "--cellprofiler",
        command,
        "--pipeline",
        folder / "p",
        "--load-data",
        folder / "load_data.csv",
    ]
    arguments += ["--plugins", folder, "--log", folder / "log", "--output", folder / "out"]
    with (folder / "log").open("w") as log:
        comparison.main(comparison.define_options().parse_args([str(word) for word in arguments]), log)
    tables = {}
    for name in ("differences", "times"):
        with (folder / "out" / f"{name}.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    assert (folder / "out/runs/load_data.csv").read_text().split() == [
        "Metadata_Well",
        "A02",
        "A04",
        "A06",
        "A08",
    ]
    return tables


@pytest.mark.run
def test_modules_that_agree(tmp_path):
    tables = run(tmp_path, 1e-10)
    (cells,) = tables["differences"]
    assert (cells["table"], cells["rows"], cells["columns"], cells["values"]) == ("Cells", "4", "4", "16")
    assert (cells["different"], cells["columns_of_one_only"]) == ("0", "0")
    seconds = {row["module"]: row for row in tables["times"]}
    assert seconds["MeasureTexture"]["builtin_cpu_s"] == "16.0"
    assert seconds["MeasureTexture"]["accelerated_cpu_s"] == "2.0"
    assert seconds["MeasureTexture"]["times_faster"] == "8.0"
    assert seconds["LoadData"]["times_faster"] == "1.0"


@pytest.mark.run
def test_modules_that_differ(tmp_path):
    (cells,) = run(tmp_path, 0.5)["differences"]
    assert (cells["different"], cells["different_features"]) == ("4", "1")
    assert cells["largest_relative_feature"] == cells["largest_absolute_feature"] == "Texture"
    assert float(cells["largest_relative_difference"]) == 0.25
    assert float(cells["largest_absolute_difference"]) == 0.5


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("nan", "nan", (0, 0)),
        ("", "nan", (0, 0)),
        ("nan", "0", (math.inf, math.inf)),
        ("DMSO", "DMSO", (0, 0)),
        ("DMSO", "x", (math.inf, math.inf)),
        ("0", "0.0", (0, 0)),
        ("0", "2", (math.inf, 2)),
        ("4", "5", (0.25, 1)),
        ("inf", "inf", (0, 0)),
    ],
)
def test_apart(left, right, expected):
    assert comparison.measure_difference(left, right) == expected


def test_missing_and_surplus_rows_and_columns_count(tmp_path):
    (tmp_path / "a.csv").write_text("Id,A,B\n1,1,1\n2,1,1\n")
    (tmp_path / "b.csv").write_text("Id,A,C\n1,1,1\n")
    row = comparison.compare_table(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (row["values"], row["different"], row["columns_of_one_only"]) == (4, 2, 2)
    row = comparison.compare_table(tmp_path / "b.csv", tmp_path / "a.csv")
    assert (row["values"], row["different"], row["columns_of_one_only"]) == (2, 2, 2)


def test_when_a_run_took_place_is_not_a_difference(tmp_path):
    for name, day in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.csv").write_text(
            f"Key,Value\nCellProfiler_Version,4.2.8\nRun_Timestamp,2026-01-0{day}\nModification_Timestamp,{day}\n"
        )
    row = comparison.compare_table(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (row["rows"], row["values"], row["different"]) == (1, 2, 0)


def test_the_text_of_a_large_pipeline_is_one_field(tmp_path):
    for side in ("left", "right"):
        (tmp_path / side).mkdir()
        text = f"Key,Value\nPipeline_Pipeline,{'x' * 200_000}\n"
        (tmp_path / side / "Experiment.csv").write_text(text)
    (row,) = comparison.compare(tmp_path / "left", tmp_path / "right")
    assert (row["values"], row["different"]) == (2, 0)


def test_a_table_of_one_run_only(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "Cells.csv").write_text("A\n")
    with pytest.raises(InputError, match="Cells"):
        comparison.compare(tmp_path / "a", tmp_path / "b")
    # A table without a row that the command line does not write, since each site was skipped.
    for name in ("a", "b"):
        (tmp_path / name / "Image.csv").write_text("A\n1\n")
    (row,) = comparison.compare(tmp_path / "b", tmp_path / "a")
    assert row["table"] == "Image"
    (tmp_path / "a" / "Cells.csv").write_text("A\n1\n")
    with pytest.raises(InputError, match="Cells"):
        comparison.compare(tmp_path / "b", tmp_path / "a")


@given(number=st.integers(1, 50), of=st.integers(1, 5000))
def test_sampled_sites_are_spread_evenly(number, of):
    chosen = comparison.pick_evenly(number, of)
    assert len(set(chosen)) == min(number, of)
    assert 0 <= chosen[0] <= chosen[-1] < of
    steps = [b - a for a, b in pairwise(chosen)]
    assert not steps or max(steps) - min(steps) <= 1


@pytest.mark.plan
def test_the_target_plans_one_plates_illumination_and_no_features():
    jobs = planned("compare_cellprofiler", "--forceall")
    assert jobs["compare_cellprofiler"] == jobs["illumination"] == 1
    assert jobs["features"] == 0


@pytest.mark.plan
def test_an_experiment_without_images_is_reported():
    with pytest.raises(AssertionError, match="needs a plate that starts with images"):
        planned("compare_cellprofiler", "--configfile", "config/cpjump1/profiles_only/config.yaml")


@pytest.mark.parametrize(("different", "word"), [(0, "None"), (7, "7")])
def test_the_outcome_in_words(different, word):
    differences = [{"values": 1200, "different": different}, {"values": 300, "different": 0}]
    seconds = [
        {"module": "total", "builtin_cpu_s": 30.0, "accelerated_cpu_s": 2.0},
        {"module": "peak memory"},
    ]
    message = comparison.describe_outcome(differences, seconds)
    assert message.startswith(
        f"{word} of 1,500 values differ by more than 1e-06 relative and 1e-09 absolute."
    )
    assert message.endswith("took 30.0 CPU seconds; the workflow took 2.0, which is 15.0 times less.")
