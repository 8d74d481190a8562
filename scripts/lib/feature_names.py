"""The names of CellProfiler's features, and the features that a config excludes."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from lib.errors import InputError, join_names, number_of

# Columns of CellProfiler's Image table that are not measurements, by the first part of their name.
NOT_MEASURED = (
    "Metadata",
    "Count",
    "Channel",
    "ExecutionTime",
    "FileName",
    "Frame",
    "Group",
    "Height",
    "ImageNumber",
    "ImageSet",
    "MD5Digest",
    "ModuleError",
    "ObjectsFileName",
    "ObjectsFrame",
    "ObjectsPathName",
    "ObjectsSeries",
    "ObjectsURL",
    "PathName",
    "ProcessingStatus",
    "Scaling",
    "Series",
    "URL",
    "Width",
)


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
            "Exclude fewer features."
        )
    return kept


def describe_identifiers(names: Iterable[str], rules: Sequence[str], patterns: Sequence[str]) -> str:
    """Return the sentence about features of published profiles that are not measurements of the cells.

    They are kept, because published profiles have them among their features, and their scores depend on them.

    Parameters
    ----------
    names
        The columns of the profiles.
    rules
        The config's `aggregate.exclude_features`, which applies to profiles that are aggregated here.
    patterns
        The config's `exclude_features`.

    Returns
    -------
    str
        "" if there is no such feature.
    """
    from lib.cells import find_features  # pyarrow is not loaded while planning, unless it is needed

    features = [
        name for name in names if not name.startswith("Metadata_") and not is_unwanted(name, patterns)
    ]
    if not rules:  # the config keeps them in profiles that are aggregated here, too
        return ""
    measured = {
        name
        for name in find_features(features, rules)
        if not (name.startswith("Image_") and name.split("_")[1] in NOT_MEASURED)
    }
    others = [name for name in features if name not in measured]
    if not others:
        return ""
    found: list[str] = []
    for name in others:
        if is_unwanted(name, found):
            continue
        parts = name.split("_")[1:]
        # The shortest pattern that removes no measurement: `*_Location_*`, else `*_AreaShape_Center_*`.
        tried = [f"*_{'_'.join(parts[:number])}_*" for number in range(1, len(parts))]
        fitting = (p for p in tried if not any(is_unwanted(other, [p]) for other in measured))
        found.append(next(fitting, name))
    written = ", ".join(f'"{pattern}"' for pattern in found)
    features = number_of(len(others), "feature")
    return (
        f"identifiers, counts or locations of objects, not measurements, are {features} of the profiles "
        f"({join_names(others, 4)}). "
        f"Published profiles keep them; to remove them, add {written} to exclude_features"
    )
