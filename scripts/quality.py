"""Quality control of one plate: what was measured of each site and well, and what looks wrong, with why.

The measures are CellProfiler's: cells, the size of nuclei, and of each channel's image as it was taken the
mean, median and background intensity, the share of saturated pixels (PercentMaximal) and the focus
(PowerLogLogSlope, the slope of the image's power spectrum: the steeper, the less fine structure; Bray et
al., J. Biomol. Screen. 2012). Each has a robust z-score within the plate, (x - median) / (1.4826 MAD).

A site is flagged as
  empty         no cells, or hardly any
  out_of_focus  its power spectrum is far steeper than the plate's in at least half of the channels, and
                than in other wells with the same perturbation. A treatment that changes one or two
                stains, or kills cells (which flattens the spectrum), is not taken for a blurred image
  saturated     too many pixels at the brightest value that the plate's images of the channel reach
  debris        far brighter spots and far more contrast than the plate's sites in at least half of the
                channels, and than other sites with the same perturbation: a stain answers to a
                treatment, dirt shines in every channel
a well as
  low_cell_count  a small share of the plate's cells (a toxic treatment, or cells lost)
and the plate as having
  edge_effect, shifted_row, shifted_column  wells there differ from the others in cells, nuclear size,
                intensity or focus, each against its perturbation elsewhere on the plate. Control wells
                other than negative ones take no part, nor a perturbation whose wells all lie there:
                their difference is what is in them.

Published CellProfiler tables without image measurements are judged by their cells alone.
"""

import logging
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from annotate import known_wells, read_annotation, read_plate_map
from lib.cells import use_threads
from lib.logs import logged
from lib.tables import provenance, whole, write_profiles
from lib.wells import plate_format, row_name, well_order, well_place

logger = logging.getLogger("platewise")

KEYS = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
# Each measure of a channel, and where the Image table may have it: the first that is there counts.
MEASURES = {
    "MeanIntensity": (r"ImageQuality_MeanIntensity_", r"Intensity_MeanIntensity_"),
    "MedianIntensity": (r"ImageQuality_MedianIntensity_", r"Intensity_MedianIntensity_"),
    "StdIntensity": (r"ImageQuality_StdIntensity_", r"Intensity_StdIntensity_"),
    "MaxIntensity": (r"ImageQuality_MaxIntensity_", r"Intensity_MaxIntensity_"),
    "Background": (
        r"Intensity_Percentile_\d+_",
        r"Intensity_LowerQuartileIntensity_",
        r"ImageQuality_MinIntensity_",
    ),
    "PercentMaximal": (r"ImageQuality_PercentMaximal_", r"Intensity_PercentMaximal_"),
    "PowerLogLogSlope": (r"ImageQuality_PowerLogLogSlope_",),
}
AREA = "Nuclei_AreaShape_Area"
SITE_FLAGS = ("empty", "out_of_focus", "saturated", "debris")
# What is wrong with the image itself: sites that may be left out of the profiles.
OF_THE_IMAGE = ("out_of_focus", "saturated", "debris")
# Of a region of the plate, and the fewest wells that such a region is judged by.
LEAST_WELLS = {"edge_effect": 8, "shifted_row": 4, "shifted_column": 4}
FLAG_COLUMNS = [*KEYS, "region", "flag", "measure", "value", "limit", "excluded", "reason"]
LEAST_OUTSIDE = 16
# Draws of wells that tell how far the median of a region differs by chance.
DRAWS = 400


# --- measures -----------------------------------------------------------------------------------


def image_measures(columns: Iterable[str]) -> dict[str, str]:
    """The Image table's columns that are measures of a channel: column to `Measure_Channel`.

    Images as they were taken are called `Orig` and the channel; where a table has them, corrected
    images and illumination functions do not count.
    """
    columns = list(columns)
    found: dict[str, tuple[str, str]] = {}
    taken: set[tuple[str, str]] = set()
    for measure, prefixes in MEASURES.items():
        for prefix in prefixes:
            matches = {c: m[1] for c in columns if (m := re.fullmatch(f"{prefix}([A-Za-z0-9]+)", c))}
            matches = {c: image for c, image in matches.items() if not image.startswith("Illum")}
            if any(image.startswith("Orig") for image in matches.values()):
                matches = {c: image for c, image in matches.items() if image.startswith("Orig")}
            for column, image in matches.items():
                key = measure, image.removeprefix("Orig")
                if key not in taken:
                    taken.add(key)
                    found[column] = key
    return {column: f"{measure}_{channel}" for column, (measure, channel) in found.items()}


def cell_measures(cells: str | Path) -> pd.DataFrame:
    """Of each site with cells: their number, the median area of nuclei, and the mean of the cells' mean
    intensity in each channel. Only these columns are read."""
    names = pq.read_schema(cells).names
    main = "Cells" if any(name.startswith("Cells_") for name in names) else "Nuclei"
    prefix = f"{main}_Intensity_MeanIntensity_"
    wanted = [pl.len().alias("Count_Cells")]
    if AREA in names:
        wanted.append(pl.col(AREA).cast(pl.Float64).median().alias("Nuclei_Area"))
    wanted += [
        pl.col(name).cast(pl.Float64).mean().alias(f"CellIntensity_{name.removeprefix(prefix)}")
        for name in names
        if name.startswith(prefix)
    ]
    return pl.scan_parquet(cells).group_by(KEYS[1:]).agg(wanted).collect(engine="streaming").to_pandas()


def site_measures(image: str | Path, cells: str | Path) -> pd.DataFrame:
    """One row a site in the Image table's order: keys, cells, nuclear area, and each channel's measures."""
    renamed = image_measures(pq.read_schema(image).names)
    columns = [*KEYS, "Metadata_ImageNumber", *renamed]
    sites = pq.read_table(image, columns=columns).to_pandas().rename(columns=renamed)
    sites = sites.merge(cell_measures(cells), on=KEYS[1:], how="left")
    sites["Count_Cells"] = sites["Count_Cells"].fillna(0).astype(int)
    order = {name: at for at, name in enumerate(("Count", "Nuclei", "CellIntensity", *MEASURES))}
    measures = sorted(measures_of(sites), key=lambda name: (order[name.partition("_")[0]], name))
    return sites[[*KEYS, "Metadata_ImageNumber", *measures]]


def measures_of(table: pd.DataFrame) -> list[str]:
    """The measures among a table's columns."""
    starts = ("Count_Cells", "Nuclei_Area", *(f"{name}_" for name in ("CellIntensity", *MEASURES)))
    return [name for name in table if name.startswith(starts)]


def channels_of(table: pd.DataFrame, measure: str) -> list[str]:
    """The channels that have a measure."""
    return [name.removeprefix(f"{measure}_") for name in table if name.startswith(f"{measure}_")]


def robust_z(values: pd.Series) -> pd.Series:
    """(x - median) / (1.4826 MAD); missing where all but a few values are the same."""
    away = values - values.median()
    spread = 1.4826 * away.abs().median()
    return away / spread if spread > 0 else away.where(away == 0)


# --- sites --------------------------------------------------------------------------------------


def median_of_like(values: pd.DataFrame, samples: pd.Series, apart: pd.Series) -> pd.DataFrame:
    """For each row of `values`, the median of the others with its sample; missing where there are none.

    `apart`: a row does not count among its like when it has the same value here (the same well, say).
    """
    found = pd.DataFrame(np.nan, index=values.index, columns=values.columns)
    for _, rows in samples[samples != ""].groupby(samples).groups.items():
        own, among = apart[rows].to_numpy(), values.loc[rows].to_numpy()
        for row, value in zip(rows, own, strict=True):
            others = among[own != value]
            if len(others):
                found.loc[row] = np.median(others, axis=0)
    return found


def site_flags(sites: pd.DataFrame, samples: pd.Series, limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The flags of single sites, as rows of the table of flags; `samples`: what is in each site's well."""
    found: list[dict[str, Any]] = []

    def flag(at: int, kind: str, measure: str, value: float, limit: float, reason: str) -> None:
        keys = {name: sites.at[at, name] for name in KEYS}
        found.append(
            {**keys, "flag": kind, "measure": measure, "value": value, "limit": limit, "reason": reason}
        )

    empty = sites["Count_Cells"] <= limits["empty_cells"]
    usual = sites["Count_Cells"].median()
    for at in sites.index[empty]:
        number = sites.at[at, "Count_Cells"]
        reason = f"{number} cell{'' if number == 1 else 's'}; the plate's sites have {usual:g} (median)"
        flag(at, "empty", "Count_Cells", number, limits["empty_cells"], reason)

    bright = saturated(sites, limits, flag)
    dirty = debris(sites, samples, ~bright, limits, flag)
    out_of_focus(sites, samples, ~empty & ~dirty & ~bright, limits, flag)
    return found


def saturated(sites: pd.DataFrame, limits: Mapping[str, Any], flag: Any) -> pd.Series:
    """Flag sites with many pixels at the highest value that the plate's images of a channel reach."""
    hit = pd.Series(False, index=sites.index)
    channels = [c for c in channels_of(sites, "PercentMaximal") if f"MaxIntensity_{c}" in sites]
    if not channels:
        return hit
    share = pd.DataFrame({c: sites[f"PercentMaximal_{c}"] for c in channels})
    highest = pd.DataFrame({c: sites[f"MaxIntensity_{c}"] for c in channels})
    # The brightest value of a dark 8-bit image, too, may be that of many of its pixels.
    over = (share > limits["saturated_percent"]) & (highest >= 0.98 * highest.max())
    for at in sites.index[over.any(axis=1)]:
        channel = share.loc[at].where(over.loc[at]).idxmax()
        value = share.at[at, channel]
        others = [c for c in channels if over.at[at, c] and c != channel]
        also = f" (also {', '.join(others)})" if others else ""
        reason = f"{value:.3g} % of the pixels of {channel} are at the brightest value{also}"
        flag(at, "saturated", f"PercentMaximal_{channel}", value, limits["saturated_percent"], reason)
        hit[at] = True
    return hit


def debris(
    sites: pd.DataFrame, samples: pd.Series, judged: pd.Series, limits: Mapping[str, Any], flag: Any
) -> pd.Series:
    """Flag sites that are far brighter and richer in contrast than the plate's in half of the channels,
    and than the other sites with the same perturbation."""
    hit = pd.Series(False, index=sites.index)
    channels = [c for c in channels_of(sites, "StdIntensity") if f"MaxIntensity_{c}" in sites]
    if not channels:
        return hit
    brightest = pd.DataFrame({c: sites[f"MaxIntensity_{c}"] for c in channels})
    contrast = pd.DataFrame({c: sites[f"StdIntensity_{c}"] for c in channels})
    ratio = np.minimum(brightest / brightest.median(), contrast / contrast.median())
    like = median_of_like(ratio, samples, pd.Series(sites.index, index=sites.index))
    over = ratio > limits["debris_ratio"] * like.fillna(1).clip(lower=1)
    for at in sites.index[judged & (over.sum(axis=1) >= len(channels) / 2)]:
        channel = ratio.loc[at].idxmax()
        value = ratio.at[at, channel]
        named = ", ".join(c for c in channels if over.at[at, c])
        reason = (
            f"brightest pixel and contrast (standard deviation) over {limits['debris_ratio']:g} times the "
            f"plate's in {int(over.loc[at].sum())} of {len(channels)} channels: {named}; in {channel} "
            f"{value:.1f} times"
        )
        flag(at, "debris", f"StdIntensity_{channel}", value, limits["debris_ratio"], reason)
        hit[at] = True
    return hit


def out_of_focus(
    sites: pd.DataFrame, samples: pd.Series, judged: pd.Series, limits: Mapping[str, Any], flag: Any
) -> None:
    """Flag sites whose power spectrum is far steeper than the plate's in half of the channels, and than
    that of other wells with the same perturbation."""
    channels = channels_of(sites, "PowerLogLogSlope")
    if not channels or judged.sum() < 3:
        return
    slope = pd.DataFrame({c: sites[f"PowerLogLogSlope_{c}"] for c in channels})
    z = slope.apply(lambda values: (values - values[judged].median()) / spread(values[judged]))
    shift = slope - slope[judged].median()
    unlike = slope - median_of_like(slope[judged], samples[judged], sites.loc[judged, "Metadata_Well"])
    shift = shift.where(~(unlike > shift), unlike)
    over = (z < -limits["focus_z"]) & (shift < -limits["focus_shift"])
    for at in sites.index[judged & (over.sum(axis=1) >= len(channels) / 2)]:
        channel = z.loc[at].idxmin()
        named = ", ".join(c for c in channels if over.at[at, c])
        reason = (
            f"power spectrum steeper than the plate's (robust z {z.at[at, channel]:.1f}, slope "
            f"{slope.at[at, channel]:.2f} against {slope.loc[judged, channel].median():.2f} in {channel}) in "
            f"{int(over.loc[at].sum())} of {len(channels)} channels: {named}"
        )
        flag(at, "out_of_focus", f"PowerLogLogSlope_{channel}", z.at[at, channel], -limits["focus_z"], reason)


def spread(values: pd.Series) -> float:
    """1.4826 MAD; never 0."""
    return max(1.4826 * (values - values.median()).abs().median(), 1e-9)


# --- wells --------------------------------------------------------------------------------------


def well_measures(sites: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    """One row a well in plate order: its sites, cells, and the mean of each measure over its sites.

    A well of the plate map (`wells`) without a site is there with 0 sites.
    """
    plate = sites["Metadata_Plate"].iloc[0]
    grouped = sites.groupby("Metadata_Well")
    table = grouped[[name for name in measures_of(sites) if name != "Count_Cells"]].mean()
    table.insert(0, "Count_Sites", grouped.size())
    table.insert(1, "Count_Sites_Flagged", grouped["flags"].agg(lambda flags: (flags != "").sum()))
    table.insert(2, "Count_Cells", grouped["Count_Cells"].sum())
    counts = list(table.columns[:3])
    known = wells.set_index("well")
    table = table.reindex(sorted(set(table.index) | set(known.index), key=well_order))
    table[counts] = table[counts].fillna(0).astype(int)
    about = known.reindex(table.index)
    for name in ("control_type", "broad_sample"):
        table.insert(0, f"Metadata_{name}", about.get(name))
    table.insert(0, "Metadata_Well", table.index)
    table.insert(0, "Metadata_Plate", plate)
    return table.reset_index(drop=True)


def low_counts(wells: pd.DataFrame, limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Flag wells with a small share of the plate's cells a site, but not those without any."""
    imaged = wells[wells["Count_Sites"] > 0]
    each = imaged["Count_Cells"] / imaged["Count_Sites"]
    share = each / each.median()
    low = (share < limits["low_cell_count"]) & (each > limits["empty_cells"])
    return [
        {
            "Metadata_Plate": imaged.at[at, "Metadata_Plate"],
            "Metadata_Well": imaged.at[at, "Metadata_Well"],
            "flag": "low_cell_count",
            "measure": "Count_Cells",
            "value": share[at],
            "limit": limits["low_cell_count"],
            "reason": f"{each[at]:.3g} cells a site, {100 * share[at]:.0f} % of the plate's median: a toxic "
            "treatment, or cells that were lost",
        }
        for at in imaged.index[low]
    ]


# --- regions of the plate -----------------------------------------------------------------------


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
    place = {well: well_place(well) for well in table.index}
    rows, columns = plate_format(wells["Metadata_Well"])
    edge = [well for well in place if place[well][0] in (1, rows) or place[well][1] in (1, columns)]
    regions = [("edge_effect", "edge", edge)]
    for kind, word, part in (("shifted_row", "row", 0), ("shifted_column", "column", 1)):
        for number in sorted({at[part] for at in place.values()}):
            name = row_name(number) if word == "row" else number
            regions.append((kind, f"{word} {name}", [w for w in place if place[w][part] == number]))
    plate = wells["Metadata_Plate"].iloc[0]
    return [
        {"Metadata_Plate": plate, "region": region, "flag": kind, **row}
        for kind, region, members in regions
        for row in compared(table, contents, usual, table.index.isin(members), LEAST_WELLS[kind], limits)
    ]


def expected_elsewhere(table: pd.DataFrame, contents: pd.DataFrame) -> pd.DataFrame:
    """What each well would be going by the other wells: the median of its perturbation's other wells,
    or, where it is alone, of the treated wells (of the negative controls)."""
    expected = table.groupby(contents["kind"]).transform("median")
    for _, wells in contents[contents["sample"] != ""].groupby("sample").groups.items():
        for well in wells if len(wells) > 1 else []:
            expected.loc[well] = table.loc[wells.drop(well)].median()
    return expected


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
    """Medians of as many wells drawn outside a region as it has, (draws, measures): what chance gives.

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a measure that no well has
        return np.nanmedian(np.concatenate(drawn, axis=1), axis=1)


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
    to matter (`region_shift`), and on the same side in four wells of five. A perturbation with all its
    several wells in the region says nothing about the region.

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
    chance = by_chance(usual, ~replicated, region, members)
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
            told = f"{size:+.2f}" if focus else f"{100 * size:+.0f} %"
            reason = (
                f"{measure} differs from the rest of the plate by {told} (median of {len(differences)} "
                f"wells, each against its like; z {z:.1f})"
            )
            found.append({"measure": measure, "value": size, "limit": limit, "reason": reason})
    return found


def wells_of_region(region: str, wells: Iterable[str]) -> list[str]:
    """The wells in a region such as `row B`, `column 5` or `edge`."""
    wells = list(wells)
    word, _, name = region.partition(" ")
    rows, columns = plate_format(wells)
    places = {well: well_place(well) for well in wells}
    if word == "row":
        return [well for well in wells if well.rstrip("0123456789") == name]
    if word == "column":
        return [well for well in wells if places[well][1] == int(name)]
    return [well for well in wells if places[well][0] in (1, rows) or places[well][1] in (1, columns)]


# --- the plate ----------------------------------------------------------------------------------


def summarise(sites: pd.DataFrame, wells: pd.DataFrame, flags: pd.DataFrame) -> pd.DataFrame:
    """One row: the plate, its wells, sites and cells, and how many of them have each flag."""
    row: dict[str, Any] = {
        "Metadata_Plate": sites["Metadata_Plate"].iloc[0],
        "wells": int((wells["Count_Sites"] > 0).sum()),
        "sites": len(sites),
        "cells": int(sites["Count_Cells"].sum()),
        "flagged_sites": int((sites["flags"] != "").sum()),
        "flagged_wells": int((wells["flags"] != "").sum()),
        "excluded_sites": int(flags.loc[flags["excluded"], KEYS].drop_duplicates().shape[0]),
    }
    row |= {f"{kind}_sites": int((flags["flag"] == kind).sum()) for kind in SITE_FLAGS}
    row["low_cell_count_wells"] = int((flags["flag"] == "low_cell_count").sum())
    for kind in LEAST_WELLS:
        row[kind] = "; ".join(flags.loc[flags["flag"] == kind, "region"].unique())
    return pd.DataFrame([row])


def quality(
    sites: pd.DataFrame, known: pd.DataFrame, negcon: str, limits: Mapping[str, Any], exclude: bool
) -> dict[str, pd.DataFrame]:
    """Judge a plate.

    Args:
        sites: from `site_measures`.
        known: what is in each well, from `annotate.known_wells`, with the controls' column `control_type`.
        negcon: the value of that column that marks negative controls.
        limits: what is flagged (the config's `quality.limits`).
        exclude: whether sites whose image is at fault are left out of the profiles.

    Returns:
        `sites` with robust z-scores and flags, `wells`, `flags` and `summary`.
    """
    sites = sites.reset_index(drop=True)
    samples = known.set_index("well")["broad_sample"].reindex(sites["Metadata_Well"]).fillna("")
    found = site_flags(sites, samples.set_axis(sites.index), limits)
    of_site: dict[tuple[str, str], list[str]] = {}
    for row in found:
        of_site.setdefault((row["Metadata_Well"], row["Metadata_Site"]), []).append(row["flag"])
    keys = zip(sites["Metadata_Well"], sites["Metadata_Site"], strict=True)
    sites = sites.assign(flags=[" ".join(of_site.get(key, [])) for key in keys])
    z = pd.DataFrame({f"RobustZ_{name}": robust_z(sites[name].astype(float)) for name in measures_of(sites)})
    wells = well_measures(sites, known)
    found += low_counts(wells, limits) + region_flags(sites, wells, negcon, limits)
    flags = pd.DataFrame(found, columns=FLAG_COLUMNS)
    flags["excluded"] = flags["flag"].isin(OF_THE_IMAGE) & exclude
    of_well: dict[str, list[str]] = {}
    for row in flags.itertuples():
        hit = (
            [row.Metadata_Well]
            if pd.isna(row.region)
            else wells_of_region(row.region, wells["Metadata_Well"])
        )
        for well in hit:
            of_well.setdefault(well, []).append(row.flag)
    wells["flags"] = [" ".join(dict.fromkeys(of_well.get(well, []))) for well in wells["Metadata_Well"]]
    return {
        "sites": pd.concat([sites, z], axis=1),
        "wells": wells,
        "flags": flags,
        "summary": summarise(sites, wells, flags),
    }


def main() -> None:
    """Write the plate's tables of sites, wells and flags, and its summary."""
    params, inputs = snakemake.params, snakemake.input
    annotation = read_annotation(inputs.annotation, params.gene) if inputs.annotation else None
    known = known_wells(read_plate_map(inputs.plate_map), annotation)
    if params.column in known:
        known["control_type"] = known[params.column]
    sites = site_measures(inputs.image, inputs.cells)
    tables = quality(sites, known, params.negcon, params.limits, params.exclude_flagged)
    for row in tables["flags"].itertuples():
        where = row.region if pd.notna(row.region) else f"{row.Metadata_Well} site {row.Metadata_Site}"
        logger.warning("plate %s, %s: %s: %s", row.Metadata_Plate, where, row.flag, row.reason)
    parameters = {"limits": dict(params.limits), "exclude_flagged": params.exclude_flagged}
    read = [inputs.image, inputs.cells, inputs.plate_map]
    read += [inputs.annotation] if inputs.annotation else []
    write_profiles(tables["sites"], snakemake.output.sites, provenance(parameters, read))
    for name in ("wells", "flags", "summary"):
        with whole(snakemake.output[name]) as part:
            tables[name].to_csv(part, index=False)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        use_threads(snakemake.threads)
        main()
