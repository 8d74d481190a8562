"""Compute how often average precision is as high by chance, exactly if the outcomes can be counted.

Matching: one query ranks n positives among N others, and all C(N, n) orders are equally likely.
Replicability: the wells of a perturbation are queries, but not independent ones: two replicates share one
similarity, and all rank the same controls. With two replicates and N controls, both rank first with a chance
of 1 / (2N + 1), not 1 / (N + 1)^2 as in copairs. The p-value is the larger of two: that of labels (sets of as
many wells, from the perturbation and the controls of each plate, scored in the same way; a permutation test)
and that of rankings (all similarities in random order; it depends only on the numbers of wells).
Ties count as at least as high. A sampled p-value is (1 + as high) / (1 + sampled).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from math import comb, prod

import numpy as np

from lib.average_precision import TIE, compute_precision_from_counts, count_above, scale_rows_to_unit

ENUMERATED = 200_000  # orders of one ranking that are counted one by one; more are sampled
EXACT_STATES = 1_000_000  # pairs of ranks of two replicates whose chances are computed
LARGEST = 16  # replicates that are tested; if there are more, this many are drawn
# Controls that are all compared with each other; if there are more, entire plates are drawn.
MOST_CONTROLS = 4_000
MOST_SETS = 10_000  # sets that are drawn for a perturbation
CHUNK = 2_000_000  # ranks gathered at once
FEW = 8  # rows that are sorted by comparing neighbors
SPACING = 4.0  # between the similarities of one control and the next, on one line
ROUNDING = 1e-9  # average precisions that differ by less are equal


@dataclass(frozen=True)
class Distribution:
    """The null distribution of a score: `values` ascending, `tail` the probability of reaching each.

    `sampled`: the number of outcomes that were drawn; 0 if all possible ones were counted.
    """

    values: np.ndarray
    tail: np.ndarray
    sampled: int

    @classmethod
    def of_outcomes(cls, values: np.ndarray, chances: np.ndarray | None = None) -> "Distribution":
        """Create it from all possible outcomes, which are equally likely unless `chances` are given."""
        order = np.argsort(values)
        weight = np.full(len(values), 1 / len(values)) if chances is None else chances[order]
        return cls(values[order], np.cumsum(weight[::-1])[::-1], 0)

    @classmethod
    def of_sample(cls, values: np.ndarray) -> "Distribution":
        """Create it from sampled outcomes."""
        number = len(values)
        return cls(np.sort(values), np.arange(number, 0, -1) / number, number)

    def p_value(self, score: float) -> float:
        """Return the probability of a score at least as high."""
        at = np.searchsorted(self.values, score - ROUNDING)
        reached = self.tail[at] if at < len(self.tail) else 0.0
        if self.sampled:
            return float((1 + self.sampled * reached) / (1 + self.sampled))
        return float(min(1.0, reached))

    @property
    def smallest(self) -> float:
        """Return the smallest possible p-value: that of a perfect ranking."""
        return self.p_value(1.0)


@cache
def get_distribution_of_query(positives: int, negatives: int, draws: int, seed: int) -> Distribution:
    """Return the distribution of the average precision of one query in random order.

    Parameters
    ----------
    positives, negatives
        How many profiles a query ranks that match it, and that do not.
    draws, seed
        The number of draws and their seed, if there are too many orders to enumerate.
    """
    total = positives + negatives
    if positives == 1:
        return Distribution.of_outcomes(1 / np.arange(1, total + 1))
    number = comb(total, positives)
    if number <= ENUMERATED:
        flat = (rank for chosen in combinations(range(total), positives) for rank in chosen)
        ranks = np.fromiter(flat, dtype=np.int64, count=number * positives).reshape(number, positives)
    else:
        rng = np.random.default_rng([seed, 5, positives, negatives])
        ranks = np.sort(choose(total, positives, draws, rng), axis=1)
    precision = compute_precision_from_counts(ranks - np.arange(positives))
    return Distribution.of_outcomes(precision) if number <= ENUMERATED else Distribution.of_sample(precision)


@cache
def get_distribution_of_replicates(replicates: int, controls: int, draws: int, seed: int) -> Distribution:
    """Return the distribution of the mean average precision if all similarities come in random order.

    It is exact for two replicates: for a similarity at the quantile u, the numbers of controls above it are
    two independent binomials with probability 1 - u, which is integrated over u.

    Parameters
    ----------
    replicates, controls
        The number of replicates, and of negative controls.
    draws, seed
        The number of draws and their seed, if the distribution is not exact.
    """
    if replicates == 2 and (controls + 1) ** 2 <= EXACT_STATES:
        from scipy.special import betaln, gammaln  # here, since most runs do without

        k = np.arange(controls + 1)
        orders = gammaln(controls + 1) - gammaln(k + 1) - gammaln(controls - k + 1)
        above = k[:, None] + k[None, :]
        chances = np.exp(orders[:, None] + orders[None, :] + betaln(2 * controls - above + 1, above + 1))
        scores = (1 / (1 + k[:, None]) + 1 / (1 + k[None, :])) / 2
        return Distribution.of_outcomes(scores.ravel(), chances.ravel())
    rng = np.random.default_rng([seed, 6, replicates, controls])
    first, second = np.triu_indices(replicates, 1)
    similarity = np.empty((draws, replicates, replicates))
    similarity[:, first, second] = similarity[:, second, first] = rng.random((draws, len(first)))
    similarity[:, np.arange(replicates), np.arange(replicates)] = -1
    ranked = -np.sort(-similarity, axis=2)[:, :, :-1]
    above = np.zeros(ranked.shape, dtype=np.int64)
    left, beyond = np.full(ranked.shape[:2], controls), np.ones(ranked.shape[:2])
    for column in range(replicates - 1):
        # of the controls that are not above the last positive, those that are above this one
        share = np.clip(1 - ranked[:, :, column] / beyond, 0, 1)
        between = rng.binomial(left, share)
        above[:, :, column] = controls - left + between
        left, beyond = left - between, ranked[:, :, column]
    precision = compute_precision_from_counts(above.reshape(-1, replicates - 1))
    return Distribution.of_sample(precision.reshape(draws, replicates).mean(axis=1))


def choose(number: int, size: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `size` different numbers below `number`, `draws` times: (draws, size)."""
    if size * size > number:
        step = max(1, CHUNK // number)
        parts = [
            np.argpartition(rng.random((min(step, draws - start), number)), size - 1, axis=1)[:, :size]
            for start in range(0, draws, step)
        ]
        return np.vstack(parts)
    chosen = rng.integers(number, size=(draws, size))
    again = np.arange(draws)
    while len(again):
        again = again[(np.diff(np.sort(chosen[again], axis=1), axis=1) == 0).any(axis=1)]
        chosen[again] = rng.integers(number, size=(len(again), size))
    return chosen


@dataclass(frozen=True)
class Controls:
    """The controls that replicates are compared with, and how they rank each other.

    `rows` (controls, features) have length 1, `similarity` (controls, controls) is their product, and `above`
    counts for each of its values the controls that are more similar to the row's control. `stand_for`: all
    controls, if there are too many to compare with each other; None if these are all.
    """

    rows: np.ndarray
    plates: np.ndarray
    similarity: np.ndarray
    above: np.ndarray
    stand_for: np.ndarray | None

    @classmethod
    def of(cls, values: np.ndarray, plates: np.ndarray, seed: int) -> "Controls":
        """Compare the controls with each other; of more than 4,000, those of plates drawn at random."""
        every = len(values) <= MOST_CONTROLS
        chosen = np.arange(len(values))
        if not every:
            names, codes = np.unique(plates, return_inverse=True)
            order = np.random.default_rng([seed, 7]).permutation(len(names))
            ends = np.cumsum(np.bincount(codes)[order])
            number = max(1, int(np.searchsorted(ends, MOST_CONTROLS, side="right")))
            chosen = np.flatnonzero(np.isin(codes, order[:number]))[:MOST_CONTROLS]
        rows = scale_rows_to_unit(values[chosen])
        similarity = rows @ rows.T
        above = count_above(rows, values, similarity)
        # each control is most similar to itself, and is not a candidate for itself
        above -= similarity < 1 - TIE
        np.fill_diagonal(similarity, -np.inf)
        return cls(rows, plates[chosen], similarity, above.astype(np.int32), None if every else values)


class LabelTest:
    """The null of labels for the perturbations of one condition; see the module's docstring."""

    def __init__(self, controls: Controls, draws: int, seed: int) -> None:
        self.controls, self.draws, self.seed = controls, draws, seed
        self.sets: dict[Hashable, tuple[np.ndarray, int]] = {}
        self.last: tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None
        self.of_controls: dict[tuple[int, ...], Distribution | None] = {}

    def null(
        self,
        rows: np.ndarray,
        plates: np.ndarray,
        score: float = np.nan,
        across: np.ndarray | None = None,
    ) -> tuple[Distribution | None, float]:
        """Return the distribution for a perturbation (None if none can be drawn), and its own score.

        Parameters
        ----------
        rows
            Profiles of the replicates, scaled to length 1, (replicates, features).
        plates
            The plate of each replicate.
        score
            The perturbation's score, used if there are too many controls to compute it here.
        across
            The similarities of the replicates to the controls, if they are known: (replicates, controls).
        """
        names, counts = np.unique(plates, return_counts=True)
        if self.controls.stand_for is not None:
            pattern = tuple(sorted(counts.tolist(), reverse=True))
            if pattern not in self.of_controls:
                self.of_controls[pattern] = self.draw_from_controls(pattern)
            return self.of_controls[pattern], score
        own = [np.flatnonzero(plates == name) for name in names]
        others = [np.flatnonzero(self.controls.plates == name) for name in names]
        if not all(len(part) for part in others):
            own, others = [np.arange(len(plates))], [np.arange(len(self.controls.rows))]
        used = np.sort(np.concatenate(others))
        above = self.ranks(rows, rows @ self.controls.rows.T if across is None else across, used)
        place = len(rows) + np.searchsorted(used, np.arange(len(self.controls.rows)))
        strata = [np.concatenate([a, place[b]]) for a, b in zip(own, others, strict=True)]
        sets, number = self.subsets(tuple((len(s), len(o)) for s, o in zip(strata, own, strict=True)))
        starts = np.cumsum([0, *(len(part) for part in strata)])[:-1]
        columns = [len(part) for part in own]
        offset = np.repeat(starts, columns)
        chosen = np.concatenate(strata)[sets + offset]
        found = score_sets(above, chosen)
        score = score_sets(above, np.arange(len(rows))[None])[0]
        return (Distribution.of_sample if number else Distribution.of_outcomes)(found), score

    def ranks(self, rows: np.ndarray, across: np.ndarray, used: np.ndarray) -> np.ndarray:
        """Count, for each pair of wells, the wells that are more similar to the first than the second is.

        The pairs are those of the perturbation's wells and the controls `used`; all controls and the
        perturbation's wells are counted.
        """
        within = rows @ rows.T
        size = len(rows)
        np.fill_diagonal(within, -np.inf)
        limits = np.hstack([within, across[:, used]])
        above = np.empty((size + len(used), size + len(used)), dtype=np.int32)
        for row in range(size):
            every = np.sort(np.concatenate([within[row], across[row]]))
            above[row] = len(every) - np.searchsorted(every, limits[row] + TIE, side="right")
        own = across[:, used].T
        base, thresholds, ranked = self.between(used)
        above[size:, size:] = base
        for column in range(size):
            above[size:, size:] += own[:, column, None] > thresholds
        # all rows are searched at once: each has its own segment of the number line
        line = np.arange(len(used))[:, None] * SPACING
        found = np.searchsorted(ranked, (own + TIE + line).ravel(), side="right").reshape(own.shape)
        above[size:, :size] = len(self.controls.rows) * np.arange(1, 1 + len(used))[:, None] - found
        for column in range(size):
            above[size:, column] += (own > own[:, column, None] + TIE).sum(axis=1)
        return above

    def between(self, used: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rank the controls `used`: counts, thresholds, all similarities in one ascending row.

        The result is kept for the next perturbation, which is often on the same plates.
        """
        if self.last is None or not np.array_equal(self.last[0], used):
            part = np.ix_(used, used)
            line = np.arange(len(used))[:, None] * SPACING
            ranked = np.sort(np.maximum(self.controls.similarity[used], -1.5), axis=1) + line
            thresholds = self.controls.similarity[part] + TIE
            self.last = used, (self.controls.above[part], thresholds, ranked.ravel())
        return self.last[1]

    def subsets(self, strata: tuple[tuple[int, int], ...]) -> tuple[np.ndarray, int]:
        """Return sets with a number of wells (second) from each stratum (first), and how many were drawn.

        If 0 were drawn, these are all possible sets.
        """
        if strata not in self.sets:
            number = prod(comb(total, size) for total, size in strata)
            if number <= self.draws:
                parts = [np.array(list(combinations(range(total), size))) for total, size in strata]
                grid = np.meshgrid(*(np.arange(len(part)) for part in parts), indexing="ij")
                chosen = [part[index.ravel()] for part, index in zip(parts, grid, strict=True)]
                self.sets[strata] = np.hstack(chosen), 0
            else:
                rng = np.random.default_rng([self.seed, 8, *np.ravel(strata).tolist()])
                chosen = [choose(total, size, self.draws, rng) for total, size in strata]
                self.sets[strata] = np.hstack(chosen), self.draws
        return self.sets[strata]

    def draw_from_controls(self, pattern: tuple[int, ...]) -> Distribution | None:
        """Return the distribution for sets of controls with these numbers per plate, or None."""
        rng = np.random.default_rng([self.seed, 9, *pattern])
        _, codes, sizes = np.unique(self.controls.plates, return_inverse=True, return_counts=True)
        order, starts = np.argsort(codes, kind="stable"), np.cumsum(sizes) - sizes
        fitting = np.flatnonzero(sizes >= max(pattern))
        if len(fitting) < len(pattern):
            return None
        plates = fitting[choose(len(fitting), len(pattern), self.draws, rng)]
        parts = []
        for column, count in enumerate(pattern):
            # the same fraction of each plate's wells, regardless of their number
            picks = choose(int(sizes[fitting].min()), count, self.draws, rng)
            shift = rng.integers(sizes[plates[:, column]])
            parts.append(
                order[
                    starts[plates[:, column], None]
                    + (picks + shift[:, None]) % sizes[plates[:, column], None]
                ]
            )
        return Distribution.of_sample(score_sets(self.controls.above, np.hstack(parts)))


def score_sets(above: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Return mean average precision of each set of wells (sets, m) from the ranks `above` (wells, wells)."""
    size = sets.shape[1]
    flat, rank = above.ravel(), np.arange(1, size)[:, None, None]
    others = np.array([[other for other in range(size) if other != well] for well in range(size)]).T
    scores = np.empty(len(sets))
    step = max(1, CHUNK // size**2)
    for start in range(0, len(sets), step):
        part = sets[start : start + step].T
        # the other wells of the set, each well of the set, sets
        ranks = flat.take(part * above.shape[1] + part[others])
        sort_columns(ranks)
        scores[start : start + step] = (rank / (1 + ranks)).sum(axis=(0, 1)) / (size * (size - 1))
    return scores


def sort_columns(values: np.ndarray) -> None:
    """Sort an array of few rows along its first axis, in place: several times faster than numpy's sort."""
    if len(values) > FEW:
        values.sort(axis=0)
        return
    for end in range(len(values) - 1, 0, -1):
        for row in range(end):
            smaller = np.minimum(values[row], values[row + 1])
            np.maximum(values[row], values[row + 1], out=values[row + 1])
            values[row] = smaller


def compute_replicate_p_value(
    rows: np.ndarray,
    plates: Sequence[str],
    score: float,
    test: LabelTest,
    number_of_controls: int,
    across: np.ndarray | None = None,
) -> tuple[float, float, int]:
    """Compute the p-value of a perturbation's mean average precision.

    Parameters
    ----------
    rows
        Profiles of its replicates, scaled to length 1, (replicates, features).
    plates
        The plate of each replicate.
    score
        Its mean average precision.
    test
        The test by labels of its condition.
    number_of_controls
        The controls that each replicate ranks.
    across
        The similarities of the replicates to the controls of `test`, if they are known.

    Returns
    -------
    tuple[float, float, int]
        The p-value, the smallest possible p-value, and the number of sets that were drawn (0: all sets
        were ranked). Of more than 16 replicates, 16 drawn at random are tested.
    """
    plates = np.asarray(plates)
    if len(rows) > LARGEST:
        rng = np.random.default_rng([test.seed, 10, len(rows)])
        chosen = rng.permutation(len(rows))[:LARGEST]
        rows, plates = rows[chosen], plates[chosen]
        across = None if across is None else across[chosen]
        if test.controls.stand_for is not None:
            within = (rows @ rows.T)[~np.eye(len(rows), dtype=bool)].reshape(len(rows), -1)
            score = float(
                compute_precision_from_counts(count_above(rows, test.controls.stand_for, within)).mean()
            )
    null, score = test.null(rows, plates, score, across)
    by_order = get_distribution_of_replicates(len(rows), number_of_controls, test.draws, test.seed)
    if null is None:
        return by_order.p_value(score), by_order.smallest, by_order.sampled
    p = max(null.p_value(score), by_order.p_value(score))
    # of equally likely sets, at least the perturbation's own reaches its score
    least = 1 / (1 + null.sampled) if null.sampled else 1 / len(null.values)
    return p, max(least, by_order.smallest), null.sampled
