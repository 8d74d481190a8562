"""Group features by the compartment, family of measurements and channel in CellProfiler's names."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from lib.feature_names import find_channels

Group = tuple[str, str, str]
MOST_FAMILIES = 40  # with more, the second part of a name is not a family of measurements
FEWEST_NUMBERED = 3  # features that differ only in their number
ALL, NO_CHANNEL = "all", "–"
NUMBERED = re.compile(r"([^\W\d_]+)_?\d+")  # PC12, X_12


def get_groups_of_feature(feature: str, channels: Sequence[str]) -> list[Group]:
    """Return the groups of a feature: compartment, family, channel; two for a pair of channels."""
    parts = feature.split("_")
    compartment, family = parts[0], parts[1] if len(parts) > 1 else ""
    named = sorted(find_channels("_".join(parts[2:]), channels), key=list(channels).index)
    return [(compartment, family, channel) for channel in named or [NO_CHANNEL]]


def find_numbered_features(features: Sequence[str]) -> dict[str, str]:
    """Return the features that are only numbered, such as components (PC12), with their common part (PC)."""
    stems = {name: match[1] for name in features if (match := NUMBERED.fullmatch(name))}
    counts = Counter(stems.values())
    return {name: stem for name, stem in stems.items() if counts[stem] >= FEWEST_NUMBERED}


def group_features(features: Sequence[str], channels: Sequence[str]) -> dict[Group, np.ndarray]:
    """Return the column numbers of the features of each group.

    Numbered features are one group, because their names do not say what was measured. If the names have too
    many families (another naming), only compartments are groups.
    """
    found: dict[Group, list[int]] = defaultdict(list)
    numbered = find_numbered_features(features)
    for number, feature in enumerate(features):
        if feature in numbered:
            found[numbered[feature], ALL, NO_CHANNEL].append(number)
        else:
            for group in get_groups_of_feature(feature, channels):
                found[group].append(number)
    if len({family for _, family, _ in found}) > MOST_FAMILIES:
        coarse: dict[Group, list[int]] = defaultdict(list)
        for (compartment, _, _), numbers in found.items():
            coarse[compartment, ALL, NO_CHANNEL] += numbers
        # A feature of two channels was in two groups.
        found = defaultdict(list, {group: list(dict.fromkeys(numbers)) for group, numbers in coarse.items()})
    return {group: np.array(numbers) for group, numbers in found.items()}


def tells_groups(groups: Sequence[Group]) -> bool:
    """Return whether the names of the features say what was measured: not if all features are one group."""
    return len(groups) > 1 or any(family != ALL for _, family, _ in groups)
