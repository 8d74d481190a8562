"""Normalize average precision to copairs' scale, where 0 is random and 1 is perfect."""

import numpy as np
import pandas as pd

NEARLY = 1e-10  # how near to 1 the random average precision may come


def compute_random_precision(positives: int, negatives: int) -> float:
    """Return the average precision that a random ranking is expected to have, as copairs' `expected_ap`.

    With L items of which M are positive it is ((M - 1) / (L - 1) * (L - H) + H) / L, where H is the sum of
    1 / k for k from 1 to L. (The import of copairs takes 1.5 CPU seconds.)
    """
    items = positives + negatives
    if positives == 0:
        return 0.0
    if negatives == 0:
        return 1.0
    harmonic = sum(1.0 / k for k in range(1, items + 1))
    return (1.0 / items) * (((positives - 1.0) / (items - 1.0)) * (items - harmonic) + harmonic)


def normalize_precision(precision: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Return the same as copairs' `normalize_ap`, which takes hours for 500,000 queries and 100,000 controls.

    copairs computes the random average precision anew for each query, in a time that grows with its number of
    negatives. Here, it is computed once for each pair of numbers.

    Parameters
    ----------
    precision
        Average precisions, (queries,).
    positives, negatives
        Numbers of positives and negatives of each query, (queries,).
    """
    found = np.empty(len(precision))
    numbers = pd.DataFrame({"positives": positives, "negatives": negatives})
    for (chosen, others), rows in numbers.groupby(["positives", "negatives"]).indices.items():
        random = compute_random_precision(int(chosen), int(others))
        found[rows] = (precision[rows] - random) / max(1 - random, NEARLY)
    return np.clip(found, -1, 1)
