"""Compile a function once per machine: numba with a cache that survives between jobs.

numba keeps what it compiled in `__pycache__` beside the source, or, where that cannot be written
(a read-only installation), in the user's cache folder, or in `NUMBA_CACHE_DIR` if that is set. In a
container none of the first two may be writable; then a folder of this user's in the system's
temporary folder is taken. The workflow has all of it compiled before the first job (compile_kernels.py).
A CellProfiler job is one core's work: no kernel starts threads.
"""

import getpass
import os
import tempfile
from pathlib import Path

import numba


def compiled(function):
    """Decorate `function` with `numba.njit`, cached on disk wherever that is possible."""
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        numba.config.CACHE_DIR = fallback_folder()
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


def fallback_folder():
    """A cache folder of this user's own in the temporary folder (made if it is missing)."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user number without a name, as containers have
        user = str(os.getuid())
    folder = Path(tempfile.gettempdir(), f"platewise-numba-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)
