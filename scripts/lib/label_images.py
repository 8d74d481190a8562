"""Read label images, in which each object's pixels hold its number, and pair nuclei with cells.

CellProfiler numbers the objects of a site from 1 without gaps, and a nucleus and its cell have the same
number. Label images of other programs are brought into this form: the objects and their outlines stay as they
are, and only the numbers change. This module needs numpy, scipy, tifffile and Pillow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from lib.image_files import TIFF, in_color, is_stack, samples_last
from lib.object_storage import open_image_file

# CellProfiler reads a label image with 16 bits.
MOST_OBJECTS = 65535
# Regions that touch at a corner are one object, as in CellProfiler's ConvertImageToObjects.
TOUCHING = np.ones((3, 3), dtype=bool)
ZARR = re.compile(r"\.zarr/", re.IGNORECASE)


class LabelError(ValueError):
    """Why a file is not a label image; the text follows the file's name."""


@dataclass
class Labels:
    """The objects of one kind at one site, numbered from 1 without gaps.

    `pixels`: int32, 0 is background; `gaps`: how many numbers below the largest the file did not use.
    """

    pixels: np.ndarray
    gaps: int = 0

    def __len__(self) -> int:
        return int(self.pixels.max(initial=0))


@dataclass
class Relations:
    """Nuclei and cells of one site: a pair has one number; what is left over follows.

    The lists hold the new numbers: nuclei outside of every cell; nuclei in a cell that has another one (its
    partner is the one that the cell shares most of its outline with); cells without a nucleus; and, as
    numbers of the file, cells that were removed because they lie inside a nucleus and leave no cytoplasm.
    """

    nuclei: np.ndarray
    cells: np.ndarray
    pairs: int = 0
    nuclei_outside: list[int] = field(default_factory=list)
    further_nuclei: list[int] = field(default_factory=list)
    cells_without_nucleus: list[int] = field(default_factory=list)
    cells_inside_nuclei: list[int] = field(default_factory=list)


def read_pixels(path: Path) -> np.ndarray:
    """Read the values of a label image as whole numbers (TIFF, PNG, a plain array in .npy, or OME-Zarr).

    Raises
    ------
    LabelError
        If the file cannot be read, is in color, or holds several planes, fractions or negative numbers.
    """
    try:
        if ZARR.search(str(path)):
            # Not in the environments that only write label images.
            from lib.ome_zarr import read_labels

            return convert_to_integers(read_labels(path))
        source = open_image_file(path)
        if path.suffix.lower() == ".npy":
            pixels = np.load(source, allow_pickle=False)
        elif path.suffix.lower() in TIFF:
            with tifffile.TiffFile(source) as file:
                page = file.pages[0]
                if is_stack(file):
                    raise LabelError("holds several planes; write one plane of labels per site")
                pixels = page.asarray()
                pixels = samples_last(page, pixels) if page.samplesperpixel > 1 else pixels
        else:
            with Image.open(source) as image:
                pixels = np.asarray(image)
    except FileNotFoundError:
        raise LabelError("does not exist") from None
    except LabelError:
        raise
    except Exception as error:
        what = f"cannot be read as a label image ({type(error).__name__}: {error})"
        if path.name.endswith("_seg.npy"):
            what = "is a Python object of Cellpose; write its masks as TIFF or PNG (io.save_masks)"
        raise LabelError(what) from error
    if pixels.ndim == 3 and pixels.shape[-1] in (3, 4) and not in_color(pixels):
        pixels = pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape[-1] in (3, 4):
        raise LabelError("is in color; write the objects' numbers as one gray plane of 16 bits")
    return convert_to_integers(pixels)


def convert_to_integers(pixels: np.ndarray) -> np.ndarray:
    """Return one plane of labels as whole numbers.

    Raises
    ------
    LabelError
        If there are several planes, fractions or negative numbers.
    """
    if pixels.ndim != 2:
        raise LabelError(f"is not one plane of labels: its shape is {pixels.shape}")
    if not np.issubdtype(pixels.dtype, np.integer):
        integers = pixels.astype(np.int64) if np.isfinite(pixels).all() else None
        if integers is None or not np.array_equal(integers, pixels):
            raise LabelError("holds fractions, which are not the numbers of objects")
        pixels = integers
    if pixels.size and pixels.min() < 0:
        raise LabelError(f"holds negative numbers (down to {pixels.min()})")
    return pixels


def number_objects(pixels: np.ndarray, mask: bool | None) -> Labels:
    """Number the objects from 1 without gaps, in the order of their numbers.

    Parameters
    ----------
    pixels
        The values of the file.
    mask
        Whether the file is black and white, so that each connected region is an object; None if it is
        known to be numbered, so that one object in several regions is not taken for a mask.

    Raises
    ------
    LabelError
        If a mask holds several values, or numbered labels seem to be a mask.
    """
    # Imported here since few plates have label images, and it takes as long as all other imports together.
    from scipy import ndimage

    values, inverse = np.unique(pixels, return_inverse=True)
    above = values[values > 0]
    if mask:
        if len(above) > 1:
            raise LabelError(
                f"holds {len(above)} values above 0, so it is numbered: leave out `mask: true` in `labels`"
            )
        labels, number = ndimage.label(pixels > 0, structure=TOUCHING)
        check_number(number)
        return Labels(labels.astype(np.int32))
    if mask is not None and len(above) == 1:
        regions = ndimage.label(pixels > 0, structure=TOUCHING)[1]
        if regions > 1:
            raise LabelError(
                f"holds one value ({above[0]}) in {regions} separate regions, so it is a mask: set "
                "`mask: true` in `labels`, with which each region is an object"
            )
    check_number(len(above))
    inverse = inverse.reshape(pixels.shape).astype(np.int32)
    labels = inverse if len(values) > len(above) else inverse + 1
    # One object may be written as 255; that is not a gap.
    return Labels(labels, int(above[-1]) - len(above) if len(above) > 1 else 0)


def check_number(objects: int) -> None:
    """Raise a LabelError for more objects than CellProfiler can number."""
    if objects > MOST_OBJECTS:
        raise LabelError(f"holds {objects:,} objects; CellProfiler takes {MOST_OBJECTS:,} per site")


def find_outline(labels: np.ndarray) -> np.ndarray:
    """Return where objects border on another value or on the image's edge (as in CellProfiler)."""
    different = np.zeros(labels.shape, dtype=bool)
    for here, there in (
        (np.s_[1:, :], np.s_[:-1, :]),
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:, 1:], np.s_[:-1, :-1]),
        (np.s_[1:, :-1], np.s_[:-1, 1:]),
    ):
        differs = labels[here] != labels[there]
        different[here] |= differs
        different[there] |= differs
    different[[0, -1], :] = different[:, [0, -1]] = True
    return different & (labels > 0)


def count_overlaps(first: np.ndarray, second: np.ndarray) -> dict[tuple[int, int], int]:
    """Count the pixels that each object of one kind shares with each of another."""
    shared = (first > 0) & (second > 0)
    pairs, counts = np.unique(np.stack([first[shared], second[shared]]), axis=1, return_counts=True)
    return dict(zip(map(tuple, pairs.T.tolist()), counts.tolist(), strict=True))


def pair_labels(nuclei: np.ndarray, cells: np.ndarray, cytoplasm: bool) -> Relations:
    """Find the nucleus of each cell, and give both the same number.

    CellProfiler's IdentifyTertiaryObjects takes as the nucleus of a cell the one whose outline has most
    pixels in it, and so does this function. A nucleus that several cells take belongs to the one with most
    of it.

    Parameters
    ----------
    nuclei, cells
        Labels of the same shape, numbered from 1 without gaps.
    cytoplasm
        Whether the cytoplasm is measured; a cell that leaves none is then removed.

    Returns
    -------
    Relations
        Both label images with new numbers, and the numbers of what has no partner.
    """
    inside = []
    if cytoplasm and cells.any():
        left = np.bincount(cells[(nuclei == 0) | find_outline(nuclei)], minlength=cells.max() + 1)
        inside = [number for number in range(1, len(left)) if not left[number]]
        cells = np.where(np.isin(cells, inside), 0, cells)
    outline = np.where(find_outline(nuclei), nuclei, 0) if cytoplasm else nuclei
    overlaps, of_outline = count_overlaps(nuclei, cells), count_overlaps(outline, cells)
    chosen: dict[int, int] = {}  # the nucleus of each cell
    for nucleus, cell in sorted(of_outline, key=lambda pair: (-of_outline[pair], pair)):
        chosen.setdefault(cell, nucleus)
    partner: dict[int, int] = {}  # the cell of each nucleus
    for cell, nucleus in sorted(chosen.items(), key=lambda pair: (-overlaps[pair[::-1]], pair)):
        partner.setdefault(nucleus, cell)
    in_a_cell = {nucleus for nucleus, _ in overlaps}
    all_nuclei, all_cells = (np.unique(labels[labels > 0]).tolist() for labels in (nuclei, cells))
    paired = sorted(partner)
    further = [nucleus for nucleus in all_nuclei if nucleus not in partner and nucleus in in_a_cell]
    outside = [nucleus for nucleus in all_nuclei if nucleus not in partner and nucleus not in in_a_cell]
    taken = set(partner.values())
    empty = [cell for cell in all_cells if cell not in taken]
    pairs = len(paired)
    return Relations(
        renumber(nuclei, [*paired, *further, *outside]),
        renumber(cells, [*(partner[nucleus] for nucleus in paired), *empty]),
        pairs,
        list(range(pairs + len(further) + 1, len(all_nuclei) + 1)),
        list(range(pairs + 1, pairs + len(further) + 1)),
        list(range(pairs + 1, len(all_cells) + 1)),
        inside,
    )


def renumber(labels: np.ndarray, order: list[int]) -> np.ndarray:
    """Give the objects new numbers from 1, in a given order of their old ones."""
    new = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int32)
    new[order] = np.arange(1, len(order) + 1)
    return new[labels]


def write_labels(labels: np.ndarray, path: Path) -> None:
    """Write labels as a plain gray TIFF of 16 bits."""
    tifffile.imwrite(
        path, labels.astype(np.uint16), compression="zlib", photometric="minisblack", metadata=None
    )


def name_numbered_labels(well: str, site: str, objects: str) -> str:
    """Return the file name of a site's label image after its objects were numbered anew."""
    return f"{well}_s{site}--{objects}.tiff"
