"""Normalize each plate (or batch) by its reference wells.

`mad_robustize`, `robustize`, `standardize` and `inverse_normal` are pycytominer's methods of these names. The
spread of a feature is the median absolute deviation (times 1.4826), the interquartile range or the standard
deviation (of the population) of the reference wells; `inverse_normal` gives a normal distribution to the
reference wells by their quantiles.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.spread import MAD_SCALE, get_rounding
from lib.tables import get_features

METHODS = ("mad_robustize", "robustize", "standardize", "inverse_normal")
MOST_QUANTILES = 1000  # quantiles of inverse_normal


def get_center_and_spread(
    reference: np.ndarray, method: str, scaled: bool = True, exact: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the center and the spread of each feature in the reference wells.

    Parameters
    ----------
    reference : (wells, features); NaN is missing. Its precision is that of the result.
    method : one of `METHODS`.
    scaled : for mad_robustize, whether the MAD is multiplied by 1.4826.
    exact : whether to return the spreads that pycytominer divides by: 1 instead of 0 for robustize and
        standardize, and no rounding.

    Returns
    -------
    Two values per feature. A spread within rounding of 0 is 0, and so is that of a feature without a value.
    """
    empty = ~np.isfinite(reference).any(axis=0)
    # by column, as in a table of pandas: the order of summation decides the last digits of a mean
    known = np.asfortranarray(np.where(empty, reference.dtype.type(0), reference))
    if method == "mad_robustize":
        center = np.nanmedian(known, axis=0)
        # divided by the inverse, as pycytominer does: a product has other last digits
        scale = 1 / MAD_SCALE if scaled else 1.0
        from scipy.stats import median_abs_deviation  # here, since its import takes half a CPU second

        spread = median_abs_deviation(known, axis=0, nan_policy="omit", scale=scale)
    elif method == "robustize":
        from sklearn.preprocessing import RobustScaler  # here, since its import takes a CPU second

        scaler = RobustScaler().fit(known)
        # scikit-learn replaces a spread of 0 by 1
        center, spread = scaler.center_, np.subtract(*np.nanpercentile(known, [75, 25], axis=0))
        spread = np.where((spread == 0) & (not exact), 0, scaler.scale_)
    elif method == "standardize":
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(known)
        center, spread = scaler.mean_, scaler.scale_ if exact else np.sqrt(scaler.var_)
    elif method == "inverse_normal":
        center, spread = np.nanmedian(known, axis=0), np.nanstd(known, axis=0)
    else:
        raise InputError(f"normalize.method: `{method}` is not one of {join_names(METHODS)}.")
    if not exact:
        spread = np.where(spread <= get_rounding(known.astype(float)), 0, spread)
    # scikit-learn divides by an interquartile range in double precision
    return center.astype(known.dtype), spread if method == "robustize" else spread.astype(known.dtype)


def get_normal_scores(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the normal scores of each feature's quantiles among the reference wells (scikit-learn).

    Parameters
    ----------
    values, reference : (wells, features); NaN is missing. Values beyond the reference get its extremes.
    """
    from sklearn.preprocessing import QuantileTransformer  # here, since its import takes a CPU second

    number = min(MOST_QUANTILES, len(reference))
    transformer = QuantileTransformer(n_quantiles=number, output_distribution="normal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of features without any value
        return transformer.fit(reference).transform(values)


def normalize(
    profiles: pd.DataFrame,
    reference: np.ndarray,
    over: str | Sequence[str] = "Metadata_Plate",
    method: str = "mad_robustize",
    scaled: bool = True,
    epsilon: float = 1e-18,
    floor: float | None = None,
    keep_flat: bool = False,
    minimum: int = 3,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Normalize the wells of each plate (or batch) by the reference wells among them.

    Parameters
    ----------
    profiles : one row per well, of one or more plates.
    reference : one boolean per well.
    over : the column or columns whose equal values are normalized together; none means all wells.
    method, scaled : as in `get_center_and_spread`.
    epsilon : added to the spread (pycytominer's for mad_robustize; the JUMP recipe adds nothing).
    floor : a spread below this fraction of the median spread of all features is raised to it; None raises
        nothing.
    keep_flat : whether features without spread are kept, as in pycytominer.
    minimum : the fewest reference wells that a group must have.

    Returns
    -------
    The normalized profiles, and the dropped features with the reason: those without spread in a group.

    Raises
    ------
    InputError
        For a group with too few reference wells.
    """
    features = get_features(profiles)
    # in single precision where the profiles are: another rounding would change the order of values
    values = profiles[features].to_numpy()
    values = values if values.dtype == np.float32 else values.astype(float)
    values = np.where(np.isfinite(values), values, values.dtype.type(np.nan))
    out = np.empty_like(values)
    flat = np.zeros(len(features), dtype=bool)
    added = epsilon if method == "mad_robustize" else 0.0
    columns = [over] if isinstance(over, str) else list(over)
    together = {(): np.arange(len(profiles))}
    groups = profiles.groupby(columns, sort=False, dropna=False).indices if columns else together
    for name, rows in groups.items():
        chosen = rows[reference[rows]]
        if len(chosen) < minimum:
            plates = name if isinstance(name, str) else " ".join(map(str, name)) or "the table"
            raise InputError(
                f"normalize: {plates} has {len(chosen)} reference wells and needs {minimum} "
                "(minimum_wells). Choose reference: all, or correct controls.negcon."
            )
        center, spread = get_center_and_spread(values[chosen], method, scaled, exact=keep_flat)
        if method == "inverse_normal":
            flat |= spread == 0
            out[rows] = get_normal_scores(values[rows], values[chosen])
            continue
        if floor is not None and (spread > 0).any():
            lowest = floor * np.median(spread[spread > 0])
            spread = np.where(spread > 0, np.maximum(spread, lowest), 0)
        flat |= spread == 0
        centered = values[rows] - center
        with np.errstate(divide="ignore", invalid="ignore"):
            out[rows] = centered / (spread + added)
    if keep_flat:
        flat[:] = False
    kept = [name for name, gone in zip(features, flat, strict=True) if not gone]
    table = pd.DataFrame(out[:, ~flat], columns=kept, index=profiles.index)
    dropped = dict.fromkeys(np.array(features)[flat], "no spread in the reference wells")
    return pd.concat([profiles.drop(columns=features), table], axis=1), dropped
