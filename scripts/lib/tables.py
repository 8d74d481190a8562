"""Read and write the workflow's tables: whole or not at all, with what made them written inside."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import InputError, listed
from lib.files import whole
from lib.provenance import digest as digest
from lib.provenance import provenance as provenance
from lib.provenance import provenance_metadata
from lib.provenance import read_provenance as read_provenance

# What pandas calls a column without a name, and an index without one.
NUMBERED = re.compile(r"Unnamed: \d+|__index_level_\d+__")
# What a table that is no table, or a cut off one, raises on being read.
UNREADABLE = (OSError, ValueError, EOFError, pa.ArrowException)


def unreadable(path: str | Path, error: Exception) -> InputError:
    """The error for a table that cannot be read, with what to do."""
    return InputError(
        f"{path} cannot be read ({error}). Delete it so that the workflow makes it again, or, if it is your "
        "own, replace it."
    )


def write_profiles(profiles: pd.DataFrame, path: str | Path, made_by: Mapping[str, Any]) -> None:
    """Write well-level profiles (one row a well) to Parquet with their provenance."""
    table = pa.Table.from_pandas(profiles, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), **provenance_metadata(made_by)}
    with whole(path) as part:
        pq.write_table(table.replace_schema_metadata(metadata), part)


def read_profiles(path: str | Path) -> pd.DataFrame:
    """Read well-level profiles from Parquet, csv or tsv (.gz): `Metadata_*` are strings, the rest float64.

    Columns named `Metadata_Count_*` stay numbers; `Image_Metadata_*`, CellProfiler's own names, become
    `Metadata_*`; infinite features become missing. The row numbers that pandas writes as a column without a
    name are no feature.

    Raises:
        InputError: naming the file, and the feature column when it holds text.
    """
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            profiles = pq.read_table(path).to_pandas()
            if any(profiles.index.names):
                profiles = profiles.reset_index()
        else:
            separator = "\t" if path.name.endswith((".tsv", ".txt", ".tsv.gz", ".txt.gz")) else ","
            header = pd.read_csv(path, nrows=0, sep=separator).columns
            text = {name: str for name in header if is_text(name)}
            profiles = pd.read_csv(path, dtype=text, sep=separator)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    profiles = profiles.drop(columns=[name for name in profiles if NUMBERED.fullmatch(name)])
    profiles = profiles.rename(columns=without_image)
    if "Metadata_Well" not in profiles:
        raise InputError(
            f"{path} has no column Metadata_Well: a profile has one row a well. Its columns are "
            f"{listed(profiles.columns, 8)}."
        )
    twice = profiles.columns[profiles.columns.duplicated()]
    if len(twice):
        raise InputError(f"{path} has the column {listed(twice)} twice.")
    for name in profiles.columns:
        if is_text(name):
            profiles[name] = profiles[name].astype("str")
        elif not name.startswith("Metadata_"):
            try:
                profiles[name] = pd.to_numeric(profiles[name]).astype(float)
            except (ValueError, TypeError) as error:
                raise InputError(
                    f"{path}: column {name} holds text: {error}. Every column is a feature, unless its name "
                    "starts with Metadata_: rename it, or take it out."
                ) from error
            infinite = np.isinf(profiles[name].to_numpy())
            if infinite.any():
                wells = listed(profiles.loc[infinite, "Metadata_Well"], 5)
                logging.warning("%s: %s is infinite in well %s: taken as missing", path, name, wells)
                profiles[name] = profiles[name].mask(infinite)
    return profiles


def read_metadata(path: str | Path) -> pd.DataFrame:
    """Read the metadata of a profile that the workflow wrote: one row a well, `Metadata_*` alone."""
    names = [name for name in pq.read_schema(path).names if name.startswith("Metadata_")]
    return pq.read_table(path, columns=names).to_pandas()


def without_image(name: str) -> str:
    """`Image_Metadata_Well` as `Metadata_Well`; a measurement of whole images keeps its name."""
    return name.removeprefix("Image_") if name.startswith("Image_Metadata_") else name


def features_in(path: str | Path) -> list[str]:
    """The features of a Parquet file of profiles, of which only the schema is read."""
    return [name for name in pq.read_schema(path).names if not name.startswith("Metadata_")]


def is_text(name: str) -> bool:
    """Whether a profile's column is read as text: metadata, except for counts and flags."""
    name = without_image(name)
    return name.startswith("Metadata_") and not name.startswith("Metadata_Count_")


def feature_columns(profiles: pd.DataFrame) -> list[str]:
    """A profile's features: every column that is not `Metadata_*`, in the table's order."""
    return [name for name in profiles.columns if not name.startswith("Metadata_")]
