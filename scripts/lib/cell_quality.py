"""Compute which cells meet the conditions of a rule (`lib.cell_rules`).

A cell without a value does not meet a condition on it.
"""

import numpy as np
import pandas as pd

from lib.cell_rules import PLAIN, ROBUST

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


def meets(z: np.ndarray, threshold: float) -> np.ndarray:
    """Return which z-scores are beyond a threshold, in the direction of its sign."""
    with np.errstate(invalid="ignore"):
        return z > threshold if threshold > 0 else z < threshold
