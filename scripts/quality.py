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
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lib.cells import use_threads
from lib.controls import control_kinds
from lib.logs import logged
from lib.plate_contents import read_known_wells
from lib.tables import provenance, whole, write_profiles
from lib.thresholds import threshold_flags, thresholds_in
from lib.values import MissingValues
from plate_quality.measures import KEYS, measures_of, robust_z, site_measures, well_measures
from plate_quality.regions import LEAST_WELLS, region_flags, regions
from plate_quality.sites import SITE_FLAGS, site_flags

logger = logging.getLogger("platewise")

# What is wrong with the image itself: sites that may be left out of the profiles.
OF_THE_IMAGE = ("out_of_focus", "saturated", "debris")
FLAG_COLUMNS = [*KEYS, "region", "flag", "measure", "value", "limit", "excluded", "reason"]


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
    sites: pd.DataFrame,
    known: pd.DataFrame,
    negcon: str,
    limits: Mapping[str, Any],
    exclude: bool,
    of_plate: Sequence[Mapping[str, Any]] = (),
) -> dict[str, pd.DataFrame]:
    """Judge a plate.

    Args:
        sites: from `site_measures`.
        known: what is in each well, from `known_wells`, with the controls' column `control_type`.
        negcon: the value of that column that marks negative controls.
        limits: what is flagged (the config's `quality.limits`).
        exclude: whether sites whose image is at fault are left out of the profiles.
        of_plate: flags of the plate as a whole, from `threshold_flags`.

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
    found += low_counts(wells, limits) + region_flags(sites, wells, negcon, limits) + list(of_plate)
    flags = pd.DataFrame(found, columns=FLAG_COLUMNS)
    flags["excluded"] = flags["flag"].isin(OF_THE_IMAGE) & exclude
    of_well: dict[str, list[str]] = {}
    of_region = {name: members for name, (_, members) in regions(wells["Metadata_Well"]).items()}
    for row in flags.itertuples():
        # A flag of the whole plate marks no well.
        for well in [row.Metadata_Well] if pd.isna(row.region) else of_region.get(row.region, []):
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
    known = read_known_wells(
        inputs.plate_map,
        inputs.annotation,
        params.gene,
        snakemake.wildcards.plate,
        MissingValues.of_config(params.missing),
    )
    if params.column in known:
        known["control_type"] = control_kinds(known[params.column], params.negcon)
    sites = site_measures(inputs.image, inputs.cells)
    image = pq.read_table(inputs.image, columns=thresholds_in(pq.read_schema(inputs.image).names)).to_pandas()
    of_plate = threshold_flags(image, snakemake.wildcards.plate)
    tables = quality(sites, known, params.negcon, params.limits, params.exclude_flagged, of_plate)
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
