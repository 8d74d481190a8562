"""Draw a thumbnail of every well of a plate, in the plate's shape: a sheet per channel, and one in color.

Each well is represented by one site, without a flag if possible, corrected for illumination as in
CellProfiler. A channel has the same contrast in all wells, so that brightness can be compared. The report
cuts the picture of a well out of these sheets; `thumbnails.csv` says where it is.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from lib.logs import log_to
from lib.pictures import choose_colors, compose, correct, find_contrast, read_channel, read_function, stretch
from lib.tables import write_whole
from lib.wells import get_plate_format, get_well_order, get_well_place
from plot_montages import choose_sites

COMPOSITE = "composite"
LARGEST_SHEET = 16_383  # pixels of a side, the limit of WebP
QUALITY = 82


def find_side(side: int, plate: tuple[int, int]) -> int:
    """Return the side length of a thumbnail, in pixels, with which the sheet of a plate can be written."""
    return max(1, min(side, LARGEST_SHEET // max(plate)))


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """Shrink an image by averaging so that it fits into a square of `side` pixels; never enlarge it."""
    factor = min(1, side / max(image.shape))
    width, height = (max(1, round(length * factor)) for length in image.shape[::-1])
    small = Image.fromarray(image.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.asarray(small)


def draw_channel(
    rows: Sequence[Mapping[str, str]], channel: str, function: str | Path | None, apply: str, side: int
) -> list[np.ndarray]:
    """Draw the thumbnails of one channel, with the same contrast, as bytes (rows, columns)."""
    correction = None if function is None or apply == "None" else read_function(function)
    fields = [shrink(correct(read_channel(row, channel), correction, apply), side) for row in rows]
    contrast = find_contrast(fields)
    logging.info("%s: black %.5f, white %.5f of full scale", channel, *contrast)
    return [np.round(255 * stretch(field, contrast)).astype(np.uint8) for field in fields]


def arrange(
    thumbnails: Sequence[np.ndarray], places: Sequence[tuple[int, int]], plate: tuple[int, int], side: int
) -> np.ndarray:
    """Arrange thumbnails on a sheet in the shape of the plate; wells without one are white."""
    sheet = np.full((plate[0] * side, plate[1] * side, *thumbnails[0].shape[2:]), 255, dtype=np.uint8)
    for picture, (row, column) in zip(thumbnails, places, strict=True):
        top, left = (row - 1) * side, (column - 1) * side
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def save_sheet(sheet: np.ndarray, path: str | Path) -> None:
    """Write a sheet as WebP, complete or not at all."""
    with write_whole(path) as part:
        Image.fromarray(sheet).save(part, format="WEBP", quality=QUALITY)


def main(
    images: pd.DataFrame,
    flags: pd.DataFrame,
    channels: Sequence[Mapping[str, Any]],
    functions: Mapping[str, str | Path],
    sheets: Mapping[str, str | Path],
    table: str | Path,
    options: Mapping[str, Any],
) -> None:
    """Draw the sheets of a plate and write where each well is.

    Parameters
    ----------
    images
        The plate's image table.
    flags
        Quality control's flags.
    channels
        The channels of the assay.
    functions
        The illumination function's file of each channel.
    sheets
        The sheet of each channel and of the `composite`.
    table
        The table that says where each well is.
    options
        `apply` (how illumination is corrected) and `side` (of a thumbnail, in pixels).
    """
    wells = sorted(images["Metadata_Well"].unique(), key=get_well_order)
    rows = choose_sites(images, flags, wells)
    places, plate = [get_well_place(well) for well in wells], get_plate_format(wells)
    limit = find_side(options["side"], plate)
    drawn: dict[str, list[np.ndarray]] = {}
    for channel in channels:
        name = channel["name"]
        drawn[name] = draw_channel(rows, name, functions.get(name), options["apply"], limit)
    # Small images are not enlarged, and the tiles of a sheet are as large as its largest thumbnail.
    side = max(max(picture.shape) for pictures in drawn.values() for picture in pictures)
    for name, pictures in drawn.items():
        save_sheet(arrange(pictures, places, plate, side), sheets[name])
    colors = choose_colors(channels)
    composites = [
        np.round(255 * compose({name: drawn[name][at] / np.float32(255) for name in colors}, colors)).astype(
            np.uint8
        )
        for at in range(len(wells))
    ]
    save_sheet(arrange(composites, places, plate, side), sheets[COMPOSITE])
    found = pd.DataFrame(
        {
            "Metadata_Well": wells,
            "Metadata_Site": [row["Metadata_Site"] for row in rows],
            "left": [(column - 1) * side for _, column in places],
            "top": [(row - 1) * side for row, _ in places],
            "width": [picture.shape[1] for picture in drawn[channels[0]["name"]]],
            "height": [picture.shape[0] for picture in drawn[channels[0]["name"]]],
            "side": side,
        }
    )
    with write_whole(table) as part:
        found.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        params, inputs, made = snakemake.params, snakemake.input, snakemake.output
        names = [channel["name"] for channel in params.channels]
        main(
            pd.read_csv(inputs.load_data, dtype=str),
            pd.read_csv(inputs.flags, dtype=str),
            params.channels,
            dict(zip(names, inputs.functions, strict=True)),
            {COMPOSITE: made.composite, **dict(zip(names, made.channels, strict=True))},
            made.wells,
            {"apply": params.apply, "side": params.side},
        )
