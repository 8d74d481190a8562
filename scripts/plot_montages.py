"""Plot control and treated wells of a plate side by side: all stains in color, and each channel alone.

Each well is represented by one site, without a flag if possible, corrected for illumination as in
CellProfiler. A channel has the same contrast in all wells (percentiles of their pixels together), so that
brightness can be compared. The wells are some of each control type and the treated wells with the strongest
profiles (mean absolute z-score over all features, each limited to 10), or those that the config names. Only
the images in the montages are read.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from lib.controls import find_control_kinds
from lib.illumination import correct, read_function
from lib.logs import log_to
from lib.perturbation_names import name_content
from lib.pictures import (
    Montage,
    Tile,
    choose_colors,
    choose_wells,
    compose,
    crop_center,
    draw_montage,
    find_contrast,
    read_channel,
    resize_to_tile,
    save_picture,
    stretch,
)
from lib.tables import EMPTY_IS_MISSING, get_features, read_profiles, write_whole
from lib.wells import get_well_name

logger = logging.getLogger("platewise")

COLUMNS = 4
FIELD = 720  # side length of the central part of an image that is drawn, in pixels
SIDE = 480  # side length of a tile, in pixels
LARGEST_Z = 10


def measure_strengths(profiles: pd.DataFrame) -> pd.Series:
    """Return the strength of each normalized profile: mean |z| over the features, each limited to 10."""
    values = profiles[get_features(profiles)].abs().clip(upper=LARGEST_Z)
    return values.mean(axis=1).fillna(0)


def find_candidates(
    profiles: pd.DataFrame, images: pd.DataFrame, flags: pd.DataFrame, column: str, negcon: str
) -> pd.DataFrame:
    """Find the wells with images and cells: `well`, `kind`, `sample`, `rank`, `name`, `strength`.

    Wells with a flagged site are ranked last, because a fault changes a profile as well.

    Parameters
    ----------
    profiles : the plate's normalized profiles.
    images : one row per site with images.
    flags : the plate's flags.
    column : the column that marks controls, without its `Metadata_`.
    negcon : its value for negative controls.
    """
    kind = profiles.get(f"Metadata_{column}", pd.Series("", index=profiles.index))
    table = pd.DataFrame(
        {
            "well": profiles["Metadata_Well"],
            "kind": find_control_kinds(kind, negcon),
            "sample": profiles.get("Metadata_broad_sample", pd.Series("", index=profiles.index)),
            "strength": measure_strengths(profiles),
            "name": [name_content(row) for row in profiles.to_dict("records")],
            "cells": profiles["Metadata_Count_Cells"],
        }
    )
    faulty = set(flags.loc[flags["Metadata_Site"].notna(), "Metadata_Well"])
    table["rank"] = table["well"].isin(faulty) - table["strength"] / LARGEST_Z
    return table[table["well"].isin(images["Metadata_Well"]) & (table["cells"] > 0)]


def choose_sites(images: pd.DataFrame, flags: pd.DataFrame, wells: Sequence[str]) -> list[dict[str, str]]:
    """Choose one row of the image table per well: its first site without a flag, or its first site."""
    flagged = set(zip(flags["Metadata_Well"], flags["Metadata_Site"], strict=True))
    sites = []
    for well in wells:
        rows = images[images["Metadata_Well"] == well].to_dict("records")
        clean = [row for row in rows if (well, row["Metadata_Site"]) not in flagged]
        sites.append((clean or rows)[0])
    return sites


def write_labels(sites: Sequence[Mapping[str, str]], wells: pd.DataFrame) -> list[list[str]]:
    """Write two lines per tile: its position and its content."""
    about = wells.set_index("well")
    labels = []
    for row in sites:
        well = about.loc[row["Metadata_Well"]]
        kind = f" ({well['kind']})" if well["kind"] else ""
        where = f"{row['Metadata_Well']} site {row['Metadata_Site']}"
        labels.append([where, f"{well['name']}{kind}"])
    return labels


def main(
    images: pd.DataFrame,
    wells: pd.DataFrame,
    sites: Sequence[Mapping[str, str]],
    channels: Sequence[Mapping[str, Any]],
    functions: Mapping[str, str | Path],
    outputs: Mapping[str, str | Path],
    options: Mapping[str, Any],
) -> None:
    """Plot the montages.

    Parameters
    ----------
    images
        The plate's image table.
    wells
        The wells that may be drawn, from `find_candidates`.
    sites
        The sites to draw, from `choose_sites`.
    channels
        The channels of the assay.
    functions
        The illumination function's file of each channel.
    outputs
        The picture's file of each channel and of the `composite`.
    options
        `apply` (how illumination is corrected) and `pixel_size` (micrometers, or None).
    """
    plate = images["Metadata_Plate"].iloc[0]
    labels = write_labels(sites, wells)
    tiles: dict[str, list[np.ndarray]] = {}
    ranges = {}
    zoom = 1.0
    for channel in channels:
        name = channel["name"]
        function = None if options["apply"] == "None" else read_function(functions[name])
        fields = []
        for row in sites:
            field = crop_center(correct(read_channel(row, name), function, options["apply"]), FIELD)
            fields.append(resize_to_tile(field, SIDE))
            zoom = max(field.shape) / max(fields[-1].shape)
        ranges[name] = find_contrast(fields)
        tiles[name] = [stretch(field, ranges[name]) for field in fields]

    def montage(heading: str, pictures: Sequence[np.ndarray], note: str, **more: Any) -> Montage:
        pieces = [Tile(picture, label, zoom) for picture, label in zip(pictures, labels, strict=True)]
        return Montage(heading, pieces, COLUMNS, options["pixel_size"], note=note, **more)

    for channel in channels:
        name, stain = channel["name"], channel["stain"]
        black, white = ranges[name]
        note = f"same contrast in all wells: black {black:.4f}, white {white:.4f} of full scale"
        heading = f"Plate {plate}: {name}" + (f" ({stain})" if stain else "")
        save_picture(draw_montage(montage(heading, tiles[name], note)), outputs[name])
    colors = choose_colors(channels)
    key = [
        (f"{c['name']} ({c['stain']})" if c["stain"] else c["name"], colors[c["name"]])
        for c in channels
        if c["name"] in colors
    ]
    composites = [compose({name: tiles[name][at] for name in colors}, colors) for at in range(len(sites))]
    note = "each channel with the same contrast in all wells"
    save_picture(draw_montage(montage(f"Plate {plate}", composites, note, key=key)), outputs["composite"])


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        params, inputs = snakemake.params, snakemake.input
        table = pd.read_csv(inputs.load_data, dtype=str, **EMPTY_IS_MISSING)
        flags = pd.read_csv(inputs.flags, dtype=str, **EMPTY_IS_MISSING)
        known = find_candidates(read_profiles(inputs.profiles), table, flags, params.column, params.negcon)
        seed = [params.montages["seed"], crc32(params.plate.encode())]
        choice = choose_wells(
            known,
            [get_well_name(well) for well in params.montages["wells"]],
            params.montages["controls"],
            params.montages["treated"],
            params.negcon,
            np.random.default_rng(seed),
        )
        rows = choose_sites(table, flags, choice)
        names = [channel["name"] for channel in params.channels]
        main(
            table,
            known,
            rows,
            params.channels,
            dict(zip(names, inputs.functions, strict=True)),
            {
                "composite": snakemake.output.composite,
                **dict(zip(names, snakemake.output.channels, strict=True)),
            },
            {"apply": params.apply, "pixel_size": params.pixel_size},
        )
        with write_whole(snakemake.output.wells) as path:
            sites = {row["Metadata_Well"]: row["Metadata_Site"] for row in rows}
            about = known.set_index("well").loc[choice, ["kind", "sample", "name", "cells", "strength"]]
            about.insert(0, "Metadata_Site", [sites[well] for well in choice])
            about.rename_axis("Metadata_Well").to_csv(path)
