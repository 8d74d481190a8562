"""The wells of a simulated plate, with the effects of their perturbations."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lib.errors import InputError, join_names
from simulation.cells import PARAMETERS

EFFECTS = ("none", "weak", "strong")


def read_table(path: str | Path, needed: Iterable[str]) -> pd.DataFrame:
    """Read a tab-separated table of strings with the columns `needed`."""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    missing = [name for name in needed if name not in table]
    if missing:
        raise InputError(f"{path} has no column {join_names(missing)}; it must be tab-separated.")
    return table


def read_effects(path: str | Path) -> pd.DataFrame:
    """Read the table of effects, one row per broad_sample: `gene`, `effect` and the factors as floats."""
    effects = read_table(path, ["broad_sample", "gene", "effect", *PARAMETERS])
    doubled = effects.loc[effects["broad_sample"].duplicated(), "broad_sample"]
    if len(doubled):
        raise InputError(f"{path} names {join_names(doubled)} more than once; keep one row of each.")
    strange = effects.loc[~effects["effect"].isin(EFFECTS), "broad_sample"]
    if len(strange):
        raise InputError(
            f"{path}: the effect of {join_names(strange)} is not one of {join_names(EFFECTS)}; correct it."
        )
    for name in PARAMETERS:
        factors = pd.to_numeric(effects[name], errors="coerce")
        not_positive = effects.loc[~(factors > 0), "broad_sample"]
        if len(not_positive):
            raise InputError(
                f"{path}: {name} of {join_names(not_positive)} is not a number above 0; correct it."
            )
        effects[name] = factors.astype(float)
    return effects


def plan_wells(
    plate: str, plate_map: str | Path, annotation: str | Path, effects: str | Path
) -> pd.DataFrame:
    """List the plate's wells in the plate map's order, with annotation and effect (as in the truth).

    Parameters
    ----------
    plate : for the column and for messages.
    plate_map, annotation, effects : the tables of the simulation.

    Returns
    -------
    One row per well.

    Raises
    ------
    InputError
        For a `broad_sample` of the plate map that another table lacks.
    """
    layout = read_table(plate_map, ["well_position", "broad_sample"])
    about = read_table(annotation, ["broad_sample", "pert_type", "control_type"])
    known = read_effects(effects)
    for path, table in ((annotation, about), (effects, known)):
        missing = sorted(set(layout["broad_sample"]) - set(table["broad_sample"]))
        if missing:
            raise InputError(
                f"Plate {plate}: {join_names(missing)} is in {plate_map} but not in {path}; "
                "add a row for each there."
            )
    about = about[["broad_sample", "pert_type", "control_type"]].drop_duplicates("broad_sample")
    wells = layout.rename(columns={"well_position": "well"})[["well", "broad_sample"]]
    wells.insert(0, "plate", plate)
    return (
        wells.merge(about, on="broad_sample")
        .merge(known, on="broad_sample")[
            [
                "plate",
                "well",
                "broad_sample",
                "gene",
                "pert_type",
                "control_type",
                "effect",
                *PARAMETERS,
            ]
        ]
        .set_index(wells.index)
    )
