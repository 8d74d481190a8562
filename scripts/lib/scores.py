"""The benchmark's score tables: their layout, and how a score is written."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import join_names, number_of
from lib.provenance import get_left_out, get_record
from lib.tables import get_provenance, write_profiles, write_whole

BOUNDARY = "feature_set"  # the last of the columns that name the condition of a score


def get_condition_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns that name a condition or comparison: those up to `feature_set`."""
    return list(table.columns[: table.columns.get_loc(BOUNDARY) + 1])


def get_condition_label(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return a condition as text, from its columns `names`; of a comparison, both sides (`_a` and `_b`)."""

    def text(chosen: Sequence[str]) -> str:
        known = [name for name in chosen if name != BOUNDARY and row[name]]
        return " ".join(f"{row[n]} h" if n.startswith("timepoint") else str(row[n]) for n in known)

    first = [name for name in names if name.endswith("_a")]
    second = [name for name in names if name.endswith("_b")]
    sides = " × ".join(side for side in (text(first), text(second)) if side)
    rest = text([name for name in names if name not in (*first, *second)])
    return " ".join(part for part in (sides, rest) if part)


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read a score table: the condition's columns as text, the rest as numbers.

    A cell line may be called NA, or be left empty.
    """
    return parse_scores(Path(path).read_text(encoding="utf-8"))


def parse_scores(text: str) -> pd.DataFrame:
    """Read the text of a score table, see `read_scores`."""
    table = pd.read_csv(io.StringIO(text), dtype={"message": str})
    names = get_condition_columns(table)
    written = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, usecols=names)
    return table.assign(**{name: written[name] for name in names})


def add_notes(message: str, notes: Iterable[str]) -> str:
    """Return a score's `message` with further sentences."""
    return "; ".join(filter(None, [message, *notes]))


def describe_left_out(profiles: Sequence[str]) -> list[str]:
    """Return sentences on features and values that earlier steps left out, one per kind of reason."""
    plates: dict[str, dict[str, None]] = {}
    features: dict[str, dict[str, str]] = {}
    values: list[str] = []
    extreme: list[str] = []
    for path in profiles:
        left_out = get_left_out(path)
        named = [f"{k} ({v})" for k, v in get_record(path, "extreme_features").items()]
        extreme += [f"{Path(path).parent.name} {join_names(named, 3)}"] if named else []
        values += [f"{Path(path).parent.name} {k} ({v})" for k, v in left_out.get("values", {}).items()]
        for name, why in left_out.get("features", {}).items():
            kind = why.split(":")[0]
            plates.setdefault(kind, {})[Path(path).parent.name] = None
            features.setdefault(kind, {}).setdefault(name, f"{name} ({why})")
    kept = [
        "features with extreme values are kept, since the published profiles were normalized and selected "
        f"elsewhere (exclude_features removes them): {join_names(extreme, 3)}"
    ]
    notes = [
        f"{number_of(len(values), 'value')} far beyond all others, taken as missing: {join_names(values, 3)}"
    ]
    return [
        *(kept if extreme else []),
        *(notes if values else []),
        *(
            f"{number_of(len(named), 'feature')} left out on plate {join_names(plates[kind], 5)}: "
            f"{join_names(named.values(), 3)}"
            for kind, named in features.items()
        ),
    ]


def pick_evenly(medians: np.ndarray, most: int = 10_000) -> np.ndarray:
    """Return the medians of a null for its table: all, or `most` evenly spaced ones in ascending order."""
    if len(medians) <= most:
        return medians
    return np.sort(medians)[((np.arange(most) + 0.5) / most * len(medians)).astype(int)]


def write_condition_tables(
    tables: Mapping[str, pd.DataFrame], outputs: Mapping[str, str], head: Mapping[str, Any]
) -> None:
    """Write tables of a condition as CSV, with the columns that name the condition first.

    A column of the sample sheet that is called as one of the table gets the prefix `condition_`.

    Parameters
    ----------
    tables
        The tables by their name among `outputs`.
    outputs
        The files to write.
    head
        The columns of the condition, the feature set last, with their values.
    """
    for name, table in tables.items():
        for position, (column, value) in enumerate(head.items()):
            table.insert(position, f"condition_{column}" if column in table else column, value)
        with write_whole(outputs[name]) as part:
            table.to_csv(part, index=False, float_format="%.6g")


def write_score(
    row: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    outputs: Mapping[str, str],
    head: Mapping[str, Any],
    options: Mapping[str, Any],
    profiles: Sequence[str],
) -> None:
    """Write a score and the tables that it comes from.

    Parameters
    ----------
    row
        The score's row, without the columns of its condition or comparison.
    tables
        Its tables by their name among `outputs`; the condition is written into them as metadata.
    outputs
        The file of the `score` (CSV) and of each table (Parquet).
    head
        The columns of the condition or comparison, the feature set last.
    options
        How it was computed, for the tables' provenance.
    profiles
        The files that it was computed from.
    """
    row = {**row, "message": add_notes(row["message"], describe_left_out(profiles))}
    with write_whole(outputs["score"]) as part:
        pd.DataFrame([{**head, **row}]).to_csv(part, index=False)
    about = {f"Metadata_{name}": value for name, value in head.items()}
    made_by = get_provenance({**head, **options}, profiles)
    for name, table in tables.items():
        write_profiles(table.assign(**about), outputs[name], made_by)
