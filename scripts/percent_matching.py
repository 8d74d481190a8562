"""Percent Matching of two conditions: do perturbations of one gene look similar?

The definition is that of the CPJUMP1 paper (Chandrasekaran et al. 2024, Nature Methods) for compounds
against CRISPR guides or ORFs of one cell line: for every pair of perturbations, one from each side,
that target the same gene, the signal is the median of the entire replicate x replicate block of Pearson
correlations (no averaging first, the guides of a gene kept apart). The null is the same median for
pairs without a gene in common. The score is the percentage of pairs beyond the null's 95th percentile
(right tail); the left tail (overexpression is expected to anti-correlate) and both tails are reported beside
it. As in the published code, `both` adds the two tails, so by chance it is 10 %.

Within one condition the pairs are those of two different perturbations that share a gene (or a
mechanism), each pair once; a pair that shares several genes counts once. The null of a pair is taken
from blocks of the same shape: perturbations with at least as many replicates, cut to that number.

The position-aware null holds pairs whose wells share positions as often as those of the pair.

A score has two intervals: `_low` and `_high` are the scores of new draws of the null, `_sampling_low` and
`_sampling_high` the scores that other genes might get (the pairs of one gene depend on each other).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import number_of
from lib.intervals import proportion_interval, sampling
from lib.logs import logged
from lib.nulls import FEWEST, TAILS, Null, Nulls, Score, evenly, p_values, q_values, score
from lib.replicates import Correlations, Wells, correlate, medians_between
from lib.scores import BOUNDARY, add_notes, write_score
from lib.sides import Side, identities, mark_sides, pairs_of_genes, read_sides, side

CUTS = 20  # random choices of replicates, where a pair has more than the block of the null
CANDIDATES = (100_000, 1_000_000)  # pairs of different genes that nulls are taken from, at least and at most


def shared_positions(a: np.ndarray, b: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Count the well pairs at one position, for row pairs of two position arrays (perturbations, wells)."""
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
class Unlike:
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
        """Return the pairs of `rows` and `columns` that may be in the null; of many, about `most`."""
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


def null_pool(
    correlations: Correlations,
    a: Side,
    b: Side,
    unlike: Unlike,
    shape: tuple[int, int],
    most: int,
    rng: np.random.Generator,
) -> Pool:
    """Return the pairs that make up the null of a block of `shape`.

    Their perturbations have at least `shape` replicates; of more replicates, this many are drawn at random,
    up to twenty times.
    """
    rows, columns = np.flatnonzero(a.sizes >= shape[0]), np.flatnonzero(b.sizes >= shape[1])
    first, second = unlike.pairs(rows, columns, most, rng)
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
        medians.append(medians_between(correlations, wells_a[first], wells_b[second]))
        shared.append(shared_positions(a.position[wells_a], b.position[wells_b], first, second))
    return Pool(np.concatenate(medians), np.concatenate(shared), cuts)


def candidates(draws: int) -> int:
    """Return how many pairs the nulls of one block shape are taken from."""
    return min(max(draws, CANDIDATES[0]), CANDIDATES[1])


def draw(
    medians: np.ndarray, cuts: int, draws: int, resampled: bool, rng: np.random.Generator
) -> Null | None:
    """Return the null of a pool's medians: all of them, or `draws` of more; None if fewer than 20.

    `resampled`: whether the score's interval is that of other pools like it, for pools whose size limits how
    well the threshold is known. Otherwise, a pool that is used completely has no other draw.
    """
    size = len(medians) // cuts
    if size < FEWEST:
        return None
    if size > draws:
        return Null(medians[rng.integers(len(medians), size=draws)])
    return Null(medians, size, drawn=resampled)


def percent_matching(
    wells: Wells,
    of_a: np.ndarray,
    gene: str | Sequence[str] = "Metadata_gene",
    within: bool = False,
    group: str | Sequence[str] = "Metadata_broad_sample",
    different: str | Sequence[str] | None = None,
    draws: int = 1_000_000,
    repeats: int = 100,
    percentile: float = 95,
    minimum_replicates: int = 1,
    positive_controls: bool = True,
    seed: int = 0,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Score one comparison.

    Parameters
    ----------
    wells
        The wells of both sides.
    of_a
        Which wells are of the first side, (wells,).
    within
        Whether both sides are the same condition.
    gene
        The column that holds the genes, or one column for each side.
    different
        Columns in which the perturbations of a pair must differ; by default they must be different
        perturbations.

    Returns
    -------
    tuple
        The score's row, a table with one row per pair, and the null's medians. Scores are percentages, or
        NaN with a message if there is no pair of one gene.
    """
    scored, part_a, part_b = mark_sides(wells, of_a, within, group, positive_controls)
    gene_a, gene_b = (gene, gene) if isinstance(gene, str) else gene
    a = side(part_a.metadata, gene_a, minimum_replicates)
    b = side(part_b.metadata, gene_b, minimum_replicates)
    related = pairs_of_genes(a, b)
    unlike = Unlike(
        related[:, 0] * len(b.names) + related[:, 1],
        identities(part_a, a, different),
        identities(part_b, b, different),
    )
    pairs = related[unlike.differ(related[:, 0], related[:, 1])]
    pairs = pairs[pairs[:, 0] <= pairs[:, 1]] if within else pairs
    blocks = min(len(a.names) * len(b.names), candidates(draws)) + len(pairs)
    asked = blocks * np.median(a.sizes) * np.median(b.sizes) if blocks else 0
    correlations = correlate(part_a.values, part_b.values, pairs=asked)
    table = pair_table(correlations, a, b, pairs)
    shapes = list(zip(table["replicates_a"], table["replicates_b"], strict=True))
    if within:
        shapes = [(min(shape), max(shape)) for shape in shapes]
    places = [(*s, shared) for s, shared in zip(shapes, table["shared_positions"], strict=True)]
    nulls, aware = both_nulls(correlations, a, b, unlike, set(places), draws, seed)
    signal = table["median_correlation"].to_numpy()
    row: dict[str, Any] = {
        "plates_a": part_a.metadata["Metadata_Plate"].nunique(),
        "plates_b": part_b.metadata["Metadata_Plate"].nunique(),
        "features": len(scored.features),
        **scored.dropped,
        "perturbations_a": len(a.names),
        "perturbations_b": len(b.names),
        "perturbations_without_gene": a.without_gene + (0 if within else b.without_gene),
        "genes": len(set().union(*(a.genes[i] & b.genes[j] for i, j in pairs))),
        "pairs": len(pairs),
    }
    for prefix, keys, found in (("", shapes, nulls), ("position_aware_", places, aware)):
        row |= add_scores(row, table, signal, prefix, keys, found, percentile, repeats, seed)
    row |= {
        "position_aware_pairs": int(sum(aware[key] is not None for key in places)),
        "percentile": percentile,
        "draws": draws,
        "repeats": repeats,
        "minimum_replicates": minimum_replicates,
        "positive_controls": positive_controls,
        "seed": seed,
        "message": add_notes(message(a, b, pairs, shapes, nulls, places, aware), scored.notes),
    }
    return row, table, null_table(nulls, aware)


def pair_table(correlations: Correlations, a: Side, b: Side, pairs: np.ndarray) -> pd.DataFrame:
    """Return the pairs with their genes, replicates, shared positions and median correlation."""
    signal = np.full(len(pairs), np.nan)
    shared = np.zeros(len(pairs), dtype=int)
    sizes = np.column_stack([a.sizes[pairs[:, 0]], b.sizes[pairs[:, 1]]])
    for shape in np.unique(sizes, axis=0):
        chosen = np.flatnonzero((sizes == shape).all(axis=1))
        wells_a = np.array([a.wells[i] for i in pairs[chosen, 0]])
        wells_b = np.array([b.wells[j] for j in pairs[chosen, 1]])
        signal[chosen] = medians_between(correlations, wells_a, wells_b)
        same = a.position[wells_a][:, :, None] == b.position[wells_b][:, None, :]
        shared[chosen] = same.sum(axis=(1, 2))
    return pd.DataFrame(
        {
            "perturbation_a": a.names[pairs[:, 0]],
            "perturbation_b": b.names[pairs[:, 1]],
            "genes": ["|".join(sorted(a.genes[i] & b.genes[j])) for i, j in pairs],
            "replicates_a": sizes[:, 0],
            "replicates_b": sizes[:, 1],
            "shared_positions": shared,
            "median_correlation": signal,
        }
    )


def both_nulls(
    correlations: Correlations,
    a: Side,
    b: Side,
    unlike: Unlike,
    places: set[tuple[int, int, int]],
    draws: int,
    seed: int,
) -> tuple[dict[Hashable, Null | None], dict[Hashable, Null | None]]:
    """Return the standard null of each block shape, and the position-aware one of each shape and sharing."""
    nulls: dict[Hashable, Null | None] = {}
    aware: dict[Hashable, Null | None] = {}
    for shape in sorted({place[:2] for place in places}):
        rng = np.random.default_rng([seed, 2, *shape])
        pool = null_pool(correlations, a, b, unlike, shape, candidates(draws), rng)
        nulls[shape] = draw(pool.medians, pool.cuts, draws, False, rng)
        for shared in sorted(place[2] for place in places if place[:2] == shape):
            alike = pool.medians[pool.shared == shared]
            rng = np.random.default_rng([seed, 3, *shape, shared])
            aware[(*shape, shared)] = draw(alike, pool.cuts, draws, True, rng)
    return nulls, aware


def add_scores(
    row: Mapping[str, Any],
    table: pd.DataFrame,
    signal: np.ndarray,
    prefix: str,
    keys: Sequence[Hashable],
    nulls: Nulls,
    percentile: float,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    """Return the scores of all tails against one kind of null, and add the pairs' columns to `table`."""
    found: dict[str, Any] = {}
    results: dict[str, Score] = {t: score(signal, keys, nulls, percentile, t, repeats, seed) for t in TAILS}
    for tail, result in results.items():
        found[f"{prefix}percent_matching_{tail}"] = result.percent
        found[f"{prefix}percent_matching_{tail}_low"] = result.low
        found[f"{prefix}percent_matching_{tail}_high"] = result.high
        if not prefix:
            genes = table["genes"][result.judged]
            interval = proportion_interval(result.counts[result.judged], genes)
            found |= sampling(f"percent_matching_{tail}", interval)
    typical = pd.Series(list(keys), dtype=object).mode()
    chosen = list(keys).index(typical.iloc[0]) if len(typical) else None
    for tail, limit in (("right", results["right"].upper), ("left", results["left"].lower)):
        p = p_values(signal, keys, nulls, tail)
        q = q_values(p)
        table[f"{prefix}threshold_{tail}"] = limit
        table[f"{prefix}matches_{tail}"] = results[tail].counts
        table[f"{prefix}p_value_{tail}"] = p
        table[f"{prefix}q_value_{tail}"] = q
        found[f"{prefix}threshold_{tail}"] = np.nan if chosen is None else limit[chosen]
        found[f"{prefix}percent_at_q_5_{tail}"] = (
            np.nan if np.isnan(q).all() else 100 * float((q < 0.05).mean())
        )
    return found


def message(
    a: Side,
    b: Side,
    pairs: np.ndarray,
    shapes: Sequence[Hashable],
    nulls: Mapping[Hashable, Any],
    places: Sequence[Hashable],
    aware: Mapping[Hashable, Any],
) -> str:
    """Return what a reader must know if a part of the score could not be computed."""
    if not len(pairs):
        return (
            f"no pair of perturbations shares a gene ({len(a.names)} and {len(b.names)} "
            "perturbations with a gene): nothing to score"
        )
    reasons = []
    for kind, keys, found in (("standard", shapes, nulls), ("position-aware", places, aware)):
        lacking = sum(found[key] is None for key in keys)
        if lacking:
            reasons.append(
                f"{kind} null not available for {number_of(lacking, 'pair')}: fewer than {FEWEST} pairs of "
                "different genes have their number of replicates and of shared positions"
            )
    return "; ".join(reasons)


def null_table(nulls: Mapping[Hashable, Any], aware: Mapping[Hashable, Any]) -> pd.DataFrame:
    """Return the medians of each null that was used: null, block shape and shared positions, median."""
    parts = [
        pd.DataFrame(
            {
                "null": kind,
                "wells": f"{key[0]}x{key[1]}",
                "shared_positions": key[2] if kind == "position_aware" else -1,
                "median_correlation": evenly(null.medians),
            }
        )
        for kind, found in (("standard", nulls), ("position_aware", aware))
        for key, null in found.items()
        if null is not None
    ]
    columns = ("null", "wells", "shared_positions", "median_correlation")
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def main(
    profiles: tuple[Sequence[str], Sequence[str]],
    condition: Mapping[str, Any],
    feature_set: str,
    outputs: Mapping[str, str],
    options: Mapping[str, Any],
    controls: Mapping[str, str] | None = None,
) -> None:
    """Read the plates of both sides, score the comparison, write the three tables."""
    wells, of_a, within = read_sides(*profiles, controls)
    row, table, null = percent_matching(wells, of_a, within=within, **options)
    tables = {"pairs": table, "null": null}
    write_score(
        row, tables, outputs, {**condition, BOUNDARY: feature_set}, options, [*profiles[0], *profiles[1]]
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            (list(snakemake.input.a), list(snakemake.input.b)),
            dict(snakemake.params.condition),
            snakemake.params.feature_set,
            {name: snakemake.output[name] for name in ("score", "pairs", "null")},
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
