"""Inverse normal transform by ranks: the JUMP recipe's `int`."""

import numpy as np
import pandas as pd
from scipy.special import ndtri

from lib.steps.correction import replace_values
from lib.tables import get_features

OFFSET = 3 / 8  # Blom's


def rank_int(
    profiles: pd.DataFrame, seed: int = 0, keep_flat: bool = False, offset: float = OFFSET
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Give each feature a normal distribution over all wells by its ranks.

    Ties are broken in the order of one permutation of the wells, so that the values depend on the order of
    the rows if there are ties. A missing value stays missing and has no rank. A feature with the same value
    in several wells and no other value would become random numbers, and is dropped.

    Parameters
    ----------
    profiles : the wells of all plates.
    seed : of the permutation.
    keep_flat : whether features with one value are ranked nevertheless, as in the recipe.
    offset : c in the normal quantile of (rank - c) / (n + 1 - 2 c).

    Returns
    -------
    The profiles, and the dropped features with the reason.
    """
    all_features = get_features(profiles)
    flat = [
        name
        for name in all_features
        if not keep_flat and profiles[name].nunique() == 1 and profiles[name].count() > 1
    ]
    features = [name for name in all_features if name not in flat]
    profiles = profiles.drop(columns=flat)
    values = profiles[features].to_numpy()
    order = np.random.default_rng(seed).permutation(len(values))
    out = np.full(values.shape, np.nan)
    for position in range(len(features)):
        column = values[order, position]
        known = np.isfinite(column)
        number = known.sum()
        rank = np.empty(number)
        rank[np.argsort(column[known], kind="stable")] = np.arange(1, number + 1)
        out[order[known], position] = ndtri((rank - offset) / (number + 1 - 2 * offset))
    return replace_values(profiles, features, out), dict.fromkeys(flat, "the same value in all wells")
