"""Environments that two experiments share."""

import io
import threading
import time
from pathlib import Path

from lib.environments import MARKER, build_once


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
