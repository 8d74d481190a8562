"""The names of CellProfiler's features, and the features that a config excludes."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from lib.errors import InputError, join_names


def get_channels(features: Sequence[str], assay_channels: Sequence[str]) -> list[str]:
    """Return the channels in feature names: the assay's, and those whose intensity is measured."""
    parts = [name.split("_") for name in features]
    named = [part[3] for part in parts if len(part) == 4 and part[1] == "Intensity"]
    return list(dict.fromkeys([*assay_channels, *named]))


def find_channels(name: str, channels: Sequence[str]) -> list[str]:
    """Return the channels in the part of a feature's name after its family, in the order of the name.

    A channel's name may contain an underscore, or another channel's name: the longest is searched first.
    """
    rest = f"_{name}_"
    at: dict[str, int] = {}
    for channel in sorted(channels, key=len, reverse=True):
        while f"_{channel}_" in rest:
            at.setdefault(channel, rest.index(f"_{channel}_"))
            # As long as it was, so that the order stays known; no channel is named like this.
            rest = rest.replace(f"_{channel}_", f"_{' ' * len(channel)}_", 1)
    return sorted(at, key=lambda channel: at[channel])


def is_unwanted(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a feature matches one of `patterns`: full names, or shell patterns with * and ?."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def keep_wanted(features: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the features that match none of `patterns` (see `is_unwanted`).

    Raises
    ------
    InputError
        If the patterns leave no feature.
    """
    kept = [name for name in features if not is_unwanted(name, patterns)]
    if features and not kept:
        raise InputError(
            f"exclude_features leaves none of the {len(features)} features: {join_names(patterns)}. "
            "Name fewer."
        )
    return kept
