"""Cut crops of cells: read a site's channels, correct illumination, rescale, and crop around each cell.

This module needs only numpy, pyarrow, Pillow and tifffile, because both the workflow's own environment and
that of the networks use it. Positions are those of CellProfiler: pixel centers have integer coordinates,
starting at 0.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tifffile
from PIL import Image

from lib.cells import KEYS
from lib.errors import InputError, join_names
from lib.image_files import MAXIMUM, read_intensities, read_plane_and_scale
from lib.plates import read_table
from lib.sites import get_site_name

CELL = "cell"  # the box with each cell's own size
# The pixels of crops: as in the file, corrected for illumination, and also rescaled from 0 to 1.
RAW, CORRECTED, RESCALED = "raw", "corrected", "rescaled"
LABELS = re.compile(r"^(?P<well>[A-Z]{1,2}\d{2})_s(?P<site>.+)--labels\.tiff$")

SiteKey = tuple[str, str]


@dataclass(frozen=True)
class Settings:
    """The settings of crops, as in the config's block `embeddings`.

    Attributes
    ----------
    channels
        The channels, in order.
    size
        Side length of the resized crop, in pixels.
    box
        Side length of the square around a cell's center in pixels, or `cell` for its bounding box.
    center
        The compartment whose center is used.
    percentiles
        The percentiles of each image that become 0 and 1.
    fixed
        Two intensities that become 0 and 1 instead.
    mask
        Whether pixels outside of the cell become 0.
    """

    channels: Sequence[str]
    size: int = 224
    box: int | str = 224
    center: str = "Nuclei"
    percentiles: tuple[float, float] = (0.1, 99.9)
    fixed: tuple[float, float] | None = None
    mask: bool = False


@dataclass(frozen=True)
class Cells:
    """The cells of one site: their object numbers, and the top, left and side of their squares in pixels."""

    well: str
    site: str
    image_number: int
    numbers: np.ndarray
    top: np.ndarray
    left: np.ndarray
    side: np.ndarray
    center: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


# --- positions of cells --------------------------------------------------------------------------


def find_location_columns(names: Sequence[str], settings: Settings, path: str | Path) -> dict[str, str]:
    """Find the columns of a single-cell table with the positions of cells.

    Raises
    ------
    InputError
        If the table lacks them.
    """
    compartment = settings.center
    wanted: dict[str, list[str]] = {
        axis: [f"{compartment}_Location_Center_{axis}", f"{compartment}_AreaShape_Center_{axis}"]
        for axis in "XY"
    }
    if settings.box == CELL:
        boxed = "Cells" if any(name.startswith("Cells_") for name in names) else "Nuclei"
        for end in ("Minimum", "Maximum"):
            for axis in "XY":
                wanted[f"{end}_{axis}"] = [f"{boxed}_AreaShape_BoundingBox{end}_{axis}"]
    location = {}
    for what, columns in wanted.items():
        column = next((column for column in columns if column in names), None)
        if column is None:
            raise InputError(
                f"{path} has no column {' or '.join(columns)}, so crops cannot be cut around its cells. "
                "Measure it in the analysis pipeline, or name another compartment as `center` (or a number "
                "of pixels as `box`) of embeddings or crops in the config."
            )
        location[what] = column
    return location


def read_cells(path: str | Path, settings: Settings) -> Iterator[Cells]:
    """Read the cells of a plate, site by site in the table's order, with one row group in memory at a time.

    Raises
    ------
    InputError
        If a cell has no position.
    """
    with pq.ParquetFile(path) as file:
        columns = find_location_columns(file.schema_arrow.names, settings, path)
        waiting: dict[str, np.ndarray] = {}
        for batch in file.iter_batches(batch_size=8192, columns=[*KEYS, *columns.values()]):
            part = {name: convert_to_numpy(batch[name]) for name in batch.schema.names}
            if waiting:
                part = {name: np.concatenate([waiting[name], values]) for name, values in part.items()}
            starts = np.flatnonzero(np.diff(part["Metadata_ImageNumber"], prepend=-1))
            for start, stop in pairwise(starts):
                yield make_site_cells(
                    {name: v[start:stop] for name, v in part.items()}, columns, settings, path
                )
            last = starts[-1] if len(starts) else 0
            waiting = {name: values[last:] for name, values in part.items()}
        if waiting and len(waiting["Metadata_Well"]):
            yield make_site_cells(waiting, columns, settings, path)


def convert_to_numpy(column: pa.Array) -> np.ndarray:
    """Convert a column to numpy, with missing numbers as NaN; pyarrow's own conversion imports pandas."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return np.array(column.to_pylist(), dtype=object)
    is_integer = pa.types.is_integer(column.type) and not column.null_count
    return np.array(column.to_pylist(), dtype=int if is_integer else float)


def make_site_cells(
    rows: Mapping[str, np.ndarray], columns: Mapping[str, str], settings: Settings, path: str | Path
) -> Cells:
    """Make the cells of one site from its rows of the single-cell table.

    Parameters
    ----------
    rows : the columns of the table, each an array with one entry per cell of the site.
    columns : the column that holds each of X, Y and, for boxes, their ends.
    settings : how crops are cut.
    path : the table, for messages.

    Raises
    ------
    InputError
        For a cell without a position.
    """
    well, site = rows["Metadata_Well"][0], rows["Metadata_Site"][0]
    at = {what: rows[column].astype(float) for what, column in columns.items()}
    unplaced = ~np.all([np.isfinite(values) for values in at.values()], axis=0)
    if unplaced.any():
        numbers = join_names(rows["Metadata_ObjectNumber"][unplaced])
        raise InputError(f"{path}, well {well}, site {site}: cell {numbers} has no position.")
    center = np.stack([at["Y"], at["X"]], axis=1)
    if settings.box == CELL:
        low = np.stack([at["Minimum_Y"], at["Minimum_X"]], axis=1)
        high = np.stack([at["Maximum_Y"], at["Maximum_X"]], axis=1)  # the first pixel outside
        side = np.ceil((high - low).max(axis=1)).astype(int)
        corner = np.floor((low + high - side[:, None]) / 2 + 0.5).astype(int)
    else:
        side = np.full(len(center), settings.box)
        corner = np.floor(center + 0.5).astype(int) - side[:, None] // 2
    return Cells(
        well,
        site,
        int(rows["Metadata_ImageNumber"][0]),
        rows["Metadata_ObjectNumber"].astype(int),
        corner[:, 0],
        corner[:, 1],
        side,
        center,
    )


# --- images of a site ------------------------------------------------------------------------------


def read_image(path: str | Path, maximum: str | float | None = None) -> np.ndarray:
    """Read one plane as float32, relative to the value that stands for 1 (as CellProfiler reads it).

    Raises
    ------
    InputError
        If the file cannot be read or is not one plane.
    """
    return refuse_stack(read_intensities(path, maximum), path)


def refuse_stack(pixels: np.ndarray, path: str | Path) -> np.ndarray:
    """Return the pixels of an image after checking that they are one plane.

    Raises
    ------
    InputError
        If they are not.
    """
    if pixels.ndim != 2:
        raise InputError(f"{path} is not one plane of one channel: its shape is {pixels.shape}.")
    return pixels


def rescale(image: np.ndarray, settings: Settings) -> np.ndarray:
    """Rescale an image's intensities from 0 to 1; an image without contrast becomes 0."""
    low, high = settings.fixed or np.percentile(image, settings.percentiles)
    if high <= low:
        return np.zeros_like(image)
    return np.clip((image - np.float32(low)) / np.float32(high - low), 0, 1)


class PlateImages:
    """The images of a plate's sites, corrected for illumination and rescaled.

    Parameters
    ----------
    load_data
        The plate's image table with illumination functions.
    functions
        The illumination function's file (.npy) of each channel.
    settings
        The settings of crops.
    labels
        CellProfiler's result folders with label images, for masks.
    pixels
        `rescaled`; `corrected` for illumination only; or `raw`, as in the image files, of their type.
    """

    def __init__(
        self,
        load_data: str | Path,
        functions: Mapping[str, str | Path],
        settings: Settings,
        labels: Iterable[str | Path] = (),
        pixels: str = RESCALED,
    ):
        columns, rows = read_table(load_data)
        lacking = [name for name in settings.channels if f"FileName_Orig{name}" not in columns]
        if lacking:
            known = [c.removeprefix("FileName_Orig") for c in columns if c.startswith("FileName_Orig")]
            raise InputError(f"{load_data} has no channel {join_names(lacking)}; it has {join_names(known)}.")
        self.load_data, self.settings, self.pixels = load_data, settings, pixels
        self.rows = {(row["Metadata_Well"], row["Metadata_Site"]): row for row in rows}
        self.functions = {
            name: np.load(path, allow_pickle=False).astype(np.float32) for name, path in functions.items()
        }
        self.labels: dict[SiteKey, Path] = {}
        for folder in labels:
            for path in Path(folder, "labels").glob("*.tiff"):
                if match := LABELS.match(path.name):
                    self.labels[match["well"], get_site_name(match["site"])] = path

    def __len__(self) -> int:
        return len(self.rows)

    def channel(self, row: Mapping[str, str], name: str) -> np.ndarray:
        """Read one channel of a site, corrected and rescaled, or as far as `pixels` says."""
        path = Path(row[f"PathName_Orig{name}"], row[f"FileName_Orig{name}"])
        if self.pixels == RAW:
            return refuse_stack(read_plane_and_scale(path)[0], path)
        image, function = read_image(path, row.get(MAXIMUM)), self.functions[name]
        if image.shape != function.shape:
            raise InputError(
                f"{path} has {image.shape} pixels, the illumination function of {name} {function.shape}."
            )
        if self.pixels == RESCALED and not self.settings.fixed and image.min() == image.max():
            # After correction, it would show the illumination function at full contrast.
            return np.zeros_like(image)
        corrected = image / function
        return corrected if self.pixels == CORRECTED else rescale(corrected, self.settings)

    def site(self, cells: Cells) -> tuple[np.ndarray, np.ndarray | None]:
        """Read the image (channels, height, width) of the site of `cells`, and its label image for masks.

        Raises
        ------
        InputError
            If the image table lacks the site, or a cell is outside its images.
        """
        row = self.rows.get((cells.well, cells.site))
        if row is None:
            raise InputError(
                f"{self.load_data} lacks site {cells.site} of well {cells.well}, which has cells."
            )
        image = np.stack([self.channel(row, name) for name in self.settings.channels])
        height, width = image.shape[1:]
        outside = ((cells.center < -0.5) | (cells.center > np.array([height, width]) - 0.5)).any(axis=1)
        if outside.any():
            y, x = cells.center[outside][0]
            raise InputError(
                f"Well {cells.well}, site {cells.site}: cell {join_names(cells.numbers[outside])} lies "
                f"outside of the image of {width} x {height} pixels (x {x:.1f}, y {y:.1f}). The single-cell "
                "table does not belong to these images: run both steps again."
            )
        return image, self.label_image(cells, (height, width)) if self.settings.mask else None

    def label_image(self, cells: Cells, shape: tuple[int, int]) -> np.ndarray:
        """Read the site's image of object numbers."""
        path = self.labels.get((cells.well, cells.site))
        if path is None:
            raise InputError(
                f"Well {cells.well}, site {cells.site} has no label image to mask cells. The generated "
                "analysis pipeline saves them; your own pipeline must save the objects' numbers as "
                f"labels/{cells.well}_s{cells.site}--labels.tiff."
            )
        labels = tifffile.imread(path)
        if labels.shape != shape:
            raise InputError(f"{path} has {labels.shape} pixels, the images of the site {shape}.")
        return labels


# --- crops ------------------------------------------------------------------------------------------


def cut_square(image: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """Cut a square from an image (..., height, width), with 0 beyond the border.

    Parameters
    ----------
    image
        The image, (..., height, width).
    top, left
        The first row and column of the square, in pixels; they may be negative.
    side
        The side of the square, in pixels.

    Returns
    -------
    numpy.ndarray
        The square, (..., side, side).
    """
    height, width = image.shape[-2:]
    rows = slice(max(top, 0), min(top + side, height))
    columns = slice(max(left, 0), min(left + side, width))
    square = np.zeros((*image.shape[:-2], side, side), dtype=image.dtype)
    if rows.start < rows.stop and columns.start < columns.stop:
        inside = image[..., rows, columns]
        square[..., rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = inside
    return square


def resize_crop(crop: np.ndarray, size: int) -> np.ndarray:
    """Resize a crop (channels, side, side): bilinear, or averaged if it becomes smaller."""
    if crop.shape[-1] == size:
        return crop
    planes = [Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR) for plane in crop]
    return np.stack([np.asarray(plane, dtype=np.float32) for plane in planes])


def cut_crops(
    image: np.ndarray, labels: np.ndarray | None, cells: Cells, chosen: Iterable[int], size: int
) -> np.ndarray:
    """Cut the crops of some of a site's cells.

    Parameters
    ----------
    image
        The site's image: (channels, height, width), from 0 to 1.
    labels
        The site's image of object numbers (height, width), to mask cells, or None.
    cells
        The cells of the site.
    chosen
        The positions of the cells among them.
    size
        Side length of a crop, in pixels.

    Returns
    -------
    (cells, channels, size, size), float32 from 0 to 1.
    """
    cut = []
    for number in chosen:
        place = int(cells.top[number]), int(cells.left[number]), int(cells.side[number])
        crop = cut_square(image, *place)
        if labels is not None:
            crop = crop * (cut_square(labels, *place) == cells.numbers[number])
        cut.append(resize_crop(crop, size))
    return np.stack(cut)
