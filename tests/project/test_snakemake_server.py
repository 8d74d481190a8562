"""The tests' quick way to start Snakemake gives what a user's way gives."""

import subprocess
import sys

import pytest

from small_experiment import write_experiment
from snakemake_server import get_server
from workflow import PROJECT, copy_of_project, snakemake

pytestmark = pytest.mark.plan


def test_a_dry_run_prints_the_same_as_one_that_a_user_starts(tmp_path):
    import sklearn  # noqa: F401  # which sets environment variables, as any test may have imported it

    output = tmp_path / "output"
    output.touch()
    assert get_server().run(sys.executable, ["--version"], PROJECT, str(output)) == 0, "the server is used"
    copy = copy_of_project(tmp_path / "platewise")
    config = write_experiment(tmp_path / "experiment")
    for more in ([], ["--config", "repert={}"]):
        arguments = ["--dry-run", "--printshellcmds", "--configfile", config, *more]
        found = snakemake(*arguments, project=copy, check=False)
        expected = subprocess.run(
            found.args, cwd=copy, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert found.returncode == expected.returncode == bool(more)
        assert found.stdout == expected.stdout


def test_what_a_run_leaves_behind_is_not_seen_by_the_next_one(tmp_path):
    config = write_experiment(tmp_path / "experiment")
    text = config.read_text()
    config.write_text(text + "repert: {}\n")
    rejected = snakemake("--dry-run", "--configfile", config, check=False)
    assert rejected.returncode == 1
    assert "did you mean `report`?" in rejected.stdout
    config.write_text(text)
    assert "Job stats" in snakemake("--dry-run", "--configfile", config).stdout


def test_another_environment_needs_a_process_of_its_own(tmp_path, monkeypatch):
    server, output = get_server(), tmp_path / "output"
    output.touch()
    assert server.run(sys.executable, ["--version"], PROJECT, str(output)) == 0
    monkeypatch.setenv("PLATEWISE_TEST", "1")
    assert server.run(sys.executable, ["--version"], PROJECT, str(output)) is None
    assert snakemake("--version", "--dry-run").returncode == 0
