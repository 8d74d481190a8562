"""Mean average precision of rankings that the config defines by columns, as copairs and JUMP do.

A ranking of `benchmark.rankings` names the columns in which positives and negatives are the same as the query
and in which they differ: replicates that must differ in plate, against the negative controls of the plate or
against its other treatments, matching by mechanism, and so on (`lib/rankings.py`). Queries are all wells but
the negative controls, and their group is the value of the columns in which positives are the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.intervals import compute_mean_interval, compute_proportion_interval, get_interval_columns
from lib.logs import log_to
from lib.normalized_precision import normalize_precision
from lib.nulls import compute_q_values
from lib.rankings import Relation, find_pairs, rank_groups
from lib.replicates import (
    NEGATIVE_CONTROL,
    Wells,
    get_control_type,
    get_wells_to_score,
    label_wells,
    read_wells,
)
from lib.scores import BOUNDARY, add_notes, write_score

DRAWS = 10_000  # groups of the null, at most
LEVEL = 0.05
TREATMENT = "treatment"  # the control type given to wells without one


def name_controls(metadata: pd.DataFrame, group: str | Sequence[str]) -> pd.DataFrame:
    """Return metadata in which every well has a control type and every control a perturbation.

    A missing value differs from none, and treatments usually have no control type.
    """
    kinds = get_control_type(metadata)
    changed = {"Metadata_control_type": kinds.mask(kinds == "", TREATMENT)}
    for name in [group] if isinstance(group, str) else group:
        values = label_wells(metadata, name)
        changed[name] = values.mask(values.isna() & (kinds == NEGATIVE_CONTROL), NEGATIVE_CONTROL)
    return metadata.assign(**changed)


def rank_wells(
    wells: Wells,
    positives: Mapping[str, Sequence[str]],
    negatives: Mapping[str, Sequence[str]],
    group: str | Sequence[str] = "Metadata_broad_sample",
    positive_controls: bool = True,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Score one ranking of a condition.

    Parameters
    ----------
    wells
        The wells of the condition.
    positives, negatives
        Columns in which they are the `same` as the query, and in which they are `different`.
    group
        The column, or columns, whose equal values define replicates.
    positive_controls
        Whether positive controls are queries.
    draws, seed
        The number of groups in the null, and the seed of the shuffles.

    Returns
    -------
    tuple[dict[str, Any], pandas.DataFrame]
        The score's row, and a table with one row per group.
    """
    both, number = get_wells_to_score(wells, group, positive_controls)
    metadata = name_controls(both.metadata, group)
    relations = [Relation(tuple(each["same"]), tuple(each["different"])) for each in (positives, negatives)]
    pairs = find_pairs(metadata, *relations, np.arange(number))
    names = label_wells(metadata, list(positives["same"])).to_numpy()
    strata = (
        label_wells(metadata, list(negatives["same"])).fillna("")
        if negatives["same"]
        else np.zeros(len(metadata))
    )
    table = rank_groups(both.values, pairs, names[pairs.rows], strata, min(draws, DRAWS), seed)
    row: dict[str, Any] = {"wells": len(both), "queries": len(pairs.rows), "features": len(both.features)}
    message = ""
    if len(table):
        sizes = table[["positives", "negatives"]].round().astype(int)
        table["normalized_average_precision"] = normalize_precision(
            table["average_precision"].to_numpy(float), *(sizes[name].to_numpy() for name in sizes)
        )
        table["q_value"] = compute_q_values(table["p_value"].to_numpy(float))
        retrieved = table["q_value"] < LEVEL
        row |= {
            "groups": len(table),
            "mean_average_precision": table["average_precision"].mean(),
            **get_interval_columns(
                "mean_average_precision", compute_mean_interval(table["average_precision"], seed)
            ),
            "mean_average_precision_normalized": table["normalized_average_precision"].mean(),
            "percent_retrieved": 100 * retrieved.mean(),
            **get_interval_columns("percent_retrieved", compute_proportion_interval(retrieved)),
        }
    else:
        message = "no well has both a positive and a negative"
    return {**row, "level": LEVEL, "seed": seed, "message": add_notes(message, both.notes)}, table


def main(
    profiles: Sequence[str],
    outputs: Mapping[str, str],
    head: Mapping[str, Any],
    options: Mapping[str, Any],
    controls: Mapping[str, str],
) -> None:
    """Write the score of a ranking in a condition, and its groups.

    Parameters
    ----------
    profiles
        The files of the condition's plates.
    outputs
        The files to write: `score` and `groups`.
    head
        Columns that name the condition, the ranking and the feature set, with their values.
    options
        The parameters of `rank_wells`.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    """
    row, table = rank_wells(read_wells(profiles, controls), **options)
    write_score(row, {"groups": table}, outputs, head, options, profiles)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            {name: snakemake.output[name] for name in ("score", "groups")},
            {
                **snakemake.params.condition,
                "ranking": snakemake.wildcards.ranking,
                BOUNDARY: snakemake.params.feature_set,
            },
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
