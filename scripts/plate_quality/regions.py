"""Flags of the plate's edge, rows and columns, whose wells differ from the rest of the plate."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.wells import plate_format, row_name, well_place
from plate_quality.measures import channels_of, measures_of, median_of_like

# Of a region of the plate, and the fewest wells that such a region is judged by.
LEAST_WELLS = {"edge_effect": 8, "shifted_row": 4, "shifted_column": 4}
LEAST_OUTSIDE = 16
# Draws of wells that tell how far the median of a region differs by chance.
DRAWS = 2000


def region_flags(sites: pd.DataFrame, wells: pd.DataFrame, negcon: str, limits: Mapping[str, Any]) -> list:
    """Flag the plate's edge, rows and columns that differ from the rest of the plate.

    Wells are compared by the mean over their sites without a flag, each with what its perturbation is
    elsewhere on the plate (see `compared`).
    """
    clean = sites[sites["flags"] == ""]
    inside = "CellIntensity_" if channels_of(clean, "CellIntensity") else "MeanIntensity_"
    starts = ("Count_Cells", "Nuclei_Area", inside, "PowerLogLogSlope_")
    table = clean.groupby("Metadata_Well")[[n for n in measures_of(clean) if n.startswith(starts)]].mean()
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
    usual = table - expected_elsewhere(table, contents)
    plate = wells["Metadata_Plate"].iloc[0]
    return [
        {"Metadata_Plate": plate, "region": region, "flag": kind, **row}
        for region, (kind, members) in regions(wells["Metadata_Well"]).items()
        for row in compared(table, contents, usual, table.index.isin(members), LEAST_WELLS[kind], limits)
    ]


def regions(wells: Iterable[str]) -> dict[str, tuple[str, list[str]]]:
    """The regions of a plate by name (`edge`, `row B`, `column 5`): the flag that it may get, its wells."""
    places = {well: well_place(well) for well in wells}
    rows, columns = plate_format(places)
    edge = [well for well, (row, column) in places.items() if row in (1, rows) or column in (1, columns)]
    found = {"edge": ("edge_effect", edge)}
    for kind, word, part in (("shifted_row", "row", 0), ("shifted_column", "column", 1)):
        for number in sorted({place[part] for place in places.values()}):
            members = [well for well, place in places.items() if place[part] == number]
            found[f"{word} {row_name(number) if word == 'row' else number}"] = kind, members
    return found


def expected_elsewhere(table: pd.DataFrame, contents: pd.DataFrame) -> pd.DataFrame:
    """What each well would be going by the other wells: the median of its perturbation's other wells,
    or, where it is alone, of the treated wells (of the negative controls)."""
    expected = table.groupby(contents["kind"]).transform("median")
    sample = contents["sample"]
    like = median_of_like(table, sample, pd.Series(table.index, index=table.index))
    return expected.mask((sample != "") & sample.duplicated(keep=False), like)


def expected_outside(table: pd.DataFrame, contents: pd.DataFrame, region: np.ndarray) -> pd.DataFrame:
    """What each well of a region would be going by the wells outside: as `expected_elsewhere`."""
    there, here = contents[~region], contents[region]
    kinds = table[~region].groupby(there["kind"]).median()
    expected = kinds.reindex(here["kind"]).set_axis(here.index)
    named = there[there["sample"] != ""]
    samples = table.loc[named.index].groupby(named["sample"]).median()
    known = here.index[here["sample"].isin(samples.index)]
    expected.loc[known] = samples.loc[here.loc[known, "sample"]].to_numpy()
    return expected


def by_chance(usual: pd.DataFrame, alone: pd.Series, region: np.ndarray, members: pd.Index) -> np.ndarray:
    """As many wells drawn outside a region as it has, (draws, wells, measures): what chance gives.

    A well whose perturbation is nowhere else on the plate differs by that perturbation's effect, and
    is drawn from its like.
    """
    generator = np.random.default_rng(0)
    drawn = []
    for single in (False, True):
        number = int((alone[members] == single).sum())
        pool = usual[~region & (alone == single)]
        pool = (pool if len(pool) >= 4 else usual[~region]).to_numpy()
        drawn.append(pool[generator.integers(len(pool), size=(DRAWS, number))])
    return np.concatenate(drawn, axis=1)


def compared(
    table: pd.DataFrame,
    contents: pd.DataFrame,
    usual: pd.DataFrame,
    region: np.ndarray,
    least: int,
    limits: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Compare the wells of one region with all others, measure by measure.

    A well's difference is that from its perturbation's wells outside the region, or, where there are
    none, from the treated wells (the negative controls) there. The median of the differences must be
    more than chance (`region_z`, in standard deviations of what as many wells from outside give), enough
    to matter (`region_shift`), and on the same side in four wells of five; and the quarter of the wells that
    moved least must have moved, too (`all_moved`): strong treatments that lie together by chance move the
    median, a fault of the region moves all wells. A perturbation with all its several wells in the region
    says nothing about the region.

    Returns:
        A row of the table of flags for each measure that differs; none when fewer than `least` wells are
        left inside or outside.
    """
    sample = contents["sample"]
    replicated = (sample != "") & sample.duplicated(keep=False)
    confined = replicated & ~sample.isin(set(sample[~region]))
    # The median of few unlike wells is no reference.
    like = contents["kind"].map(contents["kind"][~region].value_counts()).fillna(0)
    members = table.index[region & ~confined & (replicated | (like >= LEAST_OUTSIDE))]
    if len(members) < least or (~region).sum() < LEAST_OUTSIDE:
        return []
    away = table.loc[members] - expected_outside(table, contents, region).loc[members]
    drawn = by_chance(usual, ~replicated, region, members)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a measure that no well has
        chance = np.nanmedian(drawn, axis=1)
    found = []
    for at, measure in enumerate(table):
        differences = away[measure].dropna()
        if len(differences) < least:
            continue
        shift = differences.median() - np.nanmedian(chance[:, at])
        z = shift / max(np.nanstd(chance[:, at]), 1e-9)
        same_side = (np.sign(differences) == np.sign(shift)).mean()
        focus = measure.startswith("PowerLogLogSlope_")
        size = shift if focus else np.expm1(shift)
        limit = limits["focus_shift"] if focus else limits["region_shift"]
        if abs(z) > limits["region_z"] and abs(size) > limit and same_side >= 0.8:
            least_moved = limit if focus else np.log1p(limit)
            if not all_moved(differences, drawn[:, :, at], np.sign(shift), least_moved):
                continue
            told = f"{size:+.2f}" if focus else f"{100 * size:+.0f} %"
            reason = (
                f"{measure} differs from the rest of the plate by {told} (median of {len(differences)} "
                f"wells, each against its like; z {z:.1f})"
            )
            found.append({"measure": measure, "value": size, "limit": limit, "reason": reason})
    return found


def all_moved(differences: pd.Series, drawn: np.ndarray, side: float, least: float) -> bool:
    """Whether even the quarter of a region's wells that moved least to this `side` (1 or -1) moved by `least`
    and further than in any draw of wells from outside (draws x wells)."""
    part = 0.25 if side > 0 else 0.75
    by_chance = side * np.nanquantile(drawn, part, axis=1)
    return bool(side * differences.quantile(part) > max(least, np.nanmax(by_chance)))
