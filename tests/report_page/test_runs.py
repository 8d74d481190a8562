"""Run times by stage."""

import pytest

from report_page.runs import run_times

pytestmark = pytest.mark.unit


def test_run_times_are_added_up_by_stage(tmp_path):
    for name, seconds in (("a/P1", 2), ("a/P2", 3), ("b/P1", 10)):
        file = tmp_path / f"{name}.tsv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t{100 * seconds}\t-\n")
    times = run_times(tmp_path).drop(columns="CPU seconds")
    assert times.to_numpy().tolist() == [["a", 2, 5, 3, 300], ["b", 1, 10, 10, 1000]]
