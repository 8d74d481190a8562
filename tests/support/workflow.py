"""Where the project and the real data are, and how Snakemake is run: what most tests share."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PROJECT = TESTS.parent
SUPPORT = TESTS / "support"
SHARED = PROJECT.parent / "shared" / "data"


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
    """Copy the project, and finished results if there are any, to a new folder; file times are kept."""
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
