"""The page's content for each condition in each feature set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from report_page.pictures import caption_of, link_to, ordered, picture
from report_page.results import Results
from report_page.tables import table_of


def condition_entry(
    results: Results, number: int, condition: Mapping[str, Any], captions: str, bytes_allowed: int
) -> dict[str, Any]:
    """Return the content for one condition in one feature set; `condition` is its part of the manifest."""
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
        table = table_of(frame, f"{identifier}-perturbations", "Perturbations", link)
    return {
        "id": identifier,
        "name": condition["name"],
        "label": label,
        "feature_set": feature_set,
        "plates": condition["plates"],
        "pictures": [
            picture(results, file, caption_of(captions, Path(file).stem, wildcards), bytes_allowed)
            for file in condition_pictures(results, condition)
        ],
        "table": table,
    }


def condition_pictures(results: Results, condition: Mapping[str, Any]) -> list[str]:
    """Return the existing pictures of a condition."""
    return ordered(results.existing(condition["pictures"]))
