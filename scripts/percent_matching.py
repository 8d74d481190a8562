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

Beside the score are baselines (`lib/baselines.py`), from at most 500 genes drawn at random: the same score
from the cell count alone, without the features that follow the count, and with genes shuffled among
perturbations.

A score has two intervals: `_low` and `_high` are the scores of new draws of the null, `_sampling_low` and
`_sampling_high` the scores that other genes might get (the pairs of one gene depend on each other).
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.baselines import DRAWS, REPEATS, get_matching_baselines
from lib.cell_counts import add_count_z
from lib.conditions import get_relation
from lib.errors import number_of
from lib.intervals import compute_proportion_interval, get_interval_columns
from lib.logs import log_to
from lib.matching_nulls import PossiblePairs, draw_both_nulls, get_number_of_candidates
from lib.nulls import FEWEST, TAILS, Nulls, Score, compute_p_values, compute_q_values, score
from lib.replicates import Correlations, Wells, compute_medians_between, correlate
from lib.scores import BOUNDARY, add_notes, pick_evenly, write_score
from lib.sides import Side, collect_side, get_identities, mark_sides, pair_by_gene, read_sides

SCORES = ("percent_matching_right", "percent_matching_left")


def score_comparison(
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
    group
        The column, or columns, whose equal values define replicates.
    different
        Columns in which the perturbations of a pair must differ; by default they must be different
        perturbations.
    draws, repeats
        The largest size of a null, and the number of nulls for the interval.
    percentile
        The percentile of the null that is the threshold.
    minimum_replicates
        Perturbations with fewer wells are left out.
    positive_controls
        Whether positive controls are scored.
    seed
        Seed of the draws.

    Returns
    -------
    tuple
        The score's row, a table with one row per pair, and the null's medians. Scores are percentages, or
        NaN with a message if there is no pair of one gene.
    """
    scored, part_a, part_b = mark_sides(wells, of_a, within, group, positive_controls)
    gene_a, gene_b = (gene, gene) if isinstance(gene, str) else gene
    a = collect_side(part_a.metadata, gene_a, minimum_replicates)
    alike = part_b is part_a and gene_a == gene_b
    b = a if alike else collect_side(part_b.metadata, gene_b, minimum_replicates)
    pairs, possible = find_pairs(part_a, a, part_b, b, different)
    pairs = pairs[pairs[:, 0] <= pairs[:, 1]] if within else pairs
    blocks = min(len(a.names) * len(b.names), get_number_of_candidates(draws)) + len(pairs)
    asked = blocks * np.median(a.sizes) * np.median(b.sizes) if blocks else 0
    correlations = correlate(part_a.values, part_b.values, pairs=asked)
    table = make_pair_table(correlations, a, b, pairs)
    shapes, places = get_null_keys(table, within)
    nulls, aware = draw_both_nulls(correlations, a, b, possible, set(places), draws, seed)
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
        row |= add_scores(table, signal, prefix, keys, found, percentile, repeats, seed)
    row |= {
        "position_aware_pairs": int(sum(aware[key] is not None for key in places)),
        "percentile": percentile,
        "draws": draws,
        "repeats": repeats,
        "minimum_replicates": minimum_replicates,
        "positive_controls": positive_controls,
        "seed": seed,
        "message": add_notes(
            write_message(a, b, pairs, shapes, nulls, places, aware, get_relation([gene_a, gene_b])),
            scored.notes,
        ),
    }
    return row, table, make_null_table(nulls, aware)


def find_pairs(
    wells_a: Wells, a: Side, wells_b: Wells, b: Side, different: str | Sequence[str] | None
) -> tuple[np.ndarray, PossiblePairs]:
    """Return the pairs of perturbations that share a gene, (pairs, 2), and which pairs a null may have.

    Parameters
    ----------
    wells_a, wells_b
        The wells of both sides.
    a, b
        The perturbations of both sides.
    different
        Columns in which the perturbations of a pair must differ; by default they must be different
        perturbations.
    """
    related = pair_by_gene(a, b)
    possible = PossiblePairs(
        related[:, 0] * len(b.names) + related[:, 1],
        get_identities(wells_a, a, different),
        get_identities(wells_b, b, different),
    )
    return related[possible.differ(related[:, 0], related[:, 1])], possible


def get_null_keys(
    table: pd.DataFrame, within: bool
) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
    """Return the keys of each pair's standard null (its block's shape) and position-aware null.

    The key of the position-aware null also has the number of shared positions. `table` has one row per pair,
    and `within` says whether both sides are the same condition, in which a shape has no order.
    """
    shapes = list(zip(table["replicates_a"], table["replicates_b"], strict=True))
    if within:
        shapes = [(min(shape), max(shape)) for shape in shapes]
    shared_positions = table["shared_positions"]
    return shapes, [(*shape, shared) for shape, shared in zip(shapes, shared_positions, strict=True)]


def make_pair_table(correlations: Correlations, a: Side, b: Side, pairs: np.ndarray) -> pd.DataFrame:
    """Return the pairs with their genes, replicates, shared positions and median correlation.

    Parameters
    ----------
    correlations
        Correlations between the wells of both sides.
    a, b
        The perturbations of both sides.
    pairs
        The numbers of each pair's perturbations in `a` and `b`, (pairs, 2).
    """
    signal = np.full(len(pairs), np.nan)
    shared = np.zeros(len(pairs), dtype=int)
    sizes = np.column_stack([a.sizes[pairs[:, 0]], b.sizes[pairs[:, 1]]])
    for shape in np.unique(sizes, axis=0):
        chosen = np.flatnonzero((sizes == shape).all(axis=1))
        wells_a = np.array([a.wells[i] for i in pairs[chosen, 0]])
        wells_b = np.array([b.wells[j] for j in pairs[chosen, 1]])
        signal[chosen] = compute_medians_between(correlations, wells_a, wells_b)
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


def add_scores(
    table: pd.DataFrame,
    signal: np.ndarray,
    prefix: str,
    keys: Sequence[Hashable],
    nulls: Nulls,
    percentile: float,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    """Return the scores of all tails against one kind of null, and add the pairs' columns to the table.

    Parameters
    ----------
    table
        One row per pair; its new columns are added in place.
    signal
        The median correlation of each pair, (pairs,).
    prefix
        The start of the names of the scores and columns; empty for the standard null.
    keys
        The key in `nulls` of each pair's null.
    nulls
        The nulls; None where there is none.
    percentile
        The percentile of a null that is the threshold.
    repeats
        How many more samples of the null the score's interval comes from.
    seed
        The seed of these samples.
    """
    found: dict[str, Any] = {}
    results: dict[str, Score] = {t: score(signal, keys, nulls, percentile, t, repeats, seed) for t in TAILS}
    for tail, result in results.items():
        found[f"{prefix}percent_matching_{tail}"] = result.percent
        found[f"{prefix}percent_matching_{tail}_low"] = result.low
        found[f"{prefix}percent_matching_{tail}_high"] = result.high
        if not prefix:
            genes = table["genes"][result.judged]
            interval = compute_proportion_interval(result.counts[result.judged], genes)
            found |= get_interval_columns(f"percent_matching_{tail}", interval)
    typical = pd.Series(list(keys), dtype=object).mode()
    chosen = list(keys).index(typical.iloc[0]) if len(typical) else None
    for tail, limit in (("right", results["right"].upper), ("left", results["left"].lower)):
        p = compute_p_values(signal, keys, nulls, tail)
        # pairs of one gene share perturbations, so that their p-values may depend on each other in any way
        q = compute_q_values(p, "by")
        table[f"{prefix}threshold_{tail}"] = limit
        table[f"{prefix}matches_{tail}"] = results[tail].calls
        table[f"{prefix}p_value_{tail}"] = p
        table[f"{prefix}q_value_{tail}"] = q
        found[f"{prefix}threshold_{tail}"] = np.nan if chosen is None else limit[chosen]
        found[f"{prefix}percent_at_q_5_{tail}"] = (
            np.nan if np.isnan(q).all() else 100 * float((q < 0.05).mean())
        )
    return found


def write_message(
    a: Side,
    b: Side,
    pairs: np.ndarray,
    shapes: Sequence[Hashable],
    nulls: Mapping[Hashable, Any],
    places: Sequence[Hashable],
    aware: Mapping[Hashable, Any],
    relation: str,
) -> str:
    """Return what a reader must know if a part of the score could not be computed.

    Parameters
    ----------
    a, b
        The perturbations of both sides.
    pairs
        The numbers of each pair's perturbations in `a` and `b`, (pairs, 2).
    shapes, places
        The keys of each pair's standard and position-aware null.
    nulls, aware
        The standard and the position-aware nulls; None where there is none.
    relation
        What the perturbations of a pair share, such as gene or target.
    """
    if not len(pairs):
        return (
            f"no pair of perturbations shares a {relation} ({len(a.names)} and {len(b.names)} "
            f"perturbations with a {relation}): nothing to score"
        )
    reasons = []
    for kind, keys, found in (("standard", shapes, nulls), ("position-aware", places, aware)):
        lacking = sum(found[key] is None for key in keys)
        if lacking:
            reasons.append(
                f"{kind} null not available for {number_of(lacking, 'pair')}: fewer than {FEWEST} pairs of "
                f"different {relation}s have their number of replicates and of shared positions"
                + ("; these have the score by the standard null alone" if kind != "standard" else "")
            )
    return "; ".join(reasons)


def make_null_table(nulls: Mapping[Hashable, Any], aware: Mapping[Hashable, Any]) -> pd.DataFrame:
    """Return the medians of each null that was used: null, block shape and shared positions, median."""
    parts = [
        pd.DataFrame(
            {
                "null": kind,
                "wells": f"{key[0]}x{key[1]}",
                "shared_positions": key[2] if kind == "position_aware" else -1,
                "median_correlation": pick_evenly(null.medians),
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
    """Read the plates of both sides, score the comparison, write the three tables.

    Parameters
    ----------
    profiles
        The files of the plates of the first and of the second side.
    condition
        The columns of the comparison, with their values.
    feature_set
        The feature set.
    outputs
        The files to write: `score`, `pairs` and `null`.
    options
        The parameters of `score_comparison`.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    """
    wells, of_a, within = read_sides(*profiles, controls)
    wells = add_count_z(wells)
    row, table, null = score_comparison(wells, of_a, within=within, **options)
    if len(table):
        choice = {**options, "draws": min(options.get("draws", DRAWS), DRAWS), "repeats": REPEATS}
        row |= get_matching_baselines(
            wells,
            of_a,
            SCORES,
            lambda part, sides: score_comparison(part, sides, within=within, **choice)[:2],
            within,
            options,
        )
    tables = {"pairs": table, "null": null}
    write_score(
        row, tables, outputs, {**condition, BOUNDARY: feature_set}, options, [*profiles[0], *profiles[1]]
    )


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            (list(snakemake.input.a), list(snakemake.input.b)),
            dict(snakemake.params.condition),
            snakemake.params.feature_set,
            {name: snakemake.output[name] for name in ("score", "pairs", "null")},
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
