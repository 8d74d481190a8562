"""Make the tables of Percent Replicating: perturbations, columns of the score's row, medians of the nulls."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import join_names, number_of
from lib.intervals import compute_proportion_interval, get_interval_columns
from lib.nulls import FEWEST, Nulls, Score, compute_p_values, compute_q_values
from lib.replicate_nulls import Perturbations
from lib.replicates import Wells
from lib.scores import pick_evenly

CARRIED = ("Metadata_gene", "Metadata_target", "Metadata_pert_iname", "Metadata_control_type")


def make_table(
    scored: Wells,
    perturbations: Perturbations,
    signal: np.ndarray,
    standard: tuple[Nulls, Score],
    aware: tuple[Nulls, Score],
    tail: str,
) -> pd.DataFrame:
    """Return the table with one row per perturbation.

    Parameters
    ----------
    scored
        The wells that are scored.
    perturbations
        Their perturbations.
    signal
        The median replicate correlation of each perturbation, (perturbations,).
    standard, aware
        The standard and the position-aware nulls, each with the score against them.
    tail
        The side on which the score is counted.
    """
    first = scored.metadata.iloc[[rows[0] for rows in perturbations.wells]].reset_index(drop=True)
    return pd.DataFrame(
        {
            "perturbation": perturbations.names,
            **{name: first[name] for name in CARRIED if name in first},
            "replicates": perturbations.sizes,
            "positions": ["+".join(map(str, pattern)) for pattern in perturbations.patterns],
            "median_correlation": signal,
            "null_wells": perturbations.null_sizes,
            **compare_with_nulls(signal, perturbations.null_sizes, *standard, tail, ""),
            **compare_with_nulls(signal, perturbations.patterns, *aware, tail, "position_aware_"),
        }
    )


def compare_with_nulls(
    signal: np.ndarray, keys: Sequence[Hashable], nulls: Nulls, result: Score, tail: str, prefix: str
) -> dict[str, Any]:
    """Return the columns of a table of perturbations that one kind of null gives.

    Parameters
    ----------
    signal
        The median replicate correlation of each perturbation, (perturbations,).
    keys
        The key in `nulls` of each perturbation's null.
    nulls
        The nulls; None where there is none.
    result
        The score against these nulls.
    tail
        The side on which the score is counted.
    prefix
        The start of the columns' names.
    """
    p = compute_p_values(signal, keys, nulls, tail)
    return {
        **get_thresholds(f"{prefix}threshold", result, tail),
        f"{prefix}replicating": result.calls,
        f"{prefix}p_value": p,
        f"{prefix}q_value": compute_q_values(p),
    }


def count_perturbations(perturbations: Perturbations) -> dict[str, float]:
    """Return the numbers of perturbations and of their replicates, as columns of the score's row."""
    sizes = perturbations.sizes
    return {
        "perturbations": len(perturbations),
        "perturbations_with_replicates": int(perturbations.enough.sum()),
        "replicates": float(np.median(sizes)) if len(sizes) else np.nan,
        "replicates_min": int(sizes.min()) if len(sizes) else 0,
        "replicates_max": int(sizes.max(initial=0)),
    }


def get_scores(
    perturbations: Perturbations, result: Score, aware: Score, q: pd.Series, tail: str
) -> dict[str, float]:
    """Return the scores against both kinds of null with their intervals, as columns of the score's row.

    The thresholds are those of the first perturbation with the most frequent number of replicates.

    Parameters
    ----------
    perturbations
        The perturbations.
    result, aware
        The scores against the standard and the position-aware nulls.
    q
        The q-value of each perturbation, (perturbations,).
    tail
        The side on which the score is counted.
    """
    sizes, enough = perturbations.sizes, perturbations.enough
    common = Counter(sizes[enough].tolist()).most_common(1)
    typical = int(np.flatnonzero(enough & (sizes == common[0][0]))[0]) if common else None
    interval = compute_proportion_interval(result.counts[result.judged])
    return {
        **get_percents("percent_replicating", result),
        **get_interval_columns("percent_replicating", interval),
        **get_threshold(get_thresholds("threshold", result, tail), typical),
        "percent_retrieved_at_q_5": compute_percent_below(q),
        **get_percents("position_aware_percent_replicating", aware),
        **get_threshold(get_thresholds("position_aware_threshold", aware, tail), typical),
    }


def get_percents(name: str, result: Score) -> dict[str, float]:
    """Return a score and its interval over new draws of the null, as columns."""
    return {name: result.percent, f"{name}_low": result.low, f"{name}_high": result.high}


def get_threshold(thresholds: Mapping[str, np.ndarray], index: int | None) -> dict[str, float]:
    """Return the thresholds of one perturbation, as columns; missing if there is no such perturbation."""
    return {name: np.nan if index is None else values[index] for name, values in thresholds.items()}


def get_thresholds(name: str, result: Score, tail: str) -> dict[str, np.ndarray]:
    """Return the thresholds that the tail uses, as columns."""
    columns = {"right": {name: result.upper}, "left": {name: result.lower}}
    return columns.get(tail, {name: result.upper, f"{name}_left": result.lower})


def compute_percent_below(q: pd.Series, level: float = 0.05) -> float:
    """Return the percentage of perturbations with a q-value below `level`; missing if none has a q-value."""
    return 100 * float((q < level).mean()) if q.notna().any() else np.nan


def write_message(
    perturbations: Perturbations,
    nulls: Mapping[int, Any],
    aware: Mapping[tuple[int, ...], Any],
    minimum_replicates: int,
    null_size: int | str,
) -> str:
    """Return what a reader must know if a part of the score could not be computed as requested.

    Parameters
    ----------
    perturbations
        The perturbations.
    nulls, aware
        The standard null of each set size and the position-aware one of each pattern, or None.
    minimum_replicates
        The fewest replicates that the config allows.
    null_size
        The number of wells per set that the config requests.
    """
    sizes, enough, largest = perturbations.sizes, perturbations.enough, perturbations.largest_set
    if not enough.any():
        least = max(2, minimum_replicates)
        return f"no perturbation has {least} replicates: nothing to score"
    reasons = []
    beyond = sizes[enough & (sizes > largest)] if null_size == "matched" else sizes[:0]
    if short := [size for size, null in nulls.items() if null is None]:
        reasons.append(describe_missing_null(short))
    elif len(beyond):
        reasons.append(
            f"{number_of(len(beyond), 'perturbation')} with {beyond.min()} replicates or more are compared "
            f"with sets of {largest} wells of different perturbations, a stricter threshold"
        )
    lacking = {pattern for pattern, null in aware.items() if null is None}
    if lacking:
        number = sum(pattern in lacking for pattern in perturbations.patterns)
        reasons.append(
            f"position-aware null not available for {number_of(number, 'perturbation')}: fewer than "
            f"{FEWEST} positions hold enough different perturbations or negative controls; these have the "
            "score by the standard null alone"
        )
    return "; ".join(reasons)


def describe_missing_null(sizes: list[int]) -> str:
    """Return why there is no null of sets of these sizes, which are 1 if there is only one perturbation."""
    if max(sizes) == 1:
        return "only one perturbation: there are no wells of different perturbations for a null"
    return f"too few perturbations for a null of sets of {join_names(sizes)} wells"


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
