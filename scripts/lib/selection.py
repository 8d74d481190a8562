"""Feature selection: the operations of the CPJUMP1 paper, each over all features.

frequency_threshold, get_na_columns and the blocklist are pycytominer's. The correlation threshold is
a product of matrices: pycytominer's own takes minutes and gigabytes for the same set. Wells
without cells are not used: they would count as missing values of every feature.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pycytominer.cyto_utils.blocklist import Blocklist
from pycytominer.operations import frequency_threshold, get_na_columns

from lib.gaps import find_few_cells, find_incomplete_wells
from lib.spread import describe_exploding
from lib.tables import feature_columns

# pycytominer's name for the operation that drops features with extreme values.
OUTLIERS = "drop_outliers"


def pairwise_correlation(values: np.ndarray) -> np.ndarray:
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


def correlated_features(values: pd.DataFrame, threshold: float) -> dict[str, str]:
    """Return the features to drop for correlation, each with its correlated partner.

    Of each pair with a correlation above `threshold` the feature with the larger sum of absolute
    correlations is dropped (`pycytominer.operations.correlation_threshold`).
    """
    correlation = pairwise_correlation(values.to_numpy(float))
    total = np.nansum(np.abs(correlation), axis=0)
    rank = np.empty(len(total), int)
    rank[np.argsort(total, kind="stable")] = np.arange(len(total))
    first, second = np.nonzero(np.triu(correlation > threshold, k=1))
    dropped: dict[str, str] = {}
    for a, b in zip(first, second, strict=True):
        goes, stays = (a, b) if rank[a] > rank[b] else (b, a)
        dropped.setdefault(
            values.columns[goes],
            f"correlation {correlation[a, b]:.3f} with {values.columns[stays]}",
        )
    return dropped


def dropped_features(
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
    features = feature_columns(profiles)
    values = profiles.loc[~find_few_cells(profiles), features]
    values = values[values.notna().any(axis=1)]
    values = values[~find_incomplete_wells(values.to_numpy(float))]
    rows: list[tuple[str, str, str]] = []
    rare = frequency_threshold(
        values, features, freq_cut=settings["freq_cut"], unique_cut=settings["unique_cut"]
    )
    rows += [
        (
            name,
            "frequency_threshold",
            f"{values[name].nunique()} different values in {len(values)} wells",
        )
        for name in rare
    ]
    exploding = describe_exploding(features, values.to_numpy(float), limit)
    rows += [(name, OUTLIERS, why) for name, why in exploding.items()]
    complete = values.loc[:, values.notna().any(axis=0)]
    correlated = correlated_features(complete, settings["correlation"])
    rows += [(name, "correlation_threshold", why) for name, why in correlated.items()]
    absent = get_na_columns(values, features, cutoff=settings["na_cutoff"])
    rows += [
        (name, "drop_na_columns", f"missing in {values[name].isna().mean():.1%} of the wells")
        for name in absent
    ]
    if settings["blocklist"]:
        blocked = [name for name in Blocklist("default").to_list() if name in set(features)]
        rows += [(name, "blocklist", "on the field's blocklist") for name in blocked]
    table = pd.DataFrame(rows, columns=["feature", "operation", "reason"])
    position = {name: number for number, name in enumerate(features)}
    return table.sort_values(
        "feature", key=lambda names: names.map(position), kind="stable", ignore_index=True
    )
