"""Percent Replicating of one condition: how many perturbations look like themselves again.

The definition is that of the CPJUMP1 paper (Chandrasekaran et al. 2024, Nature Methods): the plates of a
condition are joined on their common features, negative controls and empty wells are dropped, and the signal
of a perturbation is the median Pearson correlation of all pairs of its replicates. The null is the same
median for wells of as many different perturbations. The score is the percentage of perturbations above the
95th percentile of the null; one with too few replicates counts as not replicating.

The paper compares every perturbation with a null of four wells. Here the null follows the number of
replicates (`null_size: matched`): each perturbation is compared with the threshold of sets of its own
size, because the spread of a median depends on how many values it is taken from.

The same score is also computed against a position-aware null: the wells of a draw share positions
as the replicates of the perturbation do. Replicates usually sit at one position on every plate, and
the effect of the position then looks like an effect of the perturbation.

Beside the score are baselines: the same score from the cell count alone, without the features that follow the
cell count (`lib/baselines.py`), and from labels that are shuffled among the wells of each plate.

A score has two intervals: `_low` and `_high` are the scores of new draws of the null, `_sampling_low` and
`_sampling_high` the scores that other perturbations of the same kind might get.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from lib import baselines
from lib.cell_counts import add_count_z
from lib.errors import InputError, join_names, number_of
from lib.intervals import compute_proportion_interval, get_interval_columns
from lib.logs import log_to
from lib.nulls import FEWEST, TAILS, Score, compute_p_values, compute_q_values, is_beyond, score
from lib.replicate_nulls import (
    LARGEST_SET,
    draw_position_nulls,
    draw_standard_nulls,
    get_draws,
    get_position_pattern,
)
from lib.replicates import (
    Correlations,
    Wells,
    compute_medians_within,
    correlate,
    get_wells_to_score,
    group_members,
    read_wells,
)
from lib.scores import BOUNDARY, add_notes, pick_evenly, write_score

CARRIED = ("Metadata_gene", "Metadata_target", "Metadata_pert_iname", "Metadata_control_type")


def score_condition(
    wells: Wells,
    group: str | Sequence[str] = "Metadata_broad_sample",
    draws: int = 1_000_000,
    repeats: int = 100,
    null_size: int | str = "matched",
    percentile: float = 95,
    tail: str = "right",
    minimum_replicates: int = 2,
    positive_controls: bool = True,
    controls_in_null: bool = True,
    seed: int = 0,
    with_baselines: bool = True,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Score the wells of one condition.

    Parameters
    ----------
    wells
        The wells of the condition.
    group
        The column, or columns, whose equal values make replicates.
    draws, repeats
        Number of draws per null, and number of nulls for the interval.
    null_size
        Number of wells per draw, or `matched` for as many as the perturbation has replicates.
    percentile, tail
        The percentile of the null, and the side on which the score is counted (`right`, `left` or `both`).
    minimum_replicates
        Perturbations with fewer wells count as not replicating.
    positive_controls
        Whether positive controls are scored.
    controls_in_null
        Whether negative controls may be in the position-aware null. They may not for sphered profiles, in
        which the controls that the transform was fitted on are uncorrelated by construction.
    seed
        Seed of the draws.
    with_baselines
        Whether the baselines are computed; those of the cell count need the column of `add_count_z`.

    Returns
    -------
    tuple
        The score's row, a table with one row per perturbation, and the null's medians. The score is a
        percentage, or NaN with a message if no perturbation has enough replicates.
    """
    if tail not in TAILS:
        raise InputError(f"tail is {tail!r}; it must be one of {', '.join(TAILS)}.")
    both, number = get_wells_to_score(wells, group, positive_controls)
    scored = replace(both, metadata=both.metadata.iloc[:number], values=both.values[:number])
    control_wells = both.metadata["Metadata_Well"].iloc[number:] if controls_in_null else []
    groups = group_members(scored.metadata["perturbation"])
    sizes = np.array([len(rows) for rows in groups.values()], dtype=int)
    enough = sizes >= max(2, minimum_replicates)
    most = min(len(groups), LARGEST_SET)
    position = scored.metadata["Metadata_Well"].to_numpy()
    patterns = [get_position_pattern(position, rows[:LARGEST_SET]) for rows in groups.values()]
    keys = [min(int(size), most) if null_size == "matched" else int(null_size) for size in sizes]

    scorable = sorted({k for k, e in zip(keys, enough, strict=True) if e})
    drawn = {size: get_draws(size, draws) for size in scorable}
    asked = sum(size * (size - 1) * number for size, number in drawn.items()) + int((sizes**2).sum())
    correlations = correlate(both.values, pairs=asked)
    signal = compute_signals(correlations, list(groups.values()), enough)
    nulls = draw_standard_nulls(correlations, scored, drawn, seed)
    aware = draw_position_nulls(
        correlations,
        scored,
        list(control_wells),
        # with too few perturbations for the standard null, there is none at shared positions either
        {p for p, e, k in zip(patterns, enough, keys, strict=True) if e and nulls[k] is not None},
        draws,
        seed,
    )
    result = score(signal, keys, nulls, percentile, tail, repeats, seed)
    result_aware = score(signal, patterns, aware, percentile, tail, repeats, seed)
    p = compute_p_values(signal, keys, nulls, tail)
    p_aware = compute_p_values(signal, patterns, aware, tail)

    first = scored.metadata.iloc[[rows[0] for rows in groups.values()]].reset_index(drop=True)
    table = pd.DataFrame(
        {
            "perturbation": list(groups),
            **{name: first[name] for name in CARRIED if name in first},
            "replicates": sizes,
            "positions": ["+".join(map(str, pattern)) for pattern in patterns],
            "median_correlation": signal,
            "null_wells": keys,
            **get_thresholds("threshold", result, tail),
            "replicating": result.calls,
            "p_value": p,
            "q_value": compute_q_values(p),
            **get_thresholds("position_aware_threshold", result_aware, tail),
            "position_aware_replicating": result_aware.calls,
            "position_aware_p_value": p_aware,
            "position_aware_q_value": compute_q_values(p_aware),
        }
    )
    compared: dict[str, Any] = {}
    if with_baselines:
        rescore = partial(
            score_condition,
            group=group,
            draws=min(draws, baselines.DRAWS),
            repeats=baselines.REPEATS,
            null_size=null_size,
            percentile=percentile,
            tail=tail,
            minimum_replicates=minimum_replicates,
            positive_controls=positive_controls,
            controls_in_null=False,
            seed=seed,
            with_baselines=False,
        )
        compared, columns = baselines.get_baselines(
            both,
            ["percent_replicating"],
            lambda part: rescore(part)[:2],
            "replicating",
            "median_correlation",
        )
        table = baselines.join_baselines(table, columns)
        plates = scored.metadata["Metadata_Plate"].to_numpy()
        compared["shuffled_percent_replicating"] = score_shuffled_labels(
            correlations, list(groups.values()), enough, plates, result, tail, seed
        )
    common = Counter(sizes[enough].tolist()).most_common(1)
    typical = int(np.flatnonzero(enough & (sizes == common[0][0]))[0]) if common else None
    row = {
        "plates": wells.metadata["Metadata_Plate"].nunique(),
        "wells": len(scored),
        "features": len(scored.features),
        **scored.dropped,
        "perturbations": len(groups),
        "perturbations_with_replicates": int(enough.sum()),
        "replicates": float(np.median(sizes)) if len(sizes) else np.nan,
        "replicates_min": int(sizes.min()) if len(sizes) else 0,
        "replicates_max": int(sizes.max(initial=0)),
        "percent_replicating": result.percent,
        "percent_replicating_low": result.low,
        "percent_replicating_high": result.high,
        **get_interval_columns(
            "percent_replicating", compute_proportion_interval(result.counts[result.judged])
        ),
        **{
            name: np.nan if typical is None else values[typical]
            for name, values in get_thresholds("threshold", result, tail).items()
        },
        "percent_retrieved_at_q_5": compute_percent_below(table["q_value"]),
        "position_aware_percent_replicating": result_aware.percent,
        "position_aware_percent_replicating_low": result_aware.low,
        "position_aware_percent_replicating_high": result_aware.high,
        **{
            name: np.nan if typical is None else values[typical]
            for name, values in get_thresholds("position_aware_threshold", result_aware, tail).items()
        },
        "position_aware_perturbations": int(sum(aware.get(p) is not None for p in patterns)),
        **compared,
        "tail": tail,
        "percentile": percentile,
        "draws": draws,
        "repeats": repeats,
        "null_size": str(null_size),
        "minimum_replicates": minimum_replicates,
        "positive_controls": positive_controls,
        "seed": seed,
        "message": add_notes(
            write_message(
                enough,
                nulls,
                aware,
                patterns,
                minimum_replicates,
                sizes[enough & (sizes > most)] if null_size == "matched" else sizes[:0],
                most,
            ),
            scored.notes,
        ),
    }
    return row, table, make_null_table(nulls, aware)


def compute_signals(
    correlations: Correlations, groups: Sequence[np.ndarray], enough: np.ndarray
) -> np.ndarray:
    """Return the median replicate correlation of each group; NaN for those without enough replicates."""
    signal = np.full(len(groups), np.nan)
    sizes = np.array([len(rows) for rows in groups], dtype=int)
    for size in np.unique(sizes[enough]):
        chosen = np.flatnonzero(enough & (sizes == size))
        signal[chosen] = compute_medians_within(correlations, np.array([groups[i] for i in chosen]))
    return signal


def score_shuffled_labels(
    correlations: Correlations,
    groups: Sequence[np.ndarray],
    enough: np.ndarray,
    plates: np.ndarray,
    result: Score,
    tail: str,
    seed: int,
) -> float:
    """Return the score, against the same thresholds, of labels shuffled among the wells of each plate.

    `groups` holds the wells of each perturbation, `enough` says which have enough replicates, and `plates` is
    the plate of each well. The score is the mean of up to 20 shuffles.
    """
    if not result.judged.any():
        return np.nan
    rng = np.random.default_rng([seed, 12])
    percents = []
    for _ in range(baselines.get_number_of_shuffles(len(groups))):
        order = baselines.shuffle_within(plates, rng)
        signal = compute_signals(correlations, [order[rows] for rows in groups], enough)
        beyond = is_beyond(signal, result.lower, result.upper, tail)
        percents.append(100 * beyond[result.judged].mean())
    return float(np.mean(percents))


def get_thresholds(name: str, result: Any, tail: str) -> dict[str, np.ndarray]:
    """Return the thresholds that the tail uses, as columns."""
    columns = {"right": {name: result.upper}, "left": {name: result.lower}}
    return columns.get(tail, {name: result.upper, f"{name}_left": result.lower})


def compute_percent_below(q: pd.Series, level: float = 0.05) -> float:
    """Return the percentage of perturbations with a q-value below `level`; missing if none has a q-value."""
    return 100 * float((q < level).mean()) if q.notna().any() else np.nan


def write_message(
    enough: np.ndarray,
    nulls: Mapping[int, Any],
    aware: Mapping[tuple[int, ...], Any],
    patterns: Sequence[tuple[int, ...]],
    minimum_replicates: int,
    beyond: np.ndarray,
    most: int,
) -> str:
    """Return what a reader must know if a part of the score could not be computed as requested.

    Parameters
    ----------
    enough
        Whether each perturbation has enough replicates, (perturbations,).
    nulls, aware
        The standard null of each set size and the position-aware one of each pattern, or None.
    patterns
        The pattern of positions of each perturbation.
    minimum_replicates
        The fewest replicates that the config allows.
    beyond
        The numbers of replicates above `most`.
    most
        The number of wells in a set of the largest null.
    """
    if not enough.any():
        least = max(2, minimum_replicates)
        return f"no perturbation has {least} replicates: nothing to score"
    reasons = []
    short = [size for size, null in nulls.items() if null is None]
    if short:
        reasons.append(f"too few perturbations for a null of sets of {join_names(short)} wells")
    elif len(beyond):
        reasons.append(
            f"{number_of(len(beyond), 'perturbation')} with {beyond.min()} replicates or more are compared "
            f"with sets of {most} wells of different perturbations, a stricter threshold"
        )
    lacking = {pattern for pattern in patterns if pattern in aware and aware[pattern] is None}
    if lacking:
        number = sum(pattern in lacking for pattern in patterns)
        reasons.append(
            f"position-aware null not available for {number_of(number, 'perturbation')}: fewer than "
            f"{FEWEST} positions hold enough different perturbations or negative controls; these have the "
            "score by the standard null alone"
        )
    return "; ".join(reasons)


def make_null_table(nulls: Mapping[int, Any], aware: Mapping[tuple[int, ...], Any]) -> pd.DataFrame:
    """Return the medians of each null that was used: null, size or position pattern, median.

    A null of more than 10,000 draws is reduced to 10,000 evenly spaced ones in ascending order.
    """
    parts = [
        pd.DataFrame({"null": kind, "wells": str(name), "median_correlation": pick_evenly(null.medians)})
        for kind, found in (
            ("standard", nulls),
            ("position_aware", {"+".join(map(str, k)): v for k, v in aware.items()}),
        )
        for name, null in found.items()
        if null is not None
    ]
    empty = pd.DataFrame({"null": [], "wells": [], "median_correlation": []})
    return pd.concat(parts, ignore_index=True) if parts else empty


def main(
    profiles: Sequence[str],
    condition: Mapping[str, Any],
    feature_set: str,
    outputs: Mapping[str, str],
    options: Mapping[str, Any],
    controls: Mapping[str, str] | None = None,
    controls_fitted: bool = False,
) -> None:
    """Read the plates of the condition, score them, write the three tables.

    Parameters
    ----------
    profiles
        The files of the condition's plates.
    condition, feature_set
        The columns of the condition with their values, and the feature set.
    outputs
        The files to write: `score`, `perturbations` and `null`.
    options
        The parameters of `score_condition`.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    controls_fitted
        Whether the features were fitted on the negative controls, which are then excluded from the null.
    """
    wells = add_count_z(read_wells(profiles, controls))
    row, table, null = score_condition(wells, controls_in_null=not controls_fitted, **options)
    tables = {"perturbations": table, "null": null}
    write_score(row, tables, outputs, {**condition, BOUNDARY: feature_set}, options, profiles)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            dict(snakemake.params.condition),
            snakemake.params.feature_set,
            {name: snakemake.output[name] for name in ("score", "perturbations", "null")},
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
            snakemake.params.controls_fitted,
        )
