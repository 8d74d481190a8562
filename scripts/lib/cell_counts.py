"""Cell counts of wells: their z-scores, profiles made of the count alone, and the features that follow it.

Many changes of a profile are those of its number of cells: a perturbation that only kills cells has a
reproducible profile, too. Each score therefore has a baseline from the count alone.
"""

import numpy as np
import pandas as pd

from lib.gaps import CELLS, SITES
from lib.replicates import NEGATIVE_CONTROL, Wells, apply_by_rows, get_control_type

COUNT_Z = "count_z"  # the column of metadata that `add_count_z` adds
FEWEST_CONTROLS = 3  # controls of a plate with which the counts of its wells are compared
MAD_TO_SD = 1.4826
FOLLOWS = 0.5  # a feature whose correlation with the count is stronger follows it
SIGNIFICANT = 2.576  # normal quantile: with few wells, a correlation must also exceed chance (two-sided 1 %)


def get_counts(metadata: pd.DataFrame) -> np.ndarray:
    """Return the number of cells of each well, as if all had the plate's median number of sites.

    A well without a site was not imaged: its 0 cells were not counted.

    Parameters
    ----------
    metadata
        One row per well, with `Metadata_Plate`, `Metadata_Count_Cells` and perhaps `Metadata_Count_Sites`.

    Returns
    -------
    numpy.ndarray
        Counts, (wells,); NaN where there is none.
    """
    if CELLS not in metadata:
        return np.full(len(metadata), np.nan)
    counts = pd.to_numeric(metadata[CELLS], errors="coerce").to_numpy(float, copy=True)
    if SITES not in metadata:
        return counts
    sites = pd.to_numeric(metadata[SITES], errors="coerce")
    counts[sites == 0] = np.nan
    sites = sites.replace(0, np.nan)
    usual = sites.groupby(metadata["Metadata_Plate"]).transform("median")
    return counts * (usual / sites).fillna(1).to_numpy(float)


def get_count_z(metadata: pd.DataFrame) -> np.ndarray:
    """Return the robust z-score of each well's cell count.

    The reference are the negative controls of the plate, or all its wells if it has fewer than three. The
    standard deviation is 1.4826 MAD, and at least the square root of the median, since counts of cells vary
    at least as a Poisson variable does.

    Parameters
    ----------
    metadata
        One row per well.

    Returns
    -------
    numpy.ndarray
        z-scores, (wells,); NaN for a well without a count.
    """
    counts = get_counts(metadata)
    negative = (get_control_type(metadata) == NEGATIVE_CONTROL).to_numpy()
    z = np.full(len(counts), np.nan)
    for rows in metadata.groupby("Metadata_Plate", sort=False).indices.values():
        known = rows[~np.isnan(counts[rows])]
        reference = known[negative[known]]
        reference = counts[reference if len(reference) >= FEWEST_CONTROLS else known]
        if len(reference):
            median = np.median(reference)
            spread = MAD_TO_SD * np.median(np.abs(reference - median))
            z[known] = (counts[known] - median) / max(spread, np.sqrt(median), 1.0)
    return z


def add_count_z(wells: Wells) -> Wells:
    """Return the wells with the z-score of their cell count in a column of the metadata."""
    metadata = wells.metadata.assign(**{COUNT_Z: get_count_z(wells.metadata)})
    return Wells(metadata, wells.values, wells.features, wells.dropped, wells.notes)


def make_count_profiles(z: np.ndarray) -> np.ndarray | None:
    """Return profiles whose similarity depends on the counts alone.

    The profile of a well is an angle, the arctangent of its z-score, so that two wells are more alike the
    nearer their counts are, and all counts far from the controls on one side are alike: the cosine is that of
    (1, z). The circle is perpendicular to (1, 1, 1), which makes Pearson's r equal to the cosine.

    Parameters
    ----------
    z
        z-scores of the cell counts, (wells,).

    Returns
    -------
    numpy.ndarray or None
        Profiles, (wells, 3), NaN for a well without a count; None if counts are missing or all are equal.
    """
    known = z[~np.isnan(z)]
    if not len(known) or known.min() == known.max():
        return None
    angle = np.arctan(z)
    across, up = np.array([1, -1, 0]) / np.sqrt(2), np.array([1, 1, -2]) / np.sqrt(6)
    return np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * up


def get_count_wells(wells: Wells) -> Wells | None:
    """Return wells (with the column of `add_count_z`) whose profiles are their counts alone; None without."""
    profiles = make_count_profiles(wells.metadata[COUNT_Z].to_numpy(float))
    if profiles is None:
        return None
    features = ["count_1", "count_2", "count_3"]
    kept = ~np.isnan(profiles).any(axis=1)
    metadata = wells.metadata[kept].reset_index(drop=True)
    return Wells(metadata, profiles[kept], features, {})


def find_following_features(values: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Find the features that follow the cell count: |Pearson's r| over the wells above 0.5.

    Parameters
    ----------
    values
        Profiles, (wells, features).
    z
        z-scores of the cell counts, (wells,).

    Returns
    -------
    numpy.ndarray
        One boolean per feature.
    """
    known = ~np.isnan(z)
    number = int(known.sum())
    if number < 3 or z[known].std() == 0:
        return np.zeros(values.shape[1], dtype=bool)
    counts = (z[known] - z[known].mean()) / z[known].std()
    # two passes over blocks of rows, since a copy of a large condition would not fit in memory
    rows = np.flatnonzero(known)
    step = 4096
    parts = [rows[start : start + step] for start in range(0, number, step)]
    mean = sum(values[part].sum(axis=0, dtype=float) for part in parts) / number
    squares, products = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for start, part in zip(range(0, number, step), parts, strict=True):
        centered = values[part] - mean
        squares += (centered**2).sum(axis=0)
        products += counts[start : start + step] @ centered
    with np.errstate(invalid="ignore", divide="ignore"):
        r = products / np.sqrt(squares * number)
    limit = max(FOLLOWS, SIGNIFICANT / np.sqrt(number))
    return np.abs(np.nan_to_num(r)) > min(limit, 1.0)


def drop_following_features(wells: Wells) -> Wells | None:
    """Return wells (with the column of `add_count_z`) without the features that follow the cell count.

    None if counts are missing, or if fewer than three features are left.
    """
    z = wells.metadata[COUNT_Z].to_numpy(float)
    if np.isnan(z).all():
        return None
    following = find_following_features(wells.values, z)
    if (~following).sum() < 3:
        return None
    features = [name for name, gone in zip(wells.features, following, strict=True) if not gone]
    values = wells.values[:, ~following] if following.any() else wells.values
    # a profile that has become constant has no correlation
    flat = apply_by_rows(values, lambda part: (part == part[:, :1]).all(axis=1))
    return Wells(wells.metadata, values, features, {}).where(~flat)
