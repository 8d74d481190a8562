"""Detect spreads that are only rounding, features that explode, and single values that explode.

A feature that is the same in all reference wells except for rounding has a tiny spread, and dividing by it
gives values of millions, which then dominate the correlation of profiles. The same happens to the profile of
one well if one of its values is far beyond all others of the feature.
"""

import warnings
from collections.abc import Sequence

import numpy as np

# pycytominer's constant for making the MAD of a normal distribution its standard deviation.
MAD_SCALE = 1.4826
# CellProfiler computes from images in single precision; a mean over cells or sites of such values can be some
# units in the last place off.
SINGLE = 8 * 2.0**-23
DOUBLE = 8 * 2.0**-52
MOST_DECIMALS = 7
# A feature explodes when it is beyond the limit in more than this share of the wells, and in at least two: a
# single unusual well does not remove a feature from its plate.
EXPLODING_SHARE = 0.01
EXPLODING_WELLS = 2
# The largest values of another feature are lone if they reach beyond the limit, and all of them are more than
# this many times as large as the next one. Strong effects are graded: their values have neighbors.
LONE_FACTOR = 10
LARGEST_SHOWN = 1e9  # largest value that is written with all its digits


def get_robust_spread(values: np.ndarray) -> float:
    """Return the robust standard deviation of the values that are not missing, 1.4826 MAD."""
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    return MAD_SCALE * float(np.median(np.abs(known - np.median(known)))) if len(known) else np.nan


def get_rounding(reference: np.ndarray) -> np.ndarray:
    """Return the largest median absolute deviation that rounding alone explains.

    Half a unit of the last decimal that all values of a feature share (as in a text file), half a unit of
    half precision where all values are such numbers, and eight units of single precision in any case. Whole
    numbers are counts, and are not rounded.

    Parameters
    ----------
    reference : (wells, features), NaN where missing.

    Returns
    -------
    One bound per feature, in the feature's units.
    """
    known = np.where(np.isfinite(reference), reference, 0.0)
    size = np.abs(known)
    present = np.where(np.isfinite(reference), size, np.nan)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")
        typical = np.nan_to_num(np.nanmedian(present, axis=0))
    bound = np.maximum(SINGLE * typical, DOUBLE * size.max(axis=0, initial=0))
    is_integer = (known == np.rint(known)).all(axis=0)
    unit = get_decimal_unit(known)
    with np.errstate(over="ignore", invalid="ignore"):
        half = known.astype(np.float16)
        of_half = np.spacing(typical.astype(np.float16)).astype(float)
    is_half = (half == known).all(axis=0)
    unit = np.maximum(unit, np.where(is_half & np.isfinite(of_half), of_half, 0))
    # slightly more, since a difference of two decimals has an error from its binary representation
    return np.where(is_integer, bound, np.maximum(bound, 0.501 * unit))


def get_decimal_unit(values: np.ndarray) -> np.ndarray:
    """Return the unit of the last decimal that all values of a feature share, 0 if they have too many."""
    unit = np.zeros(values.shape[1])
    for decimals in range(MOST_DECIMALS, 0, -1):
        scaled = values * 10.0**decimals
        # a number with a few decimals has an error from its binary representation
        exact = np.abs(scaled - np.rint(scaled)) <= 4 * 2.0**-52 * np.abs(scaled)
        unit[exact.all(axis=0)] = 10.0**-decimals
    return unit


def find_exploding(values: np.ndarray, limit: float | None) -> np.ndarray:
    """Find the features that are beyond `limit` in more than 1 % of the wells and in at least two.

    Parameters
    ----------
    values : (wells, features), in units of the reference wells' spread.
    limit : None disables the search.

    Returns
    -------
    One boolean per feature.
    """
    if limit is None or not len(values):
        return np.zeros(values.shape[1], dtype=bool)
    beyond = (np.abs(np.nan_to_num(values)) > limit).sum(axis=0)
    return (beyond >= EXPLODING_WELLS) & (beyond > EXPLODING_SHARE * len(values))


def show_value(value: float) -> str:
    """Return a large value as a person reads it: 10,789, but 3e+12."""
    return f"{value:,.0f}" if abs(value) < LARGEST_SHOWN else f"{value:.0e}"


def describe_exploding(names: Sequence[str], values: np.ndarray, limit: float | None) -> dict[str, str]:
    """Return the exploding features, each with the number of wells beyond the limit and its largest value."""
    found = {}
    for position in np.flatnonzero(find_exploding(values, limit)):
        column = np.nan_to_num(values[:, position])
        beyond = int((np.abs(column) > limit).sum())
        largest = column[np.abs(column).argmax()]
        found[names[position]] = (
            f"exploded: beyond {limit:,g} in {beyond} of {len(column)} wells, to {show_value(largest)}"
        )
    return found


def find_lone(values: np.ndarray, limit: float | None) -> np.ndarray:
    """Find single values that explode in features that do not.

    Parameters
    ----------
    values : (wells, features), in units of the reference wells' spread.
    limit : None disables the search.

    Returns
    -------
    One boolean per value. The lone values of a feature are its largest ones: the first of them is beyond
    `limit`, the last beyond a tenth of it and more than ten times as large as the next value, and they are as
    few as do not make a feature explode.
    """
    size = np.abs(np.nan_to_num(values))
    lone = np.zeros(values.shape, dtype=bool)
    if limit is None or not size.size or size.max() <= limit:
        return lone
    most = max(EXPLODING_WELLS, int(EXPLODING_SHARE * len(values)))
    for column in np.flatnonzero((size.max(axis=0) > limit) & ~find_exploding(values, limit)):
        ordered = np.sort(size[:, column])[::-1][: most + 1]
        large = ordered[:-1]
        apart = np.flatnonzero((large > LONE_FACTOR * ordered[1:]) & (large > limit / LONE_FACTOR))
        if len(apart):
            lone[:, column] = size[:, column] >= large[apart[-1]]
    return lone


def mask_lone_values(
    values: np.ndarray, wells: Sequence[str], names: Sequence[str], limit: float | None, counted: np.ndarray
) -> tuple[np.ndarray, dict[str, str]]:
    """Replace the values of one plate that `find_lone` finds by NaN.

    Parameters
    ----------
    values : (wells, features), in units of the reference wells' spread.
    wells, names : the names of the wells and of the features.
    limit : the limit beyond which a value explodes; None leaves the values unchanged.
    counted : one boolean per well; the others are neither compared nor changed.

    Returns
    -------
    The values, and well and feature of each value that was replaced, with the value as text.
    """
    lone = np.zeros(values.shape, dtype=bool)
    lone[counted] = find_lone(values[counted], limit)
    found = {
        f"{wells[row]} {names[column]}": show_value(values[row, column]) for row, column in np.argwhere(lone)
    }
    return (np.where(lone, np.nan, values) if found else values), found
