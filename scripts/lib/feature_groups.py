"""Group CellProfiler's features by the compartment, the family of measurements and the channel."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from lib.feature_names import find_channels

Group = tuple[str, str, str]
MOST_COLUMNS = 80  # pairs of family and channel; with more, names follow another convention
NO_CHANNEL = "–"


def get_groups_of_feature(feature: str, channels: Sequence[str]) -> list[Group]:
    """Return the groups of a feature: compartment, family, channel; two for a pair of channels."""
    parts = feature.split("_")
    compartment, family = parts[0], parts[1] if len(parts) > 1 else ""
    named = sorted(find_channels("_".join(parts[2:]), channels), key=list(channels).index)
    return [(compartment, family, channel) for channel in named or [NO_CHANNEL]]


def group_features(features: Sequence[str], channels: Sequence[str]) -> dict[Group, np.ndarray]:
    """Return the column numbers of the features of each group.

    If there are too many families and channels to draw (another naming), only compartments are groups.
    """
    found: dict[Group, list[int]] = defaultdict(list)
    for number, feature in enumerate(features):
        for group in get_groups_of_feature(feature, channels):
            found[group].append(number)
    if len({(family, channel) for _, family, channel in found}) > MOST_COLUMNS:
        coarse: dict[Group, list[int]] = defaultdict(list)
        for (compartment, _, _), numbers in found.items():
            coarse[compartment, "all", NO_CHANNEL] += numbers
        found = coarse
    return {group: np.array(numbers) for group, numbers in found.items()}
