"""Draw a thumbnail of every well of a plate, in the plate's shape: a sheet per channel, and one in color.

Each well is represented by one site, without a flag if possible, corrected for illumination as in
CellProfiler. A channel has the same contrast in all wells, so that brightness can be compared. One more
sheet has example cells of each well in color, cut from the same site (`lib/example_cells.py`). The report
cuts the pictures of a well out of these sheets; `wells.csv` says where they are.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from lib.crops import cut_square
from lib.example_cells import choose_examples
from lib.illumination import correct, read_function
from lib.logs import log_to
from lib.pictures import choose_colors, compose, find_contrast, read_channel, stretch
from lib.replicates import label_wells
from lib.tables import EMPTY_IS_MISSING, read_feature_names, read_profiles, write_whole
from lib.wells import get_plate_format, get_well_order, get_well_place
from plot_montages import choose_sites

COMPOSITE = "composite"
EXAMPLE_CELLS = "example_cells"
LARGEST_SHEET = 16_383  # pixels of a side, the limit of WebP
QUALITY = 82
EXAMPLES = 3  # cells of a well
EXAMPLE_SIDE = 72  # pixels of an example cell on its sheet


def find_side(side: int, plate: tuple[int, int]) -> int:
    """Return the side length of a thumbnail, in pixels, with which the sheet of a plate can be written."""
    return max(1, min(side, LARGEST_SHEET // max(plate)))


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """Shrink an image by averaging so that it fits into a square of `side` pixels; never enlarge it."""
    factor = min(1, side / max(image.shape))
    width, height = (max(1, round(length * factor)) for length in image.shape[::-1])
    small = Image.fromarray(image.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.asarray(small)


@dataclass(frozen=True)
class ChannelPictures:
    """The pictures of one channel as bytes: a thumbnail of each well, and its example cells.

    A thumbnail is (rows, columns); the example cells of a well are (cells, side, side).
    """

    thumbnails: list[np.ndarray]
    cells: list[np.ndarray]


def crop_examples(image: np.ndarray, centers: np.ndarray, box: int, side: int) -> np.ndarray:
    """Cut squares around the centers of cells, and resize them.

    Parameters
    ----------
    image
        The image, (height, width).
    centers
        The centers (X, Y) in pixels, (cells, 2).
    box
        The side of a square in the image, in pixels.
    side
        The side that it is resized to, in pixels.

    Returns
    -------
    numpy.ndarray
        The squares, (cells, side, side).
    """
    cut = np.zeros((len(centers), side, side), dtype=np.float32)
    for number, (x, y) in enumerate(centers):
        corner = int(np.floor(y + 0.5)) - box // 2, int(np.floor(x + 0.5)) - box // 2
        square = Image.fromarray(cut_square(image, *corner, box).astype(np.float32))
        cut[number] = np.asarray(square.resize((side, side), Image.Resampling.BILINEAR))
    return cut


def draw_channel(
    rows: Sequence[Mapping[str, str]],
    channel: str,
    function: str | Path | None,
    centers: Sequence[np.ndarray],
    options: Mapping[str, Any],
) -> ChannelPictures:
    """Draw the pictures of one channel, all with the same contrast.

    Parameters
    ----------
    rows
        The row of the image table of each well.
    channel
        The channel.
    function
        The file of its illumination function, or None.
    centers
        The centers of each well's example cells in pixels, (cells, 2), X and Y.
    options
        `apply` (how illumination is corrected), `side` (of a thumbnail), `box` (the square around an example
        cell in the image) and `example_side` (of its picture), in pixels.
    """
    correction = None if function is None or options["apply"] == "None" else read_function(function)
    fields, cells = [], []
    for row, some in zip(rows, centers, strict=True):
        image = correct(read_channel(row, channel), correction, options["apply"])
        fields.append(shrink(image, options["side"]))
        cells.append(crop_examples(image, some, options["box"], options["example_side"]))
    contrast = find_contrast(fields)
    logging.info("%s: black %.5f, white %.5f of full scale", channel, *contrast)
    return ChannelPictures(
        *([to_bytes(stretch(each, contrast)) for each in some] for some in (fields, cells))
    )


def to_bytes(picture: np.ndarray) -> np.ndarray:
    """Return a picture with values from 0 to 1 as bytes."""
    return np.round(255 * picture).astype(np.uint8)


def compose_bytes(channels: Mapping[str, np.ndarray], colors: Mapping[str, str]) -> np.ndarray:
    """Return the picture in color of channels as bytes."""
    return to_bytes(compose({name: channels[name] / np.float32(255) for name in colors}, colors))


def arrange(
    pictures: Sequence[np.ndarray],
    places: Sequence[tuple[int, int]],
    plate: tuple[int, int],
    tile: tuple[int, int],
) -> np.ndarray:
    """Arrange a picture of each well on a sheet in the shape of the plate; wells without one are white.

    Parameters
    ----------
    pictures
        The pictures, (height, width) or (height, width, colors).
    places
        Row and column of each picture's well, from 1.
    plate
        The number of rows and columns of the plate.
    tile
        Height and width of the place of a well, in pixels.
    """
    height, width = tile
    sheet = np.full((plate[0] * height, plate[1] * width, *pictures[0].shape[2:]), 255, dtype=np.uint8)
    for picture, (row, column) in zip(pictures, places, strict=True):
        top, left = (row - 1) * height, (column - 1) * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def save_sheet(sheet: np.ndarray, path: str | Path) -> None:
    """Write a sheet as WebP, complete or not at all."""
    with write_whole(path) as part:
        Image.fromarray(sheet).save(part, format="WEBP", quality=QUALITY)


def name_perturbations(profiles: str | Path, group: str | Sequence[str]) -> dict[str, str]:
    """Return the perturbation of each well of a plate's profiles; wells without one are left out."""
    table = read_profiles(profiles, features=[])
    columns = [group] if isinstance(group, str) else list(group)
    if not set(columns) <= set(table):
        return {}
    named = label_wells(table, group)
    return dict(zip(table["Metadata_Well"][named.notna()], named.dropna(), strict=True))


def draw_examples(
    drawn: Mapping[str, ChannelPictures], colors: Mapping[str, str], well: int
) -> np.ndarray | None:
    """Return the example cells of a well in color, beside each other; None if it has none."""
    number = len(next(iter(drawn.values())).cells[well])
    if not number:
        return None
    return np.hstack(
        [
            compose_bytes({name: drawn[name].cells[well][cell] for name in colors}, colors)
            for cell in range(number)
        ]
    )


def find_example_cells(cells: Mapping[str, Any], rows: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    """Return the centers of the example cells of each well on its site; `cells` is that of `main`."""
    sites = {row["Metadata_Well"]: row["Metadata_Site"] for row in rows}
    names = name_perturbations(cells["profiles"], cells["group"])
    features = read_feature_names(cells["profiles"])
    return choose_examples(cells["table"], features, sites, names, EXAMPLES)


def locate_wells(
    rows: Sequence[Mapping[str, str]], thumbnails: Sequence[np.ndarray], side: int
) -> pd.DataFrame:
    """Return the table of where each well is on a sheet, in pixels.

    `rows` are the sites that are drawn, `thumbnails` their pictures in one channel, and `side` is that of a
    tile in pixels.
    """
    wells = [row["Metadata_Well"] for row in rows]
    places = [get_well_place(well) for well in wells]
    return pd.DataFrame(
        {
            "Metadata_Well": wells,
            "Metadata_Site": [row["Metadata_Site"] for row in rows],
            "left": [(column - 1) * side for _, column in places],
            "top": [(row - 1) * side for row, _ in places],
            "width": [picture.shape[1] for picture in thumbnails],
            "height": [picture.shape[0] for picture in thumbnails],
            "side": side,
        }
    )


def main(
    images: pd.DataFrame,
    flags: pd.DataFrame,
    channels: Sequence[Mapping[str, Any]],
    functions: Mapping[str, str | Path],
    cells: Mapping[str, Any] | None,
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
    cells
        From which example cells are chosen: `table` (single cells), `profiles` (normalized ones, with the
        features that are compared), and `group` (the column, or columns, of perturbations); None for none.
    sheets
        The sheet of each channel, of the `composite`, and of the `example_cells`.
    table
        The table that says where each well is.
    options
        `apply` (how illumination is corrected), `side` (of a thumbnail), and `box` (the square around an
        example cell in the image), in pixels.
    """
    wells = sorted(images["Metadata_Well"].unique(), key=get_well_order)
    rows = choose_sites(images, flags, wells)
    places, plate = [get_well_place(well) for well in wells], get_plate_format(wells)
    example = min(EXAMPLE_SIDE, options["box"], LARGEST_SHEET // (EXAMPLES * max(plate)))
    limits = {**options, "side": find_side(options["side"], plate), "example_side": example}
    centers = find_example_cells(cells, rows) if cells else {}
    chosen = [centers.get(well, np.empty((0, 2))) for well in wells]
    drawn = {
        channel["name"]: draw_channel(rows, channel["name"], functions.get(channel["name"]), chosen, limits)
        for channel in channels
    }
    # Small images are not enlarged, and the tiles of a sheet are as large as its largest thumbnail.
    side = max(max(picture.shape) for each in drawn.values() for picture in each.thumbnails)
    for name, each in drawn.items():
        save_sheet(arrange(each.thumbnails, places, plate, (side, side)), sheets[name])
    colors = choose_colors(channels)
    composites = [
        compose_bytes({name: drawn[name].thumbnails[at] for name in colors}, colors)
        for at in range(len(wells))
    ]
    save_sheet(arrange(composites, places, plate, (side, side)), sheets[COMPOSITE])
    blank = np.full((example, EXAMPLES * example, 3), 255, dtype=np.uint8)
    pictures = [draw_examples(drawn, colors, at) for at in range(len(wells))]
    pictures = [blank if picture is None else picture for picture in pictures]
    save_sheet(arrange(pictures, places, plate, (example, EXAMPLES * example)), sheets[EXAMPLE_CELLS])
    first = drawn[channels[0]["name"]].thumbnails
    found = locate_wells(rows, first, side).assign(
        example_cells=[len(some) for some in chosen], example_side=example
    )
    with write_whole(table) as part:
        found.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        params, inputs, made = snakemake.params, snakemake.input, snakemake.output
        names = [channel["name"] for channel in params.channels]
        main(
            pd.read_csv(inputs.load_data, dtype=str, **EMPTY_IS_MISSING),
            pd.read_csv(inputs.flags, dtype=str, **EMPTY_IS_MISSING),
            params.channels,
            dict(zip(names, inputs.functions, strict=True)),
            {"table": inputs.cells, "profiles": inputs.profiles, "group": params.group},
            {
                COMPOSITE: made.composite,
                EXAMPLE_CELLS: made.examples,
                **dict(zip(names, made.channels, strict=True)),
            },
            made.wells,
            {name: params[name] for name in ("apply", "side", "box")},
        )
