"""Guess what the channels of a plate are: by the dye in their names, else by what their images show."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label, regionprops

from lib.stains import NO_STAIN, NUCLEI, PAINTING
from lib.surveys import Channel

# Stained channels that make an assay Cell Painting's.
PAINTED = 4
# Which channel shows whole cells, in this order.
WHOLE_CELLS = ("RNA", "AGP", "ER")
# A nucleus is a compact object of at least this area in pixels.
SMALLEST = 30
SOLID = 0.9
# Median of an image divided by its 99th percentile, above which it shows no stain: most of an image of
# stained cells is much darker than the cells (0.03 to 0.7 in CPJUMP1), and transmitted light is even (0.94).
EVEN = 0.85


def name_channels(channels: Sequence[Channel]) -> dict[str, str]:
    """Return a name for each channel by its label: letters and digits, as features are named after them."""
    words = {channel.label: channel.name or channel.label for channel in channels}
    stained = [label for label, word in words.items() if not word.isdigit() and not NO_STAIN.search(word)]
    known = [
        label for label in stained if any(dye.search(words[label]) for dye in (NUCLEI, *PAINTING.values()))
    ]
    is_painting = len(known) >= PAINTED
    names: dict[str, str] = {}
    for channel in channels:
        word = words[channel.label]
        name = "DNA" if NUCLEI.search(word) else ""
        if not name and is_painting and not NO_STAIN.search(word):
            name = next((stain for stain, pattern in PAINTING.items() if pattern.search(word)), "")
        plain = re.sub(r"[^A-Za-z0-9]", "", word)
        name = name or (plain if plain[:1].isalpha() else f"Channel{plain.lstrip('0') or 0}")
        names[channel.label] = name if name not in names.values() else f"{name}{len(names) + 1}"
    return names


def find_unstained(images: Mapping[str, Sequence[np.ndarray]]) -> list[str]:
    """Return the channels whose images show no stain: transmitted light, or nothing."""

    def is_even(image: np.ndarray) -> bool:
        bright = float(np.percentile(image, 99))
        return bright <= 0 or float(np.median(image)) > EVEN * bright

    return [name for name, of_channel in images.items() if of_channel and all(map(is_even, of_channel))]


def find_nuclei(image: np.ndarray) -> list[float]:
    """Return the diameters, in pixels, of compact objects that are brighter than the rest of an image."""
    smooth = gaussian(image.astype(np.float64), 1.5)
    if smooth.max() <= smooth.min():
        return []
    found = regionprops(label(smooth > threshold_otsu(smooth)))
    return [
        float(region.equivalent_diameter_area)
        for region in found
        if region.area >= SMALLEST and region.solidity >= SOLID
    ]


def score_nuclei(image: np.ndarray) -> float:
    """Return how much an image looks like nuclei: many compact objects that make up its bright area."""
    diameters = find_nuclei(image)
    smooth = gaussian(image.astype(np.float64), 1.5)
    bright = float((smooth > threshold_otsu(smooth)).sum()) if smooth.max() > smooth.min() else 0
    if not diameters or not bright:
        return 0.0
    compact = sum(np.pi * diameter**2 / 4 for diameter in diameters)
    return len(diameters) * (compact / bright) ** 2


def guess_nuclei(images: Mapping[str, Sequence[np.ndarray]]) -> str:
    """Return the channel whose images look most like nuclei."""
    return max(images, key=lambda name: sum(map(score_nuclei, images[name])))


def guess_diameters(images: Sequence[np.ndarray]) -> tuple[int, int]:
    """Return the smallest and largest diameter of a nucleus, in pixels, from images of nuclei."""
    diameters = [diameter for image in images for diameter in find_nuclei(image)]
    if not diameters:
        return 10, 75
    middle = float(np.median([d for d in diameters if d >= np.quantile(diameters, 0.25)]))
    return max(3, round(0.4 * middle)), max(8, round(2.2 * middle))
