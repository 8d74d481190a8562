"""The columns that the workflow adds to a plate's image table: illumination functions and label images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from lib.label_files import LabelFiles
from lib.label_images import name_numbered_labels


def add_illumination(table: pd.DataFrame, channels: Iterable[str], folder: Path) -> pd.DataFrame:
    """Return the image table with each site's illumination functions."""
    plate = table["Metadata_Plate"].iloc[0]
    columns = {}
    for channel in channels:
        columns[f"FileName_Illum{channel}"] = f"{plate}_Illum{channel}.npy"
        columns[f"PathName_Illum{channel}"] = str(folder.resolve())
    return table.assign(**columns)


def add_label_files(table: pd.DataFrame, files: LabelFiles) -> pd.DataFrame:
    """Return the image table with the label images of each site."""
    sites = list(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True))
    columns = {}
    for objects, of_site in files.items():
        columns[f"FileName_Labels{objects}"] = [of_site[site].name for site in sites]
        columns[f"PathName_Labels{objects}"] = [str(of_site[site].parent) for site in sites]
    return table.assign(**columns)


def add_numbered_labels(table: pd.DataFrame, objects: Sequence[str], folder: Path) -> pd.DataFrame:
    """Return the image table with the label images that CellProfiler reads."""
    sites = list(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True))
    columns: dict[str, str | list[str]] = {}
    for name in objects:
        columns[f"FileName_Labels{name}"] = [name_numbered_labels(*site, name) for site in sites]
        columns[f"PathName_Labels{name}"] = str(folder.resolve())
    return table.assign(**columns)
