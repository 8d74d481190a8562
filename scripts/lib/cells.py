"""The columns of a single-cell table: its keys, and the features."""

import os
import re
from collections.abc import Iterable

import pyarrow as pa

KEYS = (
    "Metadata_Plate",
    "Metadata_Well",
    "Metadata_Site",
    "Metadata_ImageNumber",
    "Metadata_ObjectNumber",
)

# A column that numbers the objects of an image is never a feature, regardless of the config.
OBJECT_NUMBER = r"^Number_Object_Number$"
NUMBER = "_Number_Object_Number"


def find_features(columns: Iterable[str], exclude: Iterable[str]) -> list[str]:
    """Find the features among the columns of a single-cell table, in the order of the table.

    Parameters
    ----------
    columns
        Names such as `Cells_AreaShape_Area`; `Metadata_*` are never features.
    exclude
        Regular expressions over the name without its compartment; a column that one of them
        matches is not a feature.
    """
    columns = list(columns)
    left_out = [re.compile(pattern) for pattern in (OBJECT_NUMBER, *exclude)]
    # An object may be called Filtered_Nuclei; CellProfiler numbers the objects of each compartment.
    numbered = [name.removesuffix(NUMBER) for name in columns if name.endswith(NUMBER)]
    compartments = sorted((name for name in numbered if "_" in name), key=len, reverse=True)

    def measurement(name: str) -> str:
        compartment = next((c for c in compartments if name.startswith(f"{c}_")), name.partition("_")[0])
        return name[len(compartment) + 1 :]

    return [
        name
        for name in columns
        if not name.startswith("Metadata_") and not any(rule.search(measurement(name)) for rule in left_out)
    ]


def use_threads(number: int) -> None:
    """Let polars and pyarrow use `number` threads; polars only reads it before its first operation."""
    os.environ["POLARS_MAX_THREADS"] = str(number)
    pa.set_cpu_count(number)
