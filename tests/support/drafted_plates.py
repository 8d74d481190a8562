"""Plates of small images in a folder, and the experiment that `draft` writes for them."""

from pathlib import Path

import numpy as np
import tifffile
import yaml

import draft
from lib.config import complete_config
from lib.plates import read_plates

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(200, 3000, (40, 40)).astype(np.uint16)


def draw_nuclei(size: int = 120) -> np.ndarray:
    """An image with nine round nuclei, 16 pixels wide."""
    rows, columns = np.mgrid[:size, :size]
    image = RANDOM.integers(90, 110, (size, size))
    for row in (20, 60, 100):
        for column in (20, 60, 100):
            image[(rows - row) ** 2 + (columns - column) ** 2 < 64] += 3000
    return image.astype(np.uint16)


def write_plate(
    folder: Path, form: str, wells=("A01", "B02"), channels=(1, 2), sites=(1,), kind=NOISE
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for well in wells:
        for site in sites:
            for channel in channels:
                tifffile.imwrite(folder / form.format(well=well, site=site, channel=channel), kind)
    return folder


def make(images: Path, tmp_path: Path) -> tuple[dict, list[dict], list[str]]:
    """Draft an experiment: its config, which must be valid, the rows of its sheet, and what is left."""
    folder = tmp_path / "experiment"
    tasks = draft.draft(images, folder, 2)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    complete_config(config, folder / "config.yaml")
    return config, read_plates(folder / "plates.tsv", {}), tasks
