"""ComBat: remove the location and scale of each batch, shrunk over features (Johnson, Li and Rabinovic 2007).

The parametric form without covariates. It is written here since the well-kept implementations do not fit:
scanpy requires older versions of pandas, and inmoose is licensed under GPL-3. The values are those of
`scanpy.pp.combat`, which stops iterating earlier (tests/lib/steps/test_combat.py).
"""

import numpy as np
import pandas as pd

from lib.chain_wells import get_batches
from lib.errors import InputError, join_names
from lib.steps.correction import replace_values
from lib.tables import get_features

FEWEST_WELLS = 2
TOLERANCE, TRIES = 1e-10, 10_000


def correct_batches(profiles: pd.DataFrame, batch: str = "Metadata_Plate") -> pd.DataFrame:
    """Remove each batch's location and scale from all features.

    Parameters
    ----------
    profiles : the wells of all plates, without missing values; a single batch is returned unchanged.
    batch : the column whose equal values define a batch.

    Raises
    ------
    InputError
        If the column is missing, a well has no batch, or a batch has fewer than two wells.
    """
    names = get_batches(profiles, batch, "combat")
    if small := [name for name, number in names.value_counts().items() if number < FEWEST_WELLS]:
        raise InputError(
            f"combat: {batch} {join_names(small, 5)} has one well, from which no scale can be estimated. "
            "Leave it out, or name a column with larger batches (its option `batch`)."
        )
    features = get_features(profiles)
    if names.nunique() < 2:
        return profiles
    values = profiles[features].to_numpy(float)
    return replace_values(profiles, features, adjust(values, pd.factorize(names)[0]))


def adjust(values: np.ndarray, batches: np.ndarray) -> np.ndarray:
    """Return `values` (wells, features) without the effects of batches (one integer per well, from 0).

    A feature that varies within no batch keeps its values.
    """
    groups = [np.flatnonzero(batches == batch) for batch in range(batches.max() + 1)]
    means = np.stack([values[rows].mean(axis=0) for rows in groups])
    share = np.array([len(rows) for rows in groups]) / len(values)
    center = share @ means
    spread = np.sqrt(((values - means[batches]) ** 2).mean(axis=0))
    varies = spread > 1e-12 * np.abs(values).max(axis=0)
    standard = (values[:, varies] - center[varies]) / spread[varies]
    out = np.array(values, dtype=float)
    for rows in groups:
        location, scale = estimate(standard[rows])
        adjusted = (standard[rows] - location) / np.sqrt(scale)
        out[np.ix_(rows, varies)] = adjusted * spread[varies] + center[varies]
    return out


def estimate(standard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch's location and scale (variance) of each feature, by empirical Bayes.

    Parameters
    ----------
    standard : (wells, features) of the batch, standardized over all batches. The priors of its features are a
        normal distribution of locations (its variance that of the features, as in scanpy) and an inverse
        gamma distribution of variances, fitted by moments.
    """
    number = len(standard)
    mean, variance = standard.mean(axis=0), standard.var(axis=0, ddof=1)
    if len(mean) < 2 or variance.var(ddof=1) == 0:
        return mean, np.where(variance > 0, variance, 1)
    prior_mean, prior_variance = mean.mean(), mean.var()
    average, scatter = variance.mean(), variance.var(ddof=1)
    shape = (2 * scatter + average**2) / scatter
    rate = (average * scatter + average**3) / scatter
    location, scale = mean, variance
    for _ in range(TRIES):
        new = (prior_variance * number * mean + scale * prior_mean) / (prior_variance * number + scale)
        sums = ((standard - new) ** 2).sum(axis=0)
        changed = (sums / 2 + rate) / (number / 2 + shape - 1)
        step = max(np.abs(new - location).max(), np.abs(changed - scale).max())
        location, scale = new, changed
        if step < TOLERANCE:
            break
    return location, scale
