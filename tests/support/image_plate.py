"""A plate of small random images with a cell table, for tests of crops."""

from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from lib.tables import write_profiles

CHANNELS = ("DNA", "ER")
SHAPE = (40, 50)


def write_plate(folder: Path, cells: dict[str, list[tuple[float, float]]]) -> dict[str, Path]:
    """Write images, image table, flat illumination functions, label images, cells and annotated profiles.

    Parameters
    ----------
    folder
        Where to write; it becomes a results folder for batch B and plate P.
    cells
        The centers (x, y) of the cells of each well; each well has one site.

    Returns
    -------
    Paths of `cells`, `profiles`, `load_data`, `labels` (a folder) and of the functions by channel.
    """
    generator = np.random.default_rng(0)
    paths = {
        "cells": folder / "workspace/backend/B/P/P.parquet",
        "load_data": folder / "workspace/load_data_csv/B/P/load_data_with_illum.csv",
        "profiles": folder / "workspace/profiles/B/P/P_augmented.parquet",
        "labels": folder / "chunk_0",
    }
    paths |= {name: folder / f"images/B/illum/P/P_Illum{name}.npy" for name in CHANNELS}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    (paths["labels"] / "labels").mkdir(parents=True)
    rows, table = [], []
    for number, (well, centers) in enumerate(cells.items(), start=1):
        row = {"Metadata_Well": well, "Metadata_Site": "1"}
        for name in CHANNELS:
            file = f"{well}_{name}.tiff"
            tifffile.imwrite(folder / file, generator.integers(100, 60000, SHAPE).astype(np.uint16))
            row |= {f"FileName_Orig{name}": file, f"PathName_Orig{name}": folder}
        rows.append(row)
        labels = np.zeros(SHAPE, np.uint16)
        for cell, (x, y) in enumerate(centers, start=1):
            labels[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3] = cell
            table.append(("P", well, "1", number, cell, x, y))
        tifffile.imwrite(paths["labels"] / "labels" / f"{well}_s1--labels.tiff", labels)
    for name in CHANNELS:
        np.save(paths[name], np.full(SHAPE, 2.0))
    pd.DataFrame(rows).to_csv(paths["load_data"], index=False)
    keys = ("Plate", "Well", "Site", "ImageNumber", "ObjectNumber")
    columns = [*(f"Metadata_{key}" for key in keys), "Nuclei_Location_Center_X", "Nuclei_Location_Center_Y"]
    frame = pd.DataFrame(table, columns=columns)
    frame.astype(dict.fromkeys(columns[:3], "str")).to_parquet(paths["cells"], row_group_size=3)
    wells = {"Metadata_Well": list(cells), "Metadata_Count_Cells": [len(some) for some in cells.values()]}
    wells |= {"Metadata_Plate": "P", "Metadata_control_type": ["negcon"] + [pd.NA] * (len(cells) - 1)}
    write_profiles(pd.DataFrame(wells), paths["profiles"], {})
    return paths
