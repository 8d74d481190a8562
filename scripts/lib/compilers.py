"""Find the C compiler of the machine."""

import shutil

from lib.cellprofiler import get_output
from lib.errors import InputError

COMPILER_HELP = (
    "Install one: Debian/Ubuntu `sudo apt-get install build-essential`, "
    "Fedora `sudo dnf install gcc gcc-c++`, conda `conda install -c conda-forge compilers`, "
    "macOS `xcode-select --install`."
)


def find_compiler(environment):
    """Return the C compiler's command, or raise an InputError with help."""
    for name in (environment.get("CC", ""), "cc", "gcc", "clang"):
        found = shutil.which(name, path=environment.get("PATH", "")) if name else None
        if found and get_output([found, "--version"], environment) is not None:
            return found
    raise InputError(f"CellProfiler needs a C compiler and there is none on this machine. {COMPILER_HELP}")
