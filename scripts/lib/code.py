"""Find the code that a step runs: its script and every helper that the script imports.

Snakemake reruns a step if its script changed, but does not see a helper that the script imports;
with the digest below, which each rule has as a parameter, it sees both.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]


# Only the lines are read, without parsing: each job of a run reads all scripts again.
IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]+(\([^)]*\)|[^\n]+)", re.MULTILINE)


@cache
def find_modules(folder: Path) -> dict[str, Path]:
    """Return the Python files below a folder by the name under which they are imported."""
    return {".".join(file.relative_to(folder).with_suffix("").parts): file for file in folder.rglob("*.py")}


@cache
def imports(script: Path) -> frozenset[Path]:
    """Return the files below scripts/ that a script names in its imports."""
    modules = find_modules(SCRIPTS)
    found: set[Path] = set()
    for module, imported in IMPORT.findall(script.read_text()):
        names = re.findall(r"[\w.]+", imported)
        for name in [module, *(f"{module}.{name}" for name in names)] if module else names:
            if name in modules:
                found.add(modules[name])
    return frozenset(found)


@cache
def helpers(script: Path) -> frozenset[Path]:
    """Return the files below scripts/ that `script` imports, directly or through another helper."""
    found: set[Path] = set()
    unread = [script]
    while unread:
        # A helper may import another one within a function, and that one the helper.
        new = imports(unread.pop()) - found
        found |= new
        unread += new
    return frozenset(found)


@cache
def code_digest(script: str) -> str:
    """Return a digest of `scripts/{script}` and of the helpers that it imports."""
    file = SCRIPTS / script
    return digest_of([file, *sorted(helpers(file))])


def digest_of(files: Iterable[Path]) -> str:
    """Return a short digest of the content of several files, in their order."""
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
