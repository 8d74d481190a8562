"""Plot the outlines of nuclei and cells found by the segmentation check over the images.

Each well has its own picture in full size, and a tile in the plate's montage. Each pixel is the brighter
of the nuclear and the cell channel, which are corrected for illumination and have the same contrast in all
wells.
"""

import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import ImageColor

from lib.chunk_tables import get_table_file, read_image_rows
from lib.errors import InputError
from lib.illumination import correct, read_function
from lib.logs import log_to
from lib.pictures import (
    Montage,
    Tile,
    draw_montage,
    find_contrast,
    read_channel,
    read_image,
    resize_lines,
    resize_to_tile,
    save_picture,
    stretch,
)
from lib.sites import get_site_name
from lib.tables import EMPTY_IS_MISSING, write_whole
from lib.thresholds import flag_thresholds

COLUMNS = 4
SIDE = 540  # side length of a tile of the montage, in pixels
OUTLINES = {"nuclei": "#E69F00", "cell": "#56B4E9"}
# Relative brightness of the two channels, so that nuclei stand out from cells.
BRIGHTNESS = {"nuclei": 1.0, "cells": 0.75}
NAME = re.compile(r"^(?P<well>[A-Z]+\d+)_s(?P<site>.+)--(?P<kind>nuclei|cell)_outlines\.png$")


def find_outlines(folder: Path) -> dict[tuple[str, str, str], Path]:
    """Find the outlines in a folder, by well, site and kind of object."""
    files = {}
    for path in sorted(folder.glob("*.png")):
        if match := NAME.match(path.name):
            files[match["well"], get_site_name(match["site"]), match["kind"]] = path
    return files


def draw_outlines(picture: np.ndarray, lines: Mapping[str, np.ndarray]) -> np.ndarray:
    """Draw outlines in color over a gray picture, those of nuclei on top."""
    picture = np.repeat(picture[..., None], 3, axis=-1)
    for kind in ("cell", "nuclei"):
        if kind in lines:
            picture[lines[kind]] = np.array(ImageColor.getrgb(OUTLINES[kind])) / 255
    return picture


def make_backgrounds(
    rows: Sequence[Mapping[str, str]], channels: Mapping[str, str], functions: Mapping[str, Any], apply: str
) -> list[np.ndarray]:
    """Make the pictures under the outlines.

    Parameters
    ----------
    rows
        The rows of the image table.
    channels
        The channel of the `nuclei` and, if there is one, of the `cells`.
    functions
        The illumination function's file of each channel.
    apply
        How illumination is corrected: `Divide`, `Subtract` or `None`.

    Returns
    -------
    One picture (rows, columns) from 0 to 1 for each row.
    """
    parts = []
    for role, channel in channels.items():
        function = None if apply == "None" else read_function(functions[channel])
        images = [correct(read_channel(row, channel), function, apply) for row in rows]
        contrast = find_contrast(images)
        parts.append([BRIGHTNESS[role] * stretch(image, contrast) for image in images])
    return [np.maximum.reduce(images) for images in zip(*parts, strict=True)]


def draw_tile(background: np.ndarray, lines: Mapping[str, np.ndarray], label: Sequence[str]) -> Tile:
    """Draw a site's outlines over its image, small enough for the montage.

    `background` is the site's image; `lines` has the outlines of each kind of object (rows, columns), and
    `label` the lines of text below the tile.
    """
    small = resize_to_tile(background, SIDE)
    small_lines = {kind: resize_lines(mask, small.shape) for kind, mask in lines.items()}
    return Tile(draw_outlines(small, small_lines), label, len(background) / len(small))


def main(
    folder: Path,
    images: pd.DataFrame,
    wells: pd.DataFrame,
    channels: Mapping[str, str],
    functions: Mapping[str, str],
    outputs: Mapping[str, str | Path],
    options: Mapping[str, Any],
) -> None:
    """Plot the montage and the pictures of the wells, and count the objects.

    Parameters
    ----------
    folder
        CellProfiler's results: the table Image and the folder `outlines`.
    images
        The image table of the sites.
    wells
        The contents of the wells, in the order of the montage: `well`, `kind`, `name`.
    channels
        The channel of the `nuclei` and, if cells are found in an image, of the `cells`.
    functions
        The illumination function's file of each channel.
    outputs
        The files `montage` and `objects` (csv), and the folder `wells`.
    options
        `apply` (how illumination is corrected) and `pixel_size` (micrometers, or None).

    Raises
    ------
    InputError
        If a site has no outlines.
    """
    about = wells.fillna("").set_index("well")
    rows = images.set_index("Metadata_Well", drop=False).loc[about.index].to_dict("records")
    files = find_outlines(folder / "outlines")
    counted = pd.DataFrame(read_image_rows(get_table_file(folder, "Image"))).set_index("Metadata_Well")
    plate = rows[0]["Metadata_Plate"]
    target = Path(outputs["wells"])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    key = [("nuclei", OUTLINES["nuclei"])]
    key += [("cells", OUTLINES["cell"])] if any(kind == "cell" for *_, kind in files) else []
    tiles, objects = [], []
    backgrounds = make_backgrounds(rows, channels, functions, options["apply"])
    for row, background in zip(rows, backgrounds, strict=True):
        well, site = row["Metadata_Well"], get_site_name(row["Metadata_Site"])
        lines = {
            kind: read_image(files[well, site, kind]) > 0 for kind in OUTLINES if (well, site, kind) in files
        }
        if not lines:
            raise InputError(f"Plate {plate}: {folder}/outlines has no outlines of well {well}, site {site}.")
        kinds = {
            name: int(float(counted.at[well, name]))
            for name in ("Count_Nuclei", "Count_Cells")
            if name in counted
        }
        objects.append({"Metadata_Plate": plate, "Metadata_Well": well, "Metadata_Site": site, **kinds})
        counts_text = ", ".join(f"{n} {name.removeprefix('Count_').lower()}" for name, n in kinds.items())
        content = f"{about.at[well, 'name']}" + (
            f" ({about.at[well, 'kind']})" if about.at[well, "kind"] else ""
        )
        label = [f"{well} site {site}: {counts_text}", content]
        tiles.append(draw_tile(background, lines, label))
        field = Tile(draw_outlines(background, lines), label)
        picture = Montage(f"Plate {plate}", [field], 1, options["pixel_size"], key=key)
        save_picture(draw_montage(picture), target / f"{well}_s{site}.png")
    names = " and ".join(dict.fromkeys(channels.values()))
    note = f"outlines over {names}, with the same contrast in all wells"
    problems = [f"{flag['reason']}." for flag in flag_thresholds(counted.reset_index(), plate)]
    for problem in problems:
        logging.warning("plate %s: %s", plate, problem)
    heading = f"Plate {plate}: segmentation check"
    montage = Montage(heading, tiles, COLUMNS, options["pixel_size"], key, note, " ".join(problems))
    save_picture(draw_montage(montage), outputs["montage"])
    with write_whole(outputs["objects"]) as part:
        pd.DataFrame(objects).to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        params = snakemake.params
        segmented_channels = {"nuclei": params.nuclei}
        segmented_channels |= {"cells": params.cells} if params.cells else {}
        main(
            Path(snakemake.input.tables),
            pd.read_csv(snakemake.input.load_data, dtype=str, **EMPTY_IS_MISSING),
            pd.read_csv(snakemake.input.wells, dtype=str, **EMPTY_IS_MISSING),
            segmented_channels,
            dict(zip(params.channels, snakemake.input.functions, strict=True)),
            dict(snakemake.output.items()),
            {"apply": params.apply, "pixel_size": params.pixel_size},
        )
