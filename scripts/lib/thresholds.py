"""Check whether objects were found with the calculated threshold, or with a bound of the settings.

CellProfiler keeps a calculated threshold between two bounds (`assay.cells.threshold.bounds`; by default
CPJUMP1's). A bound that is used on nearly all sites belongs to another assay: with one below the background,
cells fill the field; with one above the stain, objects are lost.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

CALCULATED, USED = "Threshold_OrigThreshold_", "Threshold_FinalThreshold_"
FLAG = "threshold_at_bound"
# Smallest fraction of sites on which one value is used, and its smallest ratio to the calculated threshold.
SHARE, TIMES = 0.9, 1.5
LEAST_SITES = 3


def find_threshold_columns(columns: Iterable[str]) -> list[str]:
    """Return the columns of an Image table that hold thresholds."""
    return [name for name in columns if name.startswith((CALCULATED, USED))]


def flag_thresholds(image: pd.DataFrame, plate: str) -> list[dict[str, Any]]:
    """Return flags of the plate from the Image table's thresholds: one row per object with a bound."""
    found = []
    for name in [column.removeprefix(USED) for column in image if column.startswith(USED)]:
        if f"{CALCULATED}{name}" not in image:
            continue
        both = image[[f"{CALCULATED}{name}", f"{USED}{name}"]].astype(float).dropna()
        if len(both) < LEAST_SITES:
            continue
        calculated, used = both.iloc[:, 0], both.iloc[:, 1]
        bound = float(used.median())
        at_bound = ((used - bound).abs() <= 1e-6 * bound).mean()
        middle = float(calculated.median())
        if at_bound >= SHARE and not bound / TIMES <= middle <= bound * TIMES:
            found.append(
                {
                    "Metadata_Plate": plate,
                    "region": "plate",
                    "flag": FLAG,
                    "measure": f"{USED}{name}",
                    "value": middle,
                    "limit": bound,
                    "reason": explain_threshold(name, middle, bound, at_bound),
                }
            )
    return found


def explain_threshold(name: str, calculated: float, bound: float, share: float) -> str:
    """Return the error of the threshold of an object, and what to set.

    Parameters
    ----------
    name
        The objects, such as Nuclei.
    calculated
        The median of the calculated thresholds.
    bound
        The bound that is used instead.
    share
        The share of the sites on which the bound is used.
    """
    effect = "includes background" if calculated > bound else f"misses dim {name.lower()}"
    return (
        f"on {share:.0%} of the sites, the threshold of {name.lower()} is {bound:.3g}, a bound of the "
        f"settings, whereas the calculated threshold is {calculated:.3g} (median). The bound {effect}: see "
        f"assay.{name.lower()}.threshold.bounds"
    )
