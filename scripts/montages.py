"""Show control and treated wells of a plate side by side: all stains in colours, and each channel alone.

Each well is shown by one site, one without a flag where there is one, corrected for illumination as
CellProfiler corrects it. A channel has one contrast for all wells that are shown (percentiles of all their
pixels together), so that brighter is brighter. The wells are some of each control type and the treated ones
that differ most from the wells that profiles are normalized to (mean absolute z-score of all features, each
no more than 10); or those that the config names. Only the images that are shown are read.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from lib.controls import control_kinds
from lib.logs import logged
from lib.pictures import (
    Montage,
    Tile,
    chosen_wells,
    colours,
    composite,
    corrected,
    draw_montage,
    limits,
    middle,
    name_of,
    read_channel,
    read_function,
    save_picture,
    sized,
    stretched,
)
from lib.tables import feature_columns, read_profiles, whole
from lib.wells import well_name

logger = logging.getLogger("platewise")

COLUMNS = 4
FIELD = 720  # pixels of an image that are shown, from its middle
SIDE = 480  # of a tile
LARGEST_Z = 10


def strengths(profiles: pd.DataFrame) -> pd.Series:
    """How much each well of normalized profiles differs: mean |z| over the features, each at most 10."""
    values = profiles[feature_columns(profiles)].abs().clip(upper=LARGEST_Z)
    return values.mean(axis=1).fillna(0)


def candidates(
    profiles: pd.DataFrame, images: pd.DataFrame, flags: pd.DataFrame, column: str, negcon: str
) -> pd.DataFrame:
    """The wells that have images and cells: `well`, `kind`, `sample`, `rank`, `name`, `strength`.

    A well with a flagged site has the last rank: a fault changes a profile, too.
    """
    kind = profiles.get(f"Metadata_{column}", pd.Series("", index=profiles.index))
    table = pd.DataFrame(
        {
            "well": profiles["Metadata_Well"],
            "kind": control_kinds(kind, negcon),
            "sample": profiles.get("Metadata_broad_sample", pd.Series("", index=profiles.index)),
            "strength": strengths(profiles),
            "name": [name_of(row) for row in profiles.to_dict("records")],
            "cells": profiles["Metadata_Count_Cells"],
        }
    )
    faulty = set(flags.loc[flags["Metadata_Site"].notna(), "Metadata_Well"])
    table["rank"] = table["well"].isin(faulty) - table["strength"] / LARGEST_Z
    return table[table["well"].isin(images["Metadata_Well"]) & (table["cells"] > 0)]


def sites_to_show(images: pd.DataFrame, flags: pd.DataFrame, wells: Sequence[str]) -> list[dict[str, str]]:
    """One row of the image table a well: its first site without a flag, or its first."""
    flagged = set(zip(flags["Metadata_Well"], flags["Metadata_Site"], strict=True))
    found = []
    for well in wells:
        rows = images[images["Metadata_Well"] == well].to_dict("records")
        clean = [row for row in rows if (well, row["Metadata_Site"]) not in flagged]
        found.append((clean or rows)[0])
    return found


def labels(shown: Sequence[Mapping[str, str]], wells: pd.DataFrame) -> list[list[str]]:
    """Two lines a tile: where it is, and what is in it."""
    about = wells.set_index("well")
    found = []
    for row in shown:
        well = about.loc[row["Metadata_Well"]]
        kind = f" ({well['kind']})" if well["kind"] else ""
        where = f"{row['Metadata_Well']} site {row['Metadata_Site']}"
        found.append([where, f"{well['name']}{kind}"])
    return found


def main(
    images: pd.DataFrame,
    wells: pd.DataFrame,
    shown: Sequence[Mapping[str, str]],
    channels: Sequence[Mapping[str, Any]],
    functions: Mapping[str, str | Path],
    outputs: Mapping[str, str | Path],
    options: Mapping[str, Any],
) -> None:
    """Draw the montages.

    Args:
        images: the plate's load_data.csv.
        wells: from `candidates`.
        shown: from `sites_to_show`.
        channels: of the assay.
        functions: the illumination function's file of each channel.
        outputs: where the picture of each channel goes, and of the `composite`.
        options: `apply` (of the illumination), `pixel_size`.
    """
    plate = images["Metadata_Plate"].iloc[0]
    said = labels(shown, wells)
    tiles: dict[str, list[np.ndarray]] = {}
    ranges = {}
    zoom = 1.0
    for channel in channels:
        name = channel["name"]
        function = None if options["apply"] == "None" else read_function(functions[name])
        fields = []
        for row in shown:
            field = middle(corrected(read_channel(row, name), function, options["apply"]), FIELD)
            fields.append(sized(field, SIDE))
            zoom = max(field.shape) / max(fields[-1].shape)
        ranges[name] = limits(fields)
        tiles[name] = [stretched(field, ranges[name]) for field in fields]

    def montage(heading: str, pictures: Sequence[np.ndarray], note: str, **more: Any) -> Montage:
        pieces = [Tile(picture, label, zoom) for picture, label in zip(pictures, said, strict=True)]
        return Montage(heading, pieces, COLUMNS, options["pixel_size"], note=note, **more)

    for channel in channels:
        name, stain = channel["name"], channel["stain"]
        black, white = ranges[name]
        note = f"one contrast for all wells: black {black:.4f}, white {white:.4f} of full scale"
        heading = f"Plate {plate}: {name}" + (f" ({stain})" if stain else "")
        save_picture(draw_montage(montage(heading, tiles[name], note)), outputs[name])
    colour_of = colours(channels)
    key = [
        (f"{c['name']} ({c['stain']})" if c["stain"] else c["name"], colour_of[c["name"]])
        for c in channels
        if c["name"] in colour_of
    ]
    together = [
        composite({name: tiles[name][at] for name in colour_of}, colour_of) for at in range(len(shown))
    ]
    note = "one contrast of each channel for all wells"
    save_picture(draw_montage(montage(f"Plate {plate}", together, note, key=key)), outputs["composite"])


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        params, inputs = snakemake.params, snakemake.input
        table = pd.read_csv(inputs.load_data, dtype=str)
        flags = pd.read_csv(inputs.flags, dtype=str)
        known = candidates(read_profiles(inputs.profiles), table, flags, params.column, params.negcon)
        seed = [params.montages["seed"], crc32(params.plate.encode())]
        choice = chosen_wells(
            known,
            [well_name(well) for well in params.montages["wells"]],
            params.montages["controls"],
            params.montages["treated"],
            params.negcon,
            np.random.default_rng(seed),
        )
        rows = sites_to_show(table, flags, choice)
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
        with whole(snakemake.output.wells) as path:
            sites = {row["Metadata_Well"]: row["Metadata_Site"] for row in rows}
            about = known.set_index("well").loc[choice, ["kind", "sample", "name", "cells", "strength"]]
            about.insert(0, "Metadata_Site", [sites[well] for well in choice])
            about.rename_axis("Metadata_Well").to_csv(path)
