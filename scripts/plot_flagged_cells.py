"""Plot crops of the cells that quality control flagged beside crops of cells that it kept.

A block shows the cells that one rule flags, or those that no rule flags, with one row per cell and one column
per channel. Cells are chosen at random with a fixed seed, so that the same plate gives the same picture.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from lib.crops import PlateImages, Settings, cut_crops, read_cells
from lib.drawing import draw_nothing, plt, save_png
from lib.errors import InputError
from lib.logs import log_to
from plot_contact_sheet import CELLS, SEED, STYLE, Crop, plot_sheet

KEPT, FLAGGED = "not flagged", "flagged"


def choose_cells(flags: pd.DataFrame) -> dict[str, np.ndarray]:
    """Choose some cells of each rule, and some that no rule flags: row numbers in ascending order.

    `flags` has the column `flagged`, then one column per rule.
    """
    generator = np.random.default_rng(SEED)
    rules = flags.columns[flags.columns.get_loc(FLAGGED) + 1 :]
    members = {KEPT: ~flags[FLAGGED], **{name: flags[name] for name in rules}}
    return {
        name: np.sort(generator.permutation(np.flatnonzero(chosen))[:CELLS])
        for name, chosen in members.items()
    }


def crop_chosen_cells(
    cells: str | Path, images: PlateImages, chosen: Mapping[str, np.ndarray]
) -> dict[str, list[Crop]]:
    """Cut the crops of the chosen cells (row numbers of the single-cell table), block by block."""
    found: dict[str, list[Crop]] = {name: [] for name in chosen}
    start = 0
    for site in read_cells(cells, images.settings):
        rows = {name: some[(some >= start) & (some < start + len(site))] for name, some in chosen.items()}
        if any(map(len, rows.values())):
            image, labels = images.site(site)
            for name, some in rows.items():
                for row in some:
                    at = int(row - start)
                    crop = cut_crops(image, labels, site, [at], images.settings.size)[0]
                    found[name].append((site, at, crop))
        start += len(site)
    return found


def draw(
    cells: str | Path,
    flags: str | Path,
    load_data: str | Path,
    functions: Sequence[str],
    settings: Settings,
    plate: str,
) -> Figure:
    """Return the picture of one plate.

    Parameters
    ----------
    cells, flags, load_data, functions
        As for `main`.
    settings
        The channels, and the size of the crops in pixels.
    plate
        The plate's name.
    """
    table = pq.read_table(flags).to_pandas()
    if table.empty:
        return draw_nothing(f"Plate {plate} has no cells.")
    images = PlateImages(load_data, dict(zip(settings.channels, functions, strict=True)), settings)
    try:
        crops = crop_chosen_cells(cells, images, choose_cells(table))
    except InputError as error:
        # A user's own pipeline may not measure where cells are; the numbers do not depend on this picture.
        logging.warning("plate %s: %s", plate, error)
        return draw_nothing(f"Plate {plate}: crops of cells cannot be cut. See the log of this step.")
    rules = table.columns[table.columns.get_loc(FLAGGED) + 1 :]
    numbers = {KEPT: int((~table[FLAGGED]).sum()), **{name: int(table[name].sum()) for name in rules}}
    titled = {f"{name.replace('_', ' ')}: {numbers[name]:,}": some for name, some in crops.items()}
    title = f"{plate}: {int(table[FLAGGED].sum()):,} of {len(table):,} cells are flagged"
    return plot_sheet(titled, settings.channels, title)


def main(
    cells: str | Path,
    flags: str | Path,
    load_data: str | Path,
    functions: Sequence[str],
    output: str | Path,
    parameters: Mapping[str, Any],
) -> None:
    """Write the picture of one plate.

    Parameters
    ----------
    cells
        The plate's single-cell table.
    flags
        The table of its flagged cells.
    load_data
        The plate's image table with illumination functions.
    functions
        The illumination function's file of each channel.
    output
        Where to write the picture.
    parameters
        `plate`, the `channels`, and the `box` around a cell in pixels.
    """
    settings = Settings(channels=parameters["channels"], size=parameters["box"], box=parameters["box"])
    with plt.rc_context(STYLE):
        save_png(draw(cells, flags, load_data, functions, settings, parameters["plate"]), output)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            snakemake.input.cells,
            snakemake.input.flags,
            snakemake.input.load_data,
            list(snakemake.input.functions),
            snakemake.output.picture,
            {name: snakemake.params[name] for name in ("plate", "channels", "box")},
        )
