"""Find nuclei or cells in a chunk of a plate's sites with a deep network; write a label image per site.

The network sees the images that CellProfiler measures: read in the same way, and corrected for
illumination. For cells, it sees the channel of the cells and that of the nuclei. The label images are
then processed like those of other programs (`label_images.py`).
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from features import get_chunk_rows
from lib.errors import InputError
from lib.files import write_whole_folder
from lib.illumination import correct, read_function
from lib.image_files import MAXIMUM, read_intensities
from lib.label_images import name_numbered_labels
from lib.logs import log_to
from lib.plates import read_table
from lib.segmentation_networks import ABOUT, MODEL, choose_device, drop_small, load_network
from lib.sites import get_site_name

logger = logging.getLogger("platewise")


def read_site(
    row: Mapping[str, str], channels: Sequence[str], functions: Mapping[str, np.ndarray], apply: str
) -> np.ndarray:
    """Read the channels of a site, corrected for illumination.

    Parameters
    ----------
    row
        The site's row of the image table.
    channels
        The channels, in the order in which the network sees them.
    functions
        The illumination function of each channel.
    apply
        `Divide`, `Subtract` or `None`.

    Returns
    -------
    (channels, rows, columns), float32 from 0 to 1.

    Raises
    ------
    InputError
        If an image is not one plane, or has another size than the first.
    """
    images = []
    for channel in channels:
        path = Path(row[f"PathName_Orig{channel}"], row[f"FileName_Orig{channel}"])
        image = read_intensities(path, row.get(MAXIMUM))
        if image.ndim == 3 and image.shape[-1] in (3, 4):
            image = image[..., :3].mean(axis=-1)
        if image.ndim != 2 or (images and image.shape != images[0].shape):
            sizes = f", and {channels[0]} is {images[0].shape}" if images else ""
            raise InputError(
                f"{path} is {image.shape}{sizes}; the channels of a site must have the same size."
            )
        images.append(correct(image, functions.get(channel), apply))
    return np.stack(images).astype(np.float32)


def main(options: argparse.Namespace) -> None:
    """Write the label images of one chunk."""
    _, rows = read_table(options.load_data)
    chosen = get_chunk_rows(len(rows), options.chunk, options.chunks)
    settings: dict[str, Any] = json.loads(options.settings)
    functions = {} if options.apply == "None" else dict(zip(options.channels, options.functions, strict=True))
    functions = {channel: read_function(path) for channel, path in functions.items()}
    with write_whole_folder(Path(options.output)) as folder:
        if chosen is None:
            logger.info("%s has %d sites: none for this chunk", options.plate, len(rows))
            return
        about = json.loads(Path(options.network, ABOUT).read_text())
        device = choose_device(about["method"])
        find = load_network(about["method"], Path(options.network, MODEL), device, about["model"])
        logger.info("%s %s with %s, on %s", about["method"], about["version"], about["model"], device)
        for row in rows[chosen[0] - 1 : chosen[1]]:
            well, site = row["Metadata_Well"], get_site_name(row["Metadata_Site"])
            image = read_site(row, options.channels, functions, options.apply)
            labels = drop_small(find(image, options.objects, settings), settings["smallest"])
            path = folder / name_numbered_labels(well, site, options.objects)
            tifffile.imwrite(path, labels.astype(np.uint32), compression="zlib", photometric="minisblack")
            number = len(np.unique(labels[labels > 0]))
            logger.info(
                "%s, well %s, site %s: %d %s", options.plate, well, site, number, options.objects.lower()
            )


def define_options() -> argparse.ArgumentParser:
    """Define the script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", required=True, help="folder that segmentation_network.py wrote")
    parser.add_argument("--plate", required=True)
    parser.add_argument("--objects", required=True, choices=["Nuclei", "Cells"])
    parser.add_argument("--load-data", required=True, help="the plate's image table")
    parser.add_argument(
        "--channels", nargs="+", required=True, help="in the order in which the network sees them"
    )
    parser.add_argument("--functions", nargs="+", required=True, help="illumination function of each channel")
    parser.add_argument("--apply", required=True, choices=["Divide", "Subtract", "None"])
    parser.add_argument("--settings", required=True, help="as JSON: assay.nuclei.network and the pixel size")
    parser.add_argument("--chunk", required=True, type=int, help="from 0")
    parser.add_argument("--chunks", required=True, type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True)
    return parser


if __name__ == "__main__":
    import os

    arguments = define_options().parse_args()
    # The libraries read these variables when they are imported, which happens with the network.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(arguments.threads)
    with log_to(arguments.log):
        main(arguments)
