"""A workflow that is killed at any moment and started again ends with the same bytes.

All processes of Snakemake's session get SIGKILL at random moments of a small experiment, or in a named step,
so that no step can tidy up; then the workflow is started again and finishes. The bytes are also those of any
other number of cores and of CellProfiler jobs per plate.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import small_images
from small_experiment import results, write_experiment
from workflow import PROJECT, snakemake

pytestmark = pytest.mark.run

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


def started(config: Path, *arguments: str) -> subprocess.Popen:
    """Start the workflow in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", config],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(process: subprocess.Popen) -> None:
    """Kill all processes of a run."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Jobs whose parents are gone count as ended once the group is empty.
    while group_lives(process.pid):
        time.sleep(0.05)


def killed(config: Path, seconds: float) -> bool:
    """Start the workflow, kill all of its processes after `seconds`; whether it was still running."""
    process = started(config)
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        kill(process)
        return True


def killed_in(step: str, config: Path, *arguments: str) -> bool:
    """Start the workflow and kill it while a job of `step` runs; whether one ran."""
    logs = config.parent / config.stem / "logs" / step
    begun = {log: log.stat().st_mtime_ns for log in logs.rglob("*.log")}
    process = started(config, *arguments)
    while process.poll() is None:
        if any(log.stat().st_mtime_ns != begun.get(log) for log in logs.rglob("*.log")):
            time.sleep(0.3)
            kill(process)
            return True
        time.sleep(0.02)
    return False


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


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the experiment that starts with images."""
    folder = tmp_path_factory.mktemp("images") / "experiment"
    small_images.write_experiment(folder)
    return folder


def tables_of_images(results: Path) -> dict[str, bytes]:
    """The plate's functions, cells, sites and wells by their path."""
    files = [
        file
        for part in ("images", "workspace/backend", "workspace/profiles")
        for file in (results / part).rglob("*")
    ]
    return {str(file.relative_to(results)): file.read_bytes() for file in files if file.is_file()}


@pytest.fixture(scope="module")
def one_chunk(images: Path) -> dict[str, bytes]:
    """The results of one CellProfiler job, on two cores."""
    config = small_images.write_config(images, "whole")
    snakemake(small_images.WELL_PROFILES, "--configfile", config)
    found = tables_of_images(images / "whole")
    assert len(found) == len(small_images.CHANNELS) + 3
    return found


def test_kills_in_each_step_from_images_to_wells(images, one_chunk):
    """Killed in CellProfiler and after it, in three chunks and on one core at the end: the same bytes."""
    config = small_images.write_config(images, "killed", chunks=3)
    for step in ("illumination", "features", "single_cells"):
        assert killed_in(step, config, small_images.WELL_PROFILES), step
        snakemake("--unlock", "--configfile", config)
    snakemake(small_images.WELL_PROFILES, "--cores", "1", "--configfile", config)
    assert tables_of_images(images / "killed") == one_chunk
    left = [
        path
        for path in (images / "killed").rglob("*")
        if "part" in path.suffix or "cellprofiler-" in path.name
    ]
    assert left == []


@pytest.mark.long
@pytest.mark.parametrize("settings", [{"chunks": 4}, {"chunks": 9}], ids=str)
def test_chunks_change_no_byte(images, one_chunk, settings):
    """Also where there are more chunks than sites."""
    name = "_".join(f"{key}_{value}" for key, value in settings.items())
    config = small_images.write_config(images, name, **settings)
    snakemake(small_images.WELL_PROFILES, "--configfile", config)
    assert tables_of_images(images / name) == one_chunk
