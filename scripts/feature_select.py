"""Remove the features that feature selection dropped from a plate's profiles."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import join_names
from lib.gaps import find_few_cells, find_incomplete_wells
from lib.logs import log_to
from lib.provenance import add_left_out
from lib.selection import OUTLIERS
from lib.spread import mask_lone_values
from lib.tables import get_features, get_provenance, read_profiles, write_profiles


def mask_lone_values_of_plate(
    profiles: pd.DataFrame, limit: float | None
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the profiles of a plate without lone values (`lib.spread`), and those values.

    Only published profiles can have any, since this workflow's normalization leaves none.
    """
    features = get_features(profiles)
    values = profiles[features].to_numpy(float)
    counted = np.isfinite(values).any(axis=1) & ~find_incomplete_wells(values) & ~find_few_cells(profiles)
    values, lone = mask_lone_values(values, profiles["Metadata_Well"].tolist(), features, limit, counted)
    if not lone:
        return profiles, lone
    logging.warning("taken as missing: %s", join_names(map(" ".join, lone.items()), 20))
    table = pd.DataFrame(values, columns=features, index=profiles.index)
    return pd.concat([profiles.drop(columns=features), table], axis=1), lone


def main(
    profiles: str,
    dropped: str,
    output: str,
    settings: Mapping[str, Any],
    over: str,
    outlier_cutoff: float | None,
) -> None:
    """Write the plate's profiles with the selected features.

    Parameters
    ----------
    profiles
        The plate's normalized profiles (Parquet).
    dropped
        The table of dropped features (csv).
    output
        The profiles with the selected features (Parquet).
    settings
        The config's block `feature_select`, for the provenance.
    over
        Whether features were selected on the `plate` or over the `batch`, for the provenance.
    outlier_cutoff
        `normalize.outlier_cutoff` of the config: single values beyond it are taken as missing.
    """
    wells = read_profiles(profiles)
    table = pd.read_csv(dropped, dtype=str)
    names = set(table["feature"])
    selected = wells[[name for name in wells.columns if name not in names]]
    selected, lone = mask_lone_values_of_plate(selected, outlier_cutoff)
    exploding = table[table["operation"] == OUTLIERS].set_index("feature")["reason"].to_dict()
    made_by = get_provenance({"feature_select": settings, "over": over}, [profiles, dropped])
    made_by = add_left_out(made_by, profiles, exploding, values=lone)
    write_profiles(selected, output, made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            snakemake.input.profiles,
            snakemake.input.dropped,
            snakemake.output.profiles,
            snakemake.params.settings,
            snakemake.params.over,
            snakemake.params.outlier_cutoff,
        )
