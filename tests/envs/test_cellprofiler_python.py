"""Code that runs in CellProfiler's Python is valid in that version of Python."""

import ast
import json
import subprocess
import tomllib

import pytest

from lib.code import SCRIPTS, helpers
from workflow import PROJECT

pytestmark = pytest.mark.unit

# What the workflow starts there: with conda and in the container, also what surrounds CellProfiler.
STARTED = (
    "features.py",
    "illumination.py",
    "pipelines.py",
    "compare_cellprofiler.py",
    "run_cellprofiler.py",
)
FOLDERS = ("cellprofiler_fetching", "cellprofiler_pipelines", "cellprofiler_plugins", "cellprofiler_runner")


def files_in_cellprofilers_python() -> list[str]:
    """The scripts that CellProfiler's Python runs, with all that they import."""
    files = {SCRIPTS / name for name in STARTED}
    files |= {file for folder in FOLDERS for file in (SCRIPTS / folder).rglob("*.py")}
    files |= {helper for file in tuple(files) for helper in helpers(file)}
    return sorted(file.relative_to(PROJECT).as_posix() for file in files)


def target_of(name: str) -> str | None:
    """The Python version for which ruff checks a file."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["ruff"]
    nested = SCRIPTS / name.split("/")[1] / "ruff.toml"
    if nested.exists():
        return tomllib.loads(nested.read_text())["target-version"]
    return settings["per-file-target-version"].get(name)


@pytest.mark.parametrize("name", files_in_cellprofilers_python())
def test_ruff_checks_it_for_an_old_python(name):
    assert target_of(name) in ("py38", "py39"), "add it to per-file-target-version in pyproject.toml"
    version = (3, int(target_of(name).removeprefix("py3")))
    ast.parse((PROJECT / name).read_text(), feature_version=version)


@pytest.mark.oracle
def test_cellprofilers_python_compiles_it(cellprofiler_environment):
    names = files_in_cellprofilers_python()
    assert len(names) > 40
    code = (
        "import json, pathlib, sys\n"
        "for name in json.load(sys.stdin): compile(pathlib.Path(name).read_text(), name, 'exec')\n"
        "print('%d.%d' % sys.version_info[:2])"
    )
    done = subprocess.run(
        [cellprofiler_environment / "bin/python", "-c", code],
        cwd=PROJECT,
        input=json.dumps(names),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3.9"
