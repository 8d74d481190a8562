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
from lib.replicates import NEGATIVE_CONTROL, Wells, get_control_type, label_wells, read_wells
from lib.tables import get_provenance, write_profiles

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
        The column, or columns, whose equal values make replicates.
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
    used = perturbation.notna().to_numpy() & np.isfinite(wells.values).any(axis=1)
    few = used & find_few_cells(wells.metadata)
    used &= ~few
    incomplete = used.copy()
    incomplete[used] = find_incomplete_wells(wells.values[used])
    used &= ~incomplete
    metadata = wells.metadata[used].reset_index(drop=True)
    metadata["Metadata_perturbation"] = perturbation[used].to_numpy()
    gappy = find_gappy_features(wells.values[used])
    features = [name for name, gone in zip(wells.features, gappy, strict=True) if not gone]
    values = pd.DataFrame(fill_gaps(wells.values[used][:, ~gappy]), columns=features)
    table = pycytominer.consensus(
        pd.concat([metadata["Metadata_perturbation"], values], axis=1),
        replicate_columns=["Metadata_perturbation"],
        operation=operation,
        features=features,
        modz_args=dict(modz or {"method": "spearman"}),
    )
    table = table.set_index("Metadata_perturbation")[features].sort_index()
    about = metadata.groupby("Metadata_perturbation").agg(get_only_value)
    about = about.drop(columns=[name for name in PER_WELL if name in about])
    about["Metadata_Count_Replicates"] = metadata["Metadata_perturbation"].value_counts()
    names = (wells.metadata["Metadata_Plate"] + " " + wells.metadata["Metadata_Well"]).to_numpy()
    left_out = {
        "wells": {
            **dict.fromkeys(names[few], "fewer cells than minimum_cells"),
            **dict.fromkeys(names[incomplete], "more than a tenth of the features is missing"),
        },
        "features": dict.fromkeys(np.array(wells.features)[gappy], "missing in a well"),
    }
    return about.loc[table.index].join(table).reset_index(), left_out


def get_only_value(column: pd.Series) -> Any:
    """Return the one value of a column; missing if there are several."""
    values = column.unique()
    return values[0] if len(values) == 1 else np.nan


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
