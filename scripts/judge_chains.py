"""Compare all levels of profiles, and report what each step of a chain gained and lost.

A row is a chain's step in one condition. It is compared with the level before it, and with the level that the
chain starts from, on the perturbations that both have: the change of mixing (mean of the available measures
of `judge_level.py`) and of mean average precision, each with a 95 % interval from perturbations drawn with
replacement. A change counts if its interval excludes 0 and it is at least 0.01.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from judge_level import PERCENT, REPLICATES
from lib.drawing import COLORS, MARKS, draw_nothing, save, use_style
from lib.logs import log_to
from lib.scores import BOUNDARY, get_condition_columns, get_condition_label, read_scores
from lib.tables import write_whole

# The measures that a verdict is built on: each well has them. Silhouettes and connectivity depend on the
# numbers of replicates and features, and are in the table only.
MIXED = ("ilisi", "kbet")
FOUND = ("mean_average_precision_negcon", "mean_average_precision_others")
LEAST = 0.01  # the smallest change that counts
RESAMPLES = 2000
MOST_STEPS = 150  # steps in the figure; the table has all of them
START = "start"
# The verdict, by the direction of the change of mixing and of mean average precision.
VERDICTS = {
    (1, -1): "mixes batches better at the cost of biology: it removes signal together with the batch effect",
    (1, 0): "mixes batches better and keeps the biology",
    (1, 1): "mixes batches better and raises the biology",
    (0, -1): "lowers the biology without mixing batches better",
    (0, 0): "changes neither mixing nor biology",
    (0, 1): "raises the biology and leaves mixing unchanged",
    (-1, -1): "lowers both mixing and biology",
    (-1, 0): "mixes batches less and keeps the biology",
    (-1, 1): "raises the biology and mixes batches less",
}
# The panels of the figure: the title, and the measures with their labels.
PANELS = (
    (
        "Percent Replicating (%)",
        {PERCENT[0]: "null of all positions", PERCENT[1]: "position-aware null"},
    ),
    (
        "Mean average precision\nabove random",
        {REPLICATES[0]: "among negative controls", REPLICATES[1]: "among other treatments"},
    ),
    (
        "Batch mixing (1 is best)",
        {"ilisi": "iLISI", "kbet": "kBET acceptance", "silhouette_batch": "1 - |silhouette| by batch"},
    ),
    (
        "Replicates together (1 is best)",
        {REPLICATES[2]: "silhouette by perturbation", "graph_connectivity": "graph connectivity"},
    ),
)


def get_change(
    before: pd.DataFrame, after: pd.DataFrame, measures: Sequence[str], seed: int
) -> tuple[float, float, float]:
    """Return the mean change of some measures over perturbations, with its 95 % interval.

    Parameters
    ----------
    before, after : one row per perturbation (`perturbation`, `wells`, measures).
    measures : those that both have are averaged in each perturbation, those that one lacks are left out.
    seed : of the draws.
    """
    both = before.merge(after, on="perturbation", suffixes=("_before", "_after"))
    changes = []
    for name in measures:
        change = both[f"{name}_after"] - both[f"{name}_before"]
        if change.notna().any():
            changes.append(change)
    if not changes or not len(both):
        return np.nan, np.nan, np.nan
    # a measure that only some perturbations have counts as much as the others
    values = np.array(changes, dtype=float)
    rng = np.random.default_rng([seed, 6])
    drawn = []
    for _ in range(RESAMPLES):
        columns = values[:, rng.integers(values.shape[1], size=values.shape[1])]
        known = np.isfinite(columns)
        sums = np.where(known, columns, 0).sum(axis=1)[known.any(axis=1)]
        drawn.append((sums / known.sum(axis=1)[known.any(axis=1)]).mean() if known.any() else np.nan)
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(np.nanmean(values, axis=1).mean()), float(low), float(high)


def get_direction(change: tuple[float, float, float]) -> int | None:
    """Return 1 for a rise, -1 for a fall, 0 for no change that counts, None if it is not known."""
    value, low, high = change
    if np.isnan(value):
        return None
    counts = (low > 0 or high < 0) and abs(value) >= LEAST
    return int(np.sign(value)) if counts else 0


def describe(mixing: tuple[float, float, float], biology: tuple[float, float, float]) -> str:
    """Return in words what a step changed, with the numbers."""
    directions = get_direction(mixing), get_direction(biology)
    parts = [
        f"{words} {value:+.3f} ({low:+.3f} to {high:+.3f})"
        for words, (value, low, high) in (("mixing", mixing), ("mean average precision", biology))
        if not np.isnan(value)
    ]
    if None not in directions:
        return f"{VERDICTS[directions]}: {', '.join(parts)}"
    unknown = [
        words
        for words, one in zip(("mixing", "mean average precision"), directions, strict=True)
        if one is None
    ]
    return "; ".join([f"{' and '.join(unknown)} not known", *parts])


def compare(
    scores: pd.DataFrame, perturbations: Mapping[tuple[str, str], pd.DataFrame], seed: int
) -> pd.DataFrame:
    """Return the table with what changed from the level before, and from the start of the chain.

    Parameters
    ----------
    scores : one row per level and condition, in the order of the levels; `condition` names the condition,
        `level_before` and `start` the levels that it is compared with (empty if there is none).
    perturbations : by condition and level.
    seed : of the intervals.
    """
    rows = []
    for row in scores.to_dict("records"):
        after = perturbations[row["condition"], row[BOUNDARY]]
        found: dict[str, Any] = {}
        for name, ending in (("level_before", ""), (START, "_since_start")):
            before = perturbations.get((row["condition"], row[name]))
            if before is None:
                found[f"verdict{ending}"] = ""
                continue
            mixing = get_change(before, after, MIXED, seed)
            biology = get_change(before, after, FOUND, seed)
            for words, change in (("mixing", mixing), ("precision", biology)):
                ends = ("", "_low", "_high")
                found |= {
                    f"{words}_change{ending}{end}": value for end, value in zip(ends, change, strict=True)
                }
            found[f"verdict{ending}"] = describe(mixing, biology)
        rows.append({**row, **found})
    return pd.DataFrame(rows)


def place_rows(table: pd.DataFrame) -> tuple[np.ndarray, dict[float, str]]:
    """Return the height of each step in the figure, and the heading above each chain with its height."""
    several = table["condition"].nunique() > 1
    places, headings = np.zeros(len(table)), {}
    height, before = 0.0, None
    for number, row in enumerate(table.to_dict("records")):
        name = row["chain"] + (f" ({row['condition']})" if several else "")
        if name != before:
            headings[height] = name
            height, before = height + 1, name
        places[number] = height
        height += 1
    return places, headings


def draw(table: pd.DataFrame) -> Figure:
    """Draw the steps of all chains: a row is a step below its chain, a panel holds measures of one kind.

    Of very many steps the first are drawn, as the title states.
    """
    if table.empty:
        return draw_nothing("No level of profiles was judged.")
    every, table = len(table), table.head(MOST_STEPS)
    place, headings = place_rows(table)
    rows = len(table) + len(headings)
    figure, grid = plt.subplots(
        1, len(PANELS), figsize=(14, 1.8 + 0.27 * rows), sharey=True, layout="constrained"
    )
    for axes, (title, measures) in zip(grid, PANELS, strict=True):
        axes.set_title(title)
        for number, (name, words) in enumerate(measures.items()):
            offset = 0.2 * (number - (len(measures) - 1) / 2)
            values = table[name].to_numpy(float)
            ends = [
                table[f"{name}_sampling_{end}"].to_numpy(float)
                if f"{name}_sampling_{end}" in table
                else values
                for end in ("low", "high")
            ]
            color = COLORS[number]
            axes.hlines(place + offset, *ends, color=color, linewidth=1)
            axes.plot(
                values,
                place + offset,
                MARKS[number],
                color=color,
                markersize=4.5,
                label=words,
                clip_on=False,
            )
        axes.grid(axis="x", color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        for height in headings:
            if height > 0:
                axes.axhline(height - 0.5, color="0.6", linewidth=0.8)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.6 / max(2, 0.9 * rows)), fontsize=7.5)
    grid[0].set_zorder(1)  # a long heading reaches into the next panel, where there is no value beside it
    grid[0].patch.set_visible(False)
    for height, name in headings.items():
        heading = grid[0].text(
            *(0.01, height, name),
            transform=grid[0].get_yaxis_transform(),
            fontweight="bold",
            verticalalignment="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        heading.set_in_layout(False)
    for axes, highest in ((grid[0], 100), (grid[2], 1), (grid[3], 1)):
        axes.set_xlim(-0.03 * highest, 1.03 * highest)
    grid[0].set_yticks(place, table["step"].tolist())
    grid[0].set_ylim(rows - 0.4, -0.6)
    if len(table) < every:
        figure.suptitle(f"The first {len(table)} of {every:,} steps", fontsize=11, x=0.01, ha="left")
    return figure


def read_judged(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read the rows of all levels, with the condition as text."""
    tables = [read_scores(path) for path in paths]
    scores = pd.concat(tables, ignore_index=True)
    names = get_condition_columns(tables[0])
    scores["condition"] = [get_condition_label(row, names) or "all" for row in scores.to_dict("records")]
    return scores


def main(
    score_files: Sequence[str], perturbation_files: Sequence[str], outputs: Mapping[str, str], seed: int
) -> None:
    """Write the table of all steps, and the figure.

    Parameters
    ----------
    score_files
        Each level's row of scores in each condition (csv).
    perturbation_files
        Each level's table of perturbations in each condition (Parquet), in the same order.
    outputs
        Paths of `table` (csv), `png` and `svg`.
    seed
        Of the intervals.
    """
    use_style()
    scores = read_judged(score_files)
    for name in ("chain", "step", "level_before", START):
        scores[name] = scores[name].fillna("").astype("str")
    perturbations = {
        (row["condition"], row[BOUNDARY]): pd.read_parquet(path)
        for row, path in zip(scores.to_dict("records"), perturbation_files, strict=True)
    }
    table = compare(scores, perturbations, seed)
    with write_whole(outputs["table"]) as part:
        table.drop(columns="condition").to_csv(part, index=False, float_format="%.6g")
    save(draw(table), [outputs["png"], outputs["svg"]])


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.scores),
            list(snakemake.input.perturbations),
            {name: snakemake.output[name] for name in ("table", "png", "svg")},
            snakemake.params.seed,
        )
