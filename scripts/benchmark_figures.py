"""Draw the benchmark: Percent Replicating (the paper's Figure 2) and Percent Matching (Figure 3).

A point is a score, the line through it the 95 % interval that repeated nulls give; an open diamond is
the same score against the position-aware null, a cross the published value. The dashed line is what
chance gives. Every number drawn stands in the table beside the figure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lib.errors import InputError
from lib.logs import logged
from lib.scores import BOUNDARY, condition_columns
from lib.tables import whole

# Okabe and Ito's palette: distinct for every common kind of colour blindness
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
RIGHT, LEFT = COLOURS[0], COLOURS[1]
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "platewise",
}
ROW = {"replicating": 0.34, "matching": 0.46}  # height of one condition, inches
HEADER = 1.6  # height of titles, axis label and legend, inches


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read a benchmark table: the condition's columns as text, the rest as they are.

    Where both sides of every comparison have the same cell line, it becomes one column.
    """
    names = condition_columns(pd.read_csv(path, nrows=0))
    scores = pd.read_csv(path, dtype=dict.fromkeys(names, str))
    sides = ("cell_line_a", "cell_line_b")
    if set(sides) <= set(scores) and scores[sides[0]].equals(scores[sides[1]]):
        scores = scores.drop(columns=sides[1]).rename(columns={sides[0]: "cell_line"})
    return scores


def add_published(scores: pd.DataFrame, published: str | Path | None, value: str) -> pd.DataFrame:
    """Add a column `published` from a table with the same condition columns and a column `value`.

    Conditions are compared as text without regard to case; one that the table does not have gets no
    published value.
    """
    if published is None:
        return scores.assign(published=float("nan"))
    table = pd.read_csv(published, dtype=str)
    key = [name for name in condition_columns(scores) if name in table]
    if value not in table or not key:
        raise InputError(
            f"{published} cannot be compared: it needs a column {value} and at least one of "
            f"{', '.join(condition_columns(scores))}."
        )
    values = {
        tuple(str(part).lower() for part in row[:-1]): float(row[-1])
        for row in table[[*key, value]].itertuples(index=False)
    }
    rows = scores[key].itertuples(index=False)
    found = [values.get(tuple(str(part).lower() for part in row), float("nan")) for row in rows]
    return scores.assign(published=found)


def panels(scores: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Split the scores into panels, one a cell line and feature set (where there are several)."""
    several = scores[BOUNDARY].nunique() > 1
    by = [name for name in ("cell_line", BOUNDARY) if name in scores and (name != BOUNDARY or several)]
    if not by:
        return [("", scores)]
    return [("  ".join(map(str, key)), part) for key, part in scores.groupby(by, sort=True)]


def condition_labels(scores: pd.DataFrame) -> list[str]:
    """A label a row from the condition's columns; those that a panel's title says are left out.

    For a comparison the columns ending in `_a` stand before the ones ending in `_b`.
    """
    names = [name for name in condition_columns(scores) if name not in ("cell_line", BOUNDARY)]

    def text(row: Any, chosen: Sequence[str]) -> str:
        parts = [
            f"{row[name]} h" if name.startswith("timepoint") else str(row[name])
            for name in chosen
            if pd.notna(row[name])
        ]
        return " ".join(parts)

    first = [name for name in names if name.endswith("_a")]
    second = [name for name in names if name.endswith("_b")]
    rest = [name for name in names if name not in (*first, *second)]
    found = []
    for _, row in scores.iterrows():
        sides = [text(row, first), text(row, second)] if first or second else []
        joined = " × ".join(part for part in sides if part)
        found.append(" ".join(part for part in (joined, text(row, rest)) if part))
    return found


def interval(axes: Axes, height: float, score: Any, value: str, colour: str) -> None:
    """Draw a score with its interval, and the numbers of both at the right of the panel."""
    point = score[value]
    if pd.isna(point):
        return
    low, high = score[f"{value}_low"], score[f"{value}_high"]
    axes.plot([low, high], [height, height], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
    for end in (low, high):
        axes.plot([end, end], [height - 0.09, height + 0.09], color=colour, linewidth=1.2, zorder=2)
    axes.plot(point, height, "o", color=colour, markersize=5.5, zorder=3)
    axes.text(
        1.02,
        height,
        f"{point:.1f} ({low:.1f}–{high:.1f})",
        transform=axes.get_yaxis_transform(),
        ha="left",
        va="center",
        fontsize=8,
        color=colour,
    )


def aware(axes: Axes, height: float, score: Any, value: str, colour: str) -> None:
    """Draw the score against the position-aware null: an open diamond with a thin interval."""
    point = score[value]
    if pd.isna(point):
        return
    low, high = score[f"{value}_low"], score[f"{value}_high"]
    axes.plot([low, high], [height, height], color=colour, linewidth=0.9, zorder=1)
    axes.plot(point, height, "D", markersize=4.5, markerfacecolor="white", markeredgecolor=colour, zorder=3)


def frame(scores: pd.DataFrame, metric: str, chance: float, limit: float) -> tuple[Figure, list[Axes]]:
    """A figure with one panel under the other, their heights as their numbers of rows."""
    parts = panels(scores)
    heights = [len(part) for _, part in parts]
    size = (7.2, HEADER + 0.45 * len(parts) + ROW[metric] * sum(heights))
    figure, grid = plt.subplots(
        len(parts), 1, figsize=size, sharex=True, squeeze=False, height_ratios=heights, layout="constrained"
    )
    figure.suptitle(f"Percent {metric.title()}", fontsize=11, fontweight="bold", x=0.01, ha="left")
    for axes, (name, part) in zip(grid[:, 0], parts, strict=True):
        axes.set_title(name, loc="left", fontsize=9.5)
        axes.set_yticks(range(len(part)), condition_labels(part))
        axes.set_ylim(len(part) - 0.4, -0.75)
        axes.set_xlim(0, limit)
        axes.axvline(chance, color="0.45", linestyle=(0, (4, 3)), linewidth=1, zorder=0)
        axes.grid(axis="x", color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    return figure, list(grid[:, 0])


def key(published: bool, chance: float, extra: Sequence[Line2D] = ()) -> list[Line2D]:
    """The legend's entries that both figures share, after those of `extra`."""
    grey = "0.25"
    entries = [
        *extra,
        Line2D([], [], color=grey, marker="o", linewidth=2.2, label="score, 95 % interval"),
        Line2D(
            [],
            [],
            color=grey,
            marker="D",
            markerfacecolor="white",
            linewidth=0.9,
            label="position-aware null",
        ),
        Line2D([], [], color="0.45", linestyle=(0, (4, 3)), label=f"chance ({chance:g} %)"),
    ]
    if published:
        cross = Line2D([], [], color="black", marker="x", linestyle="", label="published")
        entries.insert(-1, cross)
    return entries


def replicating_figure(scores: pd.DataFrame) -> Figure:
    """Percent Replicating: a row a condition, coloured by perturbation."""
    chance = chance_level(scores)
    kinds = list(dict.fromkeys(scores["perturbation"])) if "perturbation" in scores else []
    colours = {kind: COLOURS[i % len(COLOURS)] for i, kind in enumerate(kinds)}
    figure, grid = frame(scores, "replicating", chance, 100)
    for axes, (_, part) in zip(grid, panels(scores), strict=True):
        for height, (_, row) in enumerate(part.iterrows()):
            colour = colours.get(row.get("perturbation"), COLOURS[0])
            interval(axes, height, row, "percent_replicating", colour)
            aware(axes, height + 0.26, row, "position_aware_percent_replicating", colour)
            axes.plot(row["published"], height, "x", color="black", markersize=6, zorder=4)
    grid[-1].set_xlabel("perturbations whose replicates correlate above the null (%)")
    extra = [Line2D([], [], color=c, marker="s", linestyle="", label=k) for k, c in colours.items()]
    entries = key(scores["published"].notna().any(), chance, extra if len(extra) > 1 else ())
    figure.legend(handles=entries, loc="outside lower left", ncols=3, frameon=False, fontsize=8)
    return figure


def matching_figure(scores: pd.DataFrame) -> Figure:
    """Percent Matching: a row a comparison, right and left tail."""
    chance = chance_level(scores)
    drawn = [f"percent_matching_{tail}_high" for tail in ("right", "left")]
    drawn += [f"position_aware_{name}" for name in drawn]
    limit = min(100.0, max(25.0, 1.1 * scores[[*drawn, "published"]].max(axis=None)))
    figure, grid = frame(scores, "matching", chance, limit)
    for axes, (_, part) in zip(grid, panels(scores), strict=True):
        for height, (_, row) in enumerate(part.iterrows()):
            for tail, colour, shift in (("right", RIGHT, -0.1), ("left", LEFT, 0.28)):
                value = f"percent_matching_{tail}"
                interval(axes, height + shift, row, value, colour)
                aware(axes, height + shift + 0.14, row, f"position_aware_{value}", colour)
            axes.plot(row["published"], height - 0.1, "x", color="black", markersize=6, zorder=4)
    grid[-1].set_xlabel("pairs of one gene beyond the null of different genes (%)")
    extra = [
        Line2D([], [], color=RIGHT, marker="s", linestyle="", label="right tail (alike)"),
        Line2D([], [], color=LEFT, marker="s", linestyle="", label="left tail (opposite)"),
    ]
    entries = key(scores["published"].notna().any(), chance, extra)
    figure.legend(handles=entries, loc="outside lower left", ncols=3, frameon=False, fontsize=8)
    return figure


def chance_level(scores: pd.DataFrame) -> float:
    """The percentage that chance gives, from the null's percentile (twice that for both tails)."""
    chance = 100 - float(scores["percentile"].iloc[0])
    both = "tail" in scores and (scores["tail"] == "both").all()
    return 2 * chance if both else chance


def save(figure: Figure, paths: Sequence[str | Path]) -> None:
    """Write a figure to each path, in the format of its suffix, whole or not at all."""
    for path in paths:
        suffix = Path(path).suffix.lstrip(".")
        with whole(path) as part:
            date = {"Date": None} if suffix == "svg" else None
            figure.savefig(part, format=suffix, dpi=200, metadata=date)
    plt.close(figure)


FIGURES = {
    "percent_replicating": (replicating_figure, "percent_replicating"),
    "percent_matching": (matching_figure, "percent_matching_right"),
}


def main(tables: Mapping[str, str], published: Mapping[str, str], outputs: Sequence[str | Path]) -> None:
    """Draw each of the benchmark's tables (metric: table).

    An output is named after its metric; its suffix says what it is: png, svg, or csv for the numbers.
    """
    plt.rcParams.update(STYLE)
    for metric, table in tables.items():
        draw, value = FIGURES[metric]
        scores = add_published(read_scores(table), published.get(metric), value)
        mine = [Path(path) for path in outputs if Path(path).stem == metric]
        save(draw(scores), [path for path in mine if path.suffix != ".csv"])
        for path in mine:
            if path.suffix == ".csv":
                with whole(path) as part:
                    drawn_numbers(scores).to_csv(part, index=False)


def drawn_numbers(scores: pd.DataFrame) -> pd.DataFrame:
    """The numbers that a figure shows: condition, scores with their intervals, published value."""
    shown = [name for name in scores if "percent_replicating" in name or "percent_matching" in name]
    extra = [name for name in ("percentile", "tail") if name in scores]
    return scores[[*condition_columns(scores), *shown, *extra, "published"]]


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            dict(snakemake.input.items()),
            dict(snakemake.params.get("published", {})),
            list(snakemake.output),
        )
