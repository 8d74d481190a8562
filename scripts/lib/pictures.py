"""Draw pictures of cells: read images, correct them, set a common contrast, arrange them side by side.

A montage is drawn pixel by pixel (no plotting library rescales it), with a label above and a scale bar in
each tile.
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
from lib.tables import write_whole

# Colors of the Cell Painting stains, as different as five can be, also for color-blind people: AGP, RNA and
# ER differ in brightness where hues do not. Other stains get the remaining colors.
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
MOST_KINDS = 12  # kinds of controls, each with wells of its own in a montage
INK = (20, 20, 20)
RED = (190, 60, 0)


# --- images -------------------------------------------------------------------------------------


def read_image(path: str | Path, maximum: str | float | None = None) -> np.ndarray:
    """Read one plane as float32 (rows, columns), scaled from 0 to 1 as in CellProfiler, with colors averaged.

    `maximum`: the pixel value that stands for 1, if it is not the largest of the file's type.

    Raises
    ------
    InputError
        If the file cannot be read as one plane.
    """
    image = read_intensities(path, maximum)
    if image.ndim == 3 and image.shape[-1] in (3, 4):
        image = image[..., :3].mean(axis=-1)
    if image.ndim != 2:
        raise InputError(f"{path} is not a single plane: its shape is {image.shape}.")
    return image


def read_channel(row: Mapping[str, str], channel: str) -> np.ndarray:
    """Read the image of a channel that a row of load_data.csv names."""
    return read_image(get_image_path(row, channel), row.get(MAXIMUM))


def get_image_path(row: Mapping[str, str], channel: str) -> Path:
    """Return the path of a channel's image from a row of the image table."""
    return Path(row[f"PathName_Orig{channel}"]) / row[f"FileName_Orig{channel}"]


def find_contrast(images: Sequence[np.ndarray], low: float = 5, high: float = 99.6) -> tuple[float, float]:
    """Find a common contrast for several images: the intensities of black and white.

    Black is the median over images of the percentile `low`, so that a single dark image does not make the
    others hazy; white is the percentile `high` of all pixels together.
    """
    samples = [image[::2, ::2].ravel() for image in images]
    black = float(np.median([np.percentile(pixels, low) for pixels in samples]))
    white = float(np.percentile(np.concatenate(samples), high))
    return black, white if white > black else black + 1e-6


def stretch(image: np.ndarray, contrast: tuple[float, float]) -> np.ndarray:
    """Scale an image to a contrast, from 0 (black) to 1 (white)."""
    black, white = contrast
    return np.clip((image - black) / (white - black), 0, 1)


def crop_center(image: np.ndarray, side: int) -> np.ndarray:
    """Return the central square of `side` pixels of an image, or the entire image if it is smaller."""
    rows, columns = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[rows : rows + side, columns : columns + side]


def resize_to_tile(image: np.ndarray, side: int) -> np.ndarray:
    """Resize an image to a tile of `side` pixels: averaged, or with repeated pixels if it is small."""
    factor = side / max(image.shape[:2])
    if factor >= 1:
        return image.repeat(int(factor), axis=0).repeat(int(factor), axis=1)
    shape = tuple(max(1, round(length * factor)) for length in image.shape[:2])
    return resize(image, (*shape, *image.shape[2:]), anti_aliasing=True).astype(np.float32)


def resize_lines(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize lines to another shape; in a smaller picture, a pixel is set if any of its pixels was."""
    if shape[0] >= mask.shape[0]:
        factor = shape[0] // mask.shape[0]
        return mask.repeat(factor, axis=0).repeat(factor, axis=1)
    lines = np.zeros(shape, dtype=bool)
    rows, columns = np.nonzero(mask)
    lines[rows * shape[0] // mask.shape[0], columns * shape[1] // mask.shape[1]] = True
    return lines


def choose_colors(channels: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Choose the color of each channel in a composite, as #RRGGBB; channels without a stain have none.

    A channel's own `color` has priority (`none` leaves it out), then the names of the Cell Painting stains.
    """
    chosen = {
        c["name"]: c.get("color") or STAINS.get(c["name"])
        for c in channels
        if c.get("color") or not (NO_STAIN.search(c["name"]) or NO_STAIN.search(c.get("stain", "")))
    }
    if not chosen:
        chosen = {c["name"]: None for c in channels}
    free = [color for color in STAINS.values() if color not in chosen.values()] or ["#FFFFFF"]
    colors = {}
    for at, (name, color) in enumerate(chosen.items()):
        if color != "none":
            colors[name] = color or free[at % len(free)]
    return colors


def compose(images: Mapping[str, np.ndarray], colors: Mapping[str, str]) -> np.ndarray:
    """Add stretched images in the colors of their channels: (rows, columns, 3) from 0 to 1.

    Where several bright stains overlap, the sum is scaled down to 1, which preserves its hue.
    """
    total = np.zeros((*next(iter(images.values())).shape, 3), dtype=np.float32)
    for name, color in colors.items():
        total += images[name][..., None] * (np.array(ImageColor.getrgb(color), dtype=np.float32) / 255)
    return total / np.maximum(1, total.max(axis=-1, keepdims=True))


# --- wells --------------------------------------------------------------------------------------


def choose_wells(
    wells: pd.DataFrame, named: Sequence[str], controls: int, treated: int, negcon: str, rng: Any
) -> list[str]:
    """Choose wells to draw: those that the user names, or some of each control type and some treated wells.

    Parameters
    ----------
    wells
        Rows with `well`, `kind` (the control type, or "" for treated wells), `sample` and `rank` (treated
        wells with a low rank come first; ties are broken at random).
    named
        Wells that the user names; if there are any, only these are chosen.
    controls
        Number of wells per control type. With more types than `MOST_KINDS`, only negative controls are
        controls, and all other wells are treated.
    treated
        Number of treated wells, one per perturbation as long as there are enough.
    negcon
        The control type that comes first.
    rng
        A random generator of numpy.

    Returns
    -------
    The names of the wells.

    Raises
    ------
    InputError
        If a named well has no image.
    """
    if named:
        missing = [well for well in named if well not in set(wells["well"])]
        if missing:
            raise InputError(f"The wells {', '.join(missing)}, which the config names, have no image.")
        return list(named)
    shuffled = wells.iloc[rng.permutation(len(wells))]
    kinds = sorted(set(shuffled["kind"]) - {"", negcon})
    if len(kinds) > MOST_KINDS:  # the column has the names of compounds, one of which is the negative control
        shuffled = shuffled.assign(kind=shuffled["kind"].where(shuffled["kind"] == negcon, ""))
        kinds = []
    chosen = [
        well for kind in (negcon, *kinds) for well in shuffled["well"][shuffled["kind"] == kind][:controls]
    ]
    rest = shuffled[shuffled["kind"] == ""].sort_values("rank", kind="stable")
    repeated = rest.duplicated("sample")
    return chosen + [*rest.loc[~repeated, "well"], *rest.loc[repeated, "well"]][:treated]


# --- montages -----------------------------------------------------------------------------------


@dataclass
class Tile:
    """One picture of a montage.

    Attributes
    ----------
    picture
        Gray (rows, columns) or RGB (rows, columns, 3), from 0 to 1.
    label
        The lines above it.
    zoom
        Pixels of the camera per pixel of the picture.
    color
        Color of the label.
    """

    picture: np.ndarray
    label: Sequence[str]
    zoom: float = 1.0
    color: tuple[int, int, int] = INK


@dataclass
class Montage:
    """Tiles side by side under a heading.

    Below the heading are the `key` (words and their colors), the `note`, and the `warning` in red.
    `pixel_size` is in micrometers, or None.
    """

    heading: str
    tiles: Sequence[Tile]
    columns: int
    pixel_size: float | None
    key: Sequence[tuple[str, str]] = field(default_factory=list)
    note: str = ""
    warning: str = ""


def round_length(longest: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, ... that is not longer than `longest`."""
    power = 10 ** np.floor(np.log10(longest))
    return float(max(step * power for step in (1, 2, 5) if step * power <= longest))


def draw_scale_bar(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], per_pixel: float, unit: str
) -> None:
    """Draw a scale bar in the lower right corner of a tile.

    Parameters
    ----------
    draw
        The canvas.
    box
        Left, top, right and bottom of the tile, in pixels of the canvas.
    per_pixel
        The width of a pixel, in `unit`.
    unit
        The unit of the bar's length.
    """
    left, _, right, bottom = box
    length = round_length((right - left) * per_pixel / 4)
    pixels = round(length / per_pixel)
    x, y = right - 10 - pixels, bottom - 12
    text, font = f"{length:g} {unit}", ImageFont.truetype(FONT, 13)
    width = draw.textlength(text, font=font)
    at = min(x + pixels / 2 - width / 2, right - 6 - width), y - 18
    draw.text(at, text, fill="white", font=font, stroke_width=2, stroke_fill="black")
    draw.rectangle((x - 1, y - 1, x + pixels, y + 4), fill="black")
    draw.rectangle((x, y, x + pixels - 1, y + 3), fill="white")


def fit_text(draw: ImageDraw.ImageDraw, text: str, font: Any, width: float) -> str:
    """Shorten a text at its end so that it is not wider than `width`.

    Parameters
    ----------
    draw
        The canvas.
    text
        The text.
    font
        The font in which the text is measured.
    width
        The largest width, in pixels.
    """
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text + "…"


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Break a text into lines that are not wider than `width`, unless a single word is."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1:] = [longer]
    return lines


def draw_montage(montage: Montage) -> Image.Image:
    """Draw a montage."""
    words, bold, large = (ImageFont.truetype(f, s) for f, s in ((FONT, 14), (BOLD, 14), (BOLD, 18)))
    tiles = montage.tiles
    columns = min(montage.columns, len(tiles))
    rows = -(-len(tiles) // columns)
    side = [max(tile.picture.shape[axis] for tile in tiles) for axis in (0, 1)]
    label = 19 * max(len(tile.label) for tile in tiles) + 4
    width = max(columns * (side[1] + GAP) + GAP, 700)
    lines = [(montage.note, INK)] if montage.note else []
    lines += [(line, RED) for line in wrap(montage.warning, words, width - 2 * GAP)]
    top = 38 + (26 if montage.key else 0) + 24 * len(lines)
    canvas = Image.new("RGB", (width, top + rows * (side[0] + label + GAP) + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text(
        (GAP, 10),
        fit_text(draw, montage.heading, large, canvas.width - 2 * GAP),
        fill=INK,
        font=large,
    )
    x, y = GAP, 38
    for word, color in montage.key:
        draw.rectangle((x, y + 1, x + 14, y + 15), fill=color, outline=INK)
        draw.text((x + 20, y), word, fill=INK, font=words)
        x += 20 + int(draw.textlength(word, font=words)) + 18
    y += 26 if montage.key else 0
    for at, (line, color) in enumerate(lines):
        draw.text((GAP, y + 24 * at), fit_text(draw, line, words, width - 2 * GAP), fill=color, font=words)
    for number, tile in enumerate(tiles):
        x = GAP + (number % columns) * (side[1] + GAP)
        y = top + (number // columns) * (side[0] + label + GAP)
        for line, text in enumerate(tile.label):
            font = words if line else bold
            draw.text((x, y + 19 * line), fit_text(draw, text, font, side[1]), fill=tile.color, font=font)
        picture = np.round(np.clip(tile.picture, 0, 1) * 255).astype(np.uint8)
        picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
        canvas.paste(Image.fromarray(picture), (x, y + label))
        box = (x, y + label, x + picture.shape[1], y + label + picture.shape[0])
        if montage.pixel_size:
            draw_scale_bar(draw, box, montage.pixel_size * tile.zoom, "µm")
        else:
            draw_scale_bar(draw, box, tile.zoom, "pixels")
    return canvas


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write a picture as PNG, complete or not at all."""
    with write_whole(path) as part:
        picture.save(part, format="png", optimize=False, compress_level=6)
