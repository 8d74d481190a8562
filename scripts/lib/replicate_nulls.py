"""Draw the nulls of Percent Replicating: wells of different perturbations, at any or at shared positions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.nulls import FEWEST, Null, Positions, draw_different, draw_sharing_positions
from lib.replicates import Correlations, Wells, compute_medians_within, group_members

LARGEST_SET = 100  # wells of the largest null: larger groups are compared with sets of this size
MOST_PAIRS = 50_000_000  # correlations of one null
FEWEST_DRAWS = 10_000  # draws of a null, whatever its size


@dataclass(frozen=True)
class Perturbations:
    """The perturbations of a condition, with the nulls that they are compared with.

    Attributes
    ----------
    names
        The names of the perturbations.
    wells
        The rows of the wells of each perturbation.
    sizes
        The number of wells of each perturbation, (perturbations,).
    enough
        Whether each perturbation has enough replicates for a signal, (perturbations,).
    null_sizes
        The number of wells per set of each perturbation's standard null.
    patterns
        The pattern of positions of each perturbation, which is the key of its position-aware null.
    largest_set
        The number of wells in a set of the largest null that can be drawn.
    """

    names: list[str]
    wells: list[np.ndarray]
    sizes: np.ndarray
    enough: np.ndarray
    null_sizes: list[int]
    patterns: list[tuple[int, ...]]
    largest_set: int

    def __len__(self) -> int:
        return len(self.names)

    def get_draws_by_size(self, draws: int) -> dict[int, int]:
        """Return the number of draws of each standard null, by the number of wells per set."""
        sizes = {size for size, enough in zip(self.null_sizes, self.enough, strict=True) if enough}
        return {size: get_draws(size, draws) for size in sorted(sizes)}

    def count_correlations(self, draws: int) -> int:
        """Return how many correlations the signals and the standard nulls look up."""
        of_nulls = sum(size * (size - 1) * number for size, number in self.get_draws_by_size(draws).items())
        return of_nulls + int((self.sizes**2).sum())


def list_perturbations(scored: Wells, null_size: int | str, minimum_replicates: int) -> Perturbations:
    """Return the perturbations of the wells that are scored.

    Parameters
    ----------
    scored
        The wells, with the column `perturbation`.
    null_size
        The number of wells per set of the standard null, or `matched` for that of the replicates.
    minimum_replicates
        The fewest replicates that are enough; at least two are needed.
    """
    groups = group_members(scored.metadata["perturbation"])
    sizes = np.array([len(rows) for rows in groups.values()], dtype=int)
    largest = min(len(groups), LARGEST_SET)
    position = scored.metadata["Metadata_Well"].to_numpy()
    return Perturbations(
        names=list(groups),
        wells=list(groups.values()),
        sizes=sizes,
        enough=sizes >= max(2, minimum_replicates),
        null_sizes=[min(int(size), largest) if null_size == "matched" else int(null_size) for size in sizes],
        patterns=[get_position_pattern(position, rows[:LARGEST_SET]) for rows in groups.values()],
        largest_set=largest,
    )


def get_draws(wells: int, draws: int) -> int:
    """Return how many sets of this size are drawn: `draws`, or fewer for sets of very many pairs."""
    return min(draws, max(FEWEST_DRAWS, MOST_PAIRS // max(1, wells * (wells - 1) // 2)))


def get_position_pattern(position: np.ndarray, rows: np.ndarray) -> tuple[int, ...]:
    """Return how many of a perturbation's wells are at each of its positions, largest first."""
    counts = Counter(position[rows])
    return tuple(sorted(counts.values(), reverse=True))


def draw_nulls(
    correlations: Correlations,
    scored: Wells,
    controls: Sequence[str],
    perturbations: Perturbations,
    draws: int,
    seed: int,
) -> tuple[dict[int, Null | None], dict[tuple[int, ...], Null | None]]:
    """Return the standard null of each set size, and the position-aware null of each pattern of positions.

    Parameters
    ----------
    correlations
        Correlations between the wells: those that are scored, then the negative controls.
    scored
        The wells that are scored.
    controls
        The positions of the negative controls.
    perturbations
        The perturbations of these wells.
    draws
        The largest number of sets in a null.
    seed
        The seed of the draws.
    """
    standard = draw_standard_nulls(correlations, scored, perturbations.get_draws_by_size(draws), seed)
    each = zip(perturbations.patterns, perturbations.enough, perturbations.null_sizes, strict=True)
    # With too few perturbations for the standard null, there is none at shared positions either.
    patterns = {pattern for pattern, enough, size in each if enough and standard[size] is not None}
    return standard, draw_position_nulls(correlations, scored, controls, patterns, draws, seed)


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
