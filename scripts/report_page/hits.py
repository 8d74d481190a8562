"""The page's answers: what each perturbation of a condition does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from lib.perturbation_names import name_perturbations
from report_page.answers import read_answers
from report_page.pictures import link_to
from report_page.results import Results
from report_page.tables import Table, make_table

# Rows of the tables of hits: of one table at most, and of all tables of the page together.
MOST_HITS, MOST_HITS_OF_PAGE = 1000, 4000
LONGEST = 60  # characters of a name beside that of the perturbation
GENES = ("Metadata_gene", "Metadata_target")
# The columns that the page shows, with their names in the page: first the answers, then the numbers behind
# them. The file has the others.
SHOWN = {
    "active": "active",
    "toxic": "toxic",
    "strongest_1": "strongest change",
    "strongest_1_score": "strength",
    "neighbor_1": "nearest neighbor",
    "neighbor_1_cosine": "cosine",
    "cluster": "cluster",
    "average_precision": "average precision",
    "median_correlation": "replicate correlation",
    "cells": "cells per well",
}


@dataclass(frozen=True)
class Hits:
    """The hits of a condition: their table, and how many perturbations are called, active and toxic.

    `counted` is the number of perturbations of which it is known whether they are toxic.
    """

    table: Table
    called: int
    active: int
    toxic: int
    counted: int


def make_hits_table(results: Results, file: str, identifier: str, most: int = MOST_HITS) -> Hits | None:
    """Return what each perturbation of a condition does, in the order of the file: active ones first.

    Parameters
    ----------
    results
        The results folder.
    file
        The path of the condition's hits in the results.
    identifier
        The table's identifier on the page.
    most
        How many perturbations the table has at most.

    Returns
    -------
    Hits or None
        None if the hits are missing or there are no perturbations.
    """
    if not results.has(file):
        return None
    hits = read_answers(results.path(file))
    if hits.empty:
        return None
    table = make_table(list_columns(hits), identifier, "What each perturbation does", link_to(file), most)
    return Hits(
        replace(table, notes=explain_calls(hits)),
        called=int(hits["active"].notna().sum()) if "active" in hits else 0,
        active=count_true(hits, "active"),
        toxic=count_true(hits, "toxic"),
        counted=int(hits["toxic"].notna().sum()) if "toxic" in hits else 0,
    )


def list_columns(hits: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a table of hits that the page shows, with the names that people know."""
    columns = {"perturbation": hits["name"]}
    names = hits["name"].map(name_perturbations(hits, "name"))
    genes = [name for name in GENES if name in hits]
    if len(genes) == 2 and hits[genes[0]].equals(hits[genes[1]]):
        genes.pop()
    if "Metadata_pert_iname" in hits and (names != hits["name"]).any():
        columns["name"] = names.map(shorten)
    columns |= {name.removeprefix("Metadata_"): hits[name] for name in genes}
    if "active_rule" in hits and "active" not in hits:
        hits = hits.assign(active="no call")  # an empty column is not read
    columns |= {title: hits[name] for name, title in SHOWN.items() if name in hits}
    if "neighbor_1" in hits and "neighbor_1_name" in hits:
        columns[SHOWN["neighbor_1"]] = hits["neighbor_1_name"].fillna(hits["neighbor_1"])
    if "neighbor_1" in hits:
        columns[SHOWN["neighbor_1"]] = columns[SHOWN["neighbor_1"]].map(shorten)
    return pd.DataFrame(columns)


def shorten(name: Any) -> Any:
    """Return a name that is no longer than fits into a cell of the table."""
    return f"{name[: LONGEST - 1]}…" if isinstance(name, str) and len(name) > LONGEST else name


def explain_calls(hits: pd.DataFrame) -> list[str]:
    """Return what decided whether a perturbation is active: each rule, and what its numbers mean."""
    notes = []
    if "active_rule" in hits:
        counts = hits["active_rule"].value_counts()
        rules = [rule if len(counts) == 1 else f"{rule} ({count:,})" for rule, count in counts.items()]
        notes.append(f"Active: {'; '.join(rules)}.")
        if "toxic" not in hits:
            notes.append("Toxicity is not known, because the profiles have no numbers of cells.")
    if "strongest_1" in hits:
        notes.append(
            "Strongest change: the group of features that differs most from the negative controls. Strength: "
            "how many standard deviations this difference is above that of sets of as many controls (below "
            "2, it may be chance; it is in the hundreds where controls hardly differ from each other)."
        )
    elif "neighbor_1" in hits:
        notes.append(
            "These features are components, or have names that do not say what was measured, so that no "
            "strongest change is given: see another feature set, or the level from which this one is made."
        )
    if "neighbor_1" in hits:
        notes.append("Nearest neighbor: by cosine of the consensus profiles.")
    return notes


def count_true(hits: pd.DataFrame, name: str) -> int:
    """Count the perturbations for which a call is true."""
    return int((hits[name].astype(str) == "True").sum()) if name in hits else 0


def count_hits(entries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count the perturbations with a call, and the active and toxic ones, in the first feature set.

    `entries` is the page's content for each condition.
    """
    numbers = dict.fromkeys(("called", "active", "toxic", "counted"), 0)
    for entry in entries:
        if entry["feature_set"] == entries[0]["feature_set"] and entry["hits"] is not None:
            for name in numbers:
                numbers[name] += getattr(entry["hits"], name)
    return numbers
