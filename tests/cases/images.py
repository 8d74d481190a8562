"""A small plate of images that the cases of images change."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from lib.errors import InputError
from load_data import load_data

CHANNELS = {"1": "AGP", "2": "RNA", "5": "DNA"}


PLATE = {"batch": "B", "plate": "0012"}


WELLS = ("B02", "B03", "C02", "C03")


def pixels(well, channel, top=3000):
    """Pixels of an image like no other: (12, 10), from 200 to `top`."""
    random = np.random.default_rng([WELLS.index(well), int(channel)])
    found = random.integers(200, top, (12, 10)).astype(np.uint16)
    found[0, 0] = top
    return found


def write_plate(folder, change=lambda image, well, channel: image, ending="tif", **how):
    """The images of a plate of four wells and three channels; `change` makes another image of each."""
    folder.mkdir()
    for well in WELLS:
        for channel in CHANNELS:
            image = change(pixels(well, channel), well, channel)
            if image is not None:
                tifffile.imwrite(folder / f"{well}_{channel}.{ending}", image, **how)
    return folder


def read(images, bad_sites="error", **how):
    """The image table of a plate."""
    pattern = r"(?P<well>[A-P]\d\d)_(?P<channel>\d)\.\w+$"
    return load_data(Path(images), PLATE, CHANNELS, pattern, bad_sites, 2, **how)


def get_refusal(images, **how):
    """The messages about a plate's images."""
    with pytest.raises(InputError) as error:
        read(images, **how)
    return str(error.value)
