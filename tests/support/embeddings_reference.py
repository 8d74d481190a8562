"""Embeddings computed in the simplest way: for each cell, a slice of the image and a call of timm's model.

It runs in the environment of the deep networks and uses none of the workflow's code.

    python tests/support/embeddings_reference.py --network FOLDER --cells CELLS.parquet --load-data CSV
        --channels DNA ... --functions DNA.npy ... --rows 0 1 2 ... --output FILE.npz
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import tifffile
import timm
import torch
from safetensors.torch import load_file

HALF = 112


def load_model(folder):
    """Return timm's model with the prepared weights, and its description."""
    about = json.loads((folder / "network.json").read_text())
    model = timm.create_model(about["model"], num_classes=0)
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    return model.eval(), about


def read_channel(row, channel, function):
    """Read a channel of a site, corrected for illumination, with percentiles 0.1 and 99.9 as 0 and 1."""
    image = tifffile.imread(Path(row[f"PathName_Orig{channel}"], row[f"FileName_Orig{channel}"]))
    image = image / 65535 / np.load(function)
    low, high = np.percentile(image, [0.1, 99.9])
    return np.clip((image - low) / (high - low), 0, 1)


def crop(image, y, x):
    """Return 224 x 224 pixels around a cell's center, 0 beyond the border."""
    top, left = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
    return np.pad(image, HALF)[top : top + 2 * HALF, left : left + 2 * HALF]


def embed_cell(model, about, channels, y, x):
    """Return the features of one cell, channel by channel; the model is called once."""
    mean, std = (np.array(about[name], dtype=np.float32).reshape(1, 3, 1, 1) for name in ("mean", "std"))
    crops = np.stack([crop(image, y, x) for image in channels]).astype(np.float32)
    with torch.inference_mode():
        return model(torch.from_numpy((crops[:, None].repeat(3, axis=1) - mean) / std)).numpy().ravel()


def embed(model, about, cells, load_data, channels, functions, rows, keep_images=False):
    """Return the features of some rows of the single-cell table; images are read per cell or per site."""
    names = ["Metadata_Well", "Metadata_Site", "Nuclei_Location_Center_Y", "Nuclei_Location_Center_X"]
    table = pq.read_table(cells, columns=names).to_pydict()
    with Path(load_data).open(newline="") as file:
        sites = {(row["Metadata_Well"], row["Metadata_Site"]): row for row in csv.DictReader(file)}
    found, at, images = [], None, None
    for number in rows:
        well, site, y, x = (table[name][number] for name in names)
        if images is None or not keep_images or (well, site) != at:
            pairs = zip(channels, functions, strict=True)
            at = (well, site)
            images = [read_channel(sites[at], *pair) for pair in pairs]
        found.append(embed_cell(model, about, images, y, x))
    return np.stack(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("network", "cells", "load-data", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--channels", nargs="+", required=True)
    parser.add_argument("--functions", nargs="+", required=True)
    parser.add_argument("--rows", type=int, nargs="+", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    features = embed(
        *load_model(options.network),
        options.cells,
        options.load_data,
        options.channels,
        options.functions,
        options.rows,
        keep_images=True,
    )
    np.savez(options.output, features=features)
