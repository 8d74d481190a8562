"""The page's content for each condition in each feature set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lib.scores import BOUNDARY
from report_page.pictures import link_to, make_picture, read_caption, sort_pictures
from report_page.results import Results
from report_page.tables import Table, make_table

ANSWERS = (
    ("hits", "Hits"),
    ("doses", "Dose response"),
    ("clusters", "Clusters"),
    ("known_pairs", "Known pairs"),
)
# Columns of names, which may look like numbers; those with these endings are numbers.
AS_TEXT = (
    "name",
    "compound",
    "unit",
    "most_sensitive",
    "message",
    "Metadata_",
    "neighbor_",
    "strongest_",
    "class",
    "members",
    "active_rule",
)
NUMBERS = ("_cosine", "_score", "perturbations", "_sharing")


def make_condition_entry(
    results: Results, number: int, condition: Mapping[str, Any], captions: str, bytes_allowed: int
) -> dict[str, Any]:
    """Return the content for one condition in one feature set.

    Parameters
    ----------
    results
        The results folder.
    number
        The condition's number on the page, from 1.
    condition
        The condition's part of the manifest.
    captions
        The folder of the captions.
    bytes_allowed
        How many bytes a picture may have.
    """
    feature_set, label = condition["feature_set"], condition["label"]
    wildcards = {"condition": label, "feature_set": feature_set}
    identifier = f"condition-{number}"
    table = None
    if results.has(condition["perturbations"]):
        frame = pd.read_parquet(results.path(condition["perturbations"]))
        frame = frame.sort_values("median_correlation", ascending=False, kind="stable")
        about = [f"Metadata_{column}" for column in (*condition["columns"], "feature_set")]
        frame = frame.drop(columns=[column for column in about if column in frame]).dropna(axis=1, how="all")
        link = link_to(condition["null"]) if results.has(condition["null"]) else ""
        table = make_table(frame, f"{identifier}-perturbations", "Perturbations", link)
    answers = [
        found
        for name, title in (
            ("hits", "Hits"),
            ("doses", "Dose response"),
            ("clusters", "Clusters"),
            ("known_pairs", "Known pairs"),
        )
        if (found := make_answer_table(results, condition[name], f"{identifier}-{name}", title)) is not None
    ]
    return {
        "id": identifier,
        "name": condition["name"],
        "label": label,
        "feature_set": feature_set,
        "plates": condition["plates"],
        "pictures": [
            make_picture(results, file, read_caption(captions, Path(file).stem, wildcards), bytes_allowed)
            for file in find_condition_pictures(results, condition)
        ],
        "answers": answers,
        "table": table,
    }


def make_answer_table(results: Results, file: str, identifier: str, title: str) -> Table | None:
    """Return the table of a condition's hits or clusters without the columns that name the condition.

    Parameters
    ----------
    results
        The results folder.
    file
        The table's path in the results.
    identifier
        The table's identifier on the page.
    title
        The table's title.

    Returns
    -------
    Table or None
        None if the table is missing or has no rows.
    """
    if not results.has(file):
        return None
    frame = read_answers(results.path(file))
    return make_table(frame, identifier, title, link_to(file)) if len(frame) else None


def count_hits(results: Results, conditions: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count the perturbations with a call, the active ones and the toxic ones in the first feature set."""
    numbers = dict.fromkeys(("called", "active", "toxic"), 0)
    for condition in conditions:
        if condition["feature_set"] == conditions[0]["feature_set"] and results.has(condition["hits"]):
            calls = pd.read_csv(
                results.path(condition["hits"]), usecols=lambda name: name in ("active", "toxic"), dtype=str
            )
            numbers["called"] += int(calls["active"].notna().sum())
            for name in set(calls):
                numbers[name] += int((calls[name] == "True").sum())
    return numbers


def read_answers(file: Path) -> pd.DataFrame:
    """Read a table of hits or clusters: names and annotation as text, without empty columns."""
    names = list(pd.read_csv(file, nrows=0))
    text = [name for name in names if name.startswith(AS_TEXT) and not name.endswith(NUMBERS)]
    frame = pd.read_csv(file, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""])
    frame = frame[names[names.index(BOUNDARY) + 1 :]].dropna(axis=1, how="all")
    for name in frame.select_dtypes("float"):
        frame[name] = frame[name].map(lambda value: value if pd.isna(value) else float(f"{value:.3g}"))
    return frame.replace({"True": True, "False": False})


def find_condition_pictures(results: Results, condition: Mapping[str, Any]) -> list[str]:
    """Return the existing pictures of a condition."""
    return sort_pictures(results.existing(condition["pictures"]))
