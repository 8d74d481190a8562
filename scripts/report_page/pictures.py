"""Pictures in the page: small copies as data URIs, each a link to the full picture in the results."""

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jinja2 import ChainableUndefined, Environment
from PIL import Image

from report_page.results import Results

WIDEST, NARROWEST = 1600, 160  # pixels; shown at half a page, enlarged by a click
TYPICAL_BYTES = 0.12  # per pixel of a figure, as WebP
# Of the page's 60 MB: base64 adds a third, and thumbnails, features and tables need room, too.
BYTES_OF_PLATES = 8_000_000
BYTES_OF_CONDITIONS = 7_000_000
MOST_BYTES = 160_000
QUALITY = 80
# Pictures in the order in which they are read; others follow.
ORDER = (
    "plate_maps",
    "percent_replicating",
    "percent_matching",
    "mean_average_precision",
    "mean_average_precision_matching",
    "dropped_features",
    "replicate_null",
    "replicate_correlations",
    "profile_maps",
    "changed_features",
    "position_effects",
    "heatmaps",
    "illumination",
    "montage_composite",
)
# A montage of a 1,536-well plate is a large picture, not an attack.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Picture:
    """One figure of the page."""

    file: str
    title: str
    alt: str
    caption: str
    link: str
    data: str
    width: int
    height: int

    @property
    def name(self) -> str:
        """Return the file's name without its folder and suffix: `percent_replicating`."""
        return Path(self.file).stem


def link_to(file: str) -> str:
    """Return the address of a file in the results folder, relative to the page in `report/`."""
    return "../" + quote(file)


def shrink_picture(path: str | Path, allowed: int) -> tuple[bytes, int, int]:
    """Return a picture as WebP of at most `allowed` bytes, but at least 160 pixels wide: bytes and size."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    widest = min(WIDEST, picture.width)
    narrowest = min(NARROWEST, picture.width)
    width = math.sqrt(allowed / TYPICAL_BYTES * picture.width / picture.height)
    found = encode_picture(picture, int(np.clip(width, narrowest, widest)))
    if len(found[0]) < allowed / 2 and found[1] < widest:
        found = encode_picture(picture, min(widest, int(found[1] * math.sqrt(0.8 * allowed / len(found[0])))))
    while len(found[0]) > allowed and found[1] > narrowest:
        smaller = found[1] * min(0.9, math.sqrt(0.9 * allowed / len(found[0])))
        found = encode_picture(picture, max(narrowest, int(smaller)))
    return found


def encode_picture(picture: Image.Image, width: int) -> tuple[bytes, int, int]:
    """Return a picture as WebP at a width: bytes, width, height."""
    size = (width, max(1, round(picture.height * width / picture.width)))
    buffer = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3).save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue(), *size


def compute_allowance(number: int, budget: int) -> int:
    """Return how many bytes each of `number` pictures may have."""
    return min(MOST_BYTES, budget // max(number, 1))


def make_picture(results: Results, file: str, caption: tuple[str, str], bytes_allowed: int) -> Picture:
    """Create a figure of the page from a picture of the results, with title and caption.

    Parameters
    ----------
    results
        The results folder.
    file
        The picture's path in the results.
    caption
        The figure's title and text.
    bytes_allowed
        How many bytes the picture may have.
    """
    content, width, height = shrink_picture(results.path(file), bytes_allowed)
    data = "data:image/webp;base64," + base64.b64encode(content).decode()
    title, text = caption
    return Picture(file, title, write_alt_text(title, text), text, link_to(file), data, width, height)


def write_alt_text(title: str, caption: str) -> str:
    """Return the alternative text of a picture: the title, and the caption's first sentence."""
    first = re.split(r"(?<=[.:])\s", caption, maxsplit=1)[0]
    return f"{title}. {first}" if first else title


def read_caption(
    folder: str | Path, name: str, wildcards: Mapping[str, str], relation: str = "gene"
) -> tuple[str, str]:
    """Return a figure's title and text: the paragraphs of its caption in `snakemake --report`.

    Without a caption the file's name is the title: `replicate_null` is `Replicate null`.

    Parameters
    ----------
    folder
        The folder of the captions.
    name
        The name of the caption, without its suffix.
    wildcards
        The wildcards that the caption mentions, with their values.
    relation
        What matching perturbations share.
    """
    file = Path(folder) / f"{name}.rst"
    if not file.exists():
        words = re.sub(r"[_\s]+", " ", name).strip()
        return words[:1].upper() + words[1:], ""
    title, text = (
        Environment(undefined=ChainableUndefined, autoescape=False)
        .from_string(paragraph)
        .render(snakemake={"wildcards": dict(wildcards), "params": {"relation": relation}})
        for paragraph in file.read_text().split("\n\n", 1)
    )
    return " ".join(title.split()), " ".join(text.replace("``", "").split())


def sort_pictures(files: Sequence[str]) -> list[str]:
    """Return pictures in reading order."""
    place = {name: number for number, name in enumerate(ORDER)}
    return sorted(files, key=lambda file: (place.get(Path(file).stem, len(ORDER)), file))
