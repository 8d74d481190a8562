"""Draw a plate's heat maps: cells, nuclear size and flags, and each channel's intensity and focus.

The maps have the shape of the plate. The report colors its plates by these and all other measures of
`well_quality.csv`, which has the numbers.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from lib.drawing import COLORS, save_png, use_style
from lib.errors import InputError
from lib.logs import log_to
from lib.spread import get_robust_spread
from lib.tables import EMPTY_IS_MISSING
from lib.wells import get_plate_format, get_row_name, get_well_place

MAPS = {
    "MeanIntensity": "mean intensity",
    "PowerLogLogSlope": "focus (power log-log slope)",
}
# For plates without image measurements.
CELL_MAPS = {"CellIntensity": "mean intensity of cells"}
FLAGS = {
    "empty": COLORS[6],
    "out_of_focus": COLORS[0],
    "saturated": COLORS[4],
    "debris": COLORS[1],
    "low_cell_count": COLORS[3],
    "shifted_column": COLORS[5],
    "shifted_row": COLORS[2],
    "edge_effect": "0.6",
}
NO_WELL = "0.93"
WIDTH = 3.4  # width of one map in inches
COLUMNS, MOST_ROWS = 3, 16  # more columns if there would be more rows


def arrange_on_plate(wells: Iterable[str], values: Iterable[float], size: tuple[int, int]) -> np.ndarray:
    """Arrange the values of wells as an array (rows, columns) of the plate; missing elsewhere."""
    array = np.full(size, np.nan)
    for well, value in zip(wells, values, strict=True):
        row, column = get_well_place(well)
        array[row - 1, column - 1] = value
    return array


def label_wells(axes: Axes, size: tuple[int, int]) -> None:
    """Label rows with letters and columns with numbers, as many as are legible."""
    rows, columns = size
    every = max(1, math.ceil(rows / 16)), max(1, math.ceil(columns / 12))
    axes.set_yticks(range(0, rows, every[0]), [get_row_name(n + 1) for n in range(0, rows, every[0])])
    axes.set_xticks(range(0, columns, every[1]), range(1, columns + 1, every[1]))
    axes.tick_params(length=0, labelsize=8, pad=1.5)
    for side in axes.spines.values():
        side.set_visible(False)


def find_color_range(values: np.ndarray) -> tuple[float, float, str]:
    """Return the lowest and highest value of the color scale, and which of its ends are open.

    The range is the median plus or minus four robust standard deviations, within the range of the data, so
    that a single outlier does not use up the color scale.
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return 0.0, 1.0, "neither"
    least, most, middle = known.min(), known.max(), np.median(known)
    spread = 4 * get_robust_spread(known)
    low, high = (max(least, middle - spread), min(most, middle + spread)) if spread else (least, most)
    if high <= low:
        return low - 0.5, high + 0.5, "neither"
    ends = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    return low, high, ends[bool(low > least), bool(high < most)]


def draw_map(axes: Axes, title: str, values: np.ndarray, flagged: np.ndarray) -> None:
    """Draw one heat map, with a dot in each flagged well.

    Parameters
    ----------
    axes
        The panel.
    title
        The panel's title.
    values
        The value of each well, (rows, columns); NaN where there is none.
    flagged
        Whether each well is flagged, (rows, columns).
    """
    low, high, ends = find_color_range(values)
    axes.set_facecolor(NO_WELL)
    image = axes.imshow(values, cmap="viridis", norm=Normalize(low, high), aspect="equal")
    rows, columns = np.nonzero(flagged)
    size = 45 / values.shape[1]
    axes.plot(columns, rows, "o", markersize=size, markerfacecolor="white", markeredgecolor="black", mew=0.5)
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.02, 0, 0.045, 1)), extend=ends)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.ax.ticklabel_format(style="sci", scilimits=(-3, 4), useMathText=True, useOffset=False)
    bar.ax.yaxis.get_offset_text().set_fontsize(7.5)
    bar.outline.set_visible(False)
    axes.set_title(title, fontsize=10)
    label_wells(axes, values.shape)


def draw_flags(axes: Axes, wells: pd.DataFrame, size: tuple[int, int]) -> None:
    """Draw the plate's flags: each well in the color of its flag, in stripes if it has several."""
    axes.set_facecolor(NO_WELL)
    axes.imshow(np.full(size, np.nan), aspect="equal")
    counts: dict[str, int] = {}
    for well, imaged, flags in zip(
        wells["Metadata_Well"], wells["Count_Sites"] > 0, wells["flags"], strict=True
    ):
        row, column = get_well_place(well)
        if imaged:
            box = (column - 1.46, row - 1.46), 0.92, 0.92
            axes.add_patch(Rectangle(*box, facecolor="white", edgecolor="0.8", lw=0.3))
        kinds = flags.split()
        for at, kind in enumerate(kinds):
            counts[kind] = counts.get(kind, 0) + 1
            place = (column - 1.46 + 0.92 * at / len(kinds), row - 1.46)
            axes.add_patch(Rectangle(place, 0.92 / len(kinds), 0.92, facecolor=FLAGS[kind], lw=0))
    axes.set_title("flags" if counts else "flags: none", fontsize=10)
    entries = [
        Patch(color=FLAGS[kind], label=f"{kind.replace('_', ' ')} ({counts[kind]})")
        for kind in FLAGS
        if kind in counts
    ]
    if entries:
        axes.legend(handles=entries, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8, handlelength=1)
    label_wells(axes, size)


def list_maps(wells: pd.DataFrame) -> dict[str, str]:
    """List the columns of a table of wells that are drawn, with the titles of their maps."""
    found = {"Count_Cells": "cells", "Nuclei_Area": "nuclear area (pixels)"}
    found = {column: title for column, title in found.items() if column in wells}
    maps = {name: title for name, title in MAPS.items() if any(c.startswith(f"{name}_") for c in wells)}
    columns = [(c, name) for name in maps or CELL_MAPS for c in wells if c.startswith(f"{name}_")]
    channels = list(dict.fromkeys(column.removeprefix(f"{name}_") for column, name in columns))
    for channel in channels:
        for name, title in (maps or CELL_MAPS).items():
            if f"{name}_{channel}" in wells:
                found[f"{name}_{channel}"] = f"{channel}: {title}"
    return found


def plot_heat_maps(wells: pd.DataFrame) -> Figure:
    """Plot the heat maps of a plate, three or more in a row: the flags, the cells, then each channel.

    `wells` is quality control's table of wells, with "" for wells without flags.
    """
    size = get_plate_format(wells["Metadata_Well"])
    maps = list_maps(wells)
    columns = max(COLUMNS, math.ceil((1 + len(maps)) / MOST_ROWS))
    rows = math.ceil((1 + len(maps)) / columns)
    height = WIDTH * size[0] / size[1] + 0.6
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(columns * (WIDTH + 1.1), height * rows + 0.5),
        squeeze=False,
        gridspec_kw={"wspace": 1.1 / WIDTH, "hspace": 0.6 / (height - 0.6)},
    )
    tall = figure.get_figheight()
    figure.subplots_adjust(left=0.025, right=0.91, top=1 - 0.9 / tall, bottom=0.25 / tall)
    plate = wells["Metadata_Plate"].iloc[0]
    imaged = int((wells["Count_Sites"] > 0).sum())
    figure.suptitle(
        f"Plate {plate}: {imaged} wells with images, {int(wells['Count_Cells'].sum())} cells; "
        "a white dot marks a flagged well",
        fontsize=12,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    flagged = arrange_on_plate(wells["Metadata_Well"], wells["flags"] != "", size) == 1
    places = grid.ravel()
    draw_flags(places[0], wells, size)
    for axes, (column, title) in zip(places[1:], maps.items(), strict=False):
        draw_map(axes, title, arrange_on_plate(wells["Metadata_Well"], wells[column], size), flagged)
    for axes in places[1 + len(maps) :]:
        axes.set_axis_off()
    return figure


def main(table: str | Path, picture: str | Path) -> None:
    """Plot the heat maps of a table of wells."""
    wells = pd.read_csv(table, dtype={"Metadata_Plate": str, "Metadata_Well": str}, **EMPTY_IS_MISSING)
    if wells.empty:
        raise InputError(f"{table} does not list any wells; delete it, and the next run will write it again.")
    wells["flags"] = wells["flags"].fillna("")
    use_style()
    save_png(plot_heat_maps(wells), picture)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(snakemake.input.wells, snakemake.output.heatmaps)
