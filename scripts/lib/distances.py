"""Mahalanobis distances of wells to the solvent wells of their plate, in the space of principal components.

As OASIS and CompTox do: features are centered and scaled over all wells, components explain 95 % of the
variance, and the covariance is that of the components' residuals given the treatment (compound and dose).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from lib.feature_groups import NO_CHANNEL, Group

ALL_FEATURES = "all features"
FEWEST_FEATURES = 3  # features in a group


def get_distances(
    values: np.ndarray, treatment: np.ndarray, plates: np.ndarray, solvent: np.ndarray, variance: float = 0.95
) -> tuple[np.ndarray, int]:
    """Return the distance of each well to the mean of its plate's solvent wells.

    Parameters
    ----------
    values
        Profiles, (wells, features).
    treatment
        The treatment of each well, one for all solvent wells, (wells,).
    plates
        The plate of each well, (wells,).
    solvent
        Which wells have solvent only, (wells,).
    variance
        The fraction of the variance that the components explain.

    Returns
    -------
    tuple[numpy.ndarray, int]
        Distances, (wells,), and the number of components: at most half the degrees of freedom of the
        residuals, so that their covariance has an inverse. A solvent well is compared with the others of its
        plate. NaN on a plate without solvent wells; all NaN, and 0 components, if the residuals have no
        freedom.
    """
    spread = values.std(axis=0)
    scaled = (values[:, spread > 0] - values[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    codes = pd.factorize(treatment)[0]
    freedom = len(codes) - (codes.max(initial=-1) + 1)
    nothing = np.full(len(values), np.nan), 0
    if freedom < 2 or not scaled.shape[1]:
        return nothing
    tall = scaled.shape[0] > scaled.shape[1]
    scores = PCA(variance, svd_solver="covariance_eigh" if tall else "full").fit_transform(scaled)
    scores = scores[:, : max(1, freedom // 2)]
    means = np.zeros((codes.max() + 1, scores.shape[1]))
    np.add.at(means, codes, scores)
    residuals = scores - (means / np.bincount(codes)[:, None])[codes]
    covariance = residuals.T @ residuals / freedom
    try:
        root = np.linalg.cholesky(np.linalg.inv(covariance))
    except np.linalg.LinAlgError:
        return nothing
    distances = np.full(len(values), np.nan)
    for rows in pd.Series(np.arange(len(values))).groupby(plates).groups.values():
        rows = np.asarray(rows)
        own = rows[solvent[rows]]
        if not len(own):
            continue
        away = scores[rows] - scores[own].mean(axis=0)
        if len(own) > 1:
            # without the well itself, the mean of the others is farther away by n / (n - 1)
            away[solvent[rows]] *= len(own) / (len(own) - 1)
        distances[rows] = np.linalg.norm(away @ root, axis=1)
    return distances, scores.shape[1]


def get_responses(features: Sequence[str], groups: Mapping[Group, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the columns of all features, of each compartment and channel, and of each family."""
    found: dict[str, set[int]] = {}
    for (compartment, family, channel), columns in groups.items():
        names = [f"{compartment} {channel}"] if channel != NO_CHANNEL else [f"{compartment} without channel"]
        for name in [*names, *([family] if family else [])]:
            found.setdefault(name, set()).update(columns.tolist())
    parts = {name: np.array(sorted(columns)) for name, columns in sorted(found.items())}
    kept = {
        name: columns for name, columns in parts.items() if FEWEST_FEATURES <= len(columns) < len(features)
    }
    return {ALL_FEATURES: np.arange(len(features)), **kept}
