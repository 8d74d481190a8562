"""Draw the nulls of Percent Matching: pairs of perturbations of different genes."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from lib.nulls import FEWEST, Null
from lib.replicates import Correlations, compute_medians_between
from lib.sides import Side

CUTS = 20  # random choices of replicates, where a pair has more than the block of the null
CANDIDATES = (100_000, 1_000_000)  # pairs of different genes that nulls are taken from, at least and at most


def count_shared_positions(a: np.ndarray, b: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Count the pairs of wells at one position, for pairs of perturbations.

    Parameters
    ----------
    a, b
        The positions of the wells of each perturbation on the two sides, (perturbations, wells).
    rows, columns
        The two perturbations of each pair, as rows of `a` and of `b`, (pairs,).

    Returns
    -------
    numpy.ndarray
        The counts, (pairs,).
    """
    codes = np.unique(np.concatenate([a.ravel(), b.ravel()]), return_inverse=True)[1]
    first, second = codes[: a.size].reshape(a.shape), codes[a.size :].reshape(b.shape)
    found = np.empty(len(rows), dtype=int)
    step = max(1, 8_000_000 // (a.shape[1] * b.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        same = first[rows[part]][:, :, None] == second[columns[part]][:, None, :]
        found[part] = same.sum(axis=(1, 2))
    return found


@dataclass(frozen=True)
class Pool:
    """The pairs of different genes whose blocks have one shape: medians and shared positions.

    `cuts`: how often each pair is included, each time with other replicates.
    """

    medians: np.ndarray
    shared: np.ndarray
    cuts: int = 1


@dataclass(frozen=True)
class PossiblePairs:
    """The pairs of perturbations that make a null: they share no gene and differ as pairs must.

    `related` are the pairs that share a gene, as row * (number of columns) + column, ascending.
    """

    related: np.ndarray
    identity_a: np.ndarray
    identity_b: np.ndarray

    def holds(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return, for each pair (row, column), whether it may be in the null."""
        return self.differ(rows, columns) & ~np.isin(rows * len(self.identity_b) + columns, self.related)

    def differ(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return, for each pair (row, column), whether the two differ as the perturbations of a pair must."""
        return self.identity_a[rows] != self.identity_b[columns]

    def pairs(
        self, rows: np.ndarray, columns: np.ndarray, most: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs of `rows` and `columns` that may be in the null; of many, about `most`.

        Parameters
        ----------
        rows, columns
            The perturbations of the first and of the second side, by number.
        most
            About how many pairs are returned at most.
        rng
            A random generator.

        Returns
        -------
        tuple
            The two perturbations of each pair, (pairs,) each.
        """
        total = len(rows) * len(columns)
        if total <= 4 * most:
            first, second = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
        else:
            drawn = np.unique(rng.integers(total, size=2 * most))
            first, second = rows[drawn // len(columns)], columns[drawn % len(columns)]
        chosen = np.flatnonzero(self.holds(first, second))
        if len(chosen) > most:
            chosen = np.sort(rng.choice(chosen, most, replace=False))
        return first[chosen], second[chosen]


def collect_pairs(
    correlations: Correlations,
    a: Side,
    b: Side,
    possible: PossiblePairs,
    shape: tuple[int, int],
    most: int,
    rng: np.random.Generator,
) -> Pool:
    """Return the pairs that make up the null of a block of `shape`.

    Their perturbations have at least `shape` replicates; of more replicates, this many are drawn at random,
    up to twenty times.

    Parameters
    ----------
    correlations
        Correlations between the wells of both sides.
    a, b
        The perturbations of both sides.
    possible
        The pairs that may be in the null.
    shape
        The number of replicates on each side.
    most
        About how many pairs, or medians of a pair's different replicates, are collected.
    rng
        A random generator.
    """
    rows, columns = np.flatnonzero(a.sizes >= shape[0]), np.flatnonzero(b.sizes >= shape[1])
    first, second = possible.pairs(rows, columns, most, rng)
    if not len(first):
        return Pool(np.empty(0), np.empty(0, dtype=int))
    cut = (a.sizes[rows] > shape[0]).any() or (b.sizes[columns] > shape[1]).any()
    cuts = max(1, min(CUTS, most // len(first))) if cut else 1
    medians, shared = [], []
    for _ in range(cuts):
        wells_a, wells_b = np.zeros((len(a.names), shape[0]), int), np.zeros((len(b.names), shape[1]), int)
        for row in rows:
            wells_a[row] = rng.permutation(a.wells[row])[: shape[0]]
        for column in columns:
            wells_b[column] = rng.permutation(b.wells[column])[: shape[1]]
        medians.append(compute_medians_between(correlations, wells_a[first], wells_b[second]))
        shared.append(count_shared_positions(a.position[wells_a], b.position[wells_b], first, second))
    return Pool(np.concatenate(medians), np.concatenate(shared), cuts)


def get_number_of_candidates(draws: int) -> int:
    """Return how many pairs the nulls of one block shape are taken from."""
    return min(max(draws, CANDIDATES[0]), CANDIDATES[1])


def draw_null(
    medians: np.ndarray, cuts: int, draws: int, resampled: bool, rng: np.random.Generator
) -> Null | None:
    """Return the null of a pool's medians: all of them, or `draws` of more; None if fewer than 20.

    Parameters
    ----------
    medians
        The medians of the pool.
    cuts
        How often each pair of the pool is included.
    draws
        The largest size of the null.
    resampled
        Whether the score's interval is that of other pools like it, for pools whose size limits how well the
        threshold is known. Otherwise, a pool that is used completely has no other draw.
    rng
        A random generator.
    """
    size = len(medians) // cuts
    if size < FEWEST:
        return None
    if size > draws:
        return Null(medians[rng.integers(len(medians), size=draws)])
    return Null(medians, size, drawn=resampled)


def draw_both_nulls(
    correlations: Correlations,
    a: Side,
    b: Side,
    possible: PossiblePairs,
    places: set[tuple[int, int, int]],
    draws: int,
    seed: int,
) -> tuple[dict[Hashable, Null | None], dict[Hashable, Null | None]]:
    """Return the standard null of each block shape, and the position-aware one of each shape and sharing.

    Parameters
    ----------
    correlations
        Correlations between the wells of both sides.
    a, b
        The perturbations of both sides.
    possible
        The pairs that may be in the null.
    places
        Shapes of blocks with the number of pairs of wells that share a position.
    draws
        The largest size of a null.
    seed
        The seed of the draws.
    """
    nulls: dict[Hashable, Null | None] = {}
    aware: dict[Hashable, Null | None] = {}
    for shape in sorted({place[:2] for place in places}):
        rng = np.random.default_rng([seed, 2, *shape])
        pool = collect_pairs(correlations, a, b, possible, shape, get_number_of_candidates(draws), rng)
        nulls[shape] = draw_null(pool.medians, pool.cuts, draws, False, rng)
        for shared in sorted(place[2] for place in places if place[:2] == shape):
            alike = pool.medians[pool.shared == shared]
            rng = np.random.default_rng([seed, 3, *shape, shared])
            aware[(*shape, shared)] = draw_null(alike, pool.cuts, draws, True, rng)
    return nulls, aware
