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
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys


def compiled(function):
    """Decorate `function` with `numba.njit`, cached on disk if possible."""
    return compile_at_first_call(function)


def compiled_in_any_order(function):
    """Decorate as `compiled`, and let the processor add numbers in any order, which is several times faster.

    Sums in double precision differ in their last digits by it. NaN, infinity and the sign of 0 are kept.
    """
    return compile_at_first_call(function, fastmath={"reassoc"})


def compile_at_first_call(function, **options):
    """Return `function` as numba's, which compiles or loads it when it is first called."""
    options = {"cache": True, "nogil": True, "error_model": "numpy", **options}
    try:
        found = numba.njit(**options)(function)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        numba.config.CACHE_DIR = fallback_folder()
        found = numba.njit(**options)(function)
    found._cache = CompiledCode(function)
    return found


class CompiledCode(FunctionCache):
    """numba's cache of a function, from which code is loaded without what only compiling needs.

    numba reads all its types and functions before it looks for stored code, which takes longer than loading
    the code of twenty kernels. Here it reads them only when a function is not stored and has to be compiled.
    """

    def load_overload(self, sig, target_context):
        """Return the stored code for the types `sig` of the arguments, or None."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
        return super().load_overload(sig, target_context) if found is None else found


def fallback_folder():
    """Return a cache folder of this user in the temporary folder, created if it is missing."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user number without a name, as containers have
        user = str(os.getuid())
    folder = Path(tempfile.gettempdir(), f"platewise-numba-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)
