"""The sheets of thumbnails and of example cells in the page, shrunk to what the page has room for."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from lib.tables import EMPTY_IS_MISSING
from lib.wells import get_plate_format
from report_page.pictures import link_to
from report_page.results import Results

BYTES_OF_SHEETS = 11_000_000
BYTES_OF_EXAMPLES = 4_000_000
MOST_BYTES = 2_500_000  # bytes of one sheet
FEWEST_BYTES = 900  # bytes per well of a sheet; with fewer, the page has the sheets in color only
FEWEST_BYTES_OF_EXAMPLES = 500  # bytes for a well's cells; with fewer, the page links to the sheet
NARROWEST = 24  # pixels of a thumbnail
QUALITY = 75
COMPOSITE = "composite"


def allow_sheets(plates: Sequence[Mapping[str, Any]], wells: int) -> tuple[int, int]:
    """Return how many bytes the composite sheet of a plate may have, and the sheet of a channel (0: none).

    Parameters
    ----------
    plates
        The plates' parts of the manifest.
    wells
        Number of wells of a plate.
    """
    with_sheets = [plate["thumbnails"] for plate in plates if plate["thumbnails"]]
    if not with_sheets:
        return 0, 0
    each = BYTES_OF_SHEETS // sum(map(len, with_sheets))
    if each >= FEWEST_BYTES * max(wells, 1):
        return min(each, MOST_BYTES), min(each, MOST_BYTES)
    return min(BYTES_OF_SHEETS // len(with_sheets), MOST_BYTES), 0


def allow_examples(plates: Sequence[Mapping[str, Any]], wells: int) -> int:
    """Return how many bytes the sheet of example cells of a plate may have (0: none)."""
    each = BYTES_OF_EXAMPLES // max(1, sum(bool(plate["thumbnails"]) for plate in plates))
    return min(each, MOST_BYTES) if each >= FEWEST_BYTES_OF_EXAMPLES * max(wells, 1) else 0


def get_examples(results: Results, plate: Mapping[str, Any], allowed: int) -> dict[str, Any] | None:
    """Return a plate's sheet of example cells, and the number of cells of each well; None without one.

    A sheet for which there is no room is a link to its file.
    """
    if not (results.has(plate["example_cells"]) and results.has(plate["thumbnail_wells"])):
        return None
    table = pd.read_csv(
        results.path(plate["thumbnail_wells"]), dtype={"Metadata_Site": str}, **EMPTY_IS_MISSING
    )
    if "example_cells" not in table or not table["example_cells"].any():
        return None
    path, side = results.path(plate["example_cells"]), int(table["example_side"].iloc[0])
    picture = ""
    if allowed:
        content = shrink_sheet(path, side, allowed, gray=False)
        picture = "data:image/webp;base64," + base64.b64encode(content).decode()
    rows, columns = get_plate_format(table["Metadata_Well"])
    return {
        "rows": rows,
        "columns": columns,
        "picture": picture,
        "link": link_to(plate["example_cells"]),
        "cells": dict(zip(table["Metadata_Well"], table["example_cells"].tolist(), strict=True)),
    }


def get_sheets(results: Results, plate: Mapping[str, Any], allowed: tuple[int, int]) -> dict[str, Any] | None:
    """Return a plate's sheets, and the place of each well in them (left, top, width, height), or None.

    A sheet for which there is no room is a link to its file.
    """
    files = {name: file for name, file in plate["thumbnails"].items() if results.has(file)}
    if COMPOSITE not in files or not results.has(plate["thumbnail_wells"]):
        return None
    table = pd.read_csv(
        results.path(plate["thumbnail_wells"]), dtype={"Metadata_Site": str}, **EMPTY_IS_MISSING
    )
    side = int(table["side"].iloc[0])
    places = table[["left", "top", "width", "height"]].to_numpy().tolist()
    pictures, links = {}, {}
    for name, file in files.items():
        links[name] = link_to(file)
        most = allowed[0] if name == COMPOSITE else allowed[1]
        if most:
            content = shrink_sheet(results.path(file), side, most, gray=name != COMPOSITE)
            pictures[name] = "data:image/webp;base64," + base64.b64encode(content).decode()
    rows, columns = get_plate_format(table["Metadata_Well"])
    return {
        "side": side,
        "rows": rows,
        "columns": columns,
        "places": dict(zip(table["Metadata_Well"], places, strict=True)),
        "sites": dict(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True)),
        "pictures": pictures,
        "links": links,
    }


def shrink_sheet(path: Path, side: int, allowed: int, gray: bool) -> bytes:
    """Return a sheet as WebP of at most `allowed` bytes; its thumbnails stay whole numbers of pixels wide.

    Parameters
    ----------
    path
        The sheet.
    side
        The side of a thumbnail on the sheet, in pixels.
    allowed
        How many bytes the sheet may have.
    gray
        Whether the sheet has gray values only.
    """
    size = path.stat().st_size
    if size <= allowed:
        return path.read_bytes()
    with Image.open(path) as opened:
        picture = opened.convert("L" if gray else "RGB")
    tiles = [round(length / side) for length in picture.size]
    smaller = max(NARROWEST, int(side * math.sqrt(0.9 * allowed / size)))
    while True:
        buffer = io.BytesIO()
        small = picture.resize((tiles[0] * smaller, tiles[1] * smaller), Image.Resampling.BOX)
        small.save(buffer, "WEBP", quality=QUALITY)
        found = buffer.getvalue()
        if len(found) <= allowed or smaller <= NARROWEST:
            return found
        smaller = max(NARROWEST, int(smaller * min(0.9, math.sqrt(0.95 * allowed / len(found)))))
