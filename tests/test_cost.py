"""What a stage took is scaled to all plates and conditions of the experiment."""

from pathlib import Path

import pytest

from cost import find_unit, get_costs

pytestmark = pytest.mark.unit

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
UNITS = {
    "plate": [["B", "P"], ["B", "P_2"], ["B", "Q"]],
    "condition": [["selected", "compound_U2OS"], ["selected", "orf_U2OS"]],
}


def write(folder: Path, job: str, seconds: float, cpu: float | str, memory: float = 100) -> Path:
    path = folder / "benchmarks" / f"{job}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + f"{seconds}\t0:00:01\t{memory}\t0\t0\t0\t3.0\t2.0\t0\t{cpu}\n")
    return path


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (["B", "P"], ("plate", "B/P")),
        (["B", "P_normalized"], ("plate", "B/P")),
        (["B", "P_2_normalized"], ("plate", "B/P_2")),
        (["B", "P", "chunk_3"], ("plate", "B/P")),
        (["selected", "orf_U2OS"], ("condition", "selected/orf_U2OS")),
        (["B_normalized"], ("experiment", "")),
        (["other", "P"], ("experiment", "")),
    ],
)
def test_the_path_of_a_measurement_tells_what_the_job_worked_on(job, expected):
    assert find_unit(job, UNITS) == expected


def test_costs_by_hand(tmp_path):
    files = [
        write(tmp_path, "features/B/P/chunk_0", 20, 10, 300),
        write(tmp_path, "features/B/P/chunk_1", 40, 30, 500),
        # Of this plate, one of two chunks has finished.
        write(tmp_path, "features/B/Q/chunk_0", 30, 20),
        write(tmp_path, "percent_replicating/selected/orf_U2OS", 5, 4),
        write(tmp_path, "report", 9, 6),
        write(tmp_path, "quick/B/P", 0.1, "NA"),
    ]
    table = get_costs(files, UNITS, price=0.5).set_index("stage")
    features = table.loc["features"]
    assert (features["units_measured"], features["jobs_measured"]) == (2, 3)
    assert (features["cpu_s"], features["wall_s"], features["read_mb"], features["written_mb"]) == (
        40,
        60,
        6,
        4,
    )
    assert features["peak_memory_mb"] == 500
    assert features["experiment_units"] == 3
    assert features["experiment_cpu_hours"] == pytest.approx(120 / 3600)
    assert features["experiment_price"] == pytest.approx(60 / 3600)
    assert table.loc["percent_replicating", "experiment_cpu_hours"] == pytest.approx(8 / 3600)
    assert table.loc["report", "experiment_cpu_hours"] == pytest.approx(6 / 3600)
    assert table.loc["all stages", "experiment_cpu_hours"] == pytest.approx(134 / 3600)
    assert (table.index[0], table.index[-1]) == ("features", "all stages")


def test_without_a_price_the_table_has_none(tmp_path):
    assert "experiment_price" not in get_costs([write(tmp_path, "report", 1, 1)], UNITS, None)
