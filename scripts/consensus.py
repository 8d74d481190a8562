"""Consensus profiles: one row per perturbation, from the wells of all plates of a condition.

The median or mean over the replicates, or MODZ (Subramanian et al. 2017, Cell: a mean weighted by how well a
replicate agrees with the others), all by pycytominer. Negative controls count as one
perturbation; empty wells are left out. pycytominer silently drops rows without a perturbation, and its MODZ
ranks missing values: such rows and values are removed before it is called.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pycytominer

from lib.gaps import fill_gaps, find_few_cells, find_gappy_features, find_incomplete_wells
from lib.logs import log_to
from lib.replicates import (
    NEGATIVE_CONTROL,
    Wells,
    apply_by_rows,
    get_control_type,
    group_members,
    label_wells,
    read_wells,
)
from lib.tables import get_provenance, write_profiles

WELLS = 20_000  # wells whose consensus is computed at a time
PER_WELL = ("Metadata_Plate", "Metadata_Well", "Metadata_perturbation")


def compute_consensus(
    wells: Wells,
    group: str | Sequence[str] = "Metadata_broad_sample",
    operation: str = "median",
    modz: Mapping[str, Any] | None = None,
) -> tuple[pd.DataFrame, dict[str, dict[str, str]]]:
    """Compute one row per perturbation, sorted: metadata, number of replicates, consensus features.

    Parameters
    ----------
    wells
        The wells of a condition.
    group
        The column, or columns, whose equal values define replicates.
    operation
        `median`, `mean` or `modz`.
    modz
        The weights of MODZ: `method`, `min_weight` and `precision`, by default pycytominer's.

    Returns
    -------
    The consensus, in which metadata that differ between the wells of a perturbation are missing; and what was
    left out with the reason, by kind: wells without any value, incomplete wells, and the features that the
    other wells lack (the rule of `lib.gaps`).
    """
    negative = get_control_type(wells.metadata) == NEGATIVE_CONTROL
    perturbation = label_wells(wells.metadata, group).mask(negative, NEGATIVE_CONTROL)
    complete = apply_by_rows(wells.values, lambda part: np.isfinite(part).all(axis=1))
    used = perturbation.notna().to_numpy() & apply_by_rows(
        wells.values, lambda part: np.isfinite(part).any(axis=1)
    )
    few = used & find_few_cells(wells.metadata)
    used &= ~few
    incomplete = np.zeros(len(wells), dtype=bool)
    gappy = np.zeros(len(wells.features), dtype=bool)
    # the values of a large condition without gaps are not copied
    values, rows = wells.values, np.flatnonzero(used)
    if not complete[used].all():
        incomplete[used] = find_incomplete_wells(wells.values[used])
        used &= ~incomplete
        gappy = find_gappy_features(wells.values[used])
        values = fill_gaps(wells.values[used][:, ~gappy])
        rows = np.arange(len(values))
    metadata = wells.metadata[used].reset_index(drop=True)
    metadata["Metadata_perturbation"] = perturbation[used].to_numpy()
    features = [name for name, gone in zip(wells.features, gappy, strict=True) if not gone]
    parts = []
    for part in split_perturbations(metadata["Metadata_perturbation"]):
        table = pd.DataFrame(values[rows[part]], columns=features)
        table.insert(0, "Metadata_perturbation", metadata["Metadata_perturbation"].iloc[part].to_numpy())
        found = pycytominer.consensus(
            table,
            replicate_columns=["Metadata_perturbation"],
            operation=operation,
            features=features,
            modz_args=dict(modz or {"method": "spearman"}),
        )
        parts.append(found.set_index("Metadata_perturbation")[features].sort_index())
    table = pd.concat(parts) if parts else pd.DataFrame(columns=features)
    about = get_common_metadata(metadata)
    names = (wells.metadata["Metadata_Plate"] + " " + wells.metadata["Metadata_Well"]).to_numpy()
    left_out = {
        "wells": {
            **dict.fromkeys(names[few], "fewer cells than minimum_cells"),
            **dict.fromkeys(names[incomplete], "more than a tenth of the features is missing"),
        },
        "features": dict.fromkeys(np.array(wells.features)[gappy], "missing in a well"),
    }
    return about.loc[table.index].join(table).reset_index(), left_out


def split_perturbations(perturbation: pd.Series) -> list[np.ndarray]:
    """Yield the wells (row numbers) of a few perturbations at a time, at most 20,000 wells.

    A consensus depends on the wells of its perturbation alone, and pycytominer copies what it is given.
    """
    parts: list[list[np.ndarray]] = []
    number = WELLS
    for wells in group_members(perturbation).values():
        if number + len(wells) > WELLS:
            parts.append([])
            number = 0
        parts[-1].append(wells)
        number += len(wells)
    return [np.sort(np.concatenate(part)) for part in parts]


def get_common_metadata(metadata: pd.DataFrame) -> pd.DataFrame:
    """Return the metadata of each perturbation, missing where its wells differ, and its number of wells."""
    grouped = metadata.groupby("Metadata_perturbation")
    about = metadata.drop_duplicates("Metadata_perturbation").set_index("Metadata_perturbation")
    about = about.mask(grouped.nunique(dropna=False).reindex(about.index) > 1)
    about = about.drop(columns=[name for name in PER_WELL if name in about])
    return about.assign(Metadata_Count_Replicates=grouped.size())


def main(
    profiles: Sequence[str],
    output: str,
    condition: Mapping[str, Any],
    options: Mapping[str, Any],
    controls: Mapping[str, str] | None = None,
) -> None:
    """Write the consensus of a condition's plates.

    Parameters
    ----------
    profiles : the files of the condition's plates.
    output : the file to write.
    condition : feature set and condition, for the provenance.
    options : the parameters of `compute_consensus`.
    controls : the column that marks controls and its value, or None.
    """
    table, left_out = compute_consensus(read_wells(profiles, controls), **options)
    made_by = get_provenance({**condition, **options}, profiles)
    if any(left_out.values()):
        made_by["left_out"] = {kind: reasons for kind, reasons in left_out.items() if reasons}
    write_profiles(table, output, made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            snakemake.output.profiles,
            dict(snakemake.params.condition),
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
