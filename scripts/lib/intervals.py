"""Confidence intervals of a score over perturbations as a sample of more of their kind.

The benchmark's own interval shows how much a score depends on the draws of its null. With ten perturbations
it may have no width, although an eleventh would change the score by percents; these intervals show that.
"""

import numpy as np
import pandas as pd

ROUNDING = 1e-12
Z = 1.959963984540054  # 97.5th percentile of the normal distribution


def compute_proportion_interval(counts: np.ndarray, clusters: pd.Series | None = None) -> tuple[float, float]:
    """Return Wilson's 95 % interval, in percent, of the fraction of `counts` (booleans) that are true.

    `clusters` groups dependent counts, such as the pairs of one gene: the number of counts is
    divided by the design effect (the cluster variance over that of as many independent counts, at
    least 1), as Korn and Graubard (1998, Survey Methodology) do. If all or none are true, the clusters
    give no information on it, and each counts once. NaN without any count.
    """
    counts = np.asarray(counts, dtype=float)
    number = len(counts)
    if not number:
        return np.nan, np.nan
    share = counts.mean()
    codes = np.arange(number) if clusters is None else pd.factorize(clusters)[0]
    sizes, hits = np.bincount(codes), np.bincount(codes, weights=counts)
    effect = number / len(sizes)
    if 0 < share < 1 and len(sizes) > 1:
        scatter = len(sizes) / (len(sizes) - 1) * ((hits - share * sizes) ** 2).sum() / number**2
        effect = max(1.0, scatter / (share * (1 - share) / (number - 1)))
    size = number / effect
    center = share + Z**2 / (2 * size)
    half = Z * np.sqrt(share * (1 - share) / size + Z**2 / (4 * size**2))
    low, high = (100 * (center + side * half) / (1 + Z**2 / size) for side in (-1, 1))
    return max(0.0, low), min(100.0, high)


def compute_mean_interval(values: np.ndarray, seed: int, resamples: int = 10_000) -> tuple[float, float]:
    """Return the central 95 % of the means of as many values drawn with replacement (bootstrap).

    NaN if all values are equal (apart from rounding): they say nothing about the spread of others.
    """
    values = np.asarray(values, dtype=float)
    if not len(values) or np.ptp(values) <= ROUNDING * np.abs(values).max():
        return np.nan, np.nan
    rng = np.random.default_rng([seed, 4])
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def get_interval_columns(name: str, interval: tuple[float, float]) -> dict[str, float]:
    """Return the two columns of a score's interval over perturbations."""
    return {f"{name}_sampling_{end}": value for end, value in zip(("low", "high"), interval, strict=True)}
