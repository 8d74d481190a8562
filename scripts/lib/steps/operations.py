"""Feature selection by pycytominer's operations, in the order of a chain, or all on the full set.

The operations are pycytominer's own; the correlation threshold by Pearson is its rule on one matrix product
(`lib.selection`), since its own takes minutes and gigabytes for the same features. (By ranks, features with
the same order tie, and rounding decides which of them goes.)
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd
from pycytominer.cyto_utils.blocklist import Blocklist
from pycytominer.cyto_utils.features import drop_outlier_features
from pycytominer.operations import (
    correlation_threshold,
    frequency_threshold,
    get_na_columns,
    noise_removal,
    variance_threshold,
)

from lib.chain_options import STEPS
from lib.errors import InputError, join_names
from lib.selection import find_correlated_features
from lib.tables import get_features

Selector = Callable[[pd.DataFrame, list[str], Mapping[str, Any]], list[str]]


def find_correlated(profiles: pd.DataFrame, features: list[str], settings: Mapping[str, Any]) -> list[str]:
    """Return the features that the correlation threshold drops."""
    method, threshold = settings["corr_method"], settings["corr_threshold"]
    if method != "pearson":
        return correlation_threshold(profiles, features, threshold=threshold, method=method)
    return list(find_correlated_features(profiles[features], threshold))


def find_invariant(profiles: pd.DataFrame, features: list[str], settings: Mapping[str, Any]) -> list[str]:
    """Return the features that do not vary; pycytominer fails if that is all of them."""
    least = settings["min_variance"]
    values = profiles[features].to_numpy(float)
    # the variance of equal values may be a rounding error
    variances = np.where(np.nanmax(values, axis=0) > np.nanmin(values, axis=0), np.nanvar(values, axis=0), 0)
    if not (variances > least).any():
        return features
    return variance_threshold(profiles, features, min_variance=least)


def find_blocked(profiles: pd.DataFrame, features: list[str], settings: Mapping[str, Any]) -> list[str]:
    """Return the features on the field's blocklist, or on a user's list (names or patterns)."""
    own = settings["blocklist"]
    patterns = Blocklist("default").to_list() if own is None else own
    exact = {pattern for pattern in patterns if not set("*?[") & set(pattern)}
    wild = [pattern for pattern in patterns if pattern not in exact]
    blocked = [n for n in features if n in exact or any(fnmatchcase(n, pattern) for pattern in wild)]
    if own and not blocked:
        logging.warning(
            "feature_select: the blocklist names none of the %d features (%s); it has %s",
            *(len(features), join_names(features, 3), join_names(own, 3)),
        )
    return blocked


OPERATIONS: Mapping[str, Selector] = {
    "variance_threshold": find_invariant,
    "frequency_threshold": lambda profiles, features, settings: frequency_threshold(
        profiles, features, freq_cut=settings["freq_cut"], unique_cut=settings["unique_cut"]
    ),
    "correlation_threshold": find_correlated,
    "drop_na_columns": lambda profiles, features, settings: get_na_columns(
        profiles, features, cutoff=settings["na_cutoff"]
    ),
    "blocklist": find_blocked,
    "drop_outliers": lambda profiles, features, settings: drop_outlier_features(
        profiles, features, outlier_cutoff=settings["outlier_cutoff"]
    ),
    "noise_removal": lambda profiles, features, settings: noise_removal(
        profiles,
        settings["noise_removal_perturb_groups"],
        features,
        noise_removal_stdev_cutoff=settings["noise_removal_stdev_cutoff"],
    ),
    "image_features": lambda profiles, features, settings: [n for n in features if n.startswith("Image")],
}
# How the operations are applied, not an option of any of them.
CHOICES = ("operations", "together")
# The defaults of a chain's step, which are pycytominer's.
DEFAULTS = {
    **{
        name: value
        for name, value in STEPS["feature_select"].items()
        if name not in ("operations", "together")
    },
    "noise_removal_perturb_groups": "Metadata_broad_sample",
}


def select_features(
    profiles: pd.DataFrame,
    operations: Sequence[str],
    settings: Mapping[str, Any] | None = None,
    together: bool = False,
    counted: np.ndarray | None = None,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Drop the features that the operations find.

    Parameters
    ----------
    profiles : the wells of one or more plates.
    operations : names of `OPERATIONS`.
    settings : their options under pycytominer's names; those left out have pycytominer's default.
    together : each operation is applied to all features, and what any of them finds is dropped (as in the
        CPJUMP1 paper); else each is applied to those that the earlier operations left.
    counted : one boolean per well: those that the operations use.

    Returns
    -------
    The profiles, and the dropped features with the operation.

    Raises
    ------
    InputError
        For an operation that does not exist.
    """
    if unknown := [name for name in operations if name not in OPERATIONS]:
        raise InputError(f"feature_select: {join_names(unknown)} is not one of {join_names(OPERATIONS)}.")
    chosen = {**DEFAULTS, **(settings or {})}
    seen = profiles if counted is None else profiles[counted]
    features = get_features(profiles)
    dropped: dict[str, str] = {}
    for name in operations:
        candidates = features if together else [feature for feature in features if feature not in dropped]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of features without any value
            found = set(OPERATIONS[name](seen, candidates, chosen)) if candidates else set()
        for feature in candidates:
            if feature in found:
                dropped.setdefault(feature, name)
    return profiles.drop(columns=list(dropped)), dropped
