"""Plot a contact sheet of a plate's crops, as the network sees them, for each type of control.

Each row is a cell, each column a channel, and each block a type of control (or treated wells). Cells are
chosen at random with a fixed seed, so that the same plate gives the same sheet. A plate with many types shows
negative controls and treated wells, and the first of the other types.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.controls import find_control_kinds
from lib.crops import Cells, PlateImages, Settings, cut_crops, read_cells
from lib.drawing import plt, save_png
from lib.errors import InputError
from lib.logs import log_to
from lib.tables import read_profiles

CELLS = 6  # per type
MOST_TYPES = 12
WIDEST = 40.0  # inches; wider sheets have several rows of blocks
SEED = 1
TREATMENT = "treatment"
STYLE = {"font.family": "DejaVu Sans", "font.size": 7}

# The cells of a site, the position of one of them, and its crop.
Crop = tuple[Cells, int, np.ndarray]


def get_well_types(profiles: pd.DataFrame, column: str, negcon: str) -> dict[str, str]:
    """Return the control type of each well, or `treatment`."""
    name = f"Metadata_{column}"
    if name not in profiles:
        return dict.fromkeys(profiles["Metadata_Well"], TREATMENT)
    types = find_control_kinds(profiles[name], negcon).replace("", TREATMENT)
    return dict(zip(profiles["Metadata_Well"], types, strict=True))


def limit_well_types(types: Mapping[str, str], negcon: str) -> dict[str, str]:
    """Return the type of each well, "" if the type is not drawn, as there are more types than can be read."""
    others = sorted(set(types.values()) - {negcon, TREATMENT})
    drawn = {negcon, TREATMENT, *others[: MOST_TYPES - 2]}
    return {well: kind if kind in drawn else "" for well, kind in types.items()}


def choose_cells(sites: Sequence[Cells], types: Mapping[str, str]) -> dict[str, list[tuple[Cells, int]]]:
    """Choose some cells of each type, controls first: (the cells of a site, the position of one of them).

    Wells of the type "" are left out.
    """
    generator = np.random.default_rng(SEED)
    cells_by_type: dict[str, list[tuple[Cells, int]]] = {}
    for site in sites:
        if kind := types.get(site.well, TREATMENT):
            cells_by_type.setdefault(kind, []).extend((site, at) for at in range(len(site)))
    order = sorted(cells_by_type, key=lambda kind: (kind == TREATMENT, kind))
    return {
        kind: [
            cells_by_type[kind][at] for at in sorted(generator.permutation(len(cells_by_type[kind]))[:CELLS])
        ]
        for kind in order
    }


def plot_sheet(crops_by_type: Mapping[str, list[Crop]], channels: Sequence[str], title: str) -> Figure:
    """Plot blocks of rows of crops (channels x size x size, gray values from 0 to 1)."""
    rows = max(map(len, crops_by_type.values()))
    width, height = 0.95 * len(channels) + 0.55, 0.98 * rows + 0.75
    across = min(len(crops_by_type), max(1, int(WIDEST / width)))
    down = math.ceil(len(crops_by_type) / across)
    figure = plt.figure(figsize=(width * across, height * down), layout="constrained")
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.01, ha="left")
    blocks = figure.subfigures(down, across, squeeze=False).ravel()
    for block, (kind, cells) in zip(blocks, crops_by_type.items(), strict=False):
        block.suptitle(kind, fontsize=9)
        grid = block.subplots(rows, len(channels), squeeze=False)
        for axes in grid.flat:
            axes.set_xticks([])
            axes.set_yticks([])
        for axes in grid[len(cells) :].flat:
            axes.set_axis_off()
        for row, (site, at, crop) in zip(grid, cells, strict=False):
            row[0].set_ylabel(f"{site.well} s{site.site}\ncell {site.numbers[at]}")
            for axes, plane in zip(row, crop, strict=True):
                axes.imshow(plane, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for axes, channel in zip(grid[0], channels, strict=True):
            axes.set_title(channel, fontsize=8)
    return figure


def main(
    profiles: str | Path,
    cells: str | Path,
    load_data: str | Path,
    functions: Sequence[str],
    labels: Sequence[str],
    output: str | Path,
    parameters: Mapping[str, Any],
) -> None:
    """Write the contact sheet of one plate.

    Parameters
    ----------
    profiles
        The plate's annotated profiles.
    cells
        The plate's single-cell table.
    load_data
        The plate's image table with illumination functions.
    functions
        The illumination function's file of each channel.
    labels
        CellProfiler's folders with label images, if crops are masked.
    output
        Where to write the sheet.
    parameters
        The `channels`, the settings of the `crops`, and how controls are marked (`column`, `negcon`).
    """
    settings = Settings(channels=parameters["channels"], **parameters["crops"])
    images = PlateImages(load_data, dict(zip(settings.channels, functions, strict=True)), settings, labels)
    annotated = read_profiles(profiles)
    plate = annotated["Metadata_Plate"].iloc[0]
    types = get_well_types(annotated, parameters["column"], parameters["negcon"])
    chosen = choose_cells(
        list(read_cells(cells, settings)), limit_well_types(types, str(parameters["negcon"]))
    )
    if not chosen:
        raise InputError(f"Plate {plate} has no cells, so a contact sheet cannot be drawn.")
    crops_by_type = {
        kind: [(site, at, cut_crops(*images.site(site), site, [at], settings.size)[0]) for site, at in some]
        for kind, some in chosen.items()
    }
    box = settings.box if isinstance(settings.box, str) else f"{settings.box} pixels"
    title = f"{plate}: crops as the network sees them (box {box}, {settings.size} x {settings.size})"
    with plt.rc_context(STYLE):
        save_png(plot_sheet(crops_by_type, settings.channels, title), output)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            snakemake.input.profiles,
            snakemake.input.cells,
            snakemake.input.load_data,
            list(snakemake.input.functions),
            list(snakemake.input.get("labels", [])),
            snakemake.output.sheet,
            {name: snakemake.params[name] for name in ("channels", "crops", "column", "negcon")},
        )
