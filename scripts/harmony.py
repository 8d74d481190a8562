"""Harmony on the wells of several plates: align the batches (Korsunsky et al. 2019, Nature Methods).

The step `harmony` of a chain. It runs in a separate environment, since harmonypy is licensed under GPL-3.
The settings are those of the JUMP consortium's recipe, whose published values need harmonypy 0.0.10: later
versions were rewritten and give other digits. Wells without any value stay so; features that other wells lack
are left out by the rule of `lib.gaps`.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.gaps import leave_out_gaps
from lib.logs import log_to
from lib.provenance import read_provenance
from lib.tables import get_features, get_provenance, read_profiles, stack_profiles, write_profiles

WELLS_PER_CLUSTER = 30  # as harmonypy has it
LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "harmonypy", "pyarrow")


def mix_batches(profiles: pd.DataFrame, batch: str, clusters: int, iterations: int) -> pd.DataFrame:
    """Return the profiles in Harmony's corrected features X_1, X_2, ...

    Parameters
    ----------
    profiles : the wells of all plates.
    batch : the column whose equal values make a batch; a single batch is returned unchanged.
    clusters, iterations : of Harmony.

    Returns
    -------
    Metadata, and as many features as before, in single precision as in the recipe's files. A well without
    values has none.

    Raises
    ------
    InputError
        If the column is missing, or a well has no batch.
    """
    if batch not in profiles:
        raise InputError(f"harmony: the profiles have no column {batch} (its option `batch`).")
    counted = np.isfinite(profiles[get_features(profiles)].to_numpy(float)).any(axis=1)
    filled, dropped = leave_out_gaps(profiles[counted].reset_index(drop=True))
    if dropped:
        logging.warning(
            "%d features are missing in a well and left out: %s", len(dropped), join_names(dropped, 5)
        )
    profiles, features = profiles.drop(columns=list(dropped)), get_features(filled)
    values = np.full((len(profiles), len(features)), np.nan, dtype=np.float32)
    values[counted] = filled[features].to_numpy()
    without = profiles.loc[counted & profiles[batch].isna().to_numpy(), "Metadata_Well"]
    if len(without):
        raise InputError(
            f"harmony: {len(without)} wells have no value in {batch} (its option `batch`): "
            f"{join_names(without.unique(), 5)}."
        )
    of_batch = profiles.loc[counted, [batch]].astype(str).reset_index(drop=True)
    if of_batch[batch].nunique() == 1:
        logging.warning(
            "harmony: all wells are of one batch (%s %s), so there is nothing to align: the features are "
            "returned as they are, under Harmony's names. Its option `batch` names another column.",
            *(batch, of_batch[batch].iloc[0]),
        )
    else:
        values[counted] = run_harmony(values[counted], of_batch, batch, clusters, iterations)
    names = [f"X_{number}" for number in range(1, len(features) + 1)]
    table = pd.DataFrame(values, columns=names, index=profiles.index)
    return pd.concat([profiles.drop(columns=features), table], axis=1)


def limit_clusters(profiles: pd.DataFrame, clusters: int) -> int:
    """Return the number of clusters: with fewer wells than that, harmonypy's default of one per 30 wells."""
    wells = int(np.isfinite(profiles[get_features(profiles)].to_numpy(float)).any(axis=1).sum())
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

    corrected = harmonypy.run_harmony(
        values, of_batch, batch, max_iter_harmony=iterations, nclust=clusters
    ).Z_corr
    return corrected.T if corrected.shape == values.T.shape else corrected


def main(paths: Sequence[str], settings: Mapping[str, Any], output: str) -> None:
    """Write the corrected wells."""
    profiles, partial = stack_profiles([read_profiles(path) for path in paths])
    if partial:
        logging.warning(
            "harmony: %d features are not measured on every plate: %s", len(partial), join_names(partial, 5)
        )
    options = {**settings["options"]}
    options["clusters"] = limit_clusters(profiles, options["clusters"])
    corrected = mix_batches(profiles, options["batch"], options["clusters"], options["iterations"])
    before = [] if settings["first"] else read_provenance(paths[0])["parameters"]["steps"]
    steps = [*before, {"step": "harmony", **options}]
    write_profiles(
        corrected, output, get_provenance({"chain": settings["chain"], "steps": steps}, paths, LIBRARIES)
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", nargs="+", required=True)
    parser.add_argument("--settings", type=json.loads, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True)
    given = parser.parse_args()
    with log_to(given.log):
        main(given.profiles, given.settings, given.output)
