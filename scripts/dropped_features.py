"""List the features that feature selection drops, and why, on one plate or over the plates of a batch."""

import logging
from typing import Any

import pandas as pd

from lib.errors import InputError, join_names
from lib.logs import log_to
from lib.selection import find_dropped_features
from lib.tables import get_features, read_profiles, write_whole


def stack_profiles(profiles: list[pd.DataFrame]) -> tuple[pd.DataFrame, list[str]]:
    """Return the plates' profiles, concatenated, and the features that not all of them have."""
    together = pd.concat(profiles, join="inner", ignore_index=True)
    everywhere = set(together.columns)
    measured = dict.fromkeys(name for plate in profiles for name in get_features(plate))
    return together, [name for name in measured if name not in everywhere]


def main(inputs: Any, params: Any, outputs: Any) -> None:
    """Write the table of dropped features: feature, operation, reason."""
    together, partial = stack_profiles([read_profiles(path) for path in inputs.profiles])
    dropped = find_dropped_features(together, params.settings, params.outlier_cutoff)
    missing = pd.DataFrame({"feature": partial})
    missing = missing.assign(operation="common_features", reason="not measured on every plate")
    kept = set(get_features(together)) - set(dropped["feature"])
    if not kept:
        counts = dropped["operation"].value_counts().items()
        raise InputError(
            f"{join_names(inputs.profiles, 3)}: feature selection leaves no feature; dropped "
            f"were {join_names(f'{count} by {operation}' for operation, count in counts)}. Relax the "
            "thresholds of feature_select in the config, or look at the plate's normalized profiles."
        )
    logging.info("%d features kept, %d dropped", len(kept), dropped["feature"].nunique())
    with write_whole(outputs.dropped) as part:
        pd.concat([dropped, missing]).to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(snakemake.input, snakemake.params, snakemake.output)
