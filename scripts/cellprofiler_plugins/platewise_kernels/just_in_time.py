"""Compile a kernel with numba, whose cache survives between jobs.

numba stores compiled code in `__pycache__` beside the source, or, if that cannot be written (a read-only
installation), in the user's cache folder, or in `NUMBA_CACHE_DIR` if that is set. In a container, neither of
the first two may be writable; a folder of this user in the system's temporary folder is used then.
"""

import os

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys
from numba.core.types import Dispatcher
from numba.extending import typeof_impl

from .compiled import Kernel
from .library import ANEW, fallback_folder


def create_dispatcher(function, options):
    """Return a function as numba's, which compiles or loads it when it is first called."""
    options = {"cache": True, "nogil": True, "error_model": "numpy", **options}
    try:
        found = numba.njit(**options)(function)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        numba.config.CACHE_DIR = fallback_folder()
        found = numba.njit(**options)(function)
    found._cache = CompiledCode(function)
    return found


@typeof_impl.register(Kernel)
def find_type(kernel, context):
    """Let kernels call kernels."""
    return Dispatcher(kernel.dispatcher)


class CompiledCode(FunctionCache):
    """numba's cache of a function, from which code is loaded without what only compiling needs.

    numba reads all its types and functions before it looks for stored code, which takes longer than loading
    the code of twenty kernels. Here it reads them only when a function is not stored and has to be compiled.
    """

    def load_overload(self, sig, target_context):
        """Return the stored code for the types `sig` of the arguments, or None."""
        if ANEW in os.environ:
            return None
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
        return super().load_overload(sig, target_context) if found is None else found
