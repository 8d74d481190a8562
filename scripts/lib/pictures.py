"""Pictures of cells: read images, correct them, set one contrast for all, put them side by side.

A montage is drawn pixel by pixel (no plotting library scales it), with a label above each tile, and a scale
bar in each.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image, ImageColor, ImageDraw, ImageFont
from skimage.transform import resize

from lib.errors import InputError
from lib.image_files import MAXIMUM, read_intensities
from lib.tables import whole

# Stains of Cell Painting in colours as far apart as five can be, for colour-blind eyes too; others take
# what is left. Brightness tells AGP, RNA and ER apart where hues do not.
STAINS = {
    "DNA": "#3366FF",
    "ER": "#00B07A",
    "RNA": "#F0E442",
    "AGP": "#E65C00",
    "Mito": "#D255B0",
}
NO_STAIN = re.compile(r"bright|phase|transmi|label.?free|^none$|BF$", re.IGNORECASE)
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
BOLD = FONT.with_name("DejaVuSans-Bold.ttf")
GAP = 8
INK = (20, 20, 20)
RED = (190, 60, 0)


# --- images -------------------------------------------------------------------------------------


def read_image(path: str | Path, maximum: str | float | None = None) -> np.ndarray:
    """(rows, columns) of float32; integers from 0 to 1 as CellProfiler reads them, colors averaged.

    `maximum`: the pixel value that stands for 1, if not the largest of the file's type.

    Raises:
        InputError: when the file cannot be read as one plane.
    """
    image = read_intensities(path, maximum)
    if image.ndim == 3 and image.shape[-1] in (3, 4):
        image = image[..., :3].mean(axis=-1)
    if image.ndim != 2:
        raise InputError(f"{path} is not a single plane: its shape is {image.shape}.")
    return image


def read_channel(row: Mapping[str, str], channel: str) -> np.ndarray:
    """The image of a channel that a row of load_data.csv names."""
    return read_image(image_path(row, channel), row.get(MAXIMUM))


def read_function(path: str | Path) -> np.ndarray:
    """An illumination function, (rows, columns)."""
    return np.load(path, allow_pickle=False)


def corrected(image: np.ndarray, function: np.ndarray | None, apply: str) -> np.ndarray:
    """An image corrected with its illumination function: `Divide`, `Subtract` or `None`."""
    if function is None or apply == "None":
        return image
    changed = image / function if apply == "Divide" else image - function
    return np.clip(changed, 0, 1).astype(np.float32)


def image_path(row: Mapping[str, str], channel: str) -> Path:
    """Where a row of load_data.csv has the image of a channel."""
    return Path(row[f"PathName_Orig{channel}"]) / row[f"FileName_Orig{channel}"]


def limits(images: Sequence[np.ndarray], low: float = 5, high: float = 99.6) -> tuple[float, float]:
    """The contrast that suits several images together.

    Black is what the darkest pixels (percentile `low`) are in most images, so that one dark image does
    not leave the others in a haze; white a percentile of all their pixels.
    """
    seen = [image[::2, ::2].ravel() for image in images]
    black = float(np.median([np.percentile(pixels, low) for pixels in seen]))
    white = float(np.percentile(np.concatenate(seen), high))
    return black, white if white > black else black + 1e-6


def stretched(image: np.ndarray, contrast: tuple[float, float]) -> np.ndarray:
    """An image from 0 (black) to 1 (white) under a contrast."""
    black, white = contrast
    return np.clip((image - black) / (white - black), 0, 1)


def middle(image: np.ndarray, side: int) -> np.ndarray:
    """The square of `side` pixels in the middle of an image, or what there is of it."""
    rows, columns = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[rows : rows + side, columns : columns + side]


def sized(image: np.ndarray, side: int) -> np.ndarray:
    """An image for a tile of `side` pixels: averaged down, or its pixels repeated where it is small."""
    factor = side / max(image.shape[:2])
    if factor >= 1:
        return image.repeat(int(factor), axis=0).repeat(int(factor), axis=1)
    shape = tuple(max(1, round(length * factor)) for length in image.shape[:2])
    return resize(image, (*shape, *image.shape[2:]), anti_aliasing=True).astype(np.float32)


def sized_lines(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Lines in a picture of another size: in a smaller one, a pixel is on where any of its own is."""
    if shape[0] >= mask.shape[0]:
        factor = shape[0] // mask.shape[0]
        return mask.repeat(factor, axis=0).repeat(factor, axis=1)
    found = np.zeros(shape, dtype=bool)
    rows, columns = np.nonzero(mask)
    found[rows * shape[0] // mask.shape[0], columns * shape[1] // mask.shape[1]] = True
    return found


def colours(channels: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The colour of each channel in a composite, as #RRGGBB; channels without a stain have none.

    A channel's own `color` counts first (`none` leaves it out), then Cell Painting's stains by name.
    """
    chosen = {
        c["name"]: c.get("color") or STAINS.get(c["name"])
        for c in channels
        if c.get("color") or not (NO_STAIN.search(c["name"]) or NO_STAIN.search(c.get("stain", "")))
    }
    if not chosen:
        chosen = {c["name"]: None for c in channels}
    free = [colour for colour in STAINS.values() if colour not in chosen.values()] or ["#FFFFFF"]
    found = {}
    for at, (name, colour) in enumerate(chosen.items()):
        if colour != "none":
            found[name] = colour or free[at % len(free)]
    return found


def composite(images: Mapping[str, np.ndarray], colour_of: Mapping[str, str]) -> np.ndarray:
    """Stretched images added in their channels' colours: (rows, columns, 3) from 0 to 1.

    Where several bright stains meet, the sum is dimmed to 1, so that it keeps its hue.
    """
    total = np.zeros((*next(iter(images.values())).shape, 3), dtype=np.float32)
    for name, colour in colour_of.items():
        total += images[name][..., None] * (np.array(ImageColor.getrgb(colour), dtype=np.float32) / 255)
    return total / np.maximum(1, total.max(axis=-1, keepdims=True))


# --- wells --------------------------------------------------------------------------------------


def name_of(well: Mapping[str, Any]) -> str:
    """What is in a well: its perturbation's name, or else its identifier and its gene, if there is one."""
    found = {}
    for column in ("pert_iname", "broad_sample", "gene"):
        values = [well.get(column), well.get(f"Metadata_{column}")]
        found[column] = next((v for v in values if isinstance(v, str) and v not in ("", "nan")), "")
    named = [found["broad_sample"], found["gene"]]
    return found["pert_iname"] or ", ".join(dict.fromkeys(filter(None, named)))


def chosen_wells(
    wells: pd.DataFrame, named: Sequence[str], controls: int, treated: int, negcon: str, rng: Any
) -> list[str]:
    """Wells to look at: those that are named, or some of each control type and of the treated ones.

    Args:
        wells: rows with `well`, `kind` (its control type, "" for treated wells), `sample` and `rank`
            (treated wells with a low one come first; of equal ones, by lot).
        named: wells that the user names; if there are any, they alone are taken.
        controls: wells of each control type.
        treated: treated wells, one a perturbation as long as there are enough.
        negcon: the control type that comes first.
        rng: numpy's generator.

    Raises:
        InputError: for a named well that is not there.
    """
    if named:
        missing = [well for well in named if well not in set(wells["well"])]
        if missing:
            raise InputError(f"No image of the wells {', '.join(missing)}, which the config names.")
        return list(named)
    mixed = wells.iloc[rng.permutation(len(wells))]
    kinds = sorted(set(mixed["kind"]) - {"", negcon})
    found = [well for kind in (negcon, *kinds) for well in mixed["well"][mixed["kind"] == kind][:controls]]
    rest = mixed[mixed["kind"] == ""].sort_values("rank", kind="stable")
    again = rest.duplicated("sample")
    return found + [*rest.loc[~again, "well"], *rest.loc[again, "well"]][:treated]


# --- montages -----------------------------------------------------------------------------------


@dataclass
class Tile:
    """One picture of a montage: RGB or grey from 0 to 1, its label, and pixels of the camera a pixel."""

    picture: np.ndarray
    label: Sequence[str]
    zoom: float = 1.0
    colour: tuple[int, int, int] = INK


@dataclass
class Montage:
    """Tiles side by side under a heading; `key`: words in their colours, below the heading; then the lines of
    `note`, and of `warning` in red."""

    heading: str
    tiles: Sequence[Tile]
    columns: int
    pixel_size: float | None
    key: Sequence[tuple[str, str]] = field(default_factory=list)
    note: str = ""
    warning: str = ""


def nice_length(about: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... that is no longer than `about`."""
    power = 10 ** np.floor(np.log10(about))
    return float(max(step * power for step in (1, 2, 5) if step * power <= about))


def scale_bar(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], per_pixel: float, unit: str) -> None:
    """A scale bar in the lower right corner of a tile; `per_pixel`: lengths in `unit` a pixel."""
    left, _, right, bottom = box
    length = nice_length((right - left) * per_pixel / 4)
    pixels = round(length / per_pixel)
    x, y = right - 10 - pixels, bottom - 12
    text, font = f"{length:g} {unit}", ImageFont.truetype(FONT, 13)
    width = draw.textlength(text, font=font)
    at = min(x + pixels / 2 - width / 2, right - 6 - width), y - 18
    draw.text(at, text, fill="white", font=font, stroke_width=2, stroke_fill="black")
    draw.rectangle((x - 1, y - 1, x + pixels, y + 4), fill="black")
    draw.rectangle((x, y, x + pixels - 1, y + 3), fill="white")


def fitted(draw: ImageDraw.ImageDraw, text: str, font: Any, width: float) -> str:
    """Text that is no wider than `width`; the end of a long one is left out."""
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """The lines of a text, none wider than `width` unless a word is."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1:] = [longer]
    return lines


def draw_montage(montage: Montage) -> Image.Image:
    """A montage as a picture."""
    words, bold, large = (ImageFont.truetype(f, s) for f, s in ((FONT, 14), (BOLD, 14), (BOLD, 18)))
    tiles = montage.tiles
    columns = min(montage.columns, len(tiles))
    rows = -(-len(tiles) // columns)
    side = [max(tile.picture.shape[axis] for tile in tiles) for axis in (0, 1)]
    label = 19 * max(len(tile.label) for tile in tiles) + 4
    width = max(columns * (side[1] + GAP) + GAP, 700)
    lines = [(montage.note, INK)] if montage.note else []
    lines += [(line, RED) for line in wrapped(montage.warning, words, width - 2 * GAP)]
    top = 38 + (26 if montage.key else 0) + 24 * len(lines)
    canvas = Image.new("RGB", (width, top + rows * (side[0] + label + GAP) + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((GAP, 10), fitted(draw, montage.heading, large, canvas.width - 2 * GAP), fill=INK, font=large)
    x, y = GAP, 38
    for word, colour in montage.key:
        draw.rectangle((x, y + 1, x + 14, y + 15), fill=colour, outline=INK)
        draw.text((x + 20, y), word, fill=INK, font=words)
        x += 20 + int(draw.textlength(word, font=words)) + 18
    y += 26 if montage.key else 0
    for at, (line, colour) in enumerate(lines):
        draw.text((GAP, y + 24 * at), fitted(draw, line, words, width - 2 * GAP), fill=colour, font=words)
    for number, tile in enumerate(tiles):
        x = GAP + (number % columns) * (side[1] + GAP)
        y = top + (number // columns) * (side[0] + label + GAP)
        for line, text in enumerate(tile.label):
            font = words if line else bold
            draw.text((x, y + 19 * line), fitted(draw, text, font, side[1]), fill=tile.colour, font=font)
        picture = np.round(np.clip(tile.picture, 0, 1) * 255).astype(np.uint8)
        picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
        canvas.paste(Image.fromarray(picture), (x, y + label))
        box = (x, y + label, x + picture.shape[1], y + label + picture.shape[0])
        if montage.pixel_size:
            scale_bar(draw, box, montage.pixel_size * tile.zoom, "µm")
        else:
            scale_bar(draw, box, tile.zoom, "pixels")
    return canvas


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write a picture as PNG, whole or not at all."""
    with whole(path) as part:
        picture.save(part, format="png", optimize=False, compress_level=6)
