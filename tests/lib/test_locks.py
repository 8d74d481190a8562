"""The lock of a killed run is removed if, and only if, no process of that run is alive."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lib.errors import InputError
from lib.locks import find_processes, hold, write_run

pytestmark = pytest.mark.plan

COMMAND = ["snakemake", "--cores", "2"]


def leave_lock(results: Path, local: bool = True) -> Path:
    """What a killed run leaves: Snakemake's lock, and where its jobs were."""
    with hold(results, COMMAND) as file:
        write_run(file, local)
    lock = results / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("workspace/x.parquet\n")
    return lock


def start(results: Path, code: str) -> subprocess.Popen[str]:
    """A process with `scripts/` on its command line that works in the results folder, once it has begun."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{code}\nprint('begun', flush=True)\nimport time; time.sleep(60)",
            "scripts/",
        ],
        cwd=results,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == "begun\n"
    return process


def test_a_lock_of_a_killed_run_is_taken_away(tmp_path):
    lock = leave_lock(tmp_path)
    with hold(tmp_path, COMMAND):
        assert not lock.exists()


def test_a_lock_of_a_live_run_stays(tmp_path):
    lock = leave_lock(tmp_path)
    process = start(tmp_path, f"from lib.locks import hold\nheld = hold({str(tmp_path)!r}, [])\n")
    lock.write_text("workspace/x.parquet\n")
    try:
        with hold(tmp_path, COMMAND):
            assert lock.exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with hold(tmp_path, COMMAND):
        assert not lock.exists()


def test_a_job_that_outlives_its_run_is_waited_for(tmp_path):
    lock = leave_lock(tmp_path)
    process = start(tmp_path, "pass")
    try:
        with pytest.raises(InputError, match=rf"still running in .*\n  kill {process.pid}$"):
            hold(tmp_path, COMMAND)
        assert lock.exists()
    finally:
        process.kill()
        process.wait()
    until = time.monotonic() + 60
    while find_processes(tmp_path) and time.monotonic() < until:
        time.sleep(0.1)
    assert find_processes(tmp_path) == []
    with hold(tmp_path, COMMAND):
        assert not lock.exists()


def test_jobs_elsewhere_cannot_be_seen_and_the_line_to_type_is_reported(tmp_path):
    lock = leave_lock(tmp_path, local=False)
    with pytest.raises(InputError) as error:
        hold(tmp_path, COMMAND)
    assert str(error.value).splitlines()[-1] == "  snakemake --cores 2 --unlock"
    assert lock.exists()
