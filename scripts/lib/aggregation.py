"""Aggregate the cells of a plate by group, which is a well or a site.

Sums are computed in float64 over the cells in the order of the table, so that the same cells give the same
bytes with any number of threads. A few columns are read at a time, so that a plate's cells are never all in
memory.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import InputError, join_names
from lib.tables import EMPTY_IS_MISSING, UNREADABLE, explain_unreadable
from lib.well_summaries import (
    EARTH_MOVER,
    MEAN,
    MEDIAN,
    get_means,
    get_medians,
    summarize_block,
)

# Memory for the columns that are read at one time, as float64.
BLOCK_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Summary:
    """A statistic over the cells of a group: a well or a site.

    Attributes
    ----------
    operation
        `mean`, `median`, or a summary of `lib.well_summaries`.
    trim
        The share of the cells that a trimmed mean leaves out at each end.
    controls
        The numbers of the groups that are negative controls, for `emd`.
    """

    operation: str
    trim: float = 0.1
    controls: Collection[int] | None = None

    def summarize(self, block: pa.Table, row: np.ndarray) -> np.ndarray:
        """Summarize the cells of each group that has some, in the order of numbers: (groups, features)."""
        if self.operation == MEAN:
            return get_means(block, row)
        if self.operation == MEDIAN:
            return get_medians(block, row)
        is_control = np.isin(row, list(self.controls)) if self.operation == EARTH_MOVER else None
        return summarize_block(block, row, self.operation, self.trim, is_control)


def check_readable(*paths: str | Path) -> None:
    """Raise an InputError for the first of these Parquet files that cannot be read."""
    for path in paths:
        try:
            pq.read_metadata(path)
        except UNREADABLE as error:
            raise explain_unreadable(path, error) from error


def read_excluded_sites(flags: str | Path) -> set[tuple[str, str]]:
    """Read the wells and sites that quality control's table of flags marks as excluded."""
    table = pd.read_csv(flags, dtype=str, **EMPTY_IS_MISSING)
    table = table[table["excluded"] == "True"]
    return set(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True))


def find_groups(
    file: pq.ParquetFile,
    columns: Sequence[str],
    groups: Sequence[tuple[str, ...]],
    image: str | Path,
    left_out: Collection[tuple[str, ...]] = (),
) -> np.ndarray:
    """Return the number of each cell's group, (cells,); -1 for the cells of a group that is left out.

    Parameters
    ----------
    file
        The single-cell table.
    columns
        The columns whose values are a group: the well, or the well and the site.
    groups
        The groups in the order of their numbers.
    image
        The table of sites beside it, for the message.
    left_out
        The groups that are left out.

    Raises
    ------
    InputError
        For cells of a group that is neither among `groups` nor left out.
    """
    number = {group: at for at, group in enumerate(groups)}
    table = file.read(columns=list(columns)).select(list(columns))
    of_cells = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    if unknown := sorted(set(of_cells) - set(number) - set(left_out)):
        names = join_names(" site ".join(group) for group in unknown)
        raise InputError(
            f"{image} has no row for {names}, where the single-cell table has cells: run single_cells again."
        )
    return np.array([number.get(group, -1) for group in of_cells], dtype=np.int64)


def summarize_cells(
    file: pq.ParquetFile,
    row: np.ndarray,
    kept: np.ndarray | None,
    number: int,
    features: Sequence[str],
    summary: Summary,
) -> tuple[np.ndarray, np.ndarray]:
    """Count and aggregate the cells of each group.

    Parameters
    ----------
    file
        The single-cell table.
    row
        The number of each cell's group, (cells,).
    kept
        Whether each cell counts, (cells,); None if all of them do.
    number
        The number of groups.
    features
        The features that are aggregated.
    summary
        The statistic, and what it needs.

    Returns
    -------
    The number of cells per group, and the aggregated values (groups, features) in float64, NaN where no
    cell has a value.
    """
    row = row if kept is None else row[kept]
    counts = np.bincount(row, minlength=number)
    found = np.full((number, len(features)), np.nan)
    width = max(1, BLOCK_BYTES // (8 * max(1, len(row))))
    for start in range(0, len(features), width):
        block = file.read(columns=features[start : start + width])
        block = block if kept is None else block.filter(pa.array(kept))
        found[counts > 0, start : start + width] = summary.summarize(block, row)
    return counts, found
