"""A workflow that is killed at any moment and started again ends with the same bytes.

All processes of Snakemake's session get SIGKILL at random moments of a small experiment, so that no
step can tidy up; then the workflow is started again and finishes.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import PROJECT, snakemake
from small_experiment import results, write_experiment

DURATION = 60  # seconds within which the moments of the kills lie; about the experiment's own


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The small experiment's results from a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    snakemake("--configfile", write_experiment(folder / "experiment"))
    found = results(folder / "experiment")
    assert "workspace/profiles/B/P3/P3_normalized_negcon.parquet" in found
    assert "benchmark/percent_replicating.csv" in found
    return found


def killed(config: Path, seconds: float) -> bool:
    """Start the workflow, kill all of its processes after `seconds`; whether it was still running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", config],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Jobs whose parents are gone count as ended once the group is empty.
        while group_lives(process.pid):
            time.sleep(0.05)
        return True


def group_lives(group: int) -> bool:
    """Whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def kill_and_resume(folder: Path, moments: list[float]) -> tuple[int, dict[str, bytes]]:
    """Kill one run after the other at the given moments, then finish; (kills that hit, results)."""
    config = write_experiment(folder / "experiment")
    hits = 0
    for seconds in moments:
        hits += killed(config, seconds)
        # What a user types after a crash; the lock is that of the killed run.
        snakemake("--unlock", "--configfile", config)
    snakemake("--configfile", config)
    return hits, results(folder / "experiment")


@pytest.mark.long
def test_four_kills_of_one_run(undisturbed, tmp_path):
    """Each of the four runs is killed while jobs are at work, and the fifth finishes what they began."""
    moments = [random.Random(1).uniform(5, DURATION / 4) for _ in range(4)]
    hits, found = kill_and_resume(tmp_path, moments)
    assert hits == 4
    assert found == undisturbed


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_a_kill_at_a_random_moment(undisturbed, tmp_path, seed):
    moment = random.Random(seed).uniform(3, DURATION)
    _, found = kill_and_resume(tmp_path, [moment])
    assert found == undisturbed
