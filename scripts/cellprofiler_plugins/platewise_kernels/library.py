"""The library of compiled kernels: where it is, and what it holds.

It is an extension module of Python, beside the sources or, if that folder cannot be written, in a folder of
this user. Its name contains a digest of the sources, of the versions of Python and NumPy and of the type of
the processor, so that no machine loads a library that was made for another.
"""

import functools
import getpass
import hashlib
import importlib.machinery
import importlib.util
import logging
import os
import sys
import tempfile
from pathlib import Path

import numpy

FOLDER = Path(__file__).resolve().parent
NAME = "platewise_library"
#: Set while the library is made (compile_kernels.py): what was compiled before is not used.
ANEW = "PLATEWISE_COMPILE_ANEW"


def get_function(kernel, types):
    """Return a kernel for arguments of these types (numba's names), or None if the library lacks it."""
    return get_functions().get(name_function(kernel, types))


def name_function(kernel, types):
    """Return a kernel's name in the library."""
    return f"{kernel}({', '.join(types)})"


@functools.cache
def get_functions():
    """Return the library's functions by name; none if there is no library for this machine."""
    for path in [] if ANEW in os.environ else get_paths():
        if path.is_file():
            try:
                return load(path)
            except ImportError as error:
                logging.info("%s: numba loads the kernels.", error)
    return {}


def load(path):
    """Return the content of a library by name."""
    loader = importlib.machinery.ExtensionFileLoader(NAME, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(NAME, loader))
    loader.exec_module(module)
    return vars(module)


def get_paths():
    """Return the files in which the library may be, the preferred one first; none if it cannot be named."""
    digest = get_digest()
    return [folder / f"kernels-{digest}.so" for folder in get_folders()] if digest else []


def get_folders():
    """Return the folders in which compiled code may be, the preferred one first."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(named)] if named else []
    return [*folders, FOLDER / "__pycache__", *find_fallback_folder()]


def find_fallback_folder():
    """Return a list of this user's folder in the temporary folder; it is empty if another user made it."""
    folder = Path(fallback_folder())
    return [folder] if folder.stat().st_uid == os.getuid() else []


def fallback_folder():
    """Return a cache folder of this user in the temporary folder, created if it is missing."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user number without a name, as containers have
        user = str(os.getuid())
    folder = Path(tempfile.gettempdir(), f"platewise-numba-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)


def get_digest():
    """Return a digest of all that the library depends on; None on a processor that cannot be identified."""
    processor = identify_processor()
    if processor is None:
        return None
    digest = hashlib.sha256()
    for text in (processor, sys.version, numpy.__version__):
        digest.update(text.encode() + b"\0")
    for path in sorted(FOLDER.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:32]


def identify_processor():
    """Return the processor's model and abilities as Linux names them; None elsewhere."""
    try:
        with Path("/proc/cpuinfo").open() as file:
            first = file.read(1 << 16).split("\n\n")[0]
    except OSError:
        return None
    facts = dict(line.replace("\t", "").split(":", 1) for line in first.splitlines() if ":" in line)
    names = ("vendor_id", "cpu family", "model", "stepping", "flags")
    return "\n".join(facts[name] for name in names) if all(name in facts for name in names) else None
