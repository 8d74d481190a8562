"""What made the results: versions, digests of what went in, and the time that each stage took."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lib.tables import PROVENANCE_KEY


def provenance_of(file: str | Path) -> dict[str, Any]:
    """The provenance in a Parquet file; empty where it is missing or was not written by the workflow."""
    if not Path(file).is_file():
        return {}
    metadata = pq.read_schema(file).metadata or {}
    return json.loads(metadata.get(PROVENANCE_KEY, b"{}"))


def versions(provenances: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The workflow and the libraries with their versions; several where files were made at several times."""
    found: dict[str, set[str]] = defaultdict(set)
    for made_by in provenances:
        if "workflow" in made_by:
            name, _, version = made_by["workflow"].rpartition(" ")
            found[name].add(version)
        for name, version in made_by.get("libraries", {}).items():
            found[name].add(version)
    return [(name, ", ".join(sorted(found[name]))) for name in sorted(found)]


def input_digests(files: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """For each file (by path: its provenance) what went into it: file, input, SHA-256."""
    return [
        (file, name, digest)
        for file, made_by in files.items()
        for name, digest in sorted(made_by.get("inputs", {}).items())
    ]


def run_times(folder: str | Path = "benchmarks") -> list[dict[str, Any]]:
    """Jobs, seconds, CPU seconds and largest memory (MB) of each stage, from its jobs' benchmark files."""
    rows = []
    for stage in sorted(path for path in Path(folder).glob("*") if path.is_dir() and path.name != "report"):
        tables = [read_benchmark(file) for file in sorted(stage.rglob("*.tsv"))]
        table = pd.concat(tables) if tables else pd.DataFrame()
        if table.empty:
            continue
        rows.append(
            {
                "stage": stage.name,
                "jobs": len(table),
                "seconds": table["s"].sum(),
                "longest": table["s"].max(),
                "cpu": table["cpu_time"].sum(),
                "memory": table["max_rss"].max(),
            }
        )
    return rows


def read_benchmark(file: Path) -> pd.DataFrame:
    """The numbers of one benchmark file; Snakemake writes `-` or `NA` where it could not measure."""
    table = pd.read_csv(file, sep="\t", na_values=["-", "NA"])
    wanted = ["s", "max_rss", "cpu_time"]
    return table.reindex(columns=wanted).apply(pd.to_numeric, errors="coerce").astype(float)


def newest(files: Sequence[str]) -> float | None:
    """When the newest of the files was written (seconds since 1970)."""
    times = [Path(file).stat().st_mtime for file in files if Path(file).exists()]
    return max(times, default=None)
