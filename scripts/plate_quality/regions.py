"""Flag the plate's edge, rows and columns if their wells differ from the rest of the plate."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.wells import get_plate_format, get_row_name, get_well_place
from plate_quality.measures import compute_median_of_replicates, list_channels, list_measures

# The flags of regions, with the minimum number of wells in such a region.
LEAST_WELLS = {"edge_effect": 8, "shifted_row": 4, "shifted_column": 4}
LEAST_OUTSIDE = 16
# Number of random sets of wells, which show how far the median of a region differs by chance.
DRAWS = 2000


def flag_regions(sites: pd.DataFrame, wells: pd.DataFrame, negcon: str, limits: Mapping[str, Any]) -> list:
    """Flag the plate's edge, rows and columns that differ from the rest of the plate.

    The mean over a well's unflagged sites is compared with the same perturbation elsewhere on the plate (see
    `compare_region`).

    Parameters
    ----------
    sites : one row per site, with its measures and flags.
    wells : one row per well, with its content.
    negcon : the kind of the negative controls.
    limits : the config's `quality` block.

    Returns
    -------
    One dictionary per flag.
    """
    clean = sites[sites["flags"] == ""]
    inside = "CellIntensity_" if list_channels(clean, "CellIntensity") else "MeanIntensity_"
    starts = ("Count_Cells", "Nuclei_Area", inside, "PowerLogLogSlope_")
    table = clean.groupby("Metadata_Well")[[n for n in list_measures(clean) if n.startswith(starts)]].mean()
    about = wells.set_index("Metadata_Well").loc[table.index]
    control = about["Metadata_control_type"].fillna("")
    table = table[control.isin(["", negcon])]
    if table.empty:
        return []
    logarithms = [name for name in table if not name.startswith("PowerLogLogSlope_")]
    table[logarithms] = np.log(table[logarithms].clip(lower=1e-9))
    contents = pd.DataFrame(
        {
            "sample": about["Metadata_broad_sample"].fillna(""),
            "kind": np.where(control == negcon, "control", "treated"),
        }
    ).loc[table.index]
    deviations = table - predict_from_other_wells(table, contents)
    plate = wells["Metadata_Plate"].iloc[0]
    return [
        {"Metadata_Plate": plate, "region": region, "flag": kind, **row}
        for region, (kind, members) in list_regions(wells["Metadata_Well"]).items()
        for row in compare_region(
            table, contents, deviations, table.index.isin(members), LEAST_WELLS[kind], limits
        )
    ]


def list_regions(wells: Iterable[str]) -> dict[str, tuple[str, list[str]]]:
    """Return the regions of a plate by name (`edge`, `row B`, `column 5`), each with its flag and wells."""
    places = {well: get_well_place(well) for well in wells}
    rows, columns = get_plate_format(places)
    edge = [well for well, (row, column) in places.items() if row in (1, rows) or column in (1, columns)]
    found = {"edge": ("edge_effect", edge)}
    for kind, word, part in (("shifted_row", "row", 0), ("shifted_column", "column", 1)):
        for number in sorted({place[part] for place in places.values()}):
            members = [well for well, place in places.items() if place[part] == number]
            found[f"{word} {get_row_name(number) if word == 'row' else number}"] = kind, members
    return found


def predict_from_other_wells(table: pd.DataFrame, contents: pd.DataFrame) -> pd.DataFrame:
    """Return what is expected of each well: the median of the other wells with its perturbation.

    For a perturbation with a single well, it is the median of the treated wells (or of the negative
    controls).
    """
    expected = table.groupby(contents["kind"]).transform("median")
    sample = contents["sample"]
    replicates = compute_median_of_replicates(table, sample, pd.Series(table.index, index=table.index))
    return expected.mask((sample != "") & sample.duplicated(keep=False), replicates)


def predict_from_outside(table: pd.DataFrame, contents: pd.DataFrame, region: np.ndarray) -> pd.DataFrame:
    """Return what is expected of each well of a region, from the wells outside it."""
    there, here = contents[~region], contents[region]
    kinds = table[~region].groupby(there["kind"]).median()
    expected = kinds.reindex(here["kind"]).set_axis(here.index)
    named = there[there["sample"] != ""]
    samples = table.loc[named.index].groupby(named["sample"]).median()
    known = here.index[here["sample"].isin(samples.index)]
    expected.loc[known] = samples.loc[here.loc[known, "sample"]].to_numpy()
    return expected


def draw_wells(
    deviations: pd.DataFrame, alone: pd.Series, region: np.ndarray, members: pd.Index
) -> np.ndarray:
    """Draw sets of wells outside a region, as many as it has: (draws, wells, measures).

    A well whose perturbation is nowhere else on the plate also differs by that perturbation's effect, so it
    is drawn from wells of the same kind.

    Parameters
    ----------
    deviations : (wells, measures) distance of each well from what is expected of its content.
    alone : whether a well's perturbation is nowhere else on the plate.
    region : (wells,) booleans: the wells of the region.
    members : the wells of the region, by name.
    """
    generator = np.random.default_rng(0)
    drawn = []
    for single in (False, True):
        number = int((alone[members] == single).sum())
        pool = deviations[~region & (alone == single)]
        pool = (pool if len(pool) >= 4 else deviations[~region]).to_numpy()
        drawn.append(pool[generator.integers(len(pool), size=(DRAWS, number))])
    return np.concatenate(drawn, axis=1)


def compare_region(
    table: pd.DataFrame,
    contents: pd.DataFrame,
    deviations: pd.DataFrame,
    region: np.ndarray,
    least: int,
    limits: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Compare the wells of one region with all others, measure by measure.

    A well is compared with the wells of its perturbation outside the region or, if there are none, with the
    treated wells (or the negative controls) there. The median of the differences must exceed chance
    (`region_z`, in standard deviations of the medians of as many wells from outside), be large enough to
    matter (`region_shift`), and have the same sign in four of five wells. In addition, the quarter of the
    wells that differ least must differ as well (`all_shifted`): strong treatments that happen to be together
    change the median, whereas a fault of the region changes all wells. A perturbation whose replicates all
    are in the region gives no information about the region.

    Parameters
    ----------
    table
        Wells x measures; logarithms, except for the focus.
    contents
        `sample` and `kind` (`control` or `treated`) of each well.
    deviations
        Wells x measures: the difference of each well from the value expected from the other wells.
    region
        Whether each well is in the region.
    least
        The minimum number of wells in the region.
    limits
        The config's `quality.limits`.

    Returns
    -------
    A row of the table of flags for each measure that differs; none if there are too few wells.
    """
    sample = contents["sample"]
    replicated = (sample != "") & sample.duplicated(keep=False)
    confined = replicated & ~sample.isin(set(sample[~region]))
    # The median of a few wells with different contents is not a reference.
    comparable = contents["kind"].map(contents["kind"][~region].value_counts()).fillna(0)
    members = table.index[region & ~confined & (replicated | (comparable >= LEAST_OUTSIDE))]
    if len(members) < least or (~region).sum() < LEAST_OUTSIDE:
        return []
    shifts = table.loc[members] - predict_from_outside(table, contents, region).loc[members]
    drawn = draw_wells(deviations, ~replicated, region, members)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a measure that is missing in all wells
        chance = np.nanmedian(drawn, axis=1)
    rows = []
    for at, measure in enumerate(table):
        differences = shifts[measure].dropna()
        if len(differences) < least:
            continue
        shift = differences.median() - np.nanmedian(chance[:, at])
        z = shift / max(np.nanstd(chance[:, at]), 1e-9)
        same_side = (np.sign(differences) == np.sign(shift)).mean()
        focus = measure.startswith("PowerLogLogSlope_")
        size = shift if focus else np.expm1(shift)
        limit = limits["focus_shift"] if focus else limits["region_shift"]
        if abs(z) > limits["region_z"] and abs(size) > limit and same_side >= 0.8:
            least_shift = limit if focus else np.log1p(limit)
            if not all_shifted(differences, drawn[:, :, at], np.sign(shift), least_shift):
                continue
            amount = f"{size:+.2f}" if focus else f"{100 * size:+.0f} %"
            reason = (
                f"{measure} differs from the rest of the plate by {amount} (median of "
                f"{len(differences)} wells, each compared with its replicates; z {z:.1f})"
            )
            rows.append({"measure": measure, "value": size, "limit": limit, "reason": reason})
    return rows


def all_shifted(differences: pd.Series, drawn: np.ndarray, side: float, least: float) -> bool:
    """Return whether even the quarter of a region's wells with the smallest shift is shifted.

    The shift, to this `side` (1 or -1), must exceed `least` and that of every set `drawn` from outside (draws
    x wells).

    Parameters
    ----------
    differences : (wells,) shift of each well of the region.
    drawn : (draws, wells) shifts of wells from outside.
    side : 1 or -1.
    least : the smallest shift that counts.
    """
    part = 0.25 if side > 0 else 0.75
    by_chance = side * np.nanquantile(drawn, part, axis=1)
    return bool(side * differences.quantile(part) > max(least, np.nanmax(by_chance)))
