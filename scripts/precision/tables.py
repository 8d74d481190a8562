"""Make the tables of mean average precision: the score's row, and one row per perturbation."""

from typing import Any

import numpy as np
import pandas as pd

from lib.errors import number_of
from lib.intervals import compute_mean_interval, compute_proportion_interval, get_interval_columns
from lib.normalized_precision import normalize_precision
from lib.nulls import compute_q_values

NOTHING = (
    "no perturbation has both a partner to retrieve and others to rank it among: replicates need "
    "negative controls (`negcon` in control_type), matching needs others of another gene (or target)"
)


def summarize(
    precision: pd.DataFrame, draws: int = 10_000, seed: int = 0, level: float = 0.05
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Summarize average precisions as the score's row and a table with one row per perturbation.

    Parameters
    ----------
    precision
        One row per query, as from `rank_replicates` or `rank_matches`.
    draws, seed
        Those that the p-values were computed with.
    level
        The q-value below which a perturbation is retrieved.

    Returns
    -------
    tuple
        The score's row, in which `percent_retrieved` is missing if no perturbation could have reached a
        q-value below `level`; and the table.
    """
    if not len(precision):
        row = dict.fromkeys(("mean_average_precision", "percent_retrieved"), np.nan)
        names = ["perturbation", "mean_average_precision", "p_value", "q_value"]
        return {**row, "perturbations": 0, "message": NOTHING}, pd.DataFrame(columns=names)
    table, common = make_table(precision)
    testable = table["smallest_q_value"] < level
    retrieved = table["q_value"] < level
    row = {
        "perturbations": len(table),
        "mean_average_precision": table["average_precision_above_random"].mean(),
        **get_interval_columns(
            "mean_average_precision", compute_mean_interval(table["average_precision_above_random"], seed)
        ),
        "mean_average_precision_raw": table["average_precision"].mean(),
        "mean_average_precision_normalized": table["normalized_average_precision"].mean(),
        "random_baseline": common,
        "percent_retrieved": 100 * retrieved.mean() if testable.any() else np.nan,
        **get_interval_columns(
            "percent_retrieved",
            compute_proportion_interval(retrieved) if testable.any() else (np.nan, np.nan),
        ),
        "perturbations_testable": int(testable.sum()),
        "level": level,
        "draws": draws,
        "seed": seed,
        "message": name_untestable(table, level),
    }
    return row, table


def name_untestable(table: pd.DataFrame, level: float) -> str:
    """Name the perturbations with too few replicates or others to be retrieved at all; '' if none."""
    lacking = table[table["smallest_q_value"] >= level]
    if not len(lacking):
        return ""
    return (
        f"too few replicates or controls for q < {level:g} in {len(lacking)} of "
        f"{number_of(len(table), 'perturbation')}: the smallest p-value that they allow is "
        f"{lacking['smallest_p_value'].min():.2g}"
    )


def make_table(precision: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Return the table with one row per perturbation, and the random baseline of the most common ranking."""
    positives, total = precision["n_pos_pairs"].astype(int), precision["n_total_pairs"].astype(int)
    common = positives.mode()[0] / total[positives == positives.mode()[0]].mode()[0]
    precision = precision.assign(
        average_precision_above_random=precision["average_precision"] - common,
        normalized_average_precision=normalize_precision(
            precision["average_precision"].to_numpy(float),
            positives.to_numpy(),
            (total - positives).to_numpy(),
        ),
    )
    table = (
        precision.groupby("perturbation")
        .agg(
            queries=("average_precision", "size"),
            positives=("n_pos_pairs", "first"),
            average_precision=("average_precision", "mean"),
            average_precision_above_random=("average_precision_above_random", "mean"),
            normalized_average_precision=("normalized_average_precision", "mean"),
            p_value=("p_value", "first"),
            smallest_p_value=("smallest_p_value", "first"),
            null_draws=("null_draws", "first"),
        )
        .reset_index()
    )
    table["q_value"] = compute_q_values(table["p_value"].to_numpy(float))
    # the q-value if every perturbation had the best possible ranking
    table["smallest_q_value"] = compute_q_values(table["smallest_p_value"].to_numpy(float))
    return table, common
