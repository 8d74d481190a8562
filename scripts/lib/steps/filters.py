"""Drop features and wells by their values: `var`, `outlier` and `dropna` of the JUMP recipe."""

import numpy as np
import pandas as pd

from lib.tables import get_features


def drop(profiles: pd.DataFrame, dropped: dict[str, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the profiles without the dropped features, and the dropped features."""
    return profiles.drop(columns=list(dropped)), dropped


def drop_missing_wells(
    profiles: pd.DataFrame, share: float = 0.1, most: int = 100
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Drop the wells that lack more than a fraction `share` of the features, at most `most` of them.

    Returns
    -------
    The other wells, and the dropped ones (plate and well: reason).
    """
    missing = ~np.isfinite(profiles[get_features(profiles)].to_numpy(float))
    lacking = missing.mean(axis=1)
    gone = lacking > share
    if gone.sum() > most:
        gone &= np.argsort(np.argsort(-lacking, kind="stable"), kind="stable") < most
    names = profiles["Metadata_Plate"] + " " + profiles["Metadata_Well"]
    reasons = [f"lacks {100 * part:.0f} % of the features" for part in lacking[gone]]
    return profiles[~gone].reset_index(drop=True), dict(zip(names[gone], reasons, strict=True))


def drop_invariant(
    profiles: pd.DataFrame, reference: np.ndarray, variation: float = 1e-3
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Keep the features that vary on every plate, and that every well has.

    Parameters
    ----------
    profiles : the wells of all plates.
    reference : one boolean per well: those whose median and MAD (not scaled) are used.
    variation : a feature must have a larger coefficient of variation, abs(MAD / median), on every plate.

    Returns
    -------
    The profiles, and the dropped features with the reason.
    """
    features = get_features(profiles)
    values = profiles[features].to_numpy(float)
    missing = ~np.isfinite(values).all(axis=0)
    dropped = dict.fromkeys(np.array(features)[missing], "missing in a well")
    for plate, rows in profiles.groupby("Metadata_Plate", sort=True).indices.items():
        known = values[rows[reference[rows]]]
        median = np.median(known, axis=0)
        mad = np.median(np.abs(known - median), axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(mad / median)
        ratio = np.where(np.isfinite(ratio), ratio, 0).astype(np.float32)
        for position in np.flatnonzero(~missing & ~((mad != 0) & (ratio > variation))):
            dropped.setdefault(
                features[position], f"coefficient of variation {ratio[position]:.1e} on plate {plate}"
            )
    return drop(profiles, dropped)


def drop_outliers(
    profiles: pd.DataFrame, cutoff: float = 100, quantile: float = 0.99
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Drop the features whose absolute value exceeds `cutoff` at a quantile (1: pycytominer's maximum)."""
    features = get_features(profiles)
    size = profiles[features].abs().quantile(quantile)
    return drop(
        profiles,
        {name: f"{value:,.0f} at the quantile {quantile:g}" for name, value in size[size > cutoff].items()},
    )
