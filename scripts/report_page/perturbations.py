"""The data of a condition in the page: its wells on the maps, its perturbations with scores, and the null."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.repeated_wells import name_with_batch
from report_page.blocks import round_numbers
from report_page.cards import get_clusters, get_doses, get_hits
from report_page.results import Results
from report_page.tables import read_csv

BINS = 60
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


def get_condition(
    results: Results,
    identifier: str,
    condition: Mapping[str, Any],
    plates: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    """Return the data of a condition in one feature set.

    Parameters
    ----------
    results
        The results folder.
    identifier
        The condition's id in the page.
    condition
        Its part of the manifest.
    plates
        The id of each plate in the page, by batch and plate.
    """
    ids = name_plates(condition["keys"], plates)
    return {
        "id": identifier,
        "name": condition["name"],
        "label": condition["label"],
        "feature_set": condition["feature_set"],
        "plates": list(ids.values()),
        **get_points(results, condition, ids),
        "perturbations": get_perturbations(results, condition),
        "null": get_null(results, condition),
        "hits": get_hits(results, condition["hits"]),
        "clusters": get_clusters(results, condition["clusters"]),
        "doses": get_doses(results, condition, ids),
        "changes": get_changes(results, condition),
    }


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


def get_points(results: Results, condition: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the wells on the maps (plate, well, coordinates) and each component's share of the variance."""
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
    return {
        "points": {
            "plate": table["Metadata_Plate"].map(ids).tolist(),
            "well": table["Metadata_Well"].tolist(),
            "axes": {name: round_numbers(table[name]) for name in axes},
        },
        "shares": shares,
    }


def get_perturbations(results: Results, condition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the perturbations with their scores, best first; names of the page, missing values left out."""
    if not results.has(condition["perturbations"]):
        return []
    table = pd.read_parquet(results.path(condition["perturbations"]))
    table = table.sort_values("median_correlation", ascending=False, kind="stable")
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


def get_changes(results: Results, condition: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what changed: the median |z| of each group of features, for each perturbation."""
    if not results.has(condition["changes"]):
        return None
    table = read_csv(results.path(condition["changes"]), ("perturbation", "channel"))
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


def get_matches(results: Results, files: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return the pairs of one gene across two conditions, with their correlation and q-value."""
    found = []
    for file in files:
        if not results.has(file["pairs"]):
            continue
        table = pd.read_parquet(results.path(file["pairs"]))
        q_values = table.get("q_value_right", pd.Series(np.nan, index=table.index))
        found.append(
            {
                "label": file["label"],
                "a": table["perturbation_a"].astype(str).tolist(),
                "b": table["perturbation_b"].astype(str).tolist(),
                "genes": table["genes"].map(format_genes).tolist(),
                "correlation": round_numbers(table["median_correlation"], 3),
                "q": round_numbers(q_values, 3),
            }
        )
    return found


def format_genes(genes: Any) -> str:
    """Return the genes of a pair as text."""
    return genes if isinstance(genes, str) else ", ".join(map(str, genes))
