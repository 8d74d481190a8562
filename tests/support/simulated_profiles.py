"""Profiles with known effects for the tests of the benchmark."""

import numpy as np
import pandas as pd


def plates(
    perturbations: int,
    replicates: int | list[int] = 4,
    effect: float = 0.0,
    position_effect: float = 0.0,
    controls: int = 0,
    features: int = 40,
    genes: int | None = None,
    prefix: str = "P",
    shuffled: bool = False,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Return plates of simulated wells, each with one replicate of every perturbation, as {file: profiles}.

    `replicates`: the number of plates, or the number of plates with each perturbation. A well is
    noise of variance 1 plus `effect` times its gene's (or own) direction plus `position_effect`
    times its position's, both of variance 1. `shuffled` gives each plate its own layout.
    """
    rng = np.random.default_rng(seed)
    counts = [replicates] * perturbations if isinstance(replicates, int) else list(replicates)
    names = [f"{prefix}{i:04d}" for i in range(perturbations)]
    gene = [f"G{i % (genes or perturbations):04d}" for i in range(perturbations)]
    directions = np.random.default_rng(99).normal(size=(genes or perturbations, features))
    places = [f"W{i:05d}" for i in range(perturbations + controls)]
    drift = rng.normal(size=(len(places), features))
    found = {}
    for plate in range(max(counts)):
        order = rng.permutation(len(places)) if shuffled else np.arange(len(places))
        rows, values = [], []
        for i in range(perturbations + controls):
            treated = i < perturbations
            if treated and plate >= counts[i]:
                continue
            value = rng.normal(size=features) + position_effect * drift[order[i]]
            if treated:
                value += effect * directions[i % (genes or perturbations)]
            rows.append(
                {
                    "Metadata_Plate": f"{prefix}plate{plate}",
                    "Metadata_Well": places[order[i]],
                    "Metadata_broad_sample": names[i] if treated else np.nan,
                    "Metadata_gene": gene[i] if treated else np.nan,
                    "Metadata_control_type": np.nan if treated else "negcon",
                }
            )
            values.append(value)
        table = pd.DataFrame(np.array(values), columns=[f"Cells_F{j}" for j in range(features)])
        metadata = pd.DataFrame(rows).astype("str")
        found[f"{prefix}plate{plate}.parquet"] = pd.concat([metadata, table], axis=1)
    return found


def compute_median_directly(rows: np.ndarray) -> float:
    """Return the median of the off-diagonal Pearson correlations, as in the definition."""
    correlations = np.corrcoef(rows)
    np.fill_diagonal(correlations, np.nan)
    return float(np.nanmedian(correlations))
