"""Files and folders that appear complete or not at all.

This module uses only Python 3.8 and its standard library, since scripts inside CellProfiler's environment
import it, too.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that is renamed to `path` when the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def make_fresh_folder(path: Path) -> Iterator[Path]:
    """Make an empty folder at `path`, replacing what is there; what remains of it at the end is removed."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def write_whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path` that replaces it when the block succeeds."""
    with make_fresh_folder(path.with_name(f".{path.name}.part")) as part:
        yield part
        shutil.rmtree(path, ignore_errors=True)
        part.replace(path)


@contextmanager
def wait_for_other_runs(path: str | Path) -> Iterator[None]:
    """Hold a lock beside `path`, so that two runs at once do not make it together: the second one waits.

    Two experiments share what is made once per checkout; each run has its own results folder and lock. On a
    file system without locks nothing is held.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
