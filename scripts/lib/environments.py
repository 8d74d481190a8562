"""Build a separate Python environment for a stage; an error shows the last lines of the step's output."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from lib.cellprofiler import get_output
from lib.cellprofiler_logs import open_log
from lib.errors import InputError, join_names
from lib.files import wait_for_other_runs

MARKER = "complete.json"  # written last: it marks an environment as complete
# Each package is imported, since one that is installed may still lack a library of the system.
VERSIONS = (
    "import importlib, importlib.metadata as m, json; names = {packages}; "
    "[importlib.import_module(n) for n in names]; of = m.packages_distributions(); "
    "print(json.dumps(dict((n, m.version(of[n][0])) for n in names)))"
)
LOCKS = Path(__file__).resolve().parents[2] / "envs"


def clean_variables() -> dict[str, str]:
    """Return the environment variables without those of the workflow's Python, which affect another one."""
    variables = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT"):
        variables.pop(name, None)
    return variables


def delete_old_environment(folder: Path) -> None:
    """Delete an existing environment; raise an InputError if the folder holds anything else."""
    if folder.exists():
        names = {path.name for path in folder.iterdir()}
        if names and not names & {"pyvenv.cfg", MARKER}:
            raise InputError(f"{folder} contains something other than an environment; move it away.")
        shutil.rmtree(folder)


def run_step(about: str, arguments: Sequence[str], variables: Mapping[str, str], log: IO[str]) -> None:
    """Run one command of the build.

    Parameters
    ----------
    about
        What the command does, for the message.
    arguments
        The command and its arguments.
    variables
        Environment variables.
    log
        An open text file for the command's output.

    Raises
    ------
    InputError
        With the last lines of the output, if the command fails.
    """
    log.write(" ".join(arguments) + "\n")
    log.flush()
    done = subprocess.run(arguments, env=variables, stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = Path(log.name).read_text(errors="replace").splitlines()[-25:]
        raise InputError(
            f"{about} cannot be built: `{' '.join(arguments)}` failed. The last lines of {log.name}:\n"
            + "\n".join(tail)
        )


def build_once(folder: Path, build: Callable[[Path, IO[str]], None], log: IO[str]) -> None:
    """Build an environment, unless another run that started at the same time has already built it."""
    with wait_for_other_runs(folder):
        if (folder / MARKER).exists():
            log.write(f"{folder} was built by another run\n")
        else:
            build(folder, log)


def build_from_lock(folder: Path, log: IO[str], about: str, lock: str, packages: Sequence[str]) -> None:
    """Build an environment of the workflow's own Python version with pip, and mark it complete.

    Parameters
    ----------
    folder : where it is built; its content is deleted first.
    log : open text file.
    about : what it is called in messages.
    lock : the name of its lock in envs/, with hashes.
    packages : what must be importable; their versions are written into the mark.

    Raises
    ------
    InputError
        If a command fails, or a package cannot be imported.
    """
    variables = clean_variables()
    delete_old_environment(folder)
    python = str(folder / "bin" / "python")
    run_step(about, [sys.executable, "-m", "venv", str(folder)], variables, log)
    install = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir", "--no-deps"]
    run_step(about, [*install, "--require-hashes", "-r", str(LOCKS / lock)], variables, log)
    versions = get_output([python, "-c", VERSIONS.format(packages=list(packages))], variables)
    if versions is None:
        raise InputError(f"{about} was installed, but {join_names(packages)} cannot be imported.")
    (folder / MARKER).write_text(json.dumps(json.loads(versions.splitlines()[-1]), indent=1) + "\n")


def find_place(output: str | Path) -> Path:
    """Return the folder in which an environment is built; its path is written into its commands.

    The path has no `..`: otherwise the results folder in which a relative path begins, and which may be
    deleted, would be part of it. It is as its user sees it and not as it is resolved, since another machine
    may see it in the same place only. But where the folder of all environments is a link, since several
    checkouts share them, the path does not lead through the checkout, which may be deleted.
    """
    folder = Path(os.path.normpath(Path(output).absolute()))
    parent = folder.parent
    while parent.is_symlink():
        parent = Path(os.path.normpath(parent.parent / parent.readlink()))
    return parent / folder.name


def build_as_script(description: str, build: Callable[[Path, IO[str]], None]) -> None:
    """Run a script that only calls `build(folder, log)`, with its options --output and --log."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True, help="the environment's folder")
    options = parser.parse_args()
    with open_log(options.log) as log:
        build_once(find_place(options.output), build, log)
