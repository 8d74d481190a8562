"""Percent Replicating of one condition: the percentage of perturbations whose replicates are alike.

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

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lib import baselines
from lib.cell_counts import add_count_z
from lib.errors import InputError
from lib.logs import log_to
from lib.nulls import TAILS, Score, is_beyond, score
from lib.replicate_nulls import Perturbations, draw_nulls, list_perturbations
from lib.replicates import (
    Correlations,
    Wells,
    compute_medians_within,
    correlate,
    get_wells_to_score,
    read_wells,
)
from lib.scores import BOUNDARY, add_notes, write_score
from replicating.tables import count_perturbations, get_scores, make_null_table, make_table, write_message


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
        The column, or columns, whose equal values define replicates.
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
    controls = both.metadata["Metadata_Well"].iloc[number:].tolist() if controls_in_null else []
    perturbations = list_perturbations(scored, null_size, minimum_replicates)
    correlations = correlate(both.values, pairs=perturbations.count_correlations(draws))
    signal = compute_signals(correlations, perturbations.wells, perturbations.enough)
    nulls, aware = draw_nulls(correlations, scored, controls, perturbations, draws, seed)
    result = score(signal, perturbations.null_sizes, nulls, percentile, tail, repeats, seed)
    result_aware = score(signal, perturbations.patterns, aware, percentile, tail, repeats, seed)
    table = make_table(scored, perturbations, signal, (nulls, result), (aware, result_aware), tail)
    compared: dict[str, Any] = {}
    if with_baselines:
        options = {
            "group": group,
            "draws": draws,
            "null_size": null_size,
            "percentile": percentile,
            "tail": tail,
            "minimum_replicates": minimum_replicates,
            "positive_controls": positive_controls,
            "seed": seed,
        }
        table, compared = add_baselines(table, both, options)
        plates = scored.metadata["Metadata_Plate"].to_numpy()
        compared["shuffled_percent_replicating"] = score_shuffled_labels(
            correlations, perturbations, plates, result, tail, seed
        )
    row = {
        "plates": wells.metadata["Metadata_Plate"].nunique(),
        "wells": len(scored),
        "features": len(scored.features),
        **scored.dropped,
        **count_perturbations(perturbations),
        **get_scores(perturbations, result, result_aware, table["q_value"], tail),
        "position_aware_perturbations": sum(aware.get(p) is not None for p in perturbations.patterns),
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
            write_message(perturbations, nulls, aware, minimum_replicates, null_size), scored.notes
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


def add_baselines(
    table: pd.DataFrame, wells: Wells, options: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Score the cell count alone, and the features that do not follow it.

    Returns the table of perturbations with the columns of these baselines, and columns of the score's row.
    """
    options = {
        **options,
        "draws": min(options["draws"], baselines.DRAWS),
        "repeats": baselines.REPEATS,
        "controls_in_null": False,
        "with_baselines": False,
    }
    row, columns = baselines.get_baselines(
        wells,
        ["percent_replicating"],
        lambda part: score_condition(part, **options)[:2],
        "replicating",
        "median_correlation",
    )
    return baselines.join_baselines(table, columns), row


def score_shuffled_labels(
    correlations: Correlations,
    perturbations: Perturbations,
    plates: np.ndarray,
    result: Score,
    tail: str,
    seed: int,
) -> float:
    """Return the score, against the same thresholds, of labels shuffled among the wells of each plate.

    The score is the mean of up to 20 shuffles.

    Parameters
    ----------
    correlations
        Correlations between the wells.
    perturbations
        The perturbations of these wells.
    plates
        The plate of each well, (wells,).
    result
        The score of the labels as they are.
    tail
        The side on which the score is counted.
    seed
        The seed of the shuffles.
    """
    if not result.judged.any():
        return np.nan
    rng = np.random.default_rng([seed, 12])
    percents = []
    for _ in range(baselines.get_number_of_shuffles(len(perturbations))):
        order = baselines.shuffle_within(plates, rng)
        shuffled = [order[rows] for rows in perturbations.wells]
        signal = compute_signals(correlations, shuffled, perturbations.enough)
        beyond = is_beyond(signal, result.lower, result.upper, tail)
        percents.append(100 * beyond[result.judged].mean())
    return float(np.mean(percents))


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
