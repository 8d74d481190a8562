"""A plate of random cells with its annotated profiles, for tests of single cells."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import aggregate
from lib.tables import write_profiles

FEATURES = (
    "Nuclei_AreaShape_Area",
    "Cells_Intensity_MeanIntensity_DNA",
    "Cells_Texture_Contrast_ER_3_00_256",
)
CENTER = ("Nuclei_Location_Center_X", "Nuclei_Location_Center_Y")
CONTROLS = ("A01", "A02", "A03")


def write_plate(
    folder: Path,
    numbers: dict[str, int],
    order: Sequence[str] | None = None,
    features: Sequence[str] = FEATURES,
    batch: str = "B",
    plate: str = "P",
    rows: int = 7,
    seed: int = 0,
) -> dict[str, Path]:
    """Write a single-cell table, the table of sites, and the profiles.

    Parameters
    ----------
    folder
        Where to write.
    numbers
        The number of cells of each well; `CONTROLS` are negative controls.
    order
        The well of each cell in the order of the table; by default well after well.
    features
        The names of the features, and of other columns of the compartments.
    batch, plate
        Names.
    rows
        Rows per row group.
    seed
        Seed of the values.

    Returns
    -------
    Paths of `cells`, `image` and `profiles` (annotated).
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    wells = list(order if order is not None else np.repeat(list(numbers), list(numbers.values())))
    table = pd.DataFrame(
        {
            "Metadata_Plate": [plate] * len(wells),
            "Metadata_Well": wells,
            "Metadata_Site": ["1"] * len(wells),
            "Metadata_ImageNumber": [list(numbers).index(well) + 1 for well in wells],
            "Metadata_ObjectNumber": pd.Series(wells).groupby(wells).cumcount().to_numpy() + 1,
        }
    )
    for name in features:
        table[name] = generator.lognormal(3, 1, len(wells)).astype("float32")
    table = table.astype(dict.fromkeys(["Metadata_Plate", "Metadata_Well", "Metadata_Site"], "str"))
    paths = {name: folder / f"{name}.parquet" for name in ("cells", "image", "profiles")}
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), paths["cells"], row_group_size=rows)
    keys = {"Metadata_Plate": plate, "Metadata_Well": list(numbers), "Metadata_Site": "1"}
    pd.DataFrame(keys).to_parquet(paths["image"])
    profiles = aggregate.aggregate(paths["cells"], paths["image"], "mean", ["^Location_"])
    profiles.insert(0, "Metadata_Batch", batch)
    kinds = ["negcon" if well in CONTROLS else pd.NA for well in profiles["Metadata_Well"]]
    profiles.insert(3, "Metadata_control_type", pd.Series(kinds, dtype="str"))
    profiles.insert(3, "Metadata_broad_sample", [f"S-{well}" for well in profiles["Metadata_Well"]])
    write_profiles(profiles, paths["profiles"], {})
    return paths
