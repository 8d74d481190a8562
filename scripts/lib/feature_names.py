"""The names of CellProfiler's features, and the features that a config excludes."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from lib.errors import InputError, listed


def get_channels(features: Sequence[str], described: Sequence[str]) -> list[str]:
    """Return the channels in feature names: the assay's, and those whose intensity is measured."""
    parts = [name.split("_") for name in features]
    named = [part[3] for part in parts if len(part) == 4 and part[1] == "Intensity"]
    return list(dict.fromkeys([*described, *named]))


def keep_wanted(features: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the features that match none of `patterns`: full names, or shell patterns with * and ?.

    Raises
    ------
    InputError
        If the patterns leave no feature.
    """
    kept = [name for name in features if not any(fnmatchcase(name, pattern) for pattern in patterns)]
    if features and not kept:
        raise InputError(
            f"exclude_features leaves none of the {len(features)} features: {listed(patterns)}. Name fewer."
        )
    return kept
