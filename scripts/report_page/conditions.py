"""The page's content for each condition in each feature set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from report_page.answers import read_answers
from report_page.hits import MOST_HITS, make_hits_table
from report_page.pictures import link_to, make_picture, read_caption, sort_pictures
from report_page.results import Results
from report_page.tables import make_table, read_table

# Further tables of a condition: its part of the manifest, and the title.
ANSWERS = (("doses", "Dose response"), ("clusters", "Clusters"), ("known_pairs", "Known pairs"))


def make_condition_entry(
    results: Results,
    number: int,
    condition: Mapping[str, Any],
    captions: str,
    bytes_allowed: int,
    most_hits: int = MOST_HITS,
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
    most_hits
        How many perturbations the table of hits has at most.
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
        read_table(results, condition[name], f"{identifier}-{name}", title, read_answers)
        for name, title in ANSWERS
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
        "hits": make_hits_table(results, condition["hits"], f"{identifier}-hits", most_hits),
        "answers": [answer for answer in answers if answer is not None],
        "table": table,
    }


def find_condition_pictures(results: Results, condition: Mapping[str, Any]) -> list[str]:
    """Return the existing pictures of a condition."""
    return sort_pictures(results.existing(condition["pictures"]))
