"""The end of a run: the progress of each plate, the failures, the scores."""

from pathlib import Path

import pytest

from lib.failures import Failure
from lib.summary import (
    count_on_plates,
    get_failures_of_plates,
    get_state,
    read_scores,
    summarize_failures,
    summarize_plates,
    summarize_results,
)
from planned_experiment import build_experiment

pytestmark = pytest.mark.unit

STAGES = {
    "single_cells": "workspace/backend/B/P/P.parquet",
    "aggregated": "workspace/profiles/B/P/P.parquet",
    "augmented": "workspace/profiles/B/P/P_augmented.parquet",
    "normalized": "workspace/profiles/B/P/P_normalized.parquet",
}
FAILED = Failure("annotate", (STAGES["augmented"],), "logs/annotate/B/P.log")


def touch(folder: Path, *stages: str) -> None:
    for stage in stages:
        file = folder / STAGES[stage]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def test_a_plate_is_complete_when_each_stage_is_there(tmp_path):
    assert get_state(STAGES, tmp_path) == "not begun"
    touch(tmp_path, "single_cells", "aggregated")
    assert get_state(STAGES, tmp_path) == "reached aggregated"
    touch(tmp_path, "augmented", "normalized")
    assert get_state(STAGES, tmp_path) == "complete"


def test_a_target_of_ones_own_may_leave_out_stages(tmp_path):
    """The last stage that was made is reported, with those before it that were not; joint ones count too."""
    touch(tmp_path, "single_cells", "aggregated", "normalized")
    assert get_state(STAGES, tmp_path) == "reached normalized, without augmented"
    joint = {"selected": "selected.parquet", "jump": "jump.parquet"}
    assert get_state(STAGES, tmp_path, joint=joint) == "reached normalized, without augmented"
    (tmp_path / "jump.parquet").touch()
    assert get_state(STAGES, tmp_path, joint=joint) == "reached jump, without augmented"
    touch(tmp_path, "augmented")
    assert get_state(STAGES, tmp_path, joint=joint) == "complete"


def test_what_lies_behind_a_failed_stage_is_of_an_earlier_run(tmp_path):
    touch(tmp_path, "single_cells", "aggregated", "normalized")
    earlier = "; results of later stages may be from an earlier run"
    failed = [Failure("annotate", (STAGES["augmented"],), "log")]
    assert get_state(STAGES, tmp_path, failed) == "reached aggregated, failed at augmented" + earlier
    chunk = [Failure("features", ("workspace/analysis/B/P/analysis/chunk_0",), "log")]
    assert get_state(STAGES, tmp_path, chunk) == "not begun, failed at features" + earlier
    touch(tmp_path, "augmented")
    pictures = [Failure("heatmaps", ("workspace/quality_control/B/P/pictures/heatmaps.png",), "log")]
    assert get_state(STAGES, tmp_path, pictures) == "complete, failed in heatmaps"


@pytest.mark.parametrize(
    ("output", "plate"),
    [
        ("images/B/illum/P/P_IllumDNA.npy", ("B", "P")),
        ("images/B/images/P", ("B", "P")),
        ("workspace/analysis/B/P.1/analysis/chunk_0", ("B", "P.1")),
        ("workspace/load_data_csv/B/P/load_data.csv", ("B", "P")),
        ("workspace/profiles/B/B_normalized_feature_select_batch_dropped.csv", None),
        ("benchmark/percent_replicating.csv", None),
    ],
)
def test_a_failure_belongs_to_the_plate_of_its_files(output, plate):
    failure = Failure("rule", (output,), "log")
    found = get_failures_of_plates([failure], [("B", "P"), ("B", "P.1")])
    assert found == ({plate: [failure]} if plate else {})


def test_scores_flags_and_report_are_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = build_experiment([{"cellprofiler": "t"}, {"plate": "Q", "images": "i"}])
    dropped = tmp_path / "workspace/quality_control/B/Q/dropped_sites.csv"
    dropped.parent.mkdir(parents=True)
    dropped.write_text("Metadata_Well,Metadata_Site,reason\nA01,1,truncated\nA01,2,truncated\n")
    flags = tmp_path / "workspace/quality_control/B/P/flags.csv"
    flags.parent.mkdir(parents=True)
    flags.write_text('flag,reason\nblurred,"a\nb"\nempty,c\n')
    unmatched = tmp_path / "workspace/profiles/B/Q/Q_unmatched_wells.csv"
    unmatched.parent.mkdir(parents=True)
    unmatched.write_text(
        'Metadata_Well,reason\nA01,not in the plate map\nA02,"on the plate map, but without a site"\n'
    )
    assert "Report" not in summarize_results(experiment)
    (tmp_path / "report").mkdir()
    (tmp_path / "report/report.html").touch()
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark/percent_replicating.csv").write_text(
        "perturbation,cell_line,feature_set,percent_replicating,message\ncompound,U2OS,normalized,83.3333,\n"
        "orf,,normalized,,\ncrispr,,normalized,,no score: too few replicates\n"
    )
    assert summarize_results(experiment).splitlines() == [
        "Scores:",
        "  percent replicating  compound U2OS normalized  83.3 %",
        "  percent replicating  orf normalized  no score",
        "  percent replicating  crispr normalized  no score (too few replicates)",
        "Flags of quality control: 2 on 1 of 1 plate",
        "Sites with faulty images, left out: 2 on 1 of 1 plate "
        "(workspace/quality_control/*/*/dropped_sites.csv)",
        "Wells that are not in the plate map, not scored: 1 on 1 of 2 plates "
        "(workspace/profiles/*/*/*_unmatched_wells.csv)",
        f"Report: {tmp_path / 'report/report.html'}",
    ]
    assert summarize_plates(experiment).splitlines() == [
        "Plates complete: 0 of 2",
        "  B/P  not begun",
        "  B/Q  not begun",
    ]


def test_a_run_that_stopped_without_a_failure_names_snakemakes_log():
    assert summarize_failures([], "log") == (
        "The run stopped before its end (its log: log). The same command continues it."
    )


def test_a_failure_is_reported_with_the_reason_in_its_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step = tmp_path / "logs/annotate/B/P.log"
    expected = ["Failed (open the log beside each):", f"  annotate  {step}"]
    assert summarize_failures([FAILED], "log").splitlines() == expected
    step.parent.mkdir(parents=True)
    time = "2026-11-30 01:09:03,173"
    step.write_text(f"{time} WARNING a\n{time} ERROR map.txt has\n  A01 twice.\n{time} INFO b\n")
    reason = ["    map.txt has", "      A01 twice."]
    assert summarize_failures([FAILED], "log").splitlines() == expected + reason
    step.write_text(f"{time} ERROR faults:\n" + "  one\n" * 20 + "Replace them.\n")
    assert summarize_failures([FAILED], "log").splitlines()[2:] == [
        "    faults:",
        *["      one"] * 4,
        "      ...",
        "    Replace them.",
    ]
    step.write_text(f"{time} ERROR {'x' * 2000}\n")
    assert len(summarize_failures([FAILED], "log")) < 1000
    step.write_text(f"{time} ERROR the step failed\nTraceback (most recent call last):\nKeyError: 3\n")
    assert summarize_failures([FAILED], "log").splitlines() == expected


def test_a_failure_without_a_log_names_snakemakes_log(tmp_path):
    log = tmp_path / "snakemake.log"
    assert summarize_failures([Failure("report", (), "")], log).splitlines()[1:] == [f"  report  {log}"]


def test_no_flags_are_reported_as_none():
    assert count_on_plates([0, 0]) == "none on 2 plates"
    assert count_on_plates([0]) == "none on 1 plate"
    assert count_on_plates([0, 1200]) == "1,200 on 1 of 2 plates"


def test_a_score_of_copied_wells_says_so(tmp_path):
    copied = "96 wells have exactly the values of another well"
    (tmp_path / "percent_replicating.csv").write_text(
        "cell_line,feature_set,percent_replicating,message\n"
        f'U2OS,f,100.0,"1 well left out; {copied}, as if one was copied: P1 A01 = P2 A01"\n'
        'U2OS,g,50.0,"1 well left out"\n'
    )
    first, second = read_scores(tmp_path / "percent_replicating.csv", "percent_replicating", " %")
    assert first == f"percent replicating  U2OS f  100 % ({copied})"
    assert second == "percent replicating  U2OS g  50 %"
