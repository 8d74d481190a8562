"""Draw a plate's illumination functions, and the shading across the field that they remove.

The shading is that of the mean of a sample of the plate's images, each divided by its own mean, before and
after they are corrected: the mean of each part of the field across (columns) and down (rows), as a share of
the whole field's mean. What is left in the corrected one is where cells happen to lie (the less, the more
images there are), and what the function missed.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.drawing import COLOURS, REDS, save_png, use_style
from lib.errors import listed
from lib.logs import logged
from lib.pictures import corrected, read_channel, read_function
from lib.tables import whole

PIXELS = 48e6  # of a channel that are read, in at least and at most so many sites, evenly over the plate
SITES = 48, 192
PARTS = 10  # of the field in which the shading is told
BEFORE, AFTER = COLOURS[1], COLOURS[0]
# No microscope's light differs so many times over the field; where single cells lie, a function may.
CELLS_SHOW = 3
DIRECTIONS = {"across": 0, "down": 1}
ENDS = {"across": ["left", "", "right"], "down": ["top", "", "bottom"]}


def profile(image: np.ndarray, direction: str) -> np.ndarray:
    """Mean of each of `PARTS` strips of a field, as a share of the field's mean."""
    line = image.mean(axis=DIRECTIONS[direction])
    parts = np.array([part.mean() for part in np.array_split(line, min(PARTS, len(line)))])
    return parts / parts.mean() if parts.mean() else parts


def mean_images(
    rows: Sequence[Mapping[str, str]], channel: str, function: np.ndarray, apply: str
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of a channel's images, as they are and corrected; one image is in memory at a time."""
    before, after = np.zeros(function.shape), np.zeros(function.shape)
    for row in rows:
        image = read_channel(row, channel)
        changed = corrected(image, function, apply)
        before += image / max(image.mean(), 1e-9)
        after += changed / max(changed.mean(), 1e-9)
    return before / len(rows), after / len(rows)


def shading(
    images: pd.DataFrame, functions: Mapping[str, np.ndarray], apply: str, sites: int = SITES
) -> pd.DataFrame:
    """The shading of each channel: `channel`, `direction`, `position` (0 to 1), `before`, `after`."""
    rows = images.iloc[np.unique(np.linspace(0, len(images) - 1, sites).round().astype(int))].to_dict(
        "records"
    )
    found = []
    for channel, function in functions.items():
        before, after = mean_images(rows, channel, function, apply)
        for direction in DIRECTIONS:
            values = profile(before, direction), profile(after, direction)
            found.append(
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
    return pd.concat(found, ignore_index=True)


def showing_cells(functions: Mapping[str, np.ndarray]) -> list[str]:
    """The channels whose function differs over the field as only cells do: their plate has few images."""
    return [name for name, function in functions.items() if function.max() > CELLS_SHOW * function.min() > 0]


def remedy(channels: Sequence[str], images: int) -> str:
    """What to do about functions that show cells, on a plate of so many images."""
    return (
        f"{listed(channels)}: the function differs more than {CELLS_SHOW} times over the field, which shows "
        f"single cells, not the light. The plate has {images} images, perhaps too few. Set "
        "assay.illumination.smoothing to `Fit Polynomial`, or apply to `None`."
    )


def draw(
    plate: str, functions: Mapping[str, np.ndarray], table: pd.DataFrame, sites: int, images: int
) -> Figure:
    """A column a channel: the function with its range, and the shading across and down the field.

    `sites`: so many were read for the shading; `images`: of so many of the plate.
    """
    figure, grid = plt.subplots(
        3, len(functions), figsize=(max(5.0, 2.3 * len(functions)), 6.2), squeeze=False, layout="constrained"
    )
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
        shown = function[::step, ::step]
        image = grid[0, column].imshow(shown, cmap="viridis")
        bar = figure.colorbar(image, ax=grid[0, column], fraction=0.046, pad=0.03)
        bar.ax.tick_params(labelsize=6.5)
        bar.outline.set_visible(False)
        grid[0, column].set_title(f"{channel}: {function.min():.3g} to {function.max():.3g}", fontsize=8.5)
        grid[0, column].set_axis_off()
        for axes, direction in zip(grid[1:, column], DIRECTIONS, strict=True):
            part = table[(table["channel"] == channel) & (table["direction"] == direction)]
            axes.axhline(0, color="0.7", linewidth=0.7)
            for name, colour, dashes in (("before", BEFORE, "--"), ("after", AFTER, "-")):
                axes.plot(part["position"], 100 * (part[name] - 1), dashes, color=colour, label=name)
            axes.set_ylim(-100 * limit, 100 * limit)
            axes.set_xticks([0, 0.5, 1], ENDS[direction])
            axes.tick_params(labelsize=7)
            left = [f"{part[name].max() / part[name].min() - 1:.0%}" for name in ("before", "after")]
            axes.set_title(f"{direction}: {left[0]} → {left[1]}", fontsize=8)
            if column == 0:
                axes.set_ylabel("from the field's mean (%)", fontsize=7.5)
            else:
                axes.set_yticklabels([])
    grid[1, 0].legend(fontsize=7)
    if strange := showing_cells(functions):
        figure.supxlabel(
            fill(remedy(strange, images), 60 + 35 * (len(functions) > 2)),
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
    apply: str,
    outputs: Mapping[str, str | Path],
) -> None:
    """Draw the `picture` and write the table of `shading`."""
    use_style()
    functions = {name: read_function(file) for name, file in zip(channels, files, strict=True)}
    pixels = next(iter(functions.values())).size
    sites = min(len(images), int(np.clip(PIXELS / pixels, *SITES)))
    table = shading(images, functions, apply, sites)
    with whole(outputs["shading"]) as part:
        table.to_csv(part, index=False)
    plate = images["Metadata_Plate"].iloc[0]
    if strange := showing_cells(functions):
        logging.warning("plate %s: %s", plate, remedy(strange, len(images)))
    save_png(draw(plate, functions, table, sites, len(images)), outputs["picture"])


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            pd.read_csv(snakemake.input.load_data, dtype=str),
            snakemake.params.channels,
            snakemake.input.functions,
            snakemake.params.apply,
            dict(snakemake.output.items()),
        )
