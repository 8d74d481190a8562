"""Remove the features that feature selection dropped from a plate's profiles."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import join_names
from lib.gaps import find_few_cells, find_incomplete_wells
from lib.logs import log_to
from lib.provenance import add_left_out
from lib.selection import OUTLIERS
from lib.spread import blank_lone
from lib.tables import get_features, get_provenance, read_profiles, write_profiles


def take_lone_as_missing(profiles: pd.DataFrame, limit: float | None) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the profiles of a plate without lone values (`lib.spread`), and those values.

    Only published profiles can have any, since this workflow's normalization leaves none.
    """
    features = get_features(profiles)
    values = profiles[features].to_numpy(float)
    counted = np.isfinite(values).any(axis=1) & ~find_incomplete_wells(values) & ~find_few_cells(profiles)
    values, lone = blank_lone(values, profiles["Metadata_Well"].tolist(), features, limit, counted)
    if not lone:
        return profiles, lone
    logging.warning("taken as missing: %s", join_names(map(" ".join, lone.items()), 20))
    table = pd.DataFrame(values, columns=features, index=profiles.index)
    return pd.concat([profiles.drop(columns=features), table], axis=1), lone


def main(inputs: Any, params: Any, outputs: Any) -> None:
    """Write the plate's profiles with the selected features."""
    profiles = read_profiles(inputs.profiles)
    table = pd.read_csv(inputs.dropped, dtype=str)
    dropped = set(table["feature"])
    selected = profiles[[name for name in profiles.columns if name not in dropped]]
    selected, lone = take_lone_as_missing(selected, params.outlier_cutoff)
    exploding = table[table["operation"] == OUTLIERS].set_index("feature")["reason"].to_dict()
    made_by = get_provenance(
        {"feature_select": params.settings, "over": params.over},
        [inputs.profiles, inputs.dropped],
    )
    made_by = add_left_out(made_by, inputs.profiles, exploding, values=lone)
    write_profiles(selected, outputs.profiles, made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(snakemake.input, snakemake.params, snakemake.output)
