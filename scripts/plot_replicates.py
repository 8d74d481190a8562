"""Draw how the replicates of one condition correlate: every well with every other, and against the null.

The correlations are those of Percent Replicating: Pearson's r of well-level profiles
on the features that all plates of the condition have. The perturbations' medians, the null's medians
and the threshold are read from its tables, not recomputed.
"""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib.drawing import COLORS, draw_nothing, save_png, shorten_label, use_style
from lib.logs import log_to
from lib.perturbation_names import name_perturbations
from lib.replicates import Wells, correlate_rows, group_members, read_wells, split_wells
from lib.tables import get_provenance, write_profiles, write_whole

# With more wells, a well is smaller than a pixel; the perturbations with the weakest replicates are left out.
MOST_WELLS = 1600
MOST_CONTROLS = 200
NAMED = 45  # the most perturbations with room for their names


def order_wells(
    scored: Wells, controls: Wells, table: pd.DataFrame, most: int = MOST_WELLS
) -> tuple[np.ndarray, list[str]]:
    """Return the order of the wells in the matrix.

    Parameters
    ----------
    scored
        The wells of the perturbations.
    controls
        The negative controls; they come last, in plate order.
    table
        Percent Replicating's table with one row per perturbation.
    most
        The largest number of wells.

    Returns
    -------
    tuple[numpy.ndarray, list[str]]
        Row numbers into scored and controls, concatenated, and the group of each row.
    """
    # Those that replicate come first, also where each number of replicates has a threshold of its own.
    ranked = table.assign(replicates_well=table["replicating"].fillna(False).astype(bool)).sort_values(
        ["replicates_well", "median_correlation"], ascending=False, kind="stable", na_position="last"
    )
    wells = group_members(scored.metadata["perturbation"])
    by_plate = scored.metadata[["Metadata_Plate", "Metadata_Well"]]
    in_place = order_by_place(controls.metadata)
    chosen = np.unique(np.linspace(0, len(in_place) - 1, min(len(in_place), MOST_CONTROLS)).astype(int))
    last = len(scored) + in_place[chosen]
    rows: list[int] = []
    groups: list[str] = []
    for name in ranked["perturbation"]:
        mine = wells[name][order_by_place(by_plate.iloc[wells[name]])]
        if len(rows) + len(mine) + len(last) > most:
            break
        rows += mine.tolist()
        groups += [name] * len(mine)
    return np.array([*rows, *last], dtype=int), groups + ["negcon"] * len(last)


def order_by_place(metadata: pd.DataFrame) -> np.ndarray:
    """Return the order of wells by plate and position."""
    return np.lexsort((metadata["Metadata_Well"].astype(str), metadata["Metadata_Plate"].astype(str)))


def draw_correlations(
    correlations: np.ndarray,
    groups: Sequence[str],
    plates: Sequence[str],
    replicating: set[str],
    title: str,
    names: Mapping[str, str],
) -> Figure:
    """Draw the correlation matrix; two lines separate replicating, other perturbations and controls.

    Parameters
    ----------
    correlations
        Pearson's r of every well with every other.
    groups
        The perturbation of each well, or `negcon`.
    plates
        The plate of each well.
    replicating
        The perturbations that replicate.
    title
        The condition.
    names
        The names of perturbations that people know.
    """
    if len(groups) < 2:
        return draw_nothing("Fewer than two wells: no correlation to draw.")
    off_diagonal = np.abs(correlations[~np.eye(len(groups), dtype=bool)])
    limit = max(0.3, float(np.quantile(off_diagonal, 0.99)))
    figure, axes = plt.subplots(figsize=(8.4, 7.2), layout="constrained")
    strip = axes.inset_axes((-0.04, 0, 0.025, 1))
    codes, of_plates = pd.factorize(np.array(plates), sort=True)
    shades = plt.get_cmap("cividis")(np.linspace(0, 1, max(len(of_plates), 2)))
    strip.imshow(
        codes[:, None],
        cmap=ListedColormap(shades),
        vmin=0,
        vmax=len(shades) - 1,
        aspect="auto",
        interpolation="nearest",
    )
    strip.set_xticks([0], ["plate"], rotation=90)
    image = axes.imshow(correlations, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    starts = [0] + [i for i in range(1, len(groups)) if groups[i] != groups[i - 1]] + [len(groups)]
    kinds = [label_kinds(groups[start], replicating) for start in starts[:-1]]
    centers = [(a + b - 1) / 2 for a, b in pairwise(starts)]
    if len(kinds) <= NAMED:
        strip.set_yticks(
            centers, [shorten_label(names.get(groups[start], groups[start])) for start in starts[:-1]]
        )
        strip.tick_params(axis="y", labelsize=7)
    else:
        strip.set_yticks([])
    axes.set_yticks([])
    axes.set_xticks([])
    for number in range(1, len(kinds)):
        if kinds[number] != kinds[number - 1]:
            for line in (axes.axhline, axes.axvline):
                line(starts[number] - 0.5, color="black", linewidth=0.8)
    for kind in dict.fromkeys(kinds):
        inside = [i for i, group in enumerate(groups) if label_kinds(group, replicating) == kind]
        number = len({groups[i] for i in inside})
        label = kind if kind == "controls" else f"{kind}\n({number} perturbation{'' if number == 1 else 's'})"
        axes.text(np.mean(inside), 1.01 * len(groups), label, ha="center", va="top", fontsize=8)
    for side in ("top", "right", "left", "bottom"):
        strip.spines[side].set_visible(False)
    axes.set_title(title)
    figure.colorbar(image, ax=axes, shrink=0.6, label="Pearson's r", extend="both")
    return figure


def label_kinds(group: str, replicating: set[str]) -> str:
    """Label the parts of the matrix: replicating, not replicating, negative controls."""
    if group == "negcon":
        return "controls"
    return "replicating" if group in replicating else "not replicating"


def draw_null(table: pd.DataFrame, null: pd.DataFrame, row: Mapping[str, object], title: str) -> Figure:
    """Draw each perturbation's median replicate correlation against the null's medians and the threshold.

    Parameters
    ----------
    table
        The table of perturbations of Percent Replicating.
    null
        The medians of the nulls.
    row
        The score's row.
    title
        The condition.
    """
    signal = table.dropna(subset=["median_correlation"])
    if signal.empty:
        return draw_nothing(str(row.get("message") or "No perturbation has enough replicates."))
    judged = signal[[name for name in ("threshold", "threshold_left") if name in signal]].notna().any(axis=1)
    if not judged.any():
        return draw_nothing(str(row.get("message") or "There is no null to compare the replicates with."))
    compared = signal.get("null_wells", signal["replicates"])
    size = str(int(compared[judged].mode().iloc[0]))
    figure, (axes, strip) = plt.subplots(
        2, 1, figsize=(7.2, 4.6), sharex=True, height_ratios=(2.2, 1), layout="constrained"
    )
    draw_distributions(axes, signal, null, size)
    for name, label in (("threshold", "threshold"), ("threshold_left", "left threshold")):
        limit = signal.loc[compared.astype(str) == size].get(name, pd.Series(dtype=float))
        if limit.notna().any():
            where = float(limit.dropna().iloc[0])
            axes.axvline(where, color=COLORS[1], label=f"{label} {where:.3f}")
    draw_ranks(strip, signal.assign(judged=judged))
    axes.set_ylabel("density")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    heading = f"{title}: replicates against {size} wells of different perturbations"
    figure.suptitle(textwrap.fill(heading, 80), fontsize=11, x=0.01, ha="left")
    return figure


def draw_distributions(axes: Axes, signal: pd.DataFrame, null: pd.DataFrame, size: str) -> None:
    """Draw the histograms of the perturbations, of their null, and of their position-aware null.

    Parameters
    ----------
    axes
        Where they are drawn.
    signal
        The perturbations with a median correlation.
    null
        The medians of the nulls.
    size
        The most common number of wells per set of the null.
    """
    drawn = null[null["null"] == "standard"]
    # With a fixed null size there is one null; with a matched one, that of the most common number of
    # replicates.
    drawn = drawn[drawn["wells"] == size] if (drawn["wells"] == size).any() else drawn
    pattern = signal["positions"].mode().iloc[0]
    aware = null[(null["null"] == "position_aware") & (null["wells"] == pattern)]
    values = pd.concat([signal["median_correlation"], drawn["median_correlation"]])
    edges = np.linspace(values.min(), max(values.max(), values.min() + 0.01), 61)
    if len(drawn):
        axes.hist(drawn["median_correlation"], edges, density=True, color="0.8", label="null")
    if len(aware):
        axes.hist(
            aware["median_correlation"],
            edges,
            density=True,
            histtype="step",
            color="0.35",
            linestyle="--",
            label="position-aware null",
        )
    axes.hist(
        signal["median_correlation"],
        edges,
        density=True,
        histtype="step",
        linewidth=1.5,
        color=COLORS[0],
        label="perturbations",
    )


def draw_ranks(axes: Axes, signal: pd.DataFrame) -> None:
    """Draw each perturbation's median correlation by its rank, with its own threshold.

    `signal` is the table of perturbations, with the column `judged`: whether a perturbation has a threshold.
    """
    ranked = signal.sort_values("median_correlation", ignore_index=True)
    for name in ("threshold", "threshold_left"):
        # each perturbation's own threshold: with matched nulls it depends on the number of replicates
        if name in ranked and ranked[name].notna().any():
            axes.plot(
                ranked[name], ranked.index + 1, "|", color=COLORS[1], markersize=4, label="its threshold"
            )
    for counts, mark, color, label in (
        (True, "o", COLORS[0], "replicating"),
        (False, "x", "0.35", "not replicating"),
        (None, ".", "0.6", "no null"),
    ):
        mine = ranked[~ranked["judged"]]
        if counts is not None:
            mine = ranked[ranked["judged"] & (ranked["replicating"].fillna(False).astype(bool) == counts)]
        elif mine.empty:
            continue
        axes.plot(
            mine["median_correlation"],
            mine.index + 1,
            mark,
            color=color,
            markersize=3.5,
            label=f"{label} ({len(mine)})",
        )
    axes.set_ylabel("rank")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))
    axes.set_xlabel("median correlation of a perturbation's replicates (Pearson's r)")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def main(
    profiles: Sequence[str],
    tables: Mapping[str, str],
    outputs: Mapping[str, str],
    parameters: Mapping[str, object],
) -> None:
    """Draw both figures of a condition and write their numbers.

    Parameters
    ----------
    profiles
        The files of the condition's plates.
    tables
        The results of Percent Replicating: `score`, `perturbations` and `null`.
    outputs
        The files to write: `correlations`, `matrix`, `null` and `medians`.
    parameters
        `title`, `group`, `positive_controls`, and `controls` (`column` and `negcon`).
    """
    use_style()
    table, null = pd.read_parquet(tables["perturbations"]), pd.read_parquet(tables["null"])
    row = pd.read_csv(tables["score"]).iloc[0].dropna()
    title = str(parameters["title"])
    scored, controls = split_wells(
        read_wells(profiles, parameters["controls"]),
        parameters["group"],
        bool(parameters["positive_controls"]),
    )
    order, groups = order_wells(scored, controls, table)
    metadata = pd.concat([scored.metadata, controls.metadata], ignore_index=True).iloc[order]
    correlations = correlate_rows(np.vstack([scored.values, controls.values])[order])
    replicating = set(table.loc[table["replicating"].fillna(False).astype(bool), "perturbation"])
    plates = metadata["Metadata_Plate"].astype(str).tolist()
    number = len(scored) + len(controls)
    share = f"{len(order):,} of {number:,}" if len(order) < number else f"{number:,}"
    heading = f"{title}: correlation of {share} wells with each other"
    figure = draw_correlations(correlations, groups, plates, replicating, heading, name_perturbations(table))
    save_png(figure, outputs["correlations"])
    columns = [f"{plate}_{well}" for plate, well in zip(plates, metadata["Metadata_Well"], strict=True)]
    # Four decimals are finer than any color, and compress four times better.
    matrix = pd.DataFrame(correlations.round(4).astype(np.float32), columns=columns)
    matrix.insert(0, "Metadata_Plate", plates)
    matrix.insert(1, "Metadata_Well", metadata["Metadata_Well"].astype(str).to_numpy())
    matrix.insert(2, "Metadata_perturbation", groups)
    write_profiles(matrix, outputs["matrix"], get_provenance(parameters, profiles))
    save_png(draw_null(table, null, row, title), outputs["null"])
    with write_whole(outputs["medians"]) as part:
        table[[c for c in table if not c.startswith("Metadata_")]].to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            {name: snakemake.input[name] for name in ("score", "perturbations", "null")},
            {name: snakemake.output[name] for name in ("correlations", "matrix", "null", "medians")},
            dict(snakemake.params.parameters),
        )
