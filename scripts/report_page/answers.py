"""The tables of hits, clusters and doses as the page reads them."""

from pathlib import Path

import pandas as pd

from lib.scores import BOUNDARY

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


def read_answers(file: Path) -> pd.DataFrame:
    """Read a table of hits, clusters or doses: names and annotation as text, without empty columns."""
    names = list(pd.read_csv(file, nrows=0))
    text = [name for name in names if name.startswith(AS_TEXT) and not name.endswith(NUMBERS)]
    frame = pd.read_csv(file, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""])
    frame = frame[names[names.index(BOUNDARY) + 1 :]].dropna(axis=1, how="all")
    for name in frame.select_dtypes("float"):
        frame[name] = frame[name].map(lambda value: value if pd.isna(value) else float(f"{value:.3g}"))
    return frame.replace({"True": True, "False": False})
