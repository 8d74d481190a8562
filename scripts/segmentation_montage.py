"""Draw the outlines of nuclei and cells that the segmentation check found over the images they were found in.

Each well has a picture of its own in the images' own size, and a tile of the plate's montage. The image is
the brighter of the nuclei's and the cells' channel, each corrected for illumination and stretched to one
contrast for all wells.
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

from lib.chunk_tables import image_rows, table_of
from lib.errors import InputError
from lib.logs import logged
from lib.pictures import (
    Montage,
    Tile,
    corrected,
    draw_montage,
    limits,
    read_channel,
    read_function,
    read_image,
    save_picture,
    sized,
    sized_lines,
    stretched,
)
from lib.sites import site_name
from lib.tables import whole
from lib.thresholds import threshold_flags

COLUMNS = 4
SIDE = 540  # of a tile of the montage
OUTLINES = {"nuclei": "#E69F00", "cell": "#56B4E9"}
# How bright the two channels are beside each other, so that nuclei stand out of cells.
SHARE = {"nuclei": 1.0, "cells": 0.75}
NAME = re.compile(r"^(?P<well>[A-Z]+\d+)_s(?P<site>.+)--(?P<kind>nuclei|cell)_outlines\.png$")


def outline_files(folder: Path) -> dict[tuple[str, str, str], Path]:
    """The outlines in a folder by well, site and what is outlined."""
    found = {}
    for path in sorted(folder.glob("*.png")):
        if match := NAME.match(path.name):
            found[match["well"], site_name(match["site"]), match["kind"]] = path
    return found


def with_outlines(picture: np.ndarray, lines: Mapping[str, np.ndarray]) -> np.ndarray:
    """A grey picture with lines in the colours of what they outline; nuclei lie on top."""
    found = np.repeat(picture[..., None], 3, axis=-1)
    for kind in ("cell", "nuclei"):
        if kind in lines:
            found[lines[kind]] = np.array(ImageColor.getrgb(OUTLINES[kind])) / 255
    return found


def backgrounds(
    rows: Sequence[Mapping[str, str]], channels: Mapping[str, str], functions: Mapping[str, Any], apply: str
) -> list[np.ndarray]:
    """The pictures under the outlines, one a row; `channels`: `nuclei` and, if there is one, `cells`."""
    parts = []
    for role, channel in channels.items():
        function = None if apply == "None" else read_function(functions[channel])
        images = [corrected(read_channel(row, channel), function, apply) for row in rows]
        contrast = limits(images)
        parts.append([SHARE[role] * stretched(image, contrast) for image in images])
    return [np.maximum.reduce(images) for images in zip(*parts, strict=True)]


def main(
    folder: Path,
    images: pd.DataFrame,
    wells: pd.DataFrame,
    channels: Mapping[str, str],
    functions: Mapping[str, str],
    outputs: Mapping[str, str | Path],
    options: Mapping[str, Any],
) -> None:
    """Draw the montage and the pictures of the wells, and count the objects.

    Args:
        folder: what CellProfiler wrote: the table Image and the folder `outlines`.
        images: the image table of the sites.
        wells: what is in the wells, in the order of the montage: `well`, `kind`, `name`.
        channels: that of the `nuclei` and, where they are found in an image, that of the `cells`.
        functions: the illumination function's file of each channel.
        outputs: `montage`, `wells` (a folder), `objects` (csv).
        options: `apply`, `pixel_size`.
    """
    about = wells.fillna("").set_index("well")
    rows = images.set_index("Metadata_Well", drop=False).loc[about.index].to_dict("records")
    files = outline_files(folder / "outlines")
    counted = pd.DataFrame(image_rows(table_of(folder, "Image"))).set_index("Metadata_Well")
    plate = rows[0]["Metadata_Plate"]
    target = Path(outputs["wells"])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    key = [("nuclei", OUTLINES["nuclei"])]
    key += [("cells", OUTLINES["cell"])] if any(kind == "cell" for *_, kind in files) else []
    tiles, objects = [], []
    for row, grey in zip(rows, backgrounds(rows, channels, functions, options["apply"]), strict=True):
        well, site = row["Metadata_Well"], site_name(row["Metadata_Site"])
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
        said = ", ".join(f"{n} {name.removeprefix('Count_').lower()}" for name, n in kinds.items())
        what = f"{about.at[well, 'name']}" + (
            f" ({about.at[well, 'kind']})" if about.at[well, "kind"] else ""
        )
        label = [f"{well} site {site}: {said}", what]
        small = sized(grey, SIDE)
        of_tile = {kind: sized_lines(mask, small.shape) for kind, mask in lines.items()}
        tiles.append(Tile(with_outlines(small, of_tile), label, len(grey) / len(small)))
        whole_field = Montage(
            f"Plate {plate}", [Tile(with_outlines(grey, lines), label)], 1, options["pixel_size"], key=key
        )
        save_picture(draw_montage(whole_field), target / f"{well}_s{site}.png")
    shown = " and ".join(dict.fromkeys(channels.values()))
    note = f"outlines over {shown}, one contrast for all wells"
    problems = [f"{flag['reason']}." for flag in threshold_flags(counted.reset_index(), plate)]
    for problem in problems:
        logging.warning("plate %s: %s", plate, problem)
    heading = f"Plate {plate}: segmentation check"
    montage = Montage(heading, tiles, COLUMNS, options["pixel_size"], key, note, " ".join(problems))
    save_picture(draw_montage(montage), outputs["montage"])
    with whole(outputs["objects"]) as part:
        pd.DataFrame(objects).to_csv(part, index=False)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        params = snakemake.params
        shown_channels = {"nuclei": params.nuclei}
        shown_channels |= {"cells": params.cells} if params.cells else {}
        main(
            Path(snakemake.input.tables),
            pd.read_csv(snakemake.input.load_data, dtype=str),
            pd.read_csv(snakemake.input.wells, dtype=str),
            shown_channels,
            dict(zip(params.channels, snakemake.input.functions, strict=True)),
            dict(snakemake.output.items()),
            {"apply": params.apply, "pixel_size": params.pixel_size},
        )
