"""Find channels of a plate whose images are black, or without contrast."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from lib.errors import InputError, join_names, number_of
from lib.image_checks import Found, get_location_of_image, has_one_value, sample_stored
from lib.image_files import read_plane_and_scale

# Images of a channel that are checked first: a channel without contrast has none in these.
SAMPLE = 8
# An image with as few gray levels, or with one value in such a share of its pixels, is almost black.
FEW_LEVELS, SHARE_OF_ONE_VALUE = 4, 0.999


def is_almost_black(path: Path | str) -> bool:
    """Return whether an image of whole numbers has only a few gray levels, or one value almost everywhere."""
    try:
        pixels = read_plane_and_scale(path)[0]
    except InputError:
        return False
    if not pixels.size or not np.issubdtype(pixels.dtype, np.integer):
        return False
    low, high = int(pixels.min()), int(pixels.max())
    return high - low < FEW_LEVELS or bool((pixels == np.median(pixels)).mean() > SHARE_OF_ONE_VALUE)


def refuse_dead_channels(found: Sequence[Found], plate: str, threads: int) -> None:
    """Raise an InputError for a channel whose images all hold one value; warn of those that are almost black.

    A few images of a channel are checked, and all of them only if most of these hold one value.
    """
    channels: dict[str, list[Found]] = defaultdict(list)
    for image in found:
        if isinstance(image.path, Path):
            channels[image.channel].append(image)
    dead = []
    for channel, images in channels.items():
        at = np.unique(np.linspace(0, len(images) - 1, SAMPLE).astype(int))
        with ThreadPoolExecutor(threads) as pool:
            sample = [images[position] for position in at]
            if 2 * sum(pool.map(has_one_value, [image.path for image in sample])) <= len(at):
                dark = list(pool.map(is_almost_black, [image.path for image in sample]))
                if any(dark):
                    logging.warning(
                        "plate %s: %d of %s of channel %s that were examined are black, or almost without "
                        "contrast, in wells %s",
                        *(plate, sum(dark), number_of(len(sample), "image"), channel),
                        join_names(image.well for image, one in zip(sample, dark, strict=True) if one),
                    )
                continue
            flat = list(pool.map(has_one_value, [image.path for image in images]))
        if all(flat):
            dead.append((channel, images))
            continue
        wells = dict.fromkeys(image.well for image, one in zip(images, flat, strict=True) if one)
        logging.warning(
            "plate %s: %d of %s of channel %s hold one value only (black, or without contrast), in wells %s",
            plate,
            sum(flat),
            number_of(len(images), "image"),
            channel,
            join_names(wells),
        )
    warn_about_stored_images(found, plate, threads)
    if dead:
        raise InputError(
            f"Plate {plate}: nothing can be measured in images without contrast, and illumination functions "
            "of them are zero.\n  "
            + "\n  ".join(describe_dead_channel(channel, images) for channel, images in dead)
            + "\nReplace these images; or remove the channel from assay.channels in the config, or the plate "
            "from the sample sheet."
        )


def warn_about_stored_images(found: Sequence[Found], plate: str, threads: int) -> None:
    """Warn of a channel whose fetched images all hold one value; its other images are not known."""
    stored = sample_stored(found)
    with ThreadPoolExecutor(threads) as pool:
        flat = list(pool.map(has_one_value, map(get_location_of_image, stored)))
    for channel in dict.fromkeys(image.channel for image in stored):
        ones = [one for image, one in zip(stored, flat, strict=True) if image.channel == channel]
        if all(ones):
            wells = join_names(image.well for image in stored if image.channel == channel)
            logging.warning(
                "plate %s: images of channel %s hold one value (black, or without contrast), in wells %s",
                *(plate, channel, wells),
            )


def describe_dead_channel(channel: str, images: Sequence[Found]) -> str:
    """Return the message about a channel whose images hold one value each."""
    values = sorted({float(read_plane_and_scale(image.path)[0].flat[0]) for image in images[:SAMPLE]})
    values_text = join_names((f"{value:g}" for value in values), 4)
    shade = "are black (0 everywhere)" if values == [0] else f"hold one value only ({values_text})"
    return f"channel {channel}: all {number_of(len(images), 'image')} {shade}; {images[0].path} for one"
