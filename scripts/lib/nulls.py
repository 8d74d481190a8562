"""Null distributions of the benchmark, and what is derived from them: thresholds, p-values, intervals."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

FEWEST = 20  # a null of fewer distinct values has no meaningful 95th percentile
TAILS = ("right", "left", "both")
WIDE = 64  # with more wells at one position, wells are drawn with replacement until they differ
KEYS = 8_000_000  # random numbers held at once
RARE = 0.01  # a null whose sets are accepted less often than this is not drawn


@dataclass(frozen=True)
class Null:
    """A null distribution of medians, (draws,).

    `values`: the number of different values (positions, pairs) it is drawn from if these are few, else None.
    `places`, (draws, blocks): the positions that each median comes from, if they limit how well the null is
    known. `drawn`: whether it is a sample, which would differ with another seed. `pairs`: the number of pairs
    of wells that its sets consist of; however many sets are drawn, no p-value is below 1 / (1 + pairs).
    """

    medians: np.ndarray
    values: int | None = None
    places: np.ndarray | None = None
    drawn: bool = True
    pairs: int | None = None

    def percentiles(self, levels: Sequence[float], repeats: int, rng: np.random.Generator) -> np.ndarray:
        """Return the percentiles of the null, and of `repeats` more samples like it: (1 + repeats, levels).

        A percentile of a sample of n is an order statistic, and the share of the null below it has a beta
        distribution, so no new sample is drawn. If positions limit the null, each repeat draws them with
        replacement and takes a median as often as all its positions were drawn.
        """
        order = np.argsort(self.medians)
        ranked, number = self.medians[order], len(order)
        at = np.asarray(levels, dtype=float) / 100
        found = np.tile(np.percentile(ranked, levels), (1 + repeats, 1))
        if not self.drawn:
            return found
        if self.places is None or not self.places.size:
            position = number * rng.beta(
                (number - 1) * at + 1, (number - 1) * (1 - at) + 1, (repeats, len(at))
            )
            found[1:] = np.interp(position - 0.5, np.arange(number), ranked)
            return found
        names, codes = np.unique(self.places[order], return_inverse=True)
        codes = codes.reshape(self.places.shape)
        for row in range(1, 1 + repeats):
            times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
            weight = times[codes].prod(axis=1)
            total = (weight if weight.any() else weight + 1).cumsum()
            found[row] = ranked[np.minimum(np.searchsorted(total, at * total[-1]), number - 1)]
        return found


Nulls = Mapping[Hashable, Null | None]


def draw_different(
    candidates: np.ndarray, codes: np.ndarray, size: int, draws: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Draw sets of wells of different perturbations.

    Each well is drawn uniformly from the wells of the perturbations that the set does not have yet.

    Parameters
    ----------
    candidates
        Row numbers of the wells to draw from.
    codes
        The perturbation of every row, as an integer.
    size
        Number of wells per set.
    draws
        Number of sets.
    rng
        A random generator.

    Returns
    -------
    numpy.ndarray or None
        Row numbers, (draws, size); None if there are fewer than `size` perturbations.
    """
    if len(np.unique(codes[candidates])) < size:
        return None
    columns = candidates[rng.integers(len(candidates), size=(size, draws))]
    drawn = codes[columns]
    for column in range(1, size):
        clash = np.zeros(draws, dtype=bool)
        for earlier in range(column):
            clash |= drawn[earlier] == drawn[column]
        again = np.flatnonzero(clash)
        while len(again):
            columns[column, again] = candidates[rng.integers(len(candidates), size=len(again))]
            drawn[column, again] = codes[columns[column, again]]
            again = again[(drawn[:column, again] == drawn[column, again]).any(axis=0)]
    return columns.T


@dataclass(frozen=True)
class Positions:
    """The wells at each position: `wells` (positions, widest), padded with -1."""

    wells: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Return the number of wells at each position."""
        return (self.wells >= 0).sum(axis=1)

    @classmethod
    def of(cls, position: Sequence[str]) -> "Positions":
        """Group row numbers by their well position."""
        names, codes = np.unique(np.asarray(position, dtype=str), return_inverse=True)
        counts = np.bincount(codes, minlength=len(names))
        wells = np.full((len(names), counts.max(initial=1)), -1)
        order = np.argsort(codes, kind="stable")
        offset = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
        wells[codes[order], offset] = order
        return cls(wells)

    def holding(self, size: int, codes: np.ndarray) -> np.ndarray:
        """Return the positions whose wells have at least `size` different perturbations."""
        different = [len(np.unique(codes[row[row >= 0]])) for row in self.wells]
        return np.flatnonzero(np.array(different) >= size)

    def draw(
        self, positions: np.ndarray, size: int, codes: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw wells at each position.

        Parameters
        ----------
        positions
            Numbers of the positions, (n,).
        size
            Number of wells per position.
        codes
            The perturbation of every row, as an integer.
        rng
            A random generator.

        Returns
        -------
        numpy.ndarray
            Row numbers, (n, size). Their perturbations are different if ten attempts are enough for that.
        """
        chosen = np.empty((len(positions), size), dtype=int)
        step = max(1, KEYS // self.wells.shape[1])
        for start in range(0, len(positions), step):
            again = np.arange(start, min(start + step, len(positions)))
            for _ in range(10):
                chosen[again] = self.pick(positions[again], size, rng)
                again = again[~all_different(codes[chosen[again]])]
                if not len(again):
                    break
        return chosen

    def pick(self, positions: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `size` wells for each of `positions` (n,): (n, size); with many wells, one may occur twice."""
        if self.wells.shape[1] > WIDE:
            offset = rng.random((len(positions), size)) * self.counts[positions, None]
            return self.wells[positions[:, None], offset.astype(int)]
        rows = self.wells[positions]
        keys = np.where(rows >= 0, rng.random(rows.shape), np.inf)
        return np.take_along_axis(rows, np.argsort(keys, axis=1)[:, :size], axis=1)


def all_different(rows: np.ndarray) -> np.ndarray:
    """Return, for each row, whether its values are all different."""
    return (np.diff(np.sort(rows, axis=1), axis=1) != 0).all(axis=1)


def draw_sharing_positions(
    pattern: tuple[int, ...],
    scored: np.ndarray,
    codes: np.ndarray,
    positions: Positions,
    draws: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Draw sets of wells of different perturbations that share positions according to `pattern`.

    A position with several wells of the set is drawn from those that hold as many different perturbations; a
    position with a single well is drawn from the `scored` wells.

    Parameters
    ----------
    pattern
        Number of wells of a perturbation at each of its positions, largest first: (4,) for one position on
        four plates, (2, 2) for two wells on each of two plates.
    scored
        Row numbers of the scored wells.
    codes
        The perturbation of every row, as an integer. Every negative-control well has a separate code, as it
        shares no perturbation with any other well.
    positions
        The wells at each position.
    draws
        Number of sets.
    rng
        A random generator.

    Returns
    -------
    tuple[numpy.ndarray, numpy.ndarray] or None
        Row numbers (draws, wells), and the positions of the blocks (draws, blocks). None if fewer than 20
        positions can be drawn from, or if hardly any choice of them has different perturbations.
    """
    blocks = [size for size in pattern if size > 1]
    singles = len(pattern) - len(blocks)
    eligible = {size: positions.holding(size, codes) for size in set(blocks)}
    if any(len(found) < FEWEST for found in eligible.values()):
        return None
    sets = np.empty((draws, sum(pattern)), dtype=int)
    places = np.empty((draws, len(blocks)), dtype=int)
    again = np.arange(draws)
    while len(again):
        parts = []
        for column, size in enumerate(blocks):
            places[again, column] = rng.choice(eligible[size], len(again))
            parts.append(positions.draw(places[again, column], size, codes, rng))
        if singles:
            alone = draw_different(scored, codes, singles, len(again), rng)
            if alone is None:
                return None
            parts.append(alone)
        sets[again] = np.hstack(parts)
        good = all_different(codes[sets[again]]) & all_different(places[again])
        if good.mean() < RARE and len(again) == draws:
            return None
        again = again[~good]
    return sets, places


@dataclass(frozen=True)
class Score:
    """A percentage with its 95 % interval, and for each signal its threshold(s) and whether it counts.

    `judged`: whether a signal is in the percentage's denominator.
    """

    percent: float
    low: float
    high: float
    lower: np.ndarray
    upper: np.ndarray
    counts: np.ndarray
    judged: np.ndarray

    @property
    def calls(self) -> np.ndarray | pd.arrays.BooleanArray:
        """Return whether each signal is beyond its threshold; missing where there is no threshold."""
        calls = pd.array(self.counts, dtype="boolean")
        calls[~self.judged] = pd.NA
        return self.counts if self.judged.all() else calls


def score(
    signal: np.ndarray,
    keys: Sequence[Hashable],
    nulls: Nulls,
    percentile: float,
    tail: str,
    repeats: int = 100,
    seed: int = 0,
) -> Score:
    """Return the percentage of signals strictly beyond their null's percentile, with its interval.

    For a null drawn from only n values, percentile p is taken at p(n + 1)/n, because that is the percentile
    which the next value exceeds with a probability of 100 - p.

    Parameters
    ----------
    signal
        The signals, (n,). A missing (NaN) signal does not count and stays in the denominator.
    keys
        The key of the null that each signal is compared with.
    nulls
        The nulls by key. A signal whose null could not be drawn (None) is left out of the denominator.
    percentile
        The percentile of the null.
    tail
        `right` compares with the percentile, `left` with 100 - percentile from below, and `both` with
        either, as in the published code, so that by chance `both` is twice 100 - percentile.
    repeats
        Number of nulls for the interval.
    seed
        Seed of the interval.

    Returns
    -------
    Score
        The interval holds the central 95 % of the scores of `repeats` nulls like these, and the score itself.
        The percentage is NaN if there is no signal.
    """
    lower = np.full((1 + repeats, len(signal)), np.nan)
    upper = np.full((1 + repeats, len(signal)), np.nan)
    names = np.array([hash(key) for key in keys])
    for number, (key, null) in enumerate(nulls.items()):
        if null is not None:
            few = null.values
            level = min(100, percentile * (few + 1) / few) if few else percentile
            rng = np.random.default_rng([seed, 11, number])
            found = null.percentiles([100 - level, level], repeats, rng)
            chosen = names == hash(key)
            lower[:, chosen], upper[:, chosen] = found[:, :1], found[:, 1:]
    beyond = is_beyond(signal, lower, upper, tail)
    judged = np.isnan(signal) | ~np.isnan(upper[0])
    if not len(signal) or np.isnan(upper).all() or np.isnan(signal).all():
        return Score(np.nan, np.nan, np.nan, lower[0], upper[0], beyond[0], judged & False)
    percents = 100 * beyond[:, judged].mean(axis=1)
    low, high = np.percentile(percents, [2.5, 97.5])
    percent = percents[0]
    return Score(percent, min(low, percent), max(high, percent), lower[0], upper[0], beyond[0], judged)


def is_beyond(signal: np.ndarray, lower: np.ndarray, upper: np.ndarray, tail: str) -> np.ndarray:
    """Return whether signals are strictly beyond their thresholds on the side that `tail` names.

    Parameters
    ----------
    signal
        The signals, (signals,).
    lower, upper
        The thresholds of the left and of the right tail; they broadcast to the signals.
    tail
        `right`, `left` or `both`.
    """
    beyond = np.zeros(np.broadcast_shapes(np.shape(signal), np.shape(upper)), dtype=bool)
    if tail in ("right", "both"):
        beyond |= signal > upper
    if tail in ("left", "both"):
        beyond |= signal < lower
    return beyond


def compute_p_values(
    signal: np.ndarray,
    keys: Sequence[Hashable],
    nulls: Nulls,
    tail: str,
) -> np.ndarray:
    """Return empirical p-values against each signal's null, (1 + as extreme) / (1 + draws).

    Parameters
    ----------
    signal
        The signals, (n,).
    keys
        The key of the null that each signal is compared with.
    nulls
        The nulls by key. For a null drawn from only n values, or pairs of wells, no p-value is below
        1 / (1 + n).
    tail
        `right`, `left`, or `both`, which doubles the smaller tail.

    Returns
    -------
    numpy.ndarray
        The p-values, (n,); NaN if there is no signal or no null.
    """
    found = np.full(len(signal), np.nan)
    names = np.array([hash(key) for key in keys])
    for key, null in nulls.items():
        chosen = (names == hash(key)) & ~np.isnan(signal)
        if null is None or not chosen.any():
            continue
        ordered = np.sort(null.medians)
        draws = min(null.values or len(ordered), null.pairs or len(ordered), len(ordered))
        right = 1 - np.searchsorted(ordered, signal[chosen], side="left") / len(ordered)
        left = np.searchsorted(ordered, signal[chosen], side="right") / len(ordered)
        right, left = ((1 + draws * share) / (1 + draws) for share in (right, left))
        both = np.minimum(2 * np.minimum(left, right), 1)
        found[chosen] = {"right": right, "left": left, "both": both}[tail]
    return found


def compute_q_values(p: np.ndarray, method: Literal["bh", "by"] = "bh") -> np.ndarray:
    """Return adjusted p-values; missing ones stay missing and do not count as tests.

    `bh` is Benjamini-Hochberg's adjustment, for tests that are independent or depend positively on each other
    (such as those against one common sample; Bates et al. 2023, Annals of Statistics). `by` is
    Benjamini-Yekutieli's, which holds for any dependence and is stricter. The results are those of
    `scipy.stats.false_discovery_control`, whose import takes longer than most benchmarks.
    """
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])]
    tests = len(order)
    ranks = np.arange(1, tests + 1)
    scaled = p[order] * (tests / ranks) * ((1 / ranks).sum() if method == "by" else 1)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(0, 1)
    return adjusted
