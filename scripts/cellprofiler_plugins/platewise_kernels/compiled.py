"""Compile a function once per machine: numba with a cache that survives between jobs.

numba stores compiled code in `__pycache__` beside the source, or, if that cannot be written
(a read-only installation), in the user's cache folder, or in `NUMBA_CACHE_DIR` if that is set. In a
container, neither of the first two may be writable; a folder of this user in the system's temporary folder
is used then. The workflow compiles everything before the first job (compile_kernels.py).
A CellProfiler job is one core's work: no kernel starts threads.
"""

import getpass
import os
import tempfile
from pathlib import Path

import numba


def compiled(function):
    """Decorate `function` with `numba.njit`, cached on disk if possible."""
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        numba.config.CACHE_DIR = fallback_folder()
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


def fallback_folder():
    """Return a cache folder of this user in the temporary folder, created if it is missing."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user number without a name, as containers have
        user = str(os.getuid())
    folder = Path(tempfile.gettempdir(), f"platewise-numba-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)
