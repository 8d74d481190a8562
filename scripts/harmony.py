"""Harmony on the wells of several plates: align the batches (Korsunsky et al. 2019, Nature Methods).

The step `harmony` of a chain. It runs in a separate environment, since harmonypy is licensed under GPL-3.
The settings are those of the JUMP consortium's recipe, whose published values need harmonypy 0.0.10: later
versions were rewritten and give other digits. `lib.chain_wells` says which wells count.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lib.chain_wells import Part, get_batches, process_files
from lib.logs import log_to
from lib.tables import get_features

WELLS_PER_CLUSTER = 30  # as harmonypy has it
LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "harmonypy", "pyarrow")


def mix_batches(part: Part, step: str, options: Mapping[str, Any]) -> pd.DataFrame:
    """Return the profiles in Harmony's corrected features X_1, X_2, ...

    Parameters
    ----------
    part
        The wells, without missing values.
    step
        Always `harmony`.
    options
        `batch` (the column whose equal values define a batch; a single batch is returned unchanged), and
        Harmony's `clusters` and `iterations`.

    Returns
    -------
    pandas.DataFrame
        Metadata, and as many features as before, in single precision as in the recipe's files.
    """
    profiles, batch = part.profiles, options["batch"]
    of_batch = get_batches(profiles, batch, step)
    features = get_features(profiles)
    # In single precision, the clusters of one of the recipe's published files are others.
    values = profiles[features].to_numpy(float)
    if of_batch.nunique() > 1:
        clusters = limit_clusters(len(profiles), options["clusters"])
        part.found["clusters"] = clusters
        values = run_harmony(values, of_batch.to_frame(batch), batch, clusters, options["iterations"])
    names = [f"X_{number}" for number in range(1, len(features) + 1)]
    table = pd.DataFrame(values.astype(np.float32), columns=names, index=profiles.index)
    return pd.concat([profiles.drop(columns=features), table], axis=1)


def limit_clusters(wells: int, clusters: int) -> int:
    """Return the number of clusters: with fewer wells than that, harmonypy's default of one per 30 wells."""
    if wells >= clusters:
        return clusters
    fewer = max(2, round(wells / WELLS_PER_CLUSTER))
    logging.warning(
        "harmony: %d wells have values, fewer than its %d clusters: %d clusters are used. Its option "
        "`clusters` sets their number.",
        *(wells, clusters, fewer),
    )
    return fewer


def run_harmony(
    values: np.ndarray, of_batch: pd.DataFrame, batch: str, clusters: int, iterations: int
) -> np.ndarray:
    """Return the corrected values (wells, features) of harmonypy, which only this step's environment has.

    Parameters
    ----------
    values
        Profiles, (wells, features).
    of_batch
        One row per well, with the column that `batch` names.
    batch
        The column of the batches.
    clusters
        The number of clusters.
    iterations
        The largest number of iterations.
    """
    import harmonypy

    # its messages go to the rule's log only, not also to the terminal
    logging.getLogger("harmonypy").handlers.clear()
    corrected = harmonypy.run_harmony(
        values, of_batch, batch, max_iter_harmony=iterations, nclust=clusters
    ).Z_corr
    return corrected.T if corrected.shape == values.T.shape else corrected


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", nargs="+", required=True)
    parser.add_argument("--settings", type=json.loads, required=True)
    parser.add_argument("--controls", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--dropped", required=True)
    given = parser.parse_args()
    with log_to(given.log):
        process_files(
            given.profiles,
            given.settings,
            given.controls,
            mix_batches,
            {"profiles": given.output, "dropped": given.dropped},
            LIBRARIES,
        )
