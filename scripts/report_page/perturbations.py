"""The data of a condition in the page: its wells on the maps, its perturbations with scores, and the null."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.places import place
from lib.repeated_wells import name_with_batch
from report_page.blocks import format_block, round_numbers
from report_page.cards import get_clusters, get_doses, get_hits, read_hits
from report_page.chosen import (
    BYTES_OF_PERTURBATIONS,
    MOST_DOSE_WELLS,
    MOST_POINTS,
    Choice,
    choose_names,
    count_rows_of,
    describe_choice,
    find_named,
    share_out,
)
from report_page.pictures import link_to
from report_page.results import CANNOT_BE_READ, Results
from report_page.tables import read_csv, read_csv_in_parts

BINS = 60
MEASURED = 300  # perturbations whose bytes are measured
BYTES_OF_VALUE = 6  # of a group of features, in what changed
CHUNK = 50_000  # rows of a table that are read at once
YES_NO = {True: "yes", False: "no"}  # how a call is written; one that could not be made is left out
# The columns of the tables of perturbations that the page shows, by their names in the page.
SCORES = {
    "replicates": "Replicates",
    "median_correlation": "Replicate correlation (median)",
    "threshold": "Threshold",
    "p_value": "p-value",
    "q_value": "q-value",
    "position_aware_q_value": "q-value, position-aware",
}
PRECISION = {"average_precision": "Average precision", "q_value": "q-value of average precision"}
ABOUT = ("Metadata_pert_iname", "Metadata_gene", "Metadata_target", "Metadata_control_type")


@dataclass(frozen=True)
class Room:
    """What a condition may have of the page: bytes of its perturbations, points, and wells with doses."""

    bytes: int
    points: int
    dose_wells: int


def get_conditions(
    results: Results,
    conditions: Sequence[Mapping[str, Any]],
    plates: Mapping[tuple[str, str], str],
    named: int,
    without: Collection[str] = (),
) -> dict[str, dict[str, Any]]:
    """Return the data of each condition by its id in the page; one that cannot be read has none.

    Parameters
    ----------
    results
        The results folder.
    conditions
        The conditions' parts of the manifest.
    plates
        The id of each plate in the page, by batch and plate.
    named
        How many perturbations the figure of what changed names.
    without
        The ids of plates whose wells the page does not have.
    """

    def count(condition: Mapping[str, Any], *tables: tuple[str, str]) -> int:
        try:
            return max(count_rows_of(results, condition[table], column) for table, column in tables)
        except CANNOT_BE_READ:
            return 0

    perturbations = [count(each, ("hits", "name"), ("perturbations", "perturbation")) for each in conditions]
    points = share_out([count(each, ("coordinates", "Metadata_Well")) for each in conditions], MOST_POINTS)
    dose_wells = share_out(
        [count(each, ("dose_wells", "Metadata_Well")) for each in conditions], MOST_DOSE_WELLS
    )
    found: dict[str, dict[str, Any]] = {}
    left = BYTES_OF_PERTURBATIONS
    # the smallest first: what they do not need is left to the larger ones
    order = sorted(range(len(conditions)), key=perturbations.__getitem__)
    for done, at in enumerate(order):
        room = Room(left // (len(order) - done), points[at], dose_wells[at])
        identifier = f"condition-{at + 1}"
        try:
            data, used = get_condition(results, identifier, conditions[at], plates, room, named, without)
        except CANNOT_BE_READ:
            logging.exception("the profiles of %s are not shown", conditions[at]["label"])
            continue
        found[identifier] = data
        left -= used
    return {name: found[name] for number in range(len(order)) if (name := f"condition-{number + 1}") in found}


def get_condition(
    results: Results,
    identifier: str,
    condition: Mapping[str, Any],
    plates: Mapping[tuple[str, str], str],
    room: Room,
    named: int = 0,
    without: Collection[str] = (),
) -> tuple[dict[str, Any], int]:
    """Return the data of a condition in one feature set, and about how many bytes its perturbations take.

    Parameters
    ----------
    results
        The results folder.
    identifier
        The condition's id in the page.
    condition
        Its part of the manifest.
    plates, named, without
        Those of `get_conditions`.
    room
        What it may have of the page.
    """
    ids = name_plates(condition["keys"], plates)
    shown = {name: plate for name, plate in ids.items() if plate not in without}
    hits, scores = read_hits(results, condition["hits"]), read_scores_of(results, condition)
    each = measure_bytes(results, condition, hits, scores)
    figures = find_named(results, condition, scores, named)
    choice = choose_names(hits, scores["perturbation"].astype(str).tolist(), figures, int(room.bytes / each))
    names = choice.names
    kept = hits if names is None else hits[hits["name"].isin(names)]
    data = {
        "id": identifier,
        "name": condition["name"],
        "label": condition["label"],
        "feature_set": condition["feature_set"],
        "plates": list(ids.values()),
        **get_points(results, condition, shown, room.points),
        "perturbations": get_perturbations(results, condition, scores, names),
        "null": get_null(results, condition),
        "hits": get_hits(kept),
        "clusters": get_clusters(results, condition["clusters"]),
        "doses": get_doses(results, condition, shown, room.dose_wells),
        "changes": get_changes(results, condition, names),
    }
    if names is not None:
        data |= describe_left_out(results, condition, choice, hits, kept, scores)
        used = {str(int(hit["cluster"])) for hit in data["hits"].values() if "cluster" in hit}
        data["clusters"] = {name: rows for name, rows in data["clusters"].items() if name in used}
    return data, int(each * (choice.total if names is None else len(names)))


def describe_left_out(
    results: Results,
    condition: Mapping[str, Any],
    choice: Choice,
    hits: pd.DataFrame,
    kept: pd.DataFrame,
    scores: pd.DataFrame,
) -> dict[str, Any]:
    """Return what the page says of a condition of which it has some of the perturbations.

    These are the sentence on them and the table of all, the rank of each scored perturbation among all, and
    the size of each cluster.

    Parameters
    ----------
    results
        The results folder.
    condition
        The condition's part of the manifest.
    choice
        The perturbations that the page has.
    hits, kept
        The table of hits, and those of its rows that the page has.
    scores
        The scored perturbations, best first.
    """
    tables = results.existing([place("hits"), condition["hits"], condition["perturbations"]])
    scored = scores["median_correlation"].notna().to_numpy()
    chosen = scores["perturbation"].isin(choice.names or ()).to_numpy()
    sizes = hits["cluster"].value_counts() if "cluster" in hits else {}
    used = kept["cluster"].dropna().unique() if "cluster" in kept else ()
    return {
        "left_out": {
            "text": describe_choice(choice, hits),
            "shown": len(choice.names or ()),
            "total": choice.total,
            "file": Path(tables[0]).name,
            "link": link_to(tables[0]),
            "ranks": np.cumsum(scored)[scored & chosen].tolist(),
            "scored": int(scored.sum()),
            "clusters": {str(int(cluster)): int(sizes[cluster]) for cluster in used},
        }
    }


def measure_bytes(
    results: Results, condition: Mapping[str, Any], hits: pd.DataFrame, scores: pd.DataFrame
) -> float:
    """Measure about how many bytes a perturbation takes in the page, from the first ones of each table.

    Parameters
    ----------
    results
        The results folder.
    condition
        The condition's part of the manifest.
    hits, scores
        Its tables of hits and of scored perturbations.
    """
    rows = get_perturbations(results, condition, scores.head(MEASURED), None)
    found = len(format_block(rows)) / max(1, len(rows))
    known = get_hits(hits.head(MEASURED))
    found += len(format_block(known)) / max(1, len(known))
    if results.has(condition["changes"]):
        table = read_csv(results.path(condition["changes"]), ("perturbation",), rows=CHUNK)
        number = table.groupby("perturbation", sort=False).size().max() if len(table) else 0
        found += BYTES_OF_VALUE * number + table["perturbation"].str.len().max() if number else 0
    return found


def name_plates(keys: Sequence[tuple[str, str]], plates: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """Return the id in the page of each plate of a condition, by its name in the tables of the condition.

    Parameters
    ----------
    keys
        Batch and plate of each plate.
    plates
        The id of each plate in the page, by batch and plate.
    """
    names = Counter(plate for _, plate in keys)
    return {
        name_with_batch(plate, batch) if names[plate] > 1 else plate: plates[batch, plate]
        for batch, plate in keys
    }


def get_points(
    results: Results, condition: Mapping[str, Any], ids: Mapping[str, str], most: int
) -> dict[str, Any]:
    """Return the wells on the maps (plate, well, coordinates) and each component's share of the variance.

    Parameters
    ----------
    results
        The results folder.
    condition
        The condition's part of the manifest.
    ids
        The id of each plate whose wells the page has, by its name.
    most
        How many wells are taken, over the whole table.
    """
    if not results.has(condition["coordinates"]):
        return {"points": None, "shares": {}}
    table = read_csv(results.path(condition["coordinates"]))
    shares = {
        name.removesuffix("_share_of_variance"): round_numbers(table[name].head(1), 3)[0]
        for name in table
        if name.endswith("_share_of_variance")
    }
    axes = [name for name in table if name.startswith(("PC", "UMAP")) and not name.endswith("_variance")]
    table = table[table["Metadata_Plate"].isin(ids)]
    if len(table) > most:
        table = table.iloc[np.linspace(0, len(table) - 1, most).astype(int)]
    return {
        "points": {
            "plate": table["Metadata_Plate"].map(ids).tolist(),
            "well": table["Metadata_Well"].tolist(),
            "axes": {name: round_numbers(table[name]) for name in axes},
        },
        "shares": shares,
    }


def read_scores_of(results: Results, condition: Mapping[str, Any]) -> pd.DataFrame:
    """Read the scored perturbations of a condition, best first; an empty table if there is none."""
    if not results.has(condition["perturbations"]):
        return pd.DataFrame({"perturbation": [], "median_correlation": []})
    table = pd.read_parquet(results.path(condition["perturbations"]))
    return table.sort_values("median_correlation", ascending=False, kind="stable")


def get_perturbations(
    results: Results, condition: Mapping[str, Any], table: pd.DataFrame, names: frozenset[str] | None
) -> list[dict[str, Any]]:
    """Return perturbations with their scores, best first; names of the page, missing values left out.

    Parameters
    ----------
    results
        The results folder.
    condition
        The condition's part of the manifest.
    table
        Its scored perturbations, best first.
    names
        Those that the page has; None for all.
    """
    if names is not None:
        table = table[table["perturbation"].isin(names)]
    if table.empty:
        return []
    rows = [{"name": str(name)} for name in table["perturbation"]]
    for column, name in SCORES.items():
        if column in table:
            add(rows, name, round_numbers(table[column]))
    for column in ABOUT:
        if column in table:
            values = table[column].astype(object).where(table[column].notna(), None)
            add(rows, column.removeprefix("Metadata_"), values.tolist())
    add(rows, "Replicating", [YES_NO.get(value) for value in table["replicating"].astype(object)])
    if results.has(condition["precision"]):
        precise = pd.read_parquet(results.path(condition["precision"])).set_index("perturbation")
        precise = precise.reindex(table["perturbation"])
        for column, name in PRECISION.items():
            if column in precise:
                add(rows, name, round_numbers(precise[column]))
    return rows


def add(rows: Sequence[dict[str, Any]], name: str, values: Sequence[Any]) -> None:
    """Add a value to each row, unless it is missing."""
    for row, value in zip(rows, values, strict=True):
        if value is not None and value != "":
            row[name] = value


def get_null(results: Results, condition: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the null as a histogram: that of the most common number of wells per set; None without one."""
    if not results.has(condition["null_sets"]):
        return None
    table = pd.read_parquet(results.path(condition["null_sets"]))
    table = table[table["null"] == "standard"]
    if table.empty:
        return None
    size = table["wells"].astype(str).mode().iloc[0]
    values = table.loc[table["wells"].astype(str) == size, "median_correlation"].dropna()
    if values.empty:
        return None
    counts, edges = np.histogram(values, BINS)
    return {"wells": size, "edges": round_numbers(edges), "counts": counts.tolist()}


def get_changes(
    results: Results, condition: Mapping[str, Any], names: frozenset[str] | None = None
) -> dict[str, Any] | None:
    """Return what changed: the median |z| of each group of features, for each perturbation in `names`."""
    if not results.has(condition["changes"]):
        return None
    path = results.path(condition["changes"])
    text = ("perturbation", "channel")
    if names is None:
        table = read_csv(path, text)
    else:
        # the table is several times larger than what the page has of it
        parts = read_csv_in_parts(path, text, CHUNK)
        table = pd.concat(part[part["perturbation"].isin(names)] for part in parts)
    if table.empty:
        return None
    keys = ["compartment", "family", "channel"]
    groups = table[[*keys, "features"]].drop_duplicates(keys)
    number = {key: at for at, key in enumerate(groups[keys].itertuples(index=False, name=None))}
    rows: dict[str, list] = {}
    for row in table[["perturbation", *keys, "median_absolute_z"]].itertuples(index=False, name=None):
        values = rows.setdefault(row[0], [None] * len(number))
        values[number[row[1:4]]] = float(f"{row[4]:.3g}") if np.isfinite(row[4]) else None
    return {"groups": groups.to_numpy().tolist(), "perturbations": rows}
