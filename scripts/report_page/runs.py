"""Provenance of the results: versions, digests of the inputs, and the time that each stage took."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lib.levels import CELLPROFILER, NETWORK
from lib.plates import source
from lib.provenance import PROVENANCE_KEY, digest
from lib.summary import SCORES
from report_page.results import Results
from report_page.sentences import Provenances


def read_provenance_of(file: str | Path) -> dict[str, Any]:
    """Return a Parquet file's provenance; empty if it is missing or not written by the workflow."""
    if not Path(file).is_file():
        return {}
    metadata = pq.read_schema(file).metadata or {}
    return json.loads(metadata.get(PROVENANCE_KEY, b"{}"))


def collect_provenances(results: Results, plates: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the provenance of every plate's tables by file; `plates` is their part of the manifest."""
    files = [file for plate in plates for file in (*plate["cells"].values(), *plate["profiles"].values())]
    found = {file: read_provenance_of(results.path(file)) for file in results.existing(files)}
    return {file: made_by for file, made_by in found.items() if made_by}


def get_computed_levels(
    plates: Sequence[Mapping[str, Any]], made: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[Mapping[str, Any]]]:
    """Return provenances by level, for levels that were computed and not given as published profiles.

    Those of single cells are under `single_cells`, those of their embeddings under `network`.
    """
    of_cells = {CELLPROFILER: "single_cells", NETWORK: "network"}
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for plate in plates:
        for features, file in plate["cells"].items():
            if file in made:
                found[of_cells[features]].append(made[file])
        for level, file in plate["profiles"].items():
            if file in made and plate["plate"].get("level") != level:
                found[level].append(made[file])
    return dict(found)


def count_published_features(results: Results, plates: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Return the number of features of each plate that starts with profiles, by the level of these."""
    found: dict[str, list[int]] = defaultdict(list)
    for plate in plates:
        level = plate["plate"].get("level") if source(plate["plate"]) == "profiles" else None
        if level and (file := plate["profiles"].get(level)) and results.has(file):
            names = pq.read_schema(results.path(file)).names
            found[level].append(sum(not name.startswith("Metadata_") for name in names))
    return dict(found)


def find_computed_metrics(
    results: Results, metrics: Mapping[str, Provenances], scores: Mapping[str, str]
) -> dict[str, Provenances]:
    """Return the provenances of the metrics by name, without a score that no condition has.

    Parameters
    ----------
    results
        The results folder.
    metrics
        The provenances of all tables of each metric.
    scores
        The path of each metric's table of scores.
    """
    found = dict(metrics)
    for metric, file in scores.items():
        column = SCORES[metric][0] if metric in SCORES else ""
        if metric in found and results.has(file):
            table = pd.read_csv(results.path(file))
            if column in table and table[column].isna().all():
                found[metric] = []
    return found


def get_provenances_of_metrics(
    results: Results, scored: Mapping[str, Sequence[str]]
) -> dict[str, list[Mapping[str, Any]]]:
    """Return provenances of the benchmark's tables by metric."""
    return {
        metric: [
            made_by for file in results.existing(files) if (made_by := read_provenance_of(results.path(file)))
        ]
        for metric, files in scored.items()
    }


def list_versions(provenances: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the workflow and libraries with their versions; several if files were made at several times."""
    found: dict[str, set[str]] = defaultdict(set)
    for made_by in provenances:
        if "workflow" in made_by:
            name, _, version = made_by["workflow"].rpartition(" ")
            found[name].add(version)
        for name, version in made_by.get("libraries", {}).items():
            found[name].add(version)
    return [(name, ", ".join(sorted(found[name]))) for name in sorted(found)]


def list_inputs(files: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return the inputs of each file (by path: its provenance): file, input, SHA-256."""
    return [
        (file, name, digest)
        for file, made_by in files.items()
        for name, digest in sorted(made_by.get("inputs", {}).items())
    ]


def digest_rows(
    results: Results,
    made: Mapping[str, Mapping[str, Any]],
    plates: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    sheet: str,
) -> pd.DataFrame:
    """Return the inputs: one row per file and input, with the input's SHA-256.

    Parameters
    ----------
    results
        The results folder.
    made
        The provenance of each file.
    plates
        The plates' parts of the manifest.
    config
        The complete config.
    sheet
        The sample sheet's path.
    """
    rows = [("config", "the complete config", compute_config_digest(config))]
    if Path(sheet).is_file():
        rows.append(("sample sheet", Path(sheet).name, digest(sheet)))
    tables = results.existing(plate["load_data"] for plate in plates)
    rows += [(file, "names of its images", digest(results.path(file))) for file in tables]
    return pd.DataFrame([*rows, *list_inputs(made)], columns=["file", "input", "sha256"])


def compute_config_digest(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the complete config as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()


def find_outside_inputs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the inputs that no job of the workflow wrote, each once."""
    written = {Path(file).name for file in rows["file"]}
    own = rows["input"].isin(written) | rows["input"].str.endswith(("_dropped.csv", "_Image.parquet"))
    return rows[~own].drop_duplicates(["input", "sha256"])


def run_times(folder: str | Path) -> pd.DataFrame:
    """Return one row per stage, from its jobs' benchmark files: jobs, seconds, CPU seconds, peak memory."""
    rows = []
    for stage in sorted(path for path in Path(folder).glob("*") if path.is_dir() and path.name != "report"):
        tables = [read_benchmark(file) for file in sorted(stage.rglob("*.tsv"))]
        table = pd.concat(tables) if tables else pd.DataFrame()
        if not table.empty:
            seconds = table["s"]
            rows.append(
                (
                    stage.name,
                    len(table),
                    seconds.sum(),
                    seconds.max(),
                    table["cpu_time"].sum(),
                    table["max_rss"].max(),
                )
            )
    columns = ["stage", "jobs", "seconds", "longest job (s)", "CPU seconds", "largest memory (MB)"]
    return pd.DataFrame(rows, columns=columns)


def read_benchmark(file: Path) -> pd.DataFrame:
    """Return the numbers of one benchmark file; Snakemake writes `-` or `NA` for missing values."""
    table = pd.read_csv(file, sep="\t", na_values=["-", "NA"])
    wanted = ["s", "max_rss", "cpu_time"]
    return table.reindex(columns=wanted).apply(pd.to_numeric, errors="coerce").astype(float)


def get_newest_time(files: Iterable[Path]) -> float | None:
    """Return when the newest of the files was written (seconds since 1970)."""
    times = [file.stat().st_mtime for file in files if file.exists()]
    return max(times, default=None)
