"""Draw the nulls of Percent Replicating: wells of different perturbations, at any or at shared positions."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.nulls import FEWEST, Null, Positions, draw_different, draw_sharing_positions
from lib.replicates import Correlations, Wells, compute_medians_within

LARGEST_SET = 100  # wells of the largest null: larger groups are compared with sets of this size
MOST_PAIRS = 50_000_000  # correlations of one null
FEWEST_DRAWS = 10_000  # of a null, whatever its size


def get_draws(wells: int, draws: int) -> int:
    """Return how many sets of this size are drawn: `draws`, or fewer for sets of very many pairs."""
    return min(draws, max(FEWEST_DRAWS, MOST_PAIRS // max(1, wells * (wells - 1) // 2)))


def get_position_pattern(position: np.ndarray, rows: np.ndarray) -> tuple[int, ...]:
    """Return how many of a perturbation's wells are at each of its positions, largest first."""
    counts = Counter(position[rows])
    return tuple(sorted(counts.values(), reverse=True))


def draw_standard_nulls(
    correlations: Correlations, scored: Wells, sizes: Mapping[int, int], seed: int
) -> dict[int, Null | None]:
    """Return the null of each set size (number of draws); None if there are too few perturbations.

    Parameters
    ----------
    correlations
        Correlations between the wells, of which the first are those that are scored.
    scored
        The wells that are scored.
    sizes
        The number of draws for each set size.
    seed
        The seed of the draws.
    """
    codes = pd.factorize(scored.metadata["perturbation"], sort=True)[0]
    nulls: dict[int, Null | None] = {}
    for size, draws in sorted(sizes.items()):
        rng = np.random.default_rng([seed, 0, size])
        nulls[size] = None
        pairs = count_different_pairs(codes)
        if pairs >= FEWEST:
            sets = draw_different(np.arange(len(codes)), codes, size, draws, rng)
            if sets is not None:
                nulls[size] = Null(compute_medians_within(correlations, sets), pairs=pairs)
    return nulls


def count_different_pairs(codes: np.ndarray) -> int:
    """Return the number of pairs of wells of different perturbations."""
    counts = np.bincount(codes)
    return int((counts.sum() ** 2 - (counts**2).sum()) // 2)


def draw_position_nulls(
    correlations: Correlations,
    scored: Wells,
    controls: Sequence[str],
    patterns: set[tuple[int, ...]],
    draws: int,
    seed: int,
) -> dict[tuple[int, ...], Null | None]:
    """Return the null of each pattern of shared positions; None if there are too few positions.

    Parameters
    ----------
    correlations
        Correlations between the wells: those that are scored, then the negative controls.
    scored
        The wells that are scored.
    controls
        The positions of the negative controls.
    patterns
        The patterns: how many wells are at each position, largest first.
    draws
        The largest number of sets in a null.
    seed
        The seed of the draws.
    """
    codes = pd.factorize(scored.metadata["perturbation"], sort=True)[0]
    codes = np.concatenate([codes, codes.max(initial=-1) + 1 + np.arange(len(controls))])
    position = [*scored.metadata["Metadata_Well"], *controls]
    positions = Positions.of(position)
    nulls: dict[tuple[int, ...], Null | None] = {}
    for pattern in sorted(patterns):
        rng = np.random.default_rng([seed, 1, *pattern])
        number = get_draws(sum(pattern), draws)
        drawn = draw_sharing_positions(pattern, np.arange(len(scored)), codes, positions, number, rng)
        nulls[pattern] = None
        if drawn is not None:
            places = len(np.unique(drawn[1])) or None
            nulls[pattern] = Null(
                compute_medians_within(correlations, drawn[0]),
                places,
                drawn[1].astype(np.int32),
                pairs=count_different_pairs(codes[np.unique(drawn[0])]),
            )
    return nulls
