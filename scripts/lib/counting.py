"""Count similarities above thresholds in one compiled pass (see `lib/average_precision.py`)."""

import numba
import numpy as np

PART = 512  # similarities that are compared before it is decided whether one of them needs double precision


@numba.njit(fastmath=True, nogil=True)
def count_part(similarity, high, low):
    """Count the values above two thresholds; a loop that the compiler turns into vector instructions."""
    surely, perhaps = np.int32(0), np.int32(0)
    for at in range(similarity.shape[0]):
        surely += similarity[at] > high
        perhaps += similarity[at] > low
    return surely, perhaps


@numba.njit(fastmath=True, nogil=True)
def multiply(query, candidate):
    """Return the product of two profiles in double precision."""
    total = 0.0
    for at in range(len(query)):
        total += query[at] * np.float64(candidate[at])
    return total


@numba.njit(nogil=True)
def count_rows(similarity, unit, candidates, lengths, thresholds, band, tie, counts):
    """Add to `counts` how many similarities of each row are above each of its thresholds.

    Parameters
    ----------
    similarity, unit, candidates, lengths, thresholds, band, tie
        As for `count_compared`.
    counts
        The counts so far, (queries, thresholds); they are changed in place.
    """
    for row in range(similarity.shape[0]):
        for start in range(0, similarity.shape[1], PART):
            part = similarity[row, start : start + PART]
            for column in range(thresholds.shape[1]):
                limit = thresholds[row, column]
                nearest = np.float32(limit)
                surely, perhaps = count_part(part, nearest + band, nearest - band)
                counts[row, column] += surely
                if perhaps == surely:
                    continue
                for at in range(len(part)):
                    if part[at] > nearest - band and part[at] <= nearest + band:
                        exact = multiply(unit[row], candidates[start + at]) / lengths[start + at]
                        counts[row, column] += exact > limit + tie


def count_compiled(
    similarity: np.ndarray,
    unit: np.ndarray,
    candidates: np.ndarray,
    lengths: np.ndarray,
    thresholds: np.ndarray,
    band: np.float32,
    tie: float,
) -> np.ndarray:
    """Count as `count_compared` does.

    Parameters
    ----------
    similarity, unit, candidates, lengths, thresholds, band, tie
        As for `count_compared`.

    Returns
    -------
    numpy.ndarray
        Counts, (queries, thresholds).
    """
    counts = np.zeros(thresholds.shape, dtype=np.int64)
    count_rows(similarity, unit, candidates, lengths, thresholds, band, tie, counts)
    return counts
