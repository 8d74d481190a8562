"""A plate of a sample sheet and its measured wells that the cases of tables use."""

import pandas as pd

from lib.config import complete_config

PLATE = {
    "batch": "B",
    "plate": "P1",
    "plate_map": "map.txt",
    "perturbation": "compound",
    "cell_line": "U2OS",
    "timepoint": "48",
    "profiles": "x",
    "level": "augmented",
}


COMPLETE = complete_config({"results": "r", "plates": "plates.tsv"}, "config.yaml")


MEASURED = pd.DataFrame(
    {
        "Metadata_Plate": "P1",
        "Metadata_Well": ["A01", "A02", "A03"],
        "Metadata_Count_Cells": [90, 80, 70],
        "Metadata_Count_Sites": 9,
        "Cells_F": [1.0, 2, 3],
    }
)
