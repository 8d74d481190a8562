"""Summaries of the cells of a well: mean, median, trimmed mean, quantiles, MAD, signed distance.

Each is computed feature by feature from the values that are present (finite), in float64.

The signed earth mover's distance is SPACe's measure (dlabate/SPACe): the Wasserstein distance between a
well's cells and the cells of the plate's negative controls, with the sign of the difference of their medians
(0 if the medians are equal). It is in the feature's units.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

MEAN, MEDIAN = "mean", "median"
TRIMMED_MEAN, MAD, EARTH_MOVER = "trimmed_mean", "mad", "emd"
QUANTILE = re.compile(r"^quantile_(\d{1,2})$")

# A function of the sorted values (cells, features), missing ones last as NaN, and of their number.
Summarize = Callable[[np.ndarray, np.ndarray], np.ndarray]


def is_summary(name: str) -> bool:
    """Return whether a name is that of a summary."""
    return name in (MEAN, MEDIAN, TRIMMED_MEAN, MAD, EARTH_MOVER) or bool(QUANTILE.match(name))


def get_quantile(values: np.ndarray, number: np.ndarray, quantile: float) -> np.ndarray:
    """Return a quantile of each feature, interpolated linearly (numpy's default method).

    Parameters
    ----------
    values
        (cells, features), sorted by feature, with missing values last.
    number
        (features,), the number of values present.
    quantile
        From 0 to 1.

    Returns
    -------
    (features,); NaN where no value is present.
    """
    position = np.maximum(number - 1, 0) * quantile
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, np.maximum(number - 1, 0))
    columns = np.arange(values.shape[1])
    low, high = values[below, columns], values[above, columns]
    return low + (high - low) * (position - below)


def get_trimmed_mean(values: np.ndarray, number: np.ndarray, share: float) -> np.ndarray:
    """Return the mean of each feature without its lowest and highest values, as `scipy.stats.trim_mean`.

    `share` of the values present are left out at each end, rounded down; for `values` and `number`, see
    `get_quantile`.
    """
    left_out = (share * number).astype(int)
    place = np.arange(len(values))[:, None]
    kept = (place >= left_out) & (place < number - left_out)
    with np.errstate(invalid="ignore"):
        return np.where(kept, values, 0).sum(axis=0) / kept.sum(axis=0)


def get_mad(values: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Return the median absolute deviation of each feature, not scaled; see `get_quantile`."""
    deviations = np.sort(np.abs(values - get_quantile(values, number, 0.5)), axis=0)
    return get_quantile(deviations, number, 0.5)


@dataclass(frozen=True)
class Controls:
    """The cells of a plate's negative controls, prepared for distances to them.

    Attributes
    ----------
    values
        (cells, features), sorted by feature, with missing values last.
    number
        (features,), the number of values present.
    sums
        (cells + 1, features), sums of the lowest values, centered on the median.
    """

    values: np.ndarray
    number: np.ndarray
    sums: np.ndarray

    @classmethod
    def of_cells(cls, values: np.ndarray) -> "Controls":
        """Prepare the control cells (cells, features); NaN is missing."""
        values, number = sort_values(values)
        if not len(values):
            values = np.full((1, values.shape[1]), np.nan)
        centered = np.nan_to_num(values - get_quantile(values, number, 0.5))
        sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(centered, axis=0)])
        return cls(values, number, sums)

    def get_distance(self, values: np.ndarray, number: np.ndarray) -> np.ndarray:
        """Return the signed earth mover's distance of a well's cells, per feature; see `get_quantile`.

        The distance is the integral of |Q(u) - C(u)| over u from 0 to 1, with the quantile functions Q of the
        well and C of the controls. Q is constant on each of its cells' intervals; C's integral is known.
        """
        medians = get_quantile(self.values, self.number, 0.5)
        difference = get_quantile(values, number, 0.5) - medians
        found = np.full(values.shape[1], np.nan)
        for at in np.flatnonzero((number > 0) & (self.number > 0)):
            controls, count = self.values[: self.number[at], at], self.number[at]
            cells = values[: number[at], at] - medians[at]
            ends = np.arange(number[at] + 1) / number[at]
            # The share of the controls below each cell, within the cell's interval.
            below = np.searchsorted(controls - medians[at], cells) / count
            turn = np.clip(below, ends[:-1], ends[1:])
            integral = np.interp(
                np.concatenate([ends, turn]), np.arange(count + 1) / count, self.sums[: count + 1, at] / count
            )
            start, stop, middle = integral[: len(cells)], integral[1 : len(ends)], integral[len(ends) :]
            lower = cells * (turn - ends[:-1]) - (middle - start)
            upper = (stop - middle) - cells * (ends[1:] - turn)
            found[at] = (lower + upper).sum()
        return np.sign(difference) * found


def sort_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return values (cells, features) sorted by feature, missing ones last, and how many are present."""
    values = np.sort(np.where(np.isfinite(values), values, np.nan), axis=0)
    return values, np.isfinite(values).sum(axis=0)


def get_function(operation: str, trim: float, controls: np.ndarray | None) -> Summarize:
    """Return the function of a summary.

    Parameters
    ----------
    operation
        `trimmed_mean`, `mad`, `quantile_10` and the like, or `emd`.
    trim
        The share that a trimmed mean leaves out at each end.
    controls
        (cells, features) of the plate's negative controls, for `emd`.
    """
    if operation == EARTH_MOVER:
        return Controls.of_cells(controls).get_distance
    if operation == MAD:
        return get_mad
    if operation == TRIMMED_MEAN:
        return lambda values, number: get_trimmed_mean(values, number, trim)
    percent = int(QUANTILE.match(operation)[1])
    return lambda values, number: get_quantile(values, number, percent / 100)


def summarize_block(
    block: pa.Table, row: np.ndarray, operation: str, trim: float, is_control: np.ndarray | None
) -> np.ndarray:
    """Summarize the cells of each row number, in ascending order of `row`.

    Parameters
    ----------
    block
        Some features of the cells.
    row
        (cells,) the number of each cell's well.
    operation, trim
        See `get_function`.
    is_control
        (cells,) which cells are of negative controls, for `emd`.

    Returns
    -------
    (wells that have cells, features), float64.
    """
    values = np.stack([column.to_numpy().astype(float) for column in block.columns], axis=1)
    function = get_function(operation, trim, None if is_control is None else values[is_control])
    order = np.argsort(row, kind="stable")
    starts = np.flatnonzero(np.diff(row[order], prepend=-1))
    found = np.empty((len(starts), block.num_columns))
    for at, cells in enumerate(np.split(order, starts[1:])):
        found[at] = function(*sort_values(values[cells]))
    return found


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
