"""A small table of published profiles that the cases of profiles change."""

import gzip

import numpy as np
import pandas as pd
import pytest

from export import convert_to_anndata
from import_profiles import read_plate_profiles
from lib.errors import InputError

PLATE = {
    "batch": "B",
    "plate": "P1",
    "plate_map": "",
    "perturbation": "compound",
    "cell_line": "",
    "timepoint": "",
    "profiles": "x",
    "level": "augmented",
}

# Each format writes the table to a path.
FORMATS = {
    "semicolon.csv": lambda table, path: table.to_csv(path, index=False, sep=";"),
    "comma.csv": lambda table, path: table.to_csv(path, index=False, sep=";", decimal=","),
    "tab.csv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "tab_comma.txt": lambda table, path: table.to_csv(path, index=False, sep="\t", decimal=","),
    "excel.csv": lambda table, path: table.to_csv(
        path, index=False, encoding="utf-8-sig", lineterminator="\r\n"
    ),
    "unicode.txt": lambda table, path: table.to_csv(path, index=False, sep="\t", encoding="utf-16"),
    "told.csv": lambda table, path: path.write_text("sep=;\n" + table.to_csv(index=False, sep=";")),
    "bar.csv": lambda table, path: table.to_csv(path, index=False, sep="|"),
    "below.csv": lambda table, path: path.write_text("\n,,\n" + table.to_csv(index=False)),
    "lower.csv": lambda table, path: table.rename(
        columns=lambda name: name.replace("Metadata_", "metadata_")
    ).to_csv(path, index=False),
    "packed.csv.gz": lambda table, path: table.to_csv(path, index=False),
    "packed.csv": lambda table, path: path.write_bytes(gzip.compress(table.to_csv(index=False).encode())),
    "table.parquet": lambda table, path: table.to_parquet(path),
    "table.pq": lambda table, path: table.to_parquet(path),
    "table.csv": lambda table, path: table.to_parquet(path),
    "table.feather": lambda table, path: table.to_feather(path),
    "table.h5ad": lambda table, path: convert_to_anndata(table, {}, "augmented").write_h5ad(path),
    "category.parquet": lambda table, path: table.astype({"Metadata_broad_sample": "category"}).to_parquet(
        path
    ),
    "index.parquet": lambda table, path: table.set_index("Metadata_Well").to_parquet(path),
    "index.csv": lambda table, path: table.to_csv(path),
}


def make_profiles() -> pd.DataFrame:
    """Six wells of two plates' worth of values, as a recipe writes them."""
    values = np.random.default_rng(1).normal(size=(6, 3))
    return pd.DataFrame(
        {
            "Metadata_Plate": "P1",
            "Metadata_Well": ["A01", "A02", "A03", "B01", "B02", "B03"],
            "Metadata_broad_sample": ["x", "y", "DMSO", "x", "y", "DMSO"],
            "Metadata_control_type": ["", "", "negcon"] * 2,
            "Metadata_Count_Cells": [90, 80, 70, 60, 50, 40],
            "Cells_AreaShape_Area": values[:, 0],
            "Cells_Texture_Contrast_DNA_3_00_256": values[:, 1] * 1e-7,
            "Nuclei_Intensity_MeanIntensity_DNA": values[:, 2] * 1e5,
        }
    )


def read(path, plate=PLATE, sharing=("P1",), metadata=()) -> pd.DataFrame:
    return read_plate_profiles(path, plate, sharing, metadata=metadata)


def get_refusal(path, **arguments) -> str:
    with pytest.raises(InputError) as error:
        read(path, **arguments)
    return str(error.value)
