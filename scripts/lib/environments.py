"""Build a Python environment of its own for a stage: its steps, each with its last words in the log."""

import argparse
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from lib.cellprofiler import logged_to
from lib.errors import InputError

MARKER = "complete.json"  # written last: it says that an environment is whole
LOCKS = Path(__file__).resolve().parents[2] / "envs"


def clean_variables() -> dict[str, str]:
    """The environment variables without those of the workflow's own Python, which steer another one."""
    variables = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT"):
        variables.pop(name, None)
    return variables


def make_way(folder: Path) -> None:
    """Wipe an environment that is there already; InputError when the folder holds anything else."""
    if folder.exists():
        names = {path.name for path in folder.iterdir()}
        if names and not names & {"pyvenv.cfg", MARKER}:
            raise InputError(f"{folder} holds something else than an environment; move it away.")
        shutil.rmtree(folder)


def step(about: str, arguments: Sequence[str], variables: Mapping[str, str], log: IO[str]) -> None:
    """Run one command of the build; InputError with its last words where it fails."""
    log.write(" ".join(arguments) + "\n")
    log.flush()
    done = subprocess.run(arguments, env=variables, stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        said = Path(log.name).read_text(errors="replace").splitlines()[-25:]
        raise InputError(
            f"{about} cannot be built: `{' '.join(arguments)}` failed. Its last words in {log.name}:\n"
            + "\n".join(said)
        )


def build_once(folder: Path, build: Callable[[Path, IO[str]], None], log: IO[str]) -> None:
    """Build an environment, unless another run that started at the same time has built it meanwhile.

    Two experiments share the environments of their checkout, each run in a results folder and under a lock of
    its own.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / MARKER).exists():
            log.write(f"{folder} was built by another run\n")
        else:
            build(folder, log)


def build_as_script(description: str, build: Callable[[Path, IO[str]], None]) -> None:
    """Run a script that does no more than `build(folder, log)`, with its options --output and --log."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True, help="the environment's folder")
    options = parser.parse_args()
    with logged_to(options.log) as log:
        # Not resolve(): an environment lies where its user sees it. Without `..`: the results folder that a
        # relative path begins in would stand in the first line of each of its commands, and may be deleted.
        build_once(Path(os.path.normpath(Path(options.output).absolute())), build, log)
