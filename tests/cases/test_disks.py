"""Disks that are full or read-only, and two processes that write one result."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from cases.experiment import ROW, write_config
from lib.errors import explain_storage_error
from small_experiment import write_experiment
from workflow import PROJECT, snakemake

pytestmark = pytest.mark.unit


UNSHARE = ["unshare", "--map-root-user", "--mount"]


CAN_MOUNT = shutil.which("unshare") and not subprocess.run([*UNSHARE, "true"], check=False).returncode


def test_an_error_of_the_disk_is_recognized():
    assert "the disk is full" in explain_storage_error(
        OSError(28, "No space left on device"), "/data/results"
    )
    assert "/data/results" in explain_storage_error(
        OSError("No space left on device (os error 28)"), "/data/results"
    )
    assert "x.csv: you have no permission" in explain_storage_error(
        PermissionError(13, "Permission denied", "x.csv"), "/"
    )
    assert explain_storage_error(FileNotFoundError(2, "No such file"), "/") is None


@pytest.mark.run
def test_a_disk_that_fills_up_leaves_no_half_file(tmp_path):
    """A limit of the size of a file stands in for a disk that takes no more."""
    script = (
        "import sys, numpy as np, pandas as pd\n"
        "from lib.logs import log_to\n"
        "from lib.tables import write_profiles\n"
        "with log_to('log.txt'):\n"
        "    table = pd.DataFrame({'Metadata_Well': 'A01', 'Cells_X': np.random.rand(100_000)})\n"
        "    write_profiles(table, 'P1.parquet', {})\n"
    )
    (tmp_path / "P1.parquet").write_text("from an earlier run")
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "scripts")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the file grew beyond the largest size that is allowed" in done.stderr
    assert "No incomplete file was left: start again" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "P1.parquet").read_text() == "from an earlier run"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["P1.parquet", "log.txt"]


@pytest.mark.long
@pytest.mark.skipif(not CAN_MOUNT, reason="this system lets no user mount a small disk")
def test_a_run_on_a_full_disk_is_resumed_when_there_is_space(tmp_path):
    config = write_experiment(tmp_path / "experiment")
    results = config.parent / "results"
    results.mkdir()
    tables = [f"workspace/backend/B/{plate}/{plate}.parquet" for plate in ("P1", "P2", "P3")]
    run = f"{sys.executable} -m snakemake --cores 1 --keep-going {' '.join(tables)} --configfile {config}"
    command = f"""
        mount -t tmpfs -o size=160k tmpfs {results}
        {run}; echo "status $?"
        cd {results} && find workspace -type f | sed 's/^/left /'; cd {PROJECT}
        mount -o remount,size=10m {results}
        {run}; echo "status $?"
        cd {results} && find workspace -name 'P?.parquet' | xargs sha256sum
    """
    done = subprocess.run(
        [*UNSHARE, "bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    first, second = re.split("status 1\n", done.stdout + done.stderr, maxsplit=1)[0], done.stdout
    assert f"{results}: the disk is full. Free space" in done.stdout + done.stderr, first
    assert "status 1" in second
    assert "status 0" in second
    left = {line.removeprefix("left ") for line in second.splitlines() if line.startswith("left ")}
    assert not any(".part" in path for path in left)
    digests = re.findall(r"([0-9a-f]{64})  (\S+)", second)
    assert sorted(path for _, path in digests) == tables


@pytest.mark.run
@pytest.mark.skipif(not CAN_MOUNT, reason="this system lets no user mount a read-only folder")
def test_a_read_only_results_folder_is_named(tmp_path):
    config = write_config(tmp_path, [ROW])
    results = tmp_path / "results"
    results.mkdir()
    command = (
        f"mount --bind {results} {results} && mount -o remount,bind,ro {results} && "
        f"{sys.executable} -m snakemake --cores 1 --configfile {config}"
    )
    done = subprocess.run(
        [*UNSHARE, "bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert (
        f"The results folder {results} cannot be written: {results} is read-only" in done.stdout + done.stderr
    )
    assert "Name another folder as `results` in the config" in done.stdout + done.stderr


@pytest.mark.run
def test_two_processes_on_one_plate_are_refused_and_on_two_plates_agree(tmp_path):
    config = write_experiment(tmp_path / "experiment")
    results = config.parent / "results"
    target = "workspace/backend/B/{0}/{0}.parquet"
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    first = subprocess.Popen(
        [*command, target.format("P1"), "--configfile", config],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(results.glob(".snakemake/locks/*")) and first.poll() is None:
        time.sleep(0.05)
    # Halted while it holds its lock: on a quick machine it would be done before the others have planned.
    first.send_signal(signal.SIGSTOP)
    try:
        same = snakemake(target.format("P1"), "--configfile", config, check=False)
        other = snakemake(target.format("P2"), "--configfile", config, check=False)
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert same.returncode
    assert "Directory cannot be locked" in same.stdout
    assert str(results) in same.stdout
    assert "--unlock" in same.stdout
    assert other.returncode == 0, other.stdout
    undisturbed = write_experiment(tmp_path / "undisturbed")
    files = [target.format(plate) for plate in ("P1", "P2")]
    snakemake(*files, "--configfile", undisturbed)
    for file in files:
        assert (results / file).read_bytes() == (undisturbed.parent / "results" / file).read_bytes()
