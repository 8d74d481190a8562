"""What most tests share: the paths of the project and of the real data, and how Snakemake is run."""

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
PROJECT = TESTS.parent
SUPPORT = TESTS / "support"
SHARED = PROJECT.parent / "shared" / "data"
READS_ONLY = {"--dry-run", "--summary"}


def snakemake(
    *arguments: str | Path, project: Path = PROJECT, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `project` as a user does; return its stdout and stderr together.

    Nothing is written below the user's checkout: if the results would be there, a dry run uses a copy of the
    project, and any other run is rejected.
    """
    if project == PROJECT and belongs_to_checkout(arguments):
        assert READS_ONLY & set(arguments), f"write below a temporary folder: snakemake {arguments}"
        project = project_without_results()
    python = project / ".venv" / "bin" / "python"
    python = python if python.exists() else Path(sys.executable)
    command = [str(python), "-m", "snakemake", "--cores", "2", *map(str, arguments)]
    result = subprocess.run(command, cwd=project, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and result.returncode:
        raise AssertionError(result.stdout)
    return result


def start_snakemake(*arguments: str | Path, project: Path) -> subprocess.Popen[bytes]:
    """Start Snakemake in `project`, in a separate process group that can be killed."""
    command = [project / ".venv" / "bin" / "python", "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.Popen(
        command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def belongs_to_checkout(arguments: Sequence[str | Path]) -> bool:
    """Return whether the results of these arguments would be below the checkout."""
    if "--directory" in arguments:
        return False
    if "--configfile" not in arguments:
        return True
    config = PROJECT / arguments[arguments.index("--configfile") + 1]
    return config.resolve().is_relative_to(PROJECT)


def copy_of_project(folder: Path, results: Path | None = None) -> Path:
    """Copy the project, and finished results if there are any, to a new folder; file times are kept."""
    folder.mkdir()
    # Python and numba write what they compile under such names first: another process may just rename them.
    unfinished = shutil.ignore_patterns("*.pyc.*", "*.tmp.*")
    for name in ("config", "rules", "scripts", "metadata", "envs", "profiles"):
        shutil.copytree(PROJECT / name, folder / name, symlinks=True, ignore=unfinished)
    for name in ("Snakefile", "pyproject.toml"):
        shutil.copy2(PROJECT / name, folder / name)
    # An environment that is built in the copy is not built again.
    (PROJECT / ".environments").mkdir(exist_ok=True)
    for name in (".venv", ".environments"):
        if (PROJECT / name).exists():
            (folder / name).symlink_to(PROJECT / name)
    if results:
        (folder / "results").mkdir()
        subprocess.run(["cp", "-a", results, folder / "results" / results.name], check=True)
    return folder


@cache
def project_without_results() -> Path:
    """Return a copy of the project for dry runs of the experiments in `config/`; it is removed at the end."""
    folder = tempfile.TemporaryDirectory(prefix="platewise")
    atexit.register(folder.cleanup)
    return copy_of_project(Path(folder.name) / "platewise")


def copy_of_config(name: str, folder: Path) -> Path:
    """Copy an experiment of `tests/configs` to a folder, to which its results are written.

    Returns
    -------
    Path
        The copied config.
    """
    shutil.copytree(TESTS / "configs" / name, folder)
    for file in (folder / "config.yaml", folder / "plates.tsv"):
        text = file.read_text().replace(f"../../../results/{name}", "results")
        file.write_text(text.replace("../../../../shared/data", str(SHARED)))
    return folder / "config.yaml"


def made_once(sessions: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Make a folder once per test session, by the worker process that needs it first.

    Parameters
    ----------
    sessions
        pytest's `tmp_path_factory`.
    name
        The name of the folder.
    make
        Makes it. Where it fails, the other workers fail at once.
    """
    base = sessions.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, state = base / name, base / f"{name}.state"
    with state.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        before = file.read()
        if not before:
            try:
                make(folder)
            except BaseException as error:
                file.write(str(error) or repr(error))
                raise
            file.write("made")
        assert before in ("", "made"), before
    return folder


def planned(*arguments: str | Path, project: Path = PROJECT) -> Counter[str]:
    """Count the jobs of each rule that a dry run plans."""
    output = snakemake("--dry-run", *arguments, project=project).stdout
    if "Nothing to be done" in output:
        return Counter()
    table = output.split("Job stats:")[1].splitlines()
    jobs: Counter[str] = Counter()
    for line in table[3:]:
        words = line.split()
        if len(words) != 2 or words[0] == "total":
            break
        jobs[words[0]] = int(words[1])
    assert jobs, output
    return jobs
