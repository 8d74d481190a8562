"""Write the versions of the locks into the conda environments.

python tests/support/conda_environments.py
"""

import re
import tomllib
from pathlib import Path

ENVIRONMENTS = Path(__file__).resolve().parents[2] / "envs"
# Packages that have another name in conda than in Python's index.
CONDA_NAMES = {"matplotlib-base": "matplotlib", "snakemake-minimal": "snakemake", "pytorch": "torch"}
# Not Python packages; and CellProfiler, whose version 4.2.8.1 conda does not have.
NOT_LOCKED = {"python", "openjdk", "pip", "cellprofiler"}
ENTRY = re.compile(r"^(?P<indent> +- )(?P<name>[a-z][\w-]*)(?P<version> ?=.*)?$", re.MULTILINE)


def versions_of_project() -> dict[str, str]:
    """Return the newest version of each package in `uv.lock`, which has older ones for Python 3.11."""
    with (ENVIRONMENTS.parent / "uv.lock").open("rb") as file:
        packages = tomllib.load(file)["package"]
    return {package["name"]: package["version"] for package in packages if "version" in package}


def versions_of_lock(name: str) -> dict[str, str]:
    """Return the newest version of each package in a lock of `envs/`."""
    return dict(re.findall(r"^([\w.-]+)==([\w.+]+)", (ENVIRONMENTS / name).read_text(), re.MULTILINE))


LOCKS = {
    "platewise.yaml": versions_of_project,
    "embeddings.yaml": lambda: versions_of_lock("embeddings.txt"),
    "harmony.yaml": lambda: versions_of_lock("harmony.txt"),
    "onnx.yaml": lambda: versions_of_lock("onnx.txt"),
    "segmentation.yaml": lambda: versions_of_lock("segmentation.txt"),
    "stardist.yaml": lambda: versions_of_lock("stardist.txt"),
    "cellprofiler.yaml": lambda: versions_of_lock("cellprofiler.txt"),
}


def names_of(text: str) -> set[str]:
    """Return the Python packages of a conda environment by their names in Python's index."""
    names = {entry["name"] for entry in ENTRY.finditer(text.split("dependencies:")[1])}
    return {CONDA_NAMES.get(name, name) for name in names - NOT_LOCKED}


def with_versions(text: str, versions: dict[str, str]) -> str:
    """Return a conda environment whose packages have the versions of the lock."""
    head, dependencies = text.split("dependencies:\n")
    piped = False

    def pinned(entry: re.Match) -> str:
        nonlocal piped
        name = entry["name"]
        piped = piped or len(entry["indent"]) > 4
        if name in NOT_LOCKED:
            return entry[0]
        version = versions[CONDA_NAMES.get(name, name)]
        return f"{entry['indent']}{name}{'==' if piped else ' ='}{version}"

    return f"{head}dependencies:\n{ENTRY.sub(pinned, dependencies)}"


if __name__ == "__main__":
    for name, versions in LOCKS.items():
        file = ENVIRONMENTS / name
        file.write_text(with_versions(file.read_text(), versions()))
