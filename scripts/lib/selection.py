"""Feature selection: the operations of the CPJUMP1 paper, each over all features.

The operations are those of pycytominer, computed for all features at once; tests compare them with
pycytominer, whose import takes longer than a selection, and whose correlation threshold takes minutes and
gigabytes. The blocklist is the one in its package. Wells without cells are not used: they would count as
missing values of every feature.
"""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from lib.gaps import find_few_cells, find_incomplete_wells
from lib.spread import describe_exploding, find_lone
from lib.tables import get_features

# pycytominer's name for the operation that drops features with extreme values.
OUTLIERS = "drop_outliers"
# The blocklist of Way (2019), as a file in pycytominer's package.
BLOCKLIST = "pycytominer/data/default_blocklists.yaml"


def read_blocklist() -> list[str]:
    """Return the features on the field's blocklist, without importing the package that holds the file."""
    file = Path(str(importlib.metadata.distribution("pycytominer").locate_file(BLOCKLIST)))
    return [str(name) for name in yaml.safe_load(file.read_text())["default"]]


def count_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many different values each feature has, and how often the two most common ones occur.

    Parameters
    ----------
    values
        Wells x features, NaN where missing.

    Returns
    -------
    The number of different values per feature; features x 2, the counts of the most common value and of the
    next one, 0 if there is none. Missing values are not counted.
    """
    different = np.zeros(values.shape[1], dtype=int)
    common = np.zeros((values.shape[1], 2), dtype=int)
    for position, column in enumerate(values.T):
        counts = np.unique(column[~np.isnan(column)], return_counts=True)[1]
        different[position] = len(counts)
        largest = np.sort(counts)[::-1][:2]
        common[position, : len(largest)] = largest
    return different, common


def correlate_pairwise(values: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of every two columns over the rows where neither is missing.

    Parameters
    ----------
    values
        Wells x features, NaN where missing.

    Returns
    -------
    Features x features; NaN if a feature is constant, as in `pandas.DataFrame.corr`.
    """
    centered = values - np.nanmean(values, axis=0)
    present = np.isfinite(centered)
    filled = np.where(present, centered, 0)
    cross = filled.T @ filled
    if present.all():
        variance = np.diag(cross)
        spread = np.sqrt(np.outer(variance, variance))
    else:
        seen = present.astype(float)
        count = seen.T @ seen
        total = filled.T @ seen
        square = (filled**2).T @ seen
        with np.errstate(divide="ignore", invalid="ignore"):
            cross -= total * total.T / count
            spread_of = square - total**2 / count
            spread = np.sqrt(spread_of * spread_of.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = cross / spread
    # The variance of a constant column is a rounding error, not 0.
    scale = np.nanmax(np.abs(values), axis=0)
    constant = np.nanmax(np.abs(centered), axis=0) <= 8 * np.finfo(float).eps * scale
    correlation[constant] = correlation[:, constant] = np.nan
    return correlation


def find_correlated_features(values: pd.DataFrame, threshold: float) -> dict[str, str]:
    """Return the features to drop for correlation, each with its correlated partner.

    Of each pair with a correlation above `threshold` the feature with the larger sum of absolute
    correlations is dropped (`pycytominer.operations.correlation_threshold`).
    """
    correlation = correlate_pairwise(values.to_numpy(float))
    total = np.nansum(np.abs(correlation), axis=0)
    rank = np.empty(len(total), int)
    rank[np.argsort(total, kind="stable")] = np.arange(len(total))
    first, second = np.nonzero(np.triu(correlation > threshold, k=1))
    earlier = rank[first] > rank[second]
    goes, stays = np.where(earlier, first, second), np.where(earlier, second, first)
    # The first pair of each feature that goes: of values for the same index, NumPy keeps the last one.
    # (A plate has millions of pairs.)
    pair = np.full(len(total), -1)
    pair[goes[::-1]] = np.arange(len(goes))[::-1]
    names = values.columns
    return {
        names[goes[at]]: f"correlation {correlation[first[at], second[at]]:.3f} with {names[stays[at]]}"
        for at in np.sort(pair[pair >= 0])
    }


def find_dropped_features(
    profiles: pd.DataFrame, settings: Mapping[str, Any], limit: float | None = None
) -> pd.DataFrame:
    """Return every feature that an operation drops: one row per operation that drops it.

    Parameters
    ----------
    profiles : normalized profiles of a plate or of a batch.
    settings : the config's `feature_select`.
    limit : the config's `normalize.outlier_cutoff`, for profiles that were already normalized.

    Returns
    -------
    Columns feature, operation, reason; in the order of the operations. Empty and incomplete
    wells are not used.
    """
    features = get_features(profiles)
    values = profiles.loc[~find_few_cells(profiles), features]
    values = values[values.notna().any(axis=1)]
    values = values[~find_incomplete_wells(values.to_numpy(float))]
    values = values.mask(find_lone(values.to_numpy(float), limit))
    measured = values.to_numpy(float)
    rows: list[tuple[str, str, str]] = []
    different, common = count_values(measured)
    frequency = common[:, 1] / np.maximum(common[:, 0], 1)
    with np.errstate(invalid="ignore"):
        rare = (frequency < settings["freq_cut"]) | (different / len(values) < settings["unique_cut"])
    rows += [
        (
            features[position],
            "frequency_threshold",
            f"{different[position]} different values in {len(values)} wells",
        )
        for position in np.flatnonzero(rare)
    ]
    exploding = describe_exploding(features, measured, limit)
    rows += [(name, OUTLIERS, why) for name, why in exploding.items()]
    complete = values.loc[:, values.notna().any(axis=0)]
    correlated = find_correlated_features(complete, settings["correlation"])
    rows += [(name, "correlation_threshold", why) for name, why in correlated.items()]
    with np.errstate(invalid="ignore"):
        missing = np.isnan(measured).sum(axis=0) / len(measured)
    rows += [
        (features[position], "drop_na_columns", f"missing in {missing[position]:.1%} of the wells")
        for position in np.flatnonzero(missing > settings["na_cutoff"])
    ]
    if settings["blocklist"]:
        blocked = set(read_blocklist())
        rows += [(name, "blocklist", "on the field's blocklist") for name in features if name in blocked]
    table = pd.DataFrame(rows, columns=["feature", "operation", "reason"])
    position = {name: number for number, name in enumerate(features)}
    return table.sort_values(
        "feature", key=lambda names: names.map(position), kind="stable", ignore_index=True
    )
