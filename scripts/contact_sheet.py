"""A contact sheet of a plate's crops, as the network sees them: cells drawn from each type of control.

A row is a cell, a column a channel; a block is a type of control (and the wells that are none). Cells are
drawn with a fixed seed, so that the same plate gives the same sheet.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.controls import control_kinds
from lib.crops import Cells, PlateImages, Settings, crops, read_cells
from lib.errors import InputError
from lib.logs import logged
from lib.tables import read_profiles, whole

CELLS = 6  # of each type
SEED = 1
TREATMENT = "treatment"
STYLE = {"font.family": "DejaVu Sans", "font.size": 7}

Drawn = tuple[Cells, int, np.ndarray]


def types_of_wells(profiles: pd.DataFrame, column: str, negcon: str) -> dict[str, str]:
    """The type of control in each well; `treatment` where it is none."""
    name = f"Metadata_{column}"
    if name not in profiles:
        return dict.fromkeys(profiles["Metadata_Well"], TREATMENT)
    types = control_kinds(profiles[name], negcon).replace("", TREATMENT)
    return dict(zip(profiles["Metadata_Well"], types, strict=True))


def drawn_cells(sites: Sequence[Cells], types: Mapping[str, str]) -> dict[str, list[tuple[Cells, int]]]:
    """Some cells of each type, controls first: (the cells of a site, the position of one of them)."""
    generator = np.random.default_rng(SEED)
    every: dict[str, list[tuple[Cells, int]]] = {}
    for site in sites:
        every.setdefault(types.get(site.well, TREATMENT), []).extend((site, at) for at in range(len(site)))
    order = sorted(every, key=lambda kind: (kind == TREATMENT, kind))
    return {
        kind: [every[kind][at] for at in sorted(generator.permutation(len(every[kind]))[:CELLS])]
        for kind in order
    }


def sheet(drawn: Mapping[str, list[Drawn]], channels: Sequence[str], title: str) -> Figure:
    """The figure: blocks of rows of crops (channels x size x size), grey values from 0 to 1."""
    rows = max(map(len, drawn.values()))
    width, height = 0.95 * len(channels) + 0.55, 0.98 * rows + 0.75
    figure = plt.figure(figsize=(width * len(drawn), height), layout="constrained")
    figure.suptitle(title, fontsize=9, fontweight="bold", x=0.01, ha="left")
    for block, (kind, cells) in zip(
        np.atleast_1d(figure.subfigures(1, len(drawn))), drawn.items(), strict=True
    ):
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
    """Write the sheet of one plate; `parameters`: channels, crops, column."""
    settings = Settings(channels=parameters["channels"], **parameters["crops"])
    images = PlateImages(load_data, dict(zip(settings.channels, functions, strict=True)), settings, labels)
    annotated = read_profiles(profiles)
    plate = annotated["Metadata_Plate"].iloc[0]
    types = types_of_wells(annotated, parameters["column"], parameters["negcon"])
    chosen = drawn_cells(list(read_cells(cells, settings)), types)
    if not chosen:
        raise InputError(f"Plate {plate} has no cell: there is nothing to draw a contact sheet of.")
    drawn = {
        kind: [(site, at, crops(*images.site(site), site, [at], settings.size)[0]) for site, at in found]
        for kind, found in chosen.items()
    }
    box = settings.box if isinstance(settings.box, str) else f"{settings.box} pixels"
    title = f"{plate}: crops as the network sees them (box {box}, {settings.size} x {settings.size})"
    with plt.rc_context(STYLE), whole(output) as part:
        sheet(drawn, settings.channels, title).savefig(part, format="png", dpi=150)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            snakemake.input.profiles,
            snakemake.input.cells,
            snakemake.input.load_data,
            list(snakemake.input.functions),
            list(snakemake.input.get("labels", [])),
            snakemake.output.sheet,
            {name: snakemake.params[name] for name in ("channels", "crops", "column", "negcon")},
        )
