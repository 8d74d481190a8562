"""Plot a plate's illumination functions and the shading across the field that they remove.

The shading is computed from the mean of a sample of the plate's images, each divided by its own mean, before
and after correction: the mean of strips across (columns) and down (rows) the field, relative to the mean of
the field. What remains after correction reflects where cells happen to be (less so with more images) and
what the function missed.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.drawing import COLORS, REDS, save_png, use_style
from lib.errors import join_names, number_of
from lib.illumination import FEWEST_IMAGES, RECOMMENDED_IMAGES, correct, read_function
from lib.logs import log_to
from lib.pictures import read_channel
from lib.tables import EMPTY_IS_MISSING, write_whole

# Number of pixels that are read per channel, and minimum and maximum number of sites, evenly over the plate.
PIXELS = 48e6
SITES = 48, 192
STRIPS = 10  # strips of the field in which shading is measured
ACROSS = 10  # channels beside each other
BEFORE, AFTER = COLORS[1], COLORS[0]
# No microscope's illumination varies by such a factor over the field, but a function that shows cells may.
CELL_FACTOR = 3
LOCAL = ("No smoothing", "Convex Hull", "Median Filter", "Gaussian Filter")  # filters that follow cells
DIRECTIONS = {"across": 0, "down": 1}
ENDS = {"across": ["left", "", "right"], "down": ["top", "", "bottom"]}


def average_strips(image: np.ndarray, direction: str) -> np.ndarray:
    """Average each of `STRIPS` strips of a field, relative to the mean of the field."""
    line = image.mean(axis=DIRECTIONS[direction])
    strips = np.array([strip.mean() for strip in np.array_split(line, min(STRIPS, len(line)))])
    return strips / strips.mean() if strips.mean() else strips


def average_images(
    rows: Sequence[Mapping[str, str]], channel: str, function: np.ndarray, apply: str
) -> tuple[np.ndarray, np.ndarray]:
    """Average a channel's images before and after correction, with one image in memory at a time.

    Parameters
    ----------
    rows : rows of the image table.
    channel : the channel's name.
    function : (height, width) illumination function.
    apply : how it is applied: `Divide` or `Subtract`.

    Returns
    -------
    Two images of mean near 1, (height, width).
    """
    before, after = np.zeros(function.shape), np.zeros(function.shape)
    for row in rows:
        image = read_channel(row, channel)
        corrected = correct(image, function, apply)
        before += image / max(image.mean(), 1e-9)
        after += corrected / max(corrected.mean(), 1e-9)
    return before / len(rows), after / len(rows)


def measure_shading(
    images: pd.DataFrame, functions: Mapping[str, np.ndarray], apply: str, sites: int = SITES
) -> pd.DataFrame:
    """Measure the shading of each channel: `channel`, `direction`, `position` (0 to 1), `before`, `after`.

    Parameters
    ----------
    images : the image table, one row per site.
    functions : the illumination function of each channel.
    apply : how the functions are applied.
    sites : number of sites, spread over the plate, that are averaged.
    """
    rows = images.iloc[np.unique(np.linspace(0, len(images) - 1, sites).round().astype(int))].to_dict(
        "records"
    )
    tables = []
    for channel, function in functions.items():
        before, after = average_images(rows, channel, function, apply)
        for direction in DIRECTIONS:
            values = average_strips(before, direction), average_strips(after, direction)
            tables.append(
                pd.DataFrame(
                    {
                        "channel": channel,
                        "direction": direction,
                        "position": (np.arange(len(values[0])) + 0.5) / len(values[0]),
                        "before": values[0],
                        "after": values[1],
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def find_cells_in_functions(functions: Mapping[str, np.ndarray]) -> list[str]:
    """Return the channels whose function shows single cells, which happens with few images."""
    return [name for name, function in functions.items() if function.max() > CELL_FACTOR * function.min() > 0]


def suggest_remedy(channels: Sequence[str], images: int) -> str:
    """Suggest what to do about functions that show cells, given the number of images of the plate."""
    return (
        f"{join_names(channels)}: the function varies by a factor of more than {CELL_FACTOR} over the field, "
        f"so it shows single cells instead of the illumination. The plate has {images} images, perhaps too "
        "few. Set assay.illumination.smoothing to `Fit Polynomial`, or assay.illumination.apply to `None`."
    )


def find_problem(functions: Mapping[str, np.ndarray], images: int, apply: str, smoothing: str) -> str:
    """Return what speaks against the functions of a plate, with the remedy: cells in them, or few images.

    Parameters
    ----------
    functions
        The illumination function of each channel: (rows, columns).
    images
        The number of images that each was calculated from.
    apply
        How illumination is corrected: `Divide`, `Subtract` or `None`.
    smoothing
        The config's `assay.illumination.smoothing`; "" for a custom pipeline.

    Returns
    -------
    str
        "" if there is nothing, or if the functions are not used.
    """
    if apply == "None":
        return ""
    if affected := find_cells_in_functions(functions):
        return suggest_remedy(affected, images)
    if images < FEWEST_IMAGES and smoothing in LOCAL:
        return (
            f"The functions are the mean of {number_of(images, 'image')} ({smoothing}), so they may show the "
            f"cells of single images. {RECOMMENDED_IMAGES} or more are recommended: set "
            "assay.illumination.apply to `None`, or assay.illumination.smoothing to `Fit Polynomial`."
        )
    return ""


def plot_functions(
    plate: str, functions: Mapping[str, np.ndarray], table: pd.DataFrame, sites: int, problem: str
) -> Figure:
    """Plot the functions with their range, and the shading across and down the field, one channel per column.

    Many channels are arranged in several rows of columns.

    Parameters
    ----------
    plate
        The plate's name.
    functions
        The illumination function of each channel: (rows, columns).
    table
        The shading, from `measure_shading`.
    sites
        Number of sites from which the shading was measured.
    problem
        What `find_problem` found.

    Returns
    -------
    The figure.
    """
    across = min(len(functions), ACROSS)
    down = math.ceil(len(functions) / across)
    figure, places = plt.subplots(
        3 * down,
        across,
        figsize=(max(5.0, 2.3 * across), 5.9 * down + 0.3),
        squeeze=False,
        layout="constrained",
    )
    # three rows (function, across, down) for each column of a channel, and nothing where channels are missing
    grid = np.concatenate(np.split(places, down), axis=1)
    for axes in grid[:, len(functions) :].flat:
        axes.set_axis_off()
    line = ", and\n" if len(functions) < 3 else ", and "
    figure.suptitle(
        f"Plate {plate}: illumination functions{line}the shading of the mean of {sites} images",
        x=0.01,
        ha="left",
        fontsize=11,
        fontweight="bold",
    )
    limit = 1.1 * max(0.02, (table[["before", "after"]] - 1).abs().max(axis=None))
    for column, (channel, function) in enumerate(functions.items()):
        step = max(1, max(function.shape) // 300)
        coarse_function = function[::step, ::step]
        image = grid[0, column].imshow(coarse_function, cmap="viridis")
        bar = figure.colorbar(image, ax=grid[0, column], fraction=0.046, pad=0.03)
        bar.ax.tick_params(labelsize=6.5)
        bar.outline.set_visible(False)
        grid[0, column].set_title(f"{channel}: {function.min():.3g} to {function.max():.3g}", fontsize=8.5)
        grid[0, column].set_axis_off()
        for axes, direction in zip(grid[1:, column], DIRECTIONS, strict=True):
            part = table[(table["channel"] == channel) & (table["direction"] == direction)]
            axes.axhline(0, color="0.7", linewidth=0.7)
            for name, color, dashes in (("before", BEFORE, "--"), ("after", AFTER, "-")):
                axes.plot(part["position"], 100 * (part[name] - 1), dashes, color=color, label=name)
            axes.set_ylim(-100 * limit, 100 * limit)
            axes.set_xticks([0, 0.5, 1], ENDS[direction])
            axes.tick_params(labelsize=7)
            left = [f"{part[name].max() / part[name].min() - 1:.0%}" for name in ("before", "after")]
            axes.set_title(f"{direction}: {left[0]} → {left[1]}", fontsize=8)
            if column % across == 0:
                axes.set_ylabel("difference from the mean (%)", fontsize=7.5)
            else:
                axes.set_yticklabels([])
    grid[1, 0].legend(fontsize=7)
    if problem:
        figure.supxlabel(
            fill(problem, 60 + 35 * (len(functions) > 2)),
            color=REDS[0],
            fontsize=8,
            x=0.01,
            ha="left",
        )
    return figure


def main(
    images: pd.DataFrame,
    channels: Sequence[str],
    files: Sequence[str],
    applied: Mapping[str, str],
    outputs: Mapping[str, str | Path],
) -> None:
    """Plot the functions of a plate and write the table of its shading.

    Parameters
    ----------
    images
        The plate's image table.
    channels, files
        The channels, and the illumination function's file of each.
    applied
        How illumination is corrected: `apply` and `smoothing`, see `find_problem`.
    outputs
        The files `picture` and `shading`.
    """
    use_style()
    functions = {name: read_function(file) for name, file in zip(channels, files, strict=True)}
    pixels = next(iter(functions.values())).size
    sites = min(len(images), int(np.clip(PIXELS / pixels, *SITES)))
    table = measure_shading(images, functions, applied["apply"], sites)
    with write_whole(outputs["shading"]) as part:
        table.to_csv(part, index=False)
    plate = images["Metadata_Plate"].iloc[0]
    if problem := find_problem(functions, len(images), **applied):
        logging.warning("plate %s: %s", plate, problem)
    save_png(plot_functions(plate, functions, table, sites, problem), outputs["picture"])


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            pd.read_csv(snakemake.input.load_data, dtype=str, **EMPTY_IS_MISSING),
            snakemake.params.channels,
            snakemake.input.functions,
            {name: snakemake.params[name] for name in ("apply", "smoothing")},
            dict(snakemake.output.items()),
        )
