"""Folders that appear whole or not at all.

Standard library only, Python 3.8: the scripts that run inside CellProfiler's environment use it too.
"""

import shutil
from contextlib import contextmanager


@contextmanager
def fresh_folder(path):
    """Make an empty folder at `path`, over what is there; what is left of it at the end is removed."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def whole_folder(path):
    """Give a fresh folder beside `path` that takes its place when the block succeeds."""
    with fresh_folder(path.with_name(f".{path.name}.part")) as part:
        yield part
        shutil.rmtree(path, ignore_errors=True)
        part.replace(path)
