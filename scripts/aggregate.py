"""Aggregate the cells of each well: their mean (or median), and the numbers of cells and sites.

Missing values are ignored, feature by feature, as in pycytominer's `aggregate`. Sums are computed in float64
over the cells in the order of the table, so that the same cells give the same bytes with any number of
threads. A few columns are read at a time, so that a plate's cells are never all in memory. Wells without
cells are kept: Metadata_Count_Cells is 0 and every feature is missing.

Sites that quality control flagged can be left out; Metadata_Count_Sites_Excluded then counts them.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from lib.cells import feature_names, use_threads
from lib.errors import InputError, listed
from lib.feature_names import keep_wanted
from lib.logs import logged
from lib.schema import schema
from lib.tables import UNREADABLE, feature_columns, provenance, unreadable, write_profiles
from lib.wells import well_order

logger = logging.getLogger("platewise")

# Memory for the columns that are read at one time, as float64.
BLOCK_BYTES = 128 * 2**20


def summarize_wells(
    file: pq.ParquetFile,
    wells: Sequence[str],
    features: Sequence[str],
    operation: str,
    excluded: Collection[tuple[str, str]] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Count and aggregate the cells of each well.

    Parameters
    ----------
    file
        The single-cell table.
    wells
        The rows of the result.
    features
        Its columns.
    operation
        `mean` or `median`.
    excluded
        Wells and sites whose cells are left out.

    Returns
    -------
    The number of cells per well, and the aggregated values (wells, features) in float64, NaN where no cell
    has a value.

    Raises
    ------
    InputError
        For cells in a well that is not among `wells`.
    """
    of_cell = file.read(columns=["Metadata_Well"])["Metadata_Well"].to_pylist()
    if strange := sorted(set(of_cell) - set(wells)):
        raise InputError(
            f"Wells {listed(strange)} have cells but no row in the Image table: make both again."
        )
    position = {well: at for at, well in enumerate(wells)}
    row = np.array([position[well] for well in of_cell], dtype=np.int64)
    kept = None
    if excluded:
        site_of_cell = file.read(columns=["Metadata_Site"])["Metadata_Site"].to_pylist()
        kept = np.array([key not in excluded for key in zip(of_cell, site_of_cell, strict=True)], dtype=bool)
        row = row[kept]
    counts = np.bincount(row, minlength=len(wells))
    summary = np.full((len(wells), len(features)), np.nan)
    width = max(1, BLOCK_BYTES // (8 * max(1, len(row))))
    for start in range(0, len(features), width):
        block = file.read(columns=features[start : start + width])
        block = block if kept is None else block.filter(pa.array(kept))
        found = get_means(block, row) if operation == "mean" else get_medians(block, row)
        summary[counts > 0, start : start + width] = found
    return counts, summary


def get_means(block: pa.Table, row: np.ndarray) -> np.ndarray:
    """Compute the mean of each column over the cells of each row number, in ascending order of `row`.

    The values are added in the order of the table and by one thread, so that the sums never differ.
    """
    order = np.argsort(row, kind="stable")
    starts = np.flatnonzero(np.diff(row[order], prepend=-1))
    found = np.empty((len(starts), block.num_columns))
    for at, column in enumerate(block.columns):
        values = column.to_numpy().astype(float)[order]
        missing = np.isnan(values)
        values[missing] = 0
        with np.errstate(invalid="ignore"):
            found[:, at] = np.add.reduceat(values, starts) / np.add.reduceat(~missing, starts, dtype=int)
    return found


def get_medians(block: pa.Table, row: np.ndarray) -> np.ndarray:
    """Compute the median of each column over the cells of each row number, in ascending order of `row`."""
    # polars has no half precision
    block = block.cast(pa.schema([(name, pa.float64()) for name in block.column_names]))
    values = pl.from_arrow(block).fill_nan(None)
    found = values.with_columns(pl.Series("row", row)).group_by("row").median().sort("row")
    return found.drop("row").to_numpy()


def read_excluded_sites(flags: str | Path) -> set[tuple[str, str]]:
    """Read the wells and sites that quality control's table of flags marks as excluded."""
    table = pd.read_csv(flags, dtype=str)
    table = table[table["excluded"] == "True"]
    return set(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True))


def aggregate(
    cells: str | Path,
    image: str | Path,
    operation: str,
    exclude: Sequence[str],
    excluded: Collection[tuple[str, str]] | None = None,
    unwanted: Sequence[str] = (),
) -> pd.DataFrame:
    """Aggregate the profiles of one plate: one row per well, in plate order.

    Parameters
    ----------
    cells
        The single-cell table (Parquet).
    image
        The table of sites beside it, which also has the sites without cells (Parquet).
    operation
        `mean` or `median`.
    exclude
        Regular expressions of columns that are not features, see `feature_names`.
    excluded
        Wells and sites that are left out; None if quality control is not used.
    unwanted
        Names or patterns of features that are left out of every level (`exclude_features`).

    Raises
    ------
    InputError
        For another operation, or cells in wells that have no site.
    """
    if operation not in ("mean", "median"):
        raise InputError(f"aggregate: operation `{operation}` is neither mean nor median.")
    for path in (cells, image):
        try:
            pq.read_metadata(path)
        except UNREADABLE as error:
            raise unreadable(path, error) from error
    named = ["Metadata_Plate", "Metadata_Well", *(["Metadata_Site"] if excluded else [])]
    sites = pq.read_table(image, columns=named).to_pandas()
    plate = sites["Metadata_Plate"].unique()
    wells = sorted(sites["Metadata_Well"].unique(), key=well_order)
    keys = zip(sites["Metadata_Well"], sites["Metadata_Site"], strict=True) if excluded else []
    out = sites[[key in excluded for key in keys]] if excluded else sites.iloc[:0]
    left_out = out.groupby("Metadata_Well").size().reindex(wells, fill_value=0)
    counted = sites.groupby("Metadata_Well").size().reindex(wells) - left_out
    with pq.ParquetFile(cells) as file:
        features = feature_names(file.schema_arrow.names, exclude)
        features = keep_wanted(features, unwanted)
        number, summary = summarize_wells(file, wells, features, operation, excluded or ())
    keys = pd.DataFrame(
        {
            "Metadata_Plate": plate.repeat(len(wells)),
            "Metadata_Well": wells,
            "Metadata_Count_Cells": number,
            "Metadata_Count_Sites": counted.to_numpy(),
        }
    )
    if excluded is not None:
        keys["Metadata_Count_Sites_Excluded"] = left_out.to_numpy()
    return pd.concat([keys, pd.DataFrame(summary, columns=features)], axis=1)


def get_excluded_features(
    columns: Sequence[str], exclude: Sequence[str], unwanted: Sequence[str]
) -> dict[str, list[str]]:
    """Return the features that the config takes out, by key.

    Parameters
    ----------
    columns
        Columns of the single-cell table.
    exclude
        The config's `aggregate.exclude_features`; the default ones among them are no features.
    unwanted
        The config's `exclude_features`.
    """
    settings = schema()["properties"]["aggregate"]["properties"]
    usual = feature_names(columns, set(exclude) & set(settings["exclude_features"]["default"]))
    features = feature_names(columns, exclude)
    wanted = set(keep_wanted(features, unwanted))
    excluded = {
        "aggregate.exclude_features": sorted(set(usual) - set(features)),
        "exclude_features": [name for name in features if name not in wanted],
    }
    return {key: names for key, names in excluded.items() if names}


def main(
    cells: str | Path,
    image: str | Path,
    profiles: str | Path,
    parameters: Mapping[str, Any],
    flags: str | Path | None = None,
) -> None:
    """Write the profiles of one plate.

    `parameters`: batch, plate, operation, exclude_features; `flags`: quality control's table, if
    its flagged sites are to be left out.
    """
    excluded = read_excluded_sites(flags) if flags else None
    table = aggregate(
        cells,
        image,
        parameters["operation"],
        parameters["exclude_features"],
        excluded,
        parameters["unwanted"],
    )
    empty = table.loc[table["Metadata_Count_Cells"] == 0, "Metadata_Well"]
    logger.info(
        "plate %s: %d wells, %d cells, %d features; wells without a cell: %s",
        parameters["plate"],
        len(table),
        table["Metadata_Count_Cells"].sum(),
        len(feature_columns(table)),
        listed(empty, 1536) or "none",
    )
    excluded_features = get_excluded_features(
        pq.read_schema(cells).names, parameters["exclude_features"], parameters["unwanted"]
    )
    made_by = provenance(parameters, [cells, image])
    if excluded is not None:
        sites = sorted(f"{well} site {site}" for well, site in excluded)
        logger.warning(
            "plate %s: left out as flagged: %s", parameters["plate"], listed(sites, 4000) or "none"
        )
        made_by = provenance({**parameters, "excluded_sites": sites}, [cells, image, flags])
    if excluded_features:
        made_by["excluded_features"] = excluded_features
    write_profiles(table, profiles, made_by)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        use_threads(snakemake.threads)
        main(
            snakemake.input.cells,
            snakemake.input.image,
            snakemake.output.profiles,
            {
                "batch": snakemake.params.batch,
                "plate": snakemake.params.plate,
                "operation": snakemake.params.operation,
                "exclude_features": list(snakemake.params.exclude_features),
                "unwanted": list(snakemake.params.unwanted),
            },
            snakemake.input.flags or None,
        )
