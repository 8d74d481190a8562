"""Write a plate's profiles in a further format, under its name in the profiling recipe.

`csv.gz`: the same rows, columns and values as the Parquet file beside it; floats are written with all their
digits, missing values as empty text. `h5ad`: an AnnData object; observations are wells (`plate:well`) with
their metadata, variables are features with compartment, family and channel, and `uns` holds the provenance.
The same profiles give the same bytes.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata
import pandas as pd

from lib.feature_names import find_channels, get_channels
from lib.logs import log_to
from lib.tables import get_features, read_profiles, read_provenance, write_whole


def write_csv(profiles: pd.DataFrame, path: str | Path) -> None:
    """Write `profiles` (one row per well) to `path` as gzipped, comma-separated text."""
    # without a time in its header, a gzip file depends only on its content
    with (
        write_whole(path) as part,
        part.open("wb") as file,
        gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed,
    ):
        profiles.to_csv(packed, index=False)


def make_categories(values: pd.Series) -> pd.Series:
    """Turn text into categories of Python strings, since AnnData files hold no missing text."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return values
    categories = pd.Index(sorted(values.dropna().unique()), dtype=object)
    return values.astype(object).astype(pd.CategoricalDtype(categories))


def describe_features(features: Sequence[str], channels: Sequence[str]) -> pd.DataFrame:
    """Read compartment, family and channel from the names of CellProfiler's features, one row per feature.

    A pair of channels is `A|B`. Of other names (a network's), only the part before the first underscore is
    known.
    """
    known = get_channels(features, channels)
    rows = []
    for feature in features:
        compartment, *rest = feature.split("_")
        named = find_channels("_".join(rest[1:]), known)
        rows.append((compartment, rest[0] if len(rest) > 1 else None, "|".join(named) or None))
    return pd.DataFrame(rows, columns=["compartment", "family", "channel"], dtype="str")


def convert_to_anndata(
    profiles: pd.DataFrame, made_by: Mapping[str, Any], level: str, channels: Sequence[str] = ()
) -> anndata.AnnData:
    """Convert profiles to AnnData.

    Parameters
    ----------
    profiles
        One row per well; metadata columns keep their names.
    made_by
        The provenance in the Parquet file.
    level
        The level of the profiles.
    channels
        The channels that may be in the features' names.

    Returns
    -------
    anndata.AnnData
        X (wells, features) in float64 with NaN for missing values, obs and var; `uns` holds the level and, as
        JSON, the provenance.
    """
    features = get_features(profiles)
    obs = profiles[[name for name in profiles if name not in set(features)]]
    names = obs["Metadata_Plate"].str.cat(obs["Metadata_Well"], sep=":")
    obs = obs.apply(make_categories).set_axis(pd.Index(list(names), dtype=object))
    obs.columns = pd.Index(obs.columns, dtype=object)
    var = (
        describe_features(features, channels)
        .apply(make_categories)
        .set_axis(pd.Index(features, dtype=object))
    )
    var.columns = pd.Index(var.columns, dtype=object)
    uns = {"level": level, "provenance": json.dumps(made_by, sort_keys=True, default=str)}
    return anndata.AnnData(X=profiles[features].to_numpy(float), obs=obs, var=var, uns=uns)


def main(profiles: str, exported: str, level: str, channels: Sequence[str]) -> None:
    """Write the profiles in the format that the name of `exported` ends in.

    Parameters
    ----------
    profiles : the file of profiles.
    exported : the file to write; its name ends in `.csv.gz` or `.h5ad`.
    level : the level of the profiles.
    channels : the assay's channels, to be found in the features' names.
    """
    table = read_profiles(profiles)
    if exported.endswith(".csv.gz"):
        write_csv(table, exported)
        return
    converted = convert_to_anndata(table, read_provenance(profiles), level, channels)
    with write_whole(exported) as part:
        converted.write_h5ad(part, compression="gzip")


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            snakemake.input.profiles,
            snakemake.output.exported,
            snakemake.params.level,
            list(snakemake.params.channels),
        )
