"""Show crops of cells of a well as a picture.

    python scripts/cells.py PLATE WELL --results results/default
    python scripts/cells.py PLATE WELL --site 2 --cells 3 7 12 --output cells.png

Without --cells, some cells of the well are chosen at random with a fixed seed. The numbers are those of
`Metadata_ObjectNumber` in the single-cell table.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from lib.crops import PlateImages, Settings, cut_crops, read_cells
from lib.drawing import plt, save_png
from lib.errors import InputError, join_names
from lib.places import place
from lib.plates import read_table
from lib.wells import get_well_name
from plot_contact_sheet import SEED, STYLE, Crop, plot_sheet

MOST_CELLS = 12
ORIGINAL = "FileName_Orig"


def find_batch(results: Path, plate: str, batch: str | None) -> str:
    """Find the batch of a plate among the results.

    Raises
    ------
    InputError
        If no batch, or more than one, has the plate.
    """
    pattern = place("single_cells", batch="*", plate=plate)
    found = sorted(path.parts[-3] for path in results.glob(pattern))
    if batch in found:
        return batch
    if batch or not found:
        known = sorted({path.name for path in results.glob("workspace/backend/*/*") if path.is_dir()})
        where = f"batch {batch}" if batch else "any batch"
        raise InputError(
            f"{results} has no single cells of plate {plate} in {where}; its plates are "
            f"{join_names(known) or 'none'}."
        )
    if len(found) > 1:
        raise InputError(f"Plate {plate} is in the batches {join_names(found)}: name one with --batch.")
    return found[0]


def crop_cells_of_well(
    cells: Path, images: PlateImages, well: str, site: str | None, numbers: list[int] | None
) -> list[Crop]:
    """Cut the crops of named cells of a well, or of some that are chosen at random.

    Parameters
    ----------
    cells
        The single-cell table.
    images
        The plate's images.
    well, site
        The well, and one of its sites; None for all of them.
    numbers
        Object numbers; None for a choice.

    Raises
    ------
    InputError
        If there are no such cells.
    """
    sites = [
        each for each in read_cells(cells, images.settings) if each.well == well and site in (None, each.site)
    ]
    members = [(at, number) for at, each in enumerate(sites) for number in range(len(each))]
    if numbers is not None:
        members = [(at, number) for at, number in members if sites[at].numbers[number] in numbers]
        there = {int(number) for each in sites for number in each.numbers}
        if lacking := sorted(set(numbers) - there):
            known = join_names(sorted(there)) or "none"
            raise InputError(f"Well {well} has no cell {join_names(lacking)}; it has {known}.")
    if not members:
        raise InputError(f"{cells} has no cells in well {well}" + (f", site {site}." if site else "."))
    if numbers is None and len(members) > MOST_CELLS:
        chosen = np.random.default_rng(SEED).permutation(len(members))[:MOST_CELLS]
        members = [members[at] for at in sorted(chosen)]
    loaded = {at: images.site(sites[at]) for at in dict.fromkeys(at for at, _ in members)}
    return [
        (sites[at], number, cut_crops(*loaded[at], sites[at], [number], images.settings.size)[0])
        for at, number in members
    ]


def main(options: argparse.Namespace) -> Path:
    """Write the picture, and return its path."""
    results, well = Path(options.results), get_well_name(options.well)
    batch = find_batch(results, options.plate, options.batch)
    known = {"batch": batch, "plate": options.plate}
    load_data = results / place("load_data_with_illum", **known)
    if not load_data.is_file():
        raise InputError(f"{load_data} does not exist: crops are cut from plates that start with images.")
    columns, _ = read_table(load_data)
    channels = [name.removeprefix(ORIGINAL) for name in columns if name.startswith(ORIGINAL)]
    channels = options.channels or channels
    functions = {name: results / place("illumination", channel=name, **known) for name in channels}
    functions = {name: path for name, path in functions.items() if path.is_file()}
    settings = Settings(channels=channels, size=options.box, box=options.box, center=options.center)
    images = PlateImages(load_data, functions, settings)
    cells = results / place("single_cells", **known)
    crops = crop_cells_of_well(cells, images, well, options.site, options.cells)
    output = Path(options.output or f"{options.plate}_{well}.png")
    with plt.rc_context(STYLE):
        save_png(plot_sheet({f"{len(crops)} cells": crops}, channels, f"{options.plate} {well}"), output)
    return output


def define_options() -> argparse.ArgumentParser:
    """Define the script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("plate")
    parser.add_argument("well")
    parser.add_argument("--results", default="results/default", help="the results folder")
    parser.add_argument("--batch", help="the batch, if several have a plate of this name")
    parser.add_argument("--site", help="one site of the well")
    parser.add_argument("--cells", type=int, nargs="+", help="object numbers")
    parser.add_argument("--channels", nargs="+", help="channels, in this order")
    parser.add_argument("--box", type=int, default=100, help="side length of a crop in pixels")
    parser.add_argument("--center", default="Nuclei", help="compartment whose center is used")
    parser.add_argument("--output", help="the picture (PNG); PLATE_WELL.png by default")
    return parser


if __name__ == "__main__":
    try:
        print(main(define_options().parse_args()))
    except InputError as error:
        sys.exit(f"cells.py: {error}")
