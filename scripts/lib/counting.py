"""Count similarities above thresholds in one compiled pass (see `lib/average_precision.py`)."""

import numba
import numpy as np

PART = 512  # similarities that are compared before it is decided whether one of them needs double precision


@numba.njit(fastmath=True)
def count_part(similarity, high, low):
    """Count the values above two thresholds; a loop that the compiler turns into vector instructions."""
    surely, perhaps = np.int32(0), np.int32(0)
    for at in range(similarity.shape[0]):
        surely += similarity[at] > high
        perhaps += similarity[at] > low
    return surely, perhaps


@numba.njit
def count_rows(similarity, unit, candidates, lengths, thresholds, band, tie, counts):
    """Add to `counts` how many similarities of each row are above each of its thresholds."""
    features = unit.shape[1]
    for row in range(similarity.shape[0]):
        for column in range(thresholds.shape[1]):
            limit = thresholds[row, column]
            nearest = np.float32(limit)
            total = 0
            for start in range(0, similarity.shape[1], PART):
                part = similarity[row, start : start + PART]
                surely, perhaps = count_part(part, nearest + band, nearest - band)
                total += surely
                if perhaps == surely:
                    continue
                for at in range(len(part)):
                    if part[at] > nearest - band and part[at] <= nearest + band:
                        exact = 0.0
                        for feature in range(features):
                            exact += unit[row, feature] * np.float64(candidates[start + at, feature])
                        total += exact / lengths[start + at] > limit + tie
            counts[row, column] += total


def count_compiled(
    similarity: np.ndarray,
    unit: np.ndarray,
    candidates: np.ndarray,
    lengths: np.ndarray,
    thresholds: np.ndarray,
    band: np.float32,
    tie: float,
) -> np.ndarray:
    """Count as `count_compared` does, which describes the parameters."""
    counts = np.zeros(thresholds.shape, dtype=np.int64)
    count_rows(similarity, unit, candidates, lengths, thresholds, band, tie, counts)
    return counts
