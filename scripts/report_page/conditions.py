"""What the page says of each condition in each feature set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from report_page.pictures import caption_of, link_to, ordered, picture
from report_page.tables import table_of


def condition_entry(
    number: int, feature_set: str, name: str, described: Mapping[str, Any], captions: str, bytes_allowed: int
) -> dict[str, Any]:
    """What the page says of one condition in one feature set."""
    wildcards = {"condition": described["label"], "feature_set": feature_set}
    identifier = f"condition-{number}"
    table = None
    file = f"benchmark/percent_replicating/{feature_set}/{name}_perturbations.parquet"
    if Path(file).is_file():
        frame = pd.read_parquet(file).sort_values("median_correlation", ascending=False, kind="stable")
        about = [f"Metadata_{column}" for column in (*described["columns"], "feature_set")]
        frame = frame.drop(columns=[column for column in about if column in frame]).dropna(axis=1, how="all")
        beside = f"benchmark/figures/{feature_set}/{name}/replicate_null.csv"
        link = link_to(beside) if Path(beside).is_file() else ""
        table = table_of(frame, f"{identifier}-perturbations", "Perturbations", link)
    return {
        "id": identifier,
        "name": name,
        "label": described["label"],
        "feature_set": feature_set,
        "plates": described["plates"],
        "pictures": [
            picture(file, caption_of(captions, Path(file).stem, wildcards), bytes_allowed)
            for file in condition_pictures(feature_set, name)
        ],
        "table": table,
    }


def condition_pictures(feature_set: str, name: str) -> list[str]:
    """The pictures of a condition that are there."""
    return ordered([str(file) for file in Path(f"benchmark/figures/{feature_set}/{name}").glob("*.png")])
