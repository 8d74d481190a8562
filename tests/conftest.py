"""What the tests share: where the project and the real data are, and how Snakemake is run."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SHARED = PROJECT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data beside the project; tests that need it are skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip(f"the real data of this test are not at {SHARED}")
    return SHARED


def snakemake(
    *arguments: str | Path, project: Path = PROJECT, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `project` as a user would; its output is stdout and stderr together."""
    python = project / ".venv" / "bin" / "python"
    command = [python if python.exists() else sys.executable, "-m", "snakemake", "--cores", "2"]
    result = subprocess.run(
        [*command, *arguments],
        cwd=project,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if check and result.returncode:
        raise AssertionError(result.stdout)
    return result


def copy_of_project(folder: Path, results: Path | None = None) -> Path:
    """The project copied to a folder that is made, with finished results; times of files kept."""
    folder.mkdir()
    for name in ("Snakefile", "pyproject.toml", "config", "rules", "scripts", "metadata", "envs", "profiles"):
        subprocess.run(["cp", "-a", PROJECT / name, folder / name], check=True)
    for name in (".venv", ".environments"):
        if (PROJECT / name).exists():
            (folder / name).symlink_to(PROJECT / name)
    if results:
        (folder / "results").mkdir()
        subprocess.run(["cp", "-a", results, folder / "results" / results.name], check=True)
    return folder


def planned(*arguments: str | Path, project: Path = PROJECT) -> Counter[str]:
    """How many jobs of each rule a dry run plans."""
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


@pytest.fixture(scope="session")
def cellprofiler_environment() -> Path:
    """The folder of CellProfiler's environment, which the workflow builds when it is not there yet."""
    snakemake("--until", "cellprofiler_environment")
    (ready,) = (PROJECT / ".environments").glob("cellprofiler-*/complete.json")
    return ready.parent


@pytest.fixture(scope="session")
def default_results() -> Path:
    """The results of the default experiment: run now, or already there when nothing is to be done."""
    snakemake()
    return PROJECT / "results" / "default"


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[[str, Iterable[Iterable[str]]], Path]:
    """Write rows of text as a tab-separated file in the test's folder."""

    def write(name: str, rows: Iterable[Iterable[str]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join("\t".join(row) + "\n" for row in rows))
        return path

    return write
