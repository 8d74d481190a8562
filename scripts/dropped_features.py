"""List the features that feature selection drops, and why, on one plate or over the plates of a batch."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lib.errors import InputError, join_names
from lib.logs import log_to
from lib.selection import find_dropped_features
from lib.tables import get_features, read_profiles, stack_profiles, write_whole


def main(
    paths: Sequence[str], output: str, settings: Mapping[str, Any], outlier_cutoff: float | None
) -> None:
    """Write the table of dropped features: feature, operation, reason.

    Parameters
    ----------
    paths
        The normalized profiles of the plates over which features are selected.
    output
        The table (csv).
    settings
        The config's block `feature_select`.
    outlier_cutoff
        `normalize.outlier_cutoff` of the config: features with values beyond it are dropped.

    Raises
    ------
    InputError
        If no feature is left.
    """
    together, partial = stack_profiles([read_profiles(path) for path in paths])
    dropped = find_dropped_features(together, settings, outlier_cutoff)
    missing = pd.DataFrame({"feature": partial})
    missing = missing.assign(operation="common_features", reason="not measured on every plate")
    kept = set(get_features(together)) - set(dropped["feature"])
    if not kept:
        counts = dropped["operation"].value_counts().items()
        raise InputError(
            f"{join_names(paths, 3)}: feature selection leaves no feature; it drops "
            f"{join_names(f'{count} by {operation}' for operation, count in counts)}. Relax the "
            "thresholds of feature_select in the config, or look at the plate's normalized profiles."
        )
    logging.info("%d features kept, %d dropped", len(kept), dropped["feature"].nunique())
    with write_whole(output) as part:
        pd.concat([dropped, missing]).to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            snakemake.output.dropped,
            snakemake.params.settings,
            snakemake.params.outlier_cutoff,
        )
