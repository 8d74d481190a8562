"""Draw the benchmark: Percent Replicating (the paper's Figure 2), Percent Matching (Figure 3), precision.

A row is a condition or comparison, a color is one of the feature sets that are scored: blue for
CellProfiler's, red for a deep network's, as in the paper. A bar ends at the score, and its line is the 95 %
interval for other perturbations of the same kind; a cross is the published value, and the dashed line the
score by chance. The table beside the figure has the other numbers as well: the interval when the null is
drawn anew, and the score against the position-aware null.
"""

import logging
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lib.drawing import BLUES, REDS, save, use_style
from lib.errors import InputError
from lib.logs import log_to
from lib.scores import BOUNDARY, get_condition_columns, get_condition_label, read_scores
from lib.tables import write_whole

LETTERS_OF_REASON = 50  # letters in each of two lines beside a bar; the score's table has the full reason
UNCOLORED = "0.4"  # if the colors are used up, and for what has no score
LANE = 0.21  # height of one bar, inches
GAP = 0.6  # between two conditions, in bars
HEADER = 1.7  # height of titles, axis label and legend, inches
WIDTH = {1: 7.6, 2: 11.5}  # width of a figure in inches, by its number of columns of panels


@dataclass(frozen=True)
class Column:
    """One score of a figure: its column in the table, its label, how it is drawn."""

    value: str
    title: str
    label: str
    limit: float | None = 100  # where the axis ends; None: a little beyond what is drawn
    least: float = 0  # but not below this
    digits: int = 1
    published: bool = False
    chance: bool = True  # whether the null's percentile gives the score by chance


REPLICATING = "perturbations whose replicates correlate {beyond} the null (%)"
MATCHING = "pairs that share a {{relation}} {beyond} the null of others (%)"
PRECISION = (
    Column(
        "mean_average_precision",
        "Mean average precision",
        "average precision above random, mean over perturbations",
        limit=None,
        least=0.1,
        digits=3,
        chance=False,
    ),
    Column(
        "percent_retrieved",
        "Fraction retrieved",
        "perturbations with q < {level:g} (%)",
        chance=False,
    ),
)
# The figures by the table that they show: title, and the scores side by side.
FIGURES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "percent_replicating": (
        "Percent Replicating",
        (Column("percent_replicating", "", REPLICATING, published=True),),
    ),
    "percent_matching": (
        "Percent Matching",
        (
            Column(
                "percent_matching_right",
                "Right tail: alike",
                MATCHING.format(beyond="above"),
                limit=None,
                least=25,
                published=True,
            ),
            Column(
                "percent_matching_left",
                "Left tail: opposite",
                MATCHING.format(beyond="below"),
                limit=None,
                least=25,
            ),
        ),
    ),
    "mean_average_precision": ("Replicates retrieved among negative controls", PRECISION),
    "mean_average_precision_matching": (
        "Perturbations with the same {relation} retrieved among others",
        PRECISION,
    ),
}
BEYOND = {"right": "above", "left": "below", "both": "outside"}


def read_score_table(path: str | Path) -> pd.DataFrame:
    """Read a score table.

    If both sides of every comparison have the same cell line, it becomes one column.
    """
    scores = read_scores(path)
    sides = ("cell_line_a", "cell_line_b")
    if set(sides) <= set(scores) and scores[sides[0]].equals(scores[sides[1]]):
        scores = scores.drop(columns=sides[1]).rename(columns={sides[0]: "cell_line"})
    return scores


def add_published(scores: pd.DataFrame, published: str | Path | None, value: str) -> pd.DataFrame:
    """Add a column `published` from a table with the same condition columns and a column `value`.

    Conditions are compared as text ignoring case; one that is not in the table gets no
    published value. The published Percent Replicating uses a null of sets of four wells: a score
    against another null is not comparable and gets none.
    """
    if published is None:
        return scores.assign(published=float("nan"))
    table = pd.read_csv(published, dtype=str)
    key = [name for name in get_condition_columns(scores) if name in table]
    if value not in table or not key:
        raise InputError(
            f"{published} cannot be compared: it needs a column {value} and at least one of "
            f"{', '.join(get_condition_columns(scores))}."
        )
    values = {
        tuple(str(part).lower() for part in row[:-1]): float(row[-1])
        for row in table[[*key, value]].itertuples(index=False)
    }
    rows = scores[key].itertuples(index=False)
    found = [values.get(tuple(str(part).lower() for part in row), float("nan")) for row in rows]
    comparable = has_null_of_four_wells(scores)
    if not comparable.all():
        logging.warning(
            "%d of %d conditions are not compared with published values, which are against a null of sets of "
            "four wells: set benchmark.null_size to 4",
            (~comparable).sum(),
            len(scores),
        )
    return scores.assign(published=pd.Series(found, index=scores.index).where(comparable))


def has_null_of_four_wells(scores: pd.DataFrame) -> pd.Series:
    """Return whether each score's null draws sets of four wells, or the score has no such null (matching)."""
    if "null_size" not in scores:
        return pd.Series(True, index=scores.index)
    size = scores["null_size"].astype(str)
    four = (scores["replicates_min"] == 4) & (scores["replicates_max"] == 4)
    return (size == "4") | ((size == "matched") & four)


def split_into_panels(scores: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Split the scores into panels, one per cell line (if there is such a column)."""
    if "cell_line" not in scores:
        return [("", scores)]
    return [(str(name), part) for name, part in scores.groupby("cell_line", sort=True)]


def choose_colors(feature_sets: Sequence[str], networks: Collection[str] = ()) -> dict[str, str]:
    """Return a color per feature set: cold for CellProfiler's, warm for a network's, then what is left."""
    colors = {True: list(REDS), False: list(BLUES)}
    found = {name: kind.pop(0) for name in feature_sets if (kind := colors[name in networks])}
    left = [*colors[False], *colors[True], "#000000"]
    found |= {name: left.pop(0) if left else UNCOLORED for name in feature_sets if name not in found}
    return {name: found[name] for name in feature_sets}


def label_feature_set(name: str, networks: Collection[str] = ()) -> str:
    """Name a feature set in the legend: what measured it, and its level of profiles."""
    return f"{'deep network' if name in networks else 'CellProfiler'}: {name}"


def draw_score(axes: Axes, height: float, score: Mapping[str, Any], column: Column, color: str) -> None:
    """Draw one score as a bar at `height`, with its interval, and its number to the right of the panel.

    Parameters
    ----------
    axes, height
        The panel, and where the bar is on its y-axis.
    score
        The row of the score's table.
    column, color
        The score that is drawn, and the color of its bar.
    """
    point = score[column.value]
    at = {"transform": axes.get_yaxis_transform(), "ha": "left", "va": "center", "fontsize": 8}
    if pd.isna(point):
        why = "" if pd.isna(score.get("message")) else str(score["message"]).removeprefix("no score: ")
        lines = textwrap.wrap(
            f"no score: {why}" if why else "no score", LETTERS_OF_REASON, max_lines=2, placeholder=" …"
        )
        size = {"fontsize": 6.5, "linespacing": 1.0} if len(lines) > 1 else {}
        axes.text(1.015, height, "\n".join(lines), color=UNCOLORED, **{**at, **size})
        return
    axes.barh(height, point, height=0.74, color=color, alpha=0.45, linewidth=0, zorder=1)
    ends = [score.get(f"{column.value}_sampling_{end}") for end in ("low", "high")]
    if all(pd.notna(end) for end in ends):
        axes.plot(ends, [height, height], color="0.15", linewidth=1.1, solid_capstyle="butt", zorder=3)
    if column.published:
        axes.plot(score["published"], height, "x", color="black", markersize=5.5, zorder=5)
    axes.text(1.015, height, f"{point:.{column.digits}f}".replace("-", "\N{MINUS SIGN}"), color="0.15", **at)


def get_drawn_columns(column: Column) -> list[str]:
    """Return the table's columns that one score of a figure shows."""
    value_columns = [column.value, *(f"{column.value}_sampling_{end}" for end in ("low", "high"))]
    return [*value_columns, "published"] if column.published else value_columns


def get_reported_columns(column: Column) -> list[str]:
    """Return the table's columns that the table beside a figure has of one score: all that the page shows."""
    value, aware = column.value, f"position_aware_{column.value}"
    ends = [f"{kind}_{end}" for kind in ("", "_sampling") for end in ("low", "high")]
    reported_columns = [value, *(f"{value}{end}" for end in ends), aware, f"{aware}_low", f"{aware}_high"]
    return [*reported_columns, "published"] if column.published else reported_columns


def get_axis_range(scores: pd.DataFrame, column: Column) -> tuple[float, float]:
    """Return the range of a column's axis: 0 to its limit, or a little beyond what is drawn."""
    drawn = scores[[name for name in get_drawn_columns(column) if name in scores]]
    low, high = drawn.min(axis=None), drawn.max(axis=None)
    start = 1.06 * low if low < 0 else 0.0
    if column.limit is not None:
        return start, column.limit
    return start, max(column.least, 1.06 * high) if pd.notna(high) else column.least


def get_chance_level(scores: pd.DataFrame) -> float:
    """Return the percentage by chance, from the null's percentile (twice that for both tails)."""
    chance = 100 - float(scores["percentile"].iloc[0])
    both = "tail" in scores and (scores["tail"] == "both").all()
    return 2 * chance if both else chance


def draw(
    metric: str,
    scores: pd.DataFrame,
    feature_sets: Sequence[str] = (),
    networks: Collection[str] = (),
    relation: str = "gene",
) -> Figure:
    """Draw one benchmark table: panels of conditions, with feature sets side by side in each row.

    Parameters
    ----------
    metric, scores
        The metric's name, and its table.
    feature_sets
        The feature sets from top to bottom, by default in the order of the table.
    networks
        The feature sets of a deep network.
    relation
        What matching perturbations share, such as gene or mechanism.
    """
    title, columns = FIGURES[metric]
    sets = [name for name in feature_sets if name in set(scores[BOUNDARY])]
    sets = sets or list(dict.fromkeys(scores[BOUNDARY]))
    color = choose_colors(sets, networks)
    names = [name for name in get_condition_columns(scores) if name != BOUNDARY]
    parts = [
        (line, list(part.groupby(names, sort=False, dropna=False)))
        for line, part in split_into_panels(scores)
    ]
    step = len(sets) + GAP
    lanes = [step * len(rows) for _, rows in parts]
    figure, grid = plt.subplots(
        len(parts),
        len(columns),
        figsize=(WIDTH[len(columns)], HEADER + 0.4 * len(parts) + LANE * sum(lanes) + 0.13 * len(sets)),
        sharex="col",
        sharey="row",
        squeeze=False,
        height_ratios=lanes,
        layout="constrained",
    )
    figure.suptitle(title.format(relation=relation), fontsize=11, fontweight="bold", x=0.01, ha="left")
    for panel, (line, rows) in zip(grid, parts, strict=True):
        centers = [step * i + (len(sets) - 1) / 2 for i in range(len(rows))]
        # The cell line is in the panel's title.
        varying = [name for name in names if name != "cell_line"]
        panel[0].set_yticks(centers, [get_condition_label(part.iloc[0], varying) for _, part in rows])
        panel[0].set_ylim(step * len(rows) - GAP - 0.3, -0.7)
        for axes, column in zip(panel, columns, strict=True):
            axes.set_title(
                "   ".join(part for part in (line, column.title) if part), loc="left", fontsize=9.5
            )
            axes.set_xlim(get_axis_range(scores, column))
            axes.grid(axis="x", color="0.9", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.tick_params(axis="y", length=0)
            if column.chance:
                axes.axvline(
                    get_chance_level(scores), color="0.45", linestyle=(0, (4, 3)), linewidth=1, zorder=0
                )
            for i, (_, part) in enumerate(rows):
                for score in part.to_dict("records"):
                    lane = step * i + sets.index(score[BOUNDARY])
                    draw_score(axes, lane, score, column, color[score[BOUNDARY]])
    for axes, column in zip(grid[-1], columns, strict=True):
        tail = str(scores["tail"].iloc[0]) if "tail" in scores else "right"
        level = float(scores["level"].max()) if "level" in scores else float("nan")
        axes.set_xlabel(column.label.format(beyond=BEYOND[tail], level=level, relation=relation))
    entries = make_legend(scores, columns, color, networks)
    figure.legend(
        handles=entries, loc="outside lower left", ncols=len(columns) + 1, frameon=False, fontsize=8
    )
    return figure


def make_legend(
    scores: pd.DataFrame,
    columns: Sequence[Column],
    color: Mapping[str, str],
    networks: Collection[str] = (),
) -> list[Patch | Line2D]:
    """Return the legend's entries for the colors, lines and markers that the figure has.

    Parameters
    ----------
    scores, columns
        The metric's table, and the scores of it that are drawn.
    color, networks
        The color of each feature set, and the feature sets of a deep network.
    """
    entries: list[Patch | Line2D] = [
        Patch(color=shade, alpha=0.45, label=label_feature_set(name, networks))
        for name, shade in color.items()
    ]
    if f"{columns[0].value}_sampling_low" in scores:
        entries.append(Line2D([], [], color="0.15", linewidth=1.1, label="95 % interval"))
    if scores["published"].notna().any():
        entries.append(Line2D([], [], color="black", marker="x", linestyle="", label="published"))
    if columns[0].chance:
        label = f"chance ({get_chance_level(scores):g} %)"
        entries.append(Line2D([], [], color="0.45", linestyle=(0, (4, 3)), label=label))
    return entries


def make_figure_table(metric: str, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the table beside a figure: condition, scores with their intervals, published value."""
    drawn_columns = [name for column in FIGURES[metric][1] for name in get_reported_columns(column)]
    kept = [name for name in (*drawn_columns, "percentile", "tail", "level", "message") if name in scores]
    return scores[[*get_condition_columns(scores), *kept]]


def main(
    tables: Mapping[str, str],
    published: Mapping[str, str],
    feature_sets: Sequence[str],
    outputs: Sequence[str | Path],
    networks: Collection[str] = (),
    relation: str = "gene",
) -> None:
    """Draw each of the benchmark's tables.

    Parameters
    ----------
    tables
        The table of each metric.
    published
        The table of published scores of a metric, where there is one.
    feature_sets, networks, relation
        As for `draw`.
    outputs
        Files that are named after their metrics: png, svg, or csv for the numbers.
    """
    use_style()
    for metric, table in tables.items():
        value = FIGURES[metric][1][0].value
        scores = add_published(read_score_table(table), published.get(metric), value)
        mine = [Path(path) for path in outputs if Path(path).stem == metric]
        save(
            draw(metric, scores, feature_sets, networks, relation),
            [path for path in mine if path.suffix != ".csv"],
        )
        for path in mine:
            if path.suffix == ".csv":
                with write_whole(path) as part:
                    make_figure_table(metric, scores).to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.params.published),
            list(snakemake.params.feature_sets),
            list(snakemake.output),
            list(snakemake.params.networks),
            snakemake.params.relation,
        )
