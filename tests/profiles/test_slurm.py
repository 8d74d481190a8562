"""A real Slurm on this machine runs a small experiment from its images; `tests/cluster/run` describes how."""

import os
import re
import shutil
import subprocess

import pytest

from workflow import PROJECT

pytestmark = pytest.mark.cluster


def test_slurm_runs_what_a_workstation_runs():
    """From images to figures, chunks as array jobs; one is cancelled, one killed, and slurmd with another."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    needed = ("slurmctld", "slurmd", "sbatch", "munged")
    missing = [name for name in needed if not shutil.which(name, path=path)]
    if missing:
        pytest.skip(f"Slurm is not installed ({', '.join(missing)}): apt-get install slurm-wlm munge")
    # Not in pytest's temporary folder: the paths of Slurm's sockets must be short.
    # Once more where a job ended before it could be cancelled.
    for _ in range(2):
        done = subprocess.run(
            [PROJECT / "tests" / "cluster" / "run", "short"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": "/tmp"},
        )
        if not re.search("FAILED: no .*job of .* was seen running", done.stdout):
            break
    assert done.returncode == 0, done.stdout
    assert "are the same bytes as those of the local run" in done.stdout
