"""Provenance of a file: workflow version, parameters, library versions, digests of the inputs.

It does not use pandas, which takes longer to import than a small plate's embeddings take to read.
"""

import hashlib
import importlib.metadata
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

PROVENANCE_KEY = b"platewise"
LIBRARIES = ("numpy", "pandas", "polars", "pyarrow", "pycytominer", "snakemake")
WORKFLOW = Path(__file__).resolve().parents[2]


def digest(path: str | Path) -> str:
    """Return SHA-256 of a file's bytes, or of a folder's file names and sizes (images are not re-read)."""
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listing = "\n".join(f"{file.relative_to(path)}\t{file.stat().st_size}" for file in files)
        return hashlib.sha256(listing.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def get_provenance(
    parameters: Mapping[str, Any], inputs: Iterable[str | Path], libraries: Iterable[str] = LIBRARIES
) -> dict[str, Any]:
    """Return a table's provenance: workflow version, step's parameters, library versions, input digests.

    Inputs are identified only by their file name, so that the same inputs give the same bytes wherever
    the experiment is.
    """
    project = tomllib.loads((WORKFLOW / "pyproject.toml").read_text())["project"]
    return {
        "workflow": f"{project['name']} {project['version']}",
        "parameters": dict(parameters),
        "libraries": {name: importlib.metadata.version(name) for name in libraries},
        "inputs": {Path(path).name: digest(path) for path in inputs},
    }


def add_left_out(
    made_by: Mapping[str, Any],
    source: str | Path,
    features: Mapping[str, str] | None = None,
    wells: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Add what was left out of the profiles because of their values to `made_by`, for every later step.

    Parameters
    ----------
    made_by : the provenance of the profiles.
    source : the profiles that they were made from, whose own record is kept.
    features, wells : what this step leaves out, with the reason.
    values : the single values that it takes as missing, by well and feature.

    Returns
    -------
    `made_by` itself if neither this step nor an earlier one left anything out.
    """
    before = get_left_out(source)
    found = {
        "features": {**before.get("features", {}), **(features or {})},
        "wells": {**before.get("wells", {}), **(wells or {})},
        "values": {**before.get("values", {}), **(values or {})},
    }
    found = {kind: names for kind, names in found.items() if names}
    return {**made_by, **({"left_out": found} if found else {})}


def get_left_out(path: str | Path) -> dict[str, dict[str, str]]:
    """Return what `add_left_out` wrote into a file of profiles (feature, well or value: reason)."""
    return get_record(path, "left_out")


def get_record(path: str | Path, key: str) -> dict[str, Any]:
    """Return one entry of the provenance in a file of profiles; empty if it has none."""
    if not str(path).endswith(".parquet"):
        return {}
    metadata = pq.read_schema(path).metadata or {}
    return json.loads(metadata.get(PROVENANCE_KEY, b"{}")).get(key, {})


def get_provenance_metadata(made_by: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Return `get_provenance(...)` as key-value metadata of a Parquet schema."""
    return {PROVENANCE_KEY: json.dumps(made_by, sort_keys=True, default=str).encode()}


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Return the provenance written into a Parquet file of the workflow."""
    return json.loads(pq.read_schema(path).metadata[PROVENANCE_KEY])
