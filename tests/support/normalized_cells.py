"""Normalized cells of a plate of finished results, computed by the scripts alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

import export_cells
import normalize_cells
from lib.config import complete_config
from lib.tables import read_profiles
from small_config import SMALL


def normalize_plate(results: Path, batch: str, plate: str, folder: Path, selected: str | None) -> Path:
    """Write the normalized cells of a plate as Parquet, h5ad and zarr; return the path without its suffix.

    `selected`: the level whose features the cells have, as the suffix of the profiles' file; None for all.
    """
    config = complete_config(dict(SMALL), "config.yaml")
    profiles = results / "workspace/profiles" / batch / plate
    inputs = {
        "cells": results / "workspace/backend" / batch / plate / f"{plate}.parquet",
        "profiles": profiles / f"{plate}_augmented.parquet",
        "selected": profiles / f"{plate}_{selected}.parquet" if selected else None,
        "flags": None,
        "cell_flags": None,
    }
    parameters = {
        "plate": plate,
        "method": "mad_robustize",
        "reference": "negcon",
        **config["controls"],
        "exclude_features": config["aggregate"]["exclude_features"],
        "unwanted": [],
        "exclude_flagged_cells": False,
    }
    stem = folder / plate
    outputs = {"cells": stem.with_suffix(".parquet"), "dropped": folder / "dropped.csv"}
    normalize_cells.main(inputs, outputs, parameters)
    for kind in ("h5ad", "zarr"):
        export_cells.main(outputs["cells"], stem.with_suffix(f".{kind}"), ["DNA", "GFP", "ER", "RNA"])
    return stem


def largest_difference(results: Path, batch: str, plate: str, stem: Path) -> float:
    """Compare the mean of each well's normalized cells with the arithmetic on its profile.

    Returns
    -------
    The largest difference between (mean - median of the control cells) / (1.4826 MAD of the control cells)
    and the mean of the normalized cells, relative to the larger of 1 and the value.
    """
    cells = pq.read_table(stem.with_suffix(".parquet")).to_pandas()
    features = [name for name in cells if not name.startswith("Metadata_")]
    raw = pq.read_table(results / "workspace/backend" / batch / plate / f"{plate}.parquet").to_pandas()
    profiles = read_profiles(results / "workspace/profiles" / batch / plate / f"{plate}_augmented.parquet")
    profiles = profiles.set_index("Metadata_Well")
    controls = profiles.index[profiles["Metadata_control_type"] == "negcon"]
    reference = raw.loc[raw["Metadata_Well"].isin(controls), features].astype(float)
    center = reference.median()
    spread = 1.4826 * (reference - center).abs().median()
    means = cells.groupby("Metadata_Well", observed=True)[features].mean()
    expected: pd.DataFrame = (profiles.loc[means.index, features] - center) / spread
    return float(np.nanmax(np.abs(means - expected) / np.maximum(1, np.abs(expected))))
