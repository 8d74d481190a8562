"""What the tests share: where the project and the real data are, and how Snakemake is run."""

import os
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


def snakemake(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on the project as a user would; its output is stdout and stderr together."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", PROJECT / "Snakefile", "--cores", "2"]
    result = subprocess.run(
        [*command, *arguments],
        cwd=PROJECT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "XDG_CACHE_HOME": str(PROJECT / ".snakemake" / "cache")},
    )
    if check and result.returncode:
        raise AssertionError(result.stdout)
    return result


def planned(*arguments: str | Path) -> Counter[str]:
    """How many jobs of each rule a dry run plans."""
    output = snakemake("--dry-run", "--quiet", "host", *arguments).stdout
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


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[[str, Iterable[Iterable[str]]], Path]:
    """Write rows of text as a tab-separated file in the test's folder."""

    def write(name: str, rows: Iterable[Iterable[str]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join("\t".join(row) + "\n" for row in rows))
        return path

    return write
