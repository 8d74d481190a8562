"""Find outliers among cells: which meet the conditions of a rule (`lib.cell_rules`), and which are kept.

A cell without a value does not meet a condition on it.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from lib.cell_rules import PLAIN, ROBUST
from lib.errors import InputError
from lib.tables import UNREADABLE, explain_unreadable

# Makes the median absolute deviation of a normal distribution its standard deviation.
MAD_SCALE = 1.4826


def get_z(values: np.ndarray, z: str = PLAIN, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the z-scores of one feature.

    Parameters
    ----------
    values
        (cells,); what is not finite is missing.
    z
        `plain` (population standard deviation, as `scipy.stats.zscore`) or `robust`.
    groups
        The number of each cell's group, if z is computed group by group.

    Returns
    -------
    (cells,); NaN where the value is missing or the spread is 0.
    """
    groups = np.zeros(len(values), dtype=int) if groups is None else groups
    series = pd.Series(np.where(np.isfinite(values), values, np.nan), dtype=float)
    grouped = series.groupby(groups)
    if z == ROBUST:
        centered = series - grouped.transform("median")
        spread = MAD_SCALE * centered.abs().groupby(groups).transform("median")
    else:
        centered = series - grouped.transform("mean")
        spread = grouped.transform("std", ddof=0)
    # The standard deviation of equal values is a rounding error, not 0.
    varies = (grouped.transform("max") > grouped.transform("min")) & (spread > 0)
    return (centered / spread.where(varies)).to_numpy()


def is_beyond(z: np.ndarray, threshold: float) -> np.ndarray:
    """Return which z-scores are beyond a threshold, in the direction of its sign."""
    with np.errstate(invalid="ignore"):
        return z > threshold if threshold > 0 else z < threshold


def read_flagged_cells(flags: str | Path, file: pq.ParquetFile) -> np.ndarray:
    """Return which cells of a single-cell table are flagged.

    Raises
    ------
    InputError
        If the table of flags is of other cells.
    """
    keys = ["Metadata_ImageNumber", "Metadata_ObjectNumber"]
    try:
        table = pq.read_table(flags, columns=[*keys, "flagged"])
    except UNREADABLE as error:
        raise explain_unreadable(flags, error) from error
    if not table.select(keys).equals(file.read(columns=keys).cast(table.select(keys).schema)):
        raise InputError(f"{flags} does not have the cells of the single-cell table. Make it again.")
    return table["flagged"].to_numpy()


def find_kept_cells(
    file: pq.ParquetFile,
    excluded: Collection[tuple[str, str]],
    flagged: np.ndarray | None,
) -> np.ndarray | None:
    """Return which cells are neither on an excluded site nor flagged; None if all of them are kept."""
    kept = None if flagged is None else ~flagged
    if excluded:
        table = file.read(columns=["Metadata_Well", "Metadata_Site"])
        keys = zip(*(column.to_pylist() for column in table.columns), strict=True)
        on_site = np.array([key not in excluded for key in keys], dtype=bool)
        kept = on_site if kept is None else kept & on_site
    return kept
