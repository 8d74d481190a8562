"""Drop features and wells by their values: `var`, `outlier` and `dropna` of the JUMP recipe."""

import logging
from itertools import chain

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.tables import get_features

PLATE = ["Metadata_Batch", "Metadata_Plate"]


def drop(profiles: pd.DataFrame, dropped: dict[str, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the profiles without the dropped features, and the dropped features."""
    return profiles.drop(columns=list(dropped)), dropped


def drop_missing_wells(
    profiles: pd.DataFrame, share: float = 0.1, most: int = 99
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Drop the wells that lack more than a fraction `share` of the features, if these are at most `most`.

    More wells are not dropped but kept, with their gaps: then the features are at fault.

    Returns
    -------
    The other wells, and the dropped ones (plate and well: reason).

    Raises
    ------
    InputError
        If no well would be left.
    """
    missing = ~np.isfinite(profiles[get_features(profiles)].to_numpy(float))
    lacking = missing.mean(axis=1)
    gone = lacking > share
    if gone.sum() > most:
        logging.warning(
            "drop_missing_wells: %d wells lack more than %g of the features, which is more than its option "
            "`most` (%d): all are kept",
            *(gone.sum(), share, most),
        )
        gone[:] = False
    if gone.all():
        share_of_wells = pd.Series(missing.mean(axis=0), get_features(profiles)).sort_values(ascending=False)
        worst = share_of_wells[share_of_wells > 0].index
        raise InputError(
            f"drop_missing_wells: all {len(gone)} wells lack more than {share:g} of the features. Leave out "
            f"those that most wells lack (exclude_features), or raise `share`: {join_names(worst, 10)}."
        )
    names = profiles["Metadata_Plate"] + " " + profiles["Metadata_Well"]
    reasons = [f"lacks {100 * part:.0f} % of the features" for part in lacking[gone]]
    return profiles[~gone].reset_index(drop=True), dict(zip(names[gone], reasons, strict=True))


def drop_invariant(
    profiles: pd.DataFrame, reference: np.ndarray, variation: float = 1e-3
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Keep the features that vary on every plate, and that every well has.

    As in the recipe, the wells of a plate without reference wells are dropped, and so are those of a plate on
    which no feature varies; the features are sorted by name.

    Parameters
    ----------
    profiles : the wells of all plates.
    reference : one boolean per well: those whose median and MAD (not scaled) are used.
    variation : a feature must have a larger coefficient of variation, abs(MAD / median), on every plate.

    Returns
    -------
    The profiles, and the dropped features (or plates) with the reason.

    Raises
    ------
    InputError
        If no plate has reference wells with features that vary.
    """
    features = sorted(get_features(profiles))
    values = profiles[features].to_numpy()
    missing = ~np.isfinite(values).all(axis=0)
    dropped = dict.fromkeys(np.array(features)[missing], "missing in a well")
    invariant: dict[str, list[np.ndarray]] = {}  # plates of the same name in several batches are several
    columns = [name for name in PLATE if name in profiles]
    for (*_, plate), rows in profiles.groupby(columns, sort=True, dropna=False).indices.items():
        known = values[rows[reference[rows]]]
        if not len(known):
            invariant.setdefault(plate, []).append(rows)
            dropped[f"plate {plate}"] = "none of its wells is a reference well"
            continue
        median = np.median(known, axis=0)
        mad = np.median(np.abs(known - median), axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.abs(mad / median)
        ratio = np.where(np.isfinite(ratio), ratio, 0).astype(np.float32)
        varies = ~missing & (mad != 0) & (ratio > variation)
        if not varies.any():
            invariant.setdefault(plate, []).append(rows)
            dropped[f"plate {plate}"] = "no feature varies among its reference wells"
            continue
        for position in np.flatnonzero(~missing & ~varies):
            dropped.setdefault(
                features[position], f"coefficient of variation {ratio[position]:.1e} on plate {plate}"
            )
    gone = np.concatenate([*chain.from_iterable(invariant.values()), np.array([], dtype=int)])
    if len(gone) == len(profiles):
        raise InputError(
            "variance: no plate has reference wells among which a feature varies. Choose `reference: all`, "
            "or correct controls.negcon."
        )
    if len(gone):
        logging.warning("variance: the wells of these plates get no values: %s", join_names(invariant, 10))
    kept = [name for name in features if name not in dropped]
    metadata = [name for name in profiles if name.startswith("Metadata_")]
    wells = profiles[[*metadata, *kept]].drop(index=profiles.index[gone])
    return wells.reset_index(drop=True), dropped


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
