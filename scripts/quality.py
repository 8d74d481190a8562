"""Check the quality of one plate: the measures of each site and well, and the flags with their reasons.

The measures are CellProfiler's: the number of cells, the size of nuclei and, for each channel's uncorrected
image, the mean, median and background intensity, the percentage of saturated pixels (PercentMaximal) and the
focus (PowerLogLogSlope, the slope of the image's power spectrum: the steeper, the less fine structure; Bray
et al., J. Biomol. Screen. 2012). Each has a robust z-score within the plate, (x - median) / (1.4826 MAD).

A site is flagged as
  empty         it has no cells, or hardly any
  out_of_focus  in at least half of the channels, its power spectrum is far steeper than that of the plate
                and of other wells with the same perturbation. A treatment that changes one or two
                stains, or kills cells (which flattens the spectrum), is not mistaken for a blurred image
  saturated     too many pixels have the brightest value that the plate's images of the channel reach
  debris        in at least half of the channels, it has far brighter spots and far more contrast than the
                plate's sites and than other sites with the same perturbation: a treatment changes some
                stains, dirt is bright in every channel
a well as
  low_cell_count  it has a small fraction of the plate's cells per site (a toxic treatment, or lost cells)
and the plate as having
  edge_effect, shifted_row, shifted_column  the wells there differ from the others in cells, nuclear size,
                intensity or focus, each compared with the same perturbation elsewhere on the plate.
                Positive controls are not used, nor is a perturbation whose wells are all there, since
                such a difference may be an effect of their content.

For published CellProfiler tables without image measurements, only the cells are examined.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lib.cells import use_threads
from lib.controls import find_control_kinds
from lib.logs import log_to
from lib.plate_contents import read_known_wells
from lib.tables import get_provenance, write_profiles, write_whole
from lib.thresholds import find_threshold_columns, flag_thresholds
from lib.values import MissingValues
from plate_quality.measures import KEYS, compute_robust_z, list_measures, measure_sites, measure_wells
from plate_quality.regions import LEAST_WELLS, flag_regions, list_regions
from plate_quality.sites import SITE_FLAGS, flag_sites

logger = logging.getLogger("platewise")

# Faults of the image itself, for which a site may be excluded from the profiles.
IMAGE_FLAGS = ("out_of_focus", "saturated", "debris")
FLAG_COLUMNS = [*KEYS, "region", "flag", "measure", "value", "limit", "excluded", "reason"]


def flag_low_counts(wells: pd.DataFrame, limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Flag wells with few cells per site compared with the plate, but not wells without cells."""
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
            "reason": f"{each[at]:.3g} cells per site, {100 * share[at]:.0f} % of the plate's median: a "
            "toxic treatment, or lost cells",
        }
        for at in imaged.index[low]
    ]


def summarize(sites: pd.DataFrame, wells: pd.DataFrame, flags: pd.DataFrame) -> pd.DataFrame:
    """Return one row with the plate's numbers of wells, sites and cells, and of each flag."""
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


def check_quality(
    sites: pd.DataFrame,
    known: pd.DataFrame,
    negcon: str,
    limits: Mapping[str, Any],
    exclude: bool,
    plate_flags: Sequence[Mapping[str, Any]] = (),
) -> dict[str, pd.DataFrame]:
    """Flag the sites, wells and regions of a plate.

    Parameters
    ----------
    sites
        One row per site, from `measure_sites`.
    known
        The content of each well, from `read_known_wells`, with the column `control_type`.
    negcon
        The value of that column that marks negative controls.
    limits
        The limits beyond which something is flagged (the config's `quality.limits`).
    exclude
        Whether sites with a faulty image are excluded from the profiles.
    plate_flags
        Flags of the plate as a whole, from `flag_thresholds`.

    Returns
    -------
    The tables `sites` (with robust z-scores and flags), `wells`, `flags` and `summary`.
    """
    sites = sites.reset_index(drop=True)
    samples = known.set_index("well")["broad_sample"].reindex(sites["Metadata_Well"]).fillna("")
    rows = flag_sites(sites, samples.set_axis(sites.index), limits)
    flags_by_site: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        flags_by_site.setdefault((row["Metadata_Well"], row["Metadata_Site"]), []).append(row["flag"])
    keys = zip(sites["Metadata_Well"], sites["Metadata_Site"], strict=True)
    sites = sites.assign(flags=[" ".join(flags_by_site.get(key, [])) for key in keys])
    z = pd.DataFrame(
        {f"RobustZ_{name}": compute_robust_z(sites[name].astype(float)) for name in list_measures(sites)}
    )
    wells = measure_wells(sites, known)
    rows += flag_low_counts(wells, limits) + flag_regions(sites, wells, negcon, limits) + list(plate_flags)
    flags = pd.DataFrame(rows, columns=FLAG_COLUMNS)
    flags["excluded"] = flags["flag"].isin(IMAGE_FLAGS) & exclude
    flags_by_well: dict[str, list[str]] = {}
    wells_by_region = {name: members for name, (_, members) in list_regions(wells["Metadata_Well"]).items()}
    for row in flags.itertuples():
        # A flag of the whole plate does not mark any well.
        for well in [row.Metadata_Well] if pd.isna(row.region) else wells_by_region.get(row.region, []):
            flags_by_well.setdefault(well, []).append(row.flag)
    wells["flags"] = [" ".join(dict.fromkeys(flags_by_well.get(well, []))) for well in wells["Metadata_Well"]]
    return {
        "sites": pd.concat([sites, z], axis=1),
        "wells": wells,
        "flags": flags,
        "summary": summarize(sites, wells, flags),
    }


def main(
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    plate: str,
    parameters: Mapping[str, Any],
) -> None:
    """Write the plate's tables of sites, wells and flags, and its summary.

    Parameters
    ----------
    inputs
        Paths of `image` and `cells`, the `plate_map`, and the `annotation` table ("" if there is none).
    outputs
        Paths of `sites` (Parquet), `wells`, `flags` and `summary` (csv).
    plate
        The plate's name.
    parameters
        `gene` (the column of the annotation that holds it, or None), `missing` (the config's keys of which
        `MissingValues` is made), `column` and `negcon` (how controls are marked), `limits` and
        `exclude_flagged` (see `check_quality`).
    """
    known = read_known_wells(
        inputs["plate_map"],
        inputs["annotation"],
        parameters["gene"],
        plate,
        MissingValues.of_config(parameters["missing"]),
    )
    column, negcon = parameters["column"], parameters["negcon"]
    limits, exclude_flagged = parameters["limits"], parameters["exclude_flagged"]
    if column in known:
        known["control_type"] = find_control_kinds(known[column], negcon)
    sites = measure_sites(inputs["image"], inputs["cells"])
    columns = find_threshold_columns(pq.read_schema(inputs["image"]).names)
    image = pq.read_table(inputs["image"], columns=columns).to_pandas()
    plate_flags = flag_thresholds(image, plate)
    tables = check_quality(sites, known, negcon, limits, exclude_flagged, plate_flags)
    for row in tables["flags"].itertuples():
        where = row.region if pd.notna(row.region) else f"{row.Metadata_Well} site {row.Metadata_Site}"
        logger.warning("plate %s, %s: %s: %s", row.Metadata_Plate, where, row.flag, row.reason)
    made_by = get_provenance(
        {"limits": dict(limits), "exclude_flagged": exclude_flagged},
        [inputs[name] for name in ("image", "cells", "plate_map", "annotation") if inputs[name]],
    )
    write_profiles(tables["sites"], outputs["sites"], made_by)
    for name in ("wells", "flags", "summary"):
        with write_whole(outputs[name]) as part:
            tables[name].to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        use_threads(snakemake.threads)
        names = ("gene", "missing", "column", "negcon", "limits", "exclude_flagged")
        main(
            {name: snakemake.input[name] or "" for name in ("image", "cells", "plate_map", "annotation")},
            {name: snakemake.output[name] for name in ("sites", "wells", "flags", "summary")},
            snakemake.wildcards.plate,
            {name: snakemake.params[name] for name in names},
        )
