"""Read and write the workflow's tables, complete or not at all, with their provenance inside."""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import InputError, join_names
from lib.files import write_whole
from lib.provenance import PROVENANCE_KEY, get_provenance_metadata
from lib.provenance import digest as digest
from lib.provenance import get_provenance as get_provenance
from lib.provenance import read_provenance as read_provenance
from lib.published_profiles import UNREADABLE, is_text, read_published
from lib.values import MissingValues

# To read the workflow's own csv files with pandas: a plate, a site or a gene may be called NA.
EMPTY_IS_MISSING: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}


def explain_unreadable(path: str | Path, error: Exception) -> InputError:
    """Return the error for a table that cannot be read, with what to do."""
    return InputError(
        f"{path} cannot be read ({error}). Delete it so that the workflow makes it again, or, if it is your "
        "own, replace it."
    )


def write_profiles(profiles: pd.DataFrame, path: str | Path, made_by: Mapping[str, Any]) -> None:
    """Write well-level profiles (one row per well) to Parquet with their provenance."""
    table = pa.Table.from_pandas(profiles, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), **get_provenance_metadata(made_by)}
    with write_whole(path) as part:
        pq.write_table(table.replace_schema_metadata(metadata), part)


def read_profiles(
    path: str | Path,
    missing: MissingValues | None = None,
    features: Sequence[str] | None = None,
    metadata: Collection[str] = (),
) -> pd.DataFrame:
    """Read well-level profiles: `Metadata_*` are text, `Metadata_Count_*` and features are numbers.

    Profiles that the workflow wrote are read as they are; others as described in `lib.published_profiles`.
    From a file of the workflow, only the metadata and `features` are read, if `features` are given.

    Parameters
    ----------
    path
        The file.
    missing
        What counts as missing in profiles that the workflow did not write; None for the default words.
    features
        The features that are read; None for all.
    metadata
        Columns of profiles that the workflow did not write which the config names, so that they are metadata.

    Raises
    ------
    InputError
        Naming the file, and the part that cannot be read.
    """
    if not is_of_workflow(path):
        return read_published(path, missing, metadata)
    try:
        columns = None
        if features is not None:
            names = pq.read_schema(path).names
            columns = [*(name for name in names if name.startswith("Metadata_")), *features]
        profiles = pq.read_table(path, columns=columns).to_pandas()
    except UNREADABLE as error:
        raise explain_unreadable(path, error) from error
    for name in profiles.columns:
        if is_text(name):
            profiles[name] = profiles[name].astype("str")
        elif not name.startswith("Metadata_"):
            values = profiles[name].to_numpy(float)
            infinite = np.isinf(values)
            if infinite.any():
                wells = join_names(profiles.loc[infinite, "Metadata_Well"], 5)
                logging.warning("%s: %s is infinite in well %s: taken as missing", path, name, wells)
            # Each column that is assigned becomes a block of its own, and pandas warns of many blocks.
            if infinite.any() or profiles[name].dtype != float:
                profiles[name] = np.where(infinite, np.nan, values)
    return profiles


def is_of_workflow(path: str | Path) -> bool:
    """Return whether a file is Parquet that the workflow wrote, with its provenance.

    Raises
    ------
    InputError
        For an incomplete Parquet file.
    """
    path = Path(path)
    if path.is_dir():  # DeepProfiler's
        return False
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                return False
        return PROVENANCE_KEY in (pq.read_schema(path).metadata or {})
    except UNREADABLE as error:
        raise explain_unreadable(path, error) from error


def read_metadata(path: str | Path) -> pd.DataFrame:
    """Read the metadata of a profile that the workflow wrote: one row per well, only `Metadata_*`."""
    names = [name for name in pq.read_schema(path).names if name.startswith("Metadata_")]
    return pq.read_table(path, columns=names).to_pandas()


def stack_profiles(tables: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, list[str]]:
    """Stack the wells of several plates: all metadata, and the features that every plate has.

    Returns
    -------
    The wells, in which metadata that a plate lacks are missing; and the features that some plates lack.
    """
    every = [set(get_features(table)) for table in tables]
    partial = set.union(*every) - set.intersection(*every)
    stacked = pd.concat(
        [table.drop(columns=[name for name in partial if name in table]) for table in tables],
        ignore_index=True,
    )
    metadata = [name for name in stacked if name.startswith("Metadata_")]
    return stacked[[*metadata, *get_features(stacked)]], sorted(partial)


def read_feature_names(path: str | Path) -> list[str]:
    """Return the features of a Parquet file of profiles, of which only the schema is read."""
    return [name for name in pq.read_schema(path).names if not name.startswith("Metadata_")]


def get_features(profiles: pd.DataFrame) -> list[str]:
    """Return a profile's features: every column that is not `Metadata_*`, in the table's order."""
    return [name for name in profiles.columns if not name.startswith("Metadata_")]
