"""What the names of CellProfiler's features say."""

from collections.abc import Sequence


def channels_of(features: Sequence[str], described: Sequence[str]) -> list[str]:
    """The channels that features are named after: the assay's, and those whose intensity is measured."""
    parts = [name.split("_") for name in features]
    named = [part[3] for part in parts if len(part) == 4 and part[1] == "Intensity"]
    return list(dict.fromkeys([*described, *named]))
