"""Environments that two experiments share."""

import io
import os
import threading
import time
from pathlib import Path

import pytest

import cellprofiler_environment
from lib.environments import MARKER, build_once, find_place

pytestmark = pytest.mark.unit


@pytest.fixture
def closed(tmp_path):
    """A folder that may not be read, by root neither: the test runs as somebody else."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    user = os.geteuid()
    os.seteuid(user or 65534)
    yield str(folder)
    os.seteuid(user)


def test_pythons_that_may_not_be_read_are_passed_over(closed, monkeypatch):
    with pytest.raises(PermissionError):
        list(Path(closed).iterdir())
    monkeypatch.setattr(cellprofiler_environment, "get_output", lambda command, environment: None)
    assert cellprofiler_environment.find_python({"PYENV_ROOT": closed, "PATH": "", "HOME": closed}) == "3.9"


def test_two_runs_build_one_environment(tmp_path):
    built = []

    def build(folder: Path, log) -> None:
        built.append(folder)
        folder.mkdir()
        time.sleep(0.2)
        (folder / MARKER).write_text("{}")

    logs = [io.StringIO(), io.StringIO()]
    runs = [threading.Thread(target=build_once, args=(tmp_path / "environment", build, log)) for log in logs]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(built) == 1
    assert sum("was built by another run" in log.getvalue() for log in logs) == 1


def test_an_environment_that_checkouts_share_is_not_in_one_of_them(tmp_path, monkeypatch):
    shared, checkout, results = tmp_path / "shared", tmp_path / "checkout", tmp_path / "results"
    for folder in (shared, checkout, results):
        folder.mkdir()
    (checkout / ".environments").symlink_to("../also")
    (tmp_path / "also").symlink_to(shared)
    assert find_place(checkout / ".environments" / "a") == shared / "a"
    # any other link stays as its user sees it
    (tmp_path / "link").symlink_to(shared)
    monkeypatch.chdir(results)
    assert find_place("../link/.environments/a") == tmp_path / "link/.environments/a"
