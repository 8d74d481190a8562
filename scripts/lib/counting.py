"""Count similarities above thresholds in one compiled pass (see `lib/average_precision.py`)."""

import numba
import numpy as np

PART = 512  # similarities that are compared before it is decided whether one of them needs double precision
PIECE = 64  # similarities of a part that are compared again if one of them does


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
def count_rows(similarity, queries, own_lengths, candidates, lengths, thresholds, band, tie, counts):
    """Add to `counts` how many similarities of each row are above each of its thresholds.

    Parameters
    ----------
    similarity, candidates, lengths, thresholds, band, tie
        As for `count_compared`.
    queries, own_lengths
        Profiles, (queries, features), and the length that each is divided by, (queries,).
    counts
        The counts so far, (queries, thresholds); they are changed in place.
    """
    for row in range(similarity.shape[0]):
        for start in range(0, similarity.shape[1], PART):
            part = similarity[row, start : start + PART]
            for column in range(thresholds.shape[1]):
                limit = thresholds[row, column]
                if limit > 1.5:  # nothing is above it: it fills the row of a query with fewer positives
                    continue
                high, low = np.float32(limit) + band, np.float32(limit) - band
                surely, perhaps = count_part(part, high, low)
                counts[row, column] += surely
                if perhaps == surely:
                    continue
                # few are near: vector instructions also find the piece of the part that they are in
                for first in range(0, len(part), PIECE):
                    piece = part[first : first + PIECE]
                    surely, perhaps = count_part(piece, high, low)
                    if perhaps == surely:
                        continue
                    for at in range(len(piece)):
                        if piece[at] > low and piece[at] <= high:
                            other = start + first + at
                            exact = multiply(queries[row], candidates[other]) / lengths[other]
                            counts[row, column] += exact > (limit + tie) * own_lengths[row]


@numba.njit(fastmath=True, nogil=True)
def add_above(similarity, high, low, counts):
    """Add to `counts` which values are above their own thresholds; return the number near them.

    Parameters
    ----------
    similarity, high, low
        Values, and the limits of what is surely above and perhaps above each one's threshold, (n,).
    counts
        The counts so far, (n,); they are changed in place.
    """
    near = np.int32(0)
    for at in range(similarity.shape[0]):
        above = np.int32(similarity[at] > high[at])
        counts[at] += above
        near += np.int32(similarity[at] > low[at]) - above
    return near


@numba.njit(fastmath=True, nogil=True)
def count_near(similarity, high, low):
    """Count the values that are near their own thresholds."""
    near = np.int32(0)
    for at in range(similarity.shape[0]):
        near += np.int32(similarity[at] > low[at]) - np.int32(similarity[at] > high[at])
    return near


@numba.njit(nogil=True)
def count_columns(similarity, queries, own_lengths, candidates, lengths, thresholds, band, tie, counts):
    """Add to `counts` how many similarities of each column are above each of its thresholds.

    Parameters
    ----------
    similarity
        Cosine similarities of candidates and queries in single precision, (candidates, queries).
    queries, own_lengths, candidates, lengths, thresholds, band, tie, counts
        As for `count_rows`.
    """
    for start in range(0, similarity.shape[1], PART):
        for column in range(thresholds.shape[1]):
            limits = thresholds[start : start + PART, column]
            if limits.min() > 1.5:
                continue
            high = limits.astype(np.float32) + band
            low = limits.astype(np.float32) - band
            found = np.zeros(len(limits), dtype=np.int32)
            for row in range(similarity.shape[0]):
                part = similarity[row, start : start + PART]
                if add_above(part, high, low, found) == 0:
                    continue
                for first in range(0, len(part), PIECE):
                    end = min(first + PIECE, len(part))
                    if count_near(part[first:end], high[first:end], low[first:end]) == 0:
                        continue
                    for at in range(first, end):
                        if part[at] > low[at] and part[at] <= high[at]:
                            query = start + at
                            exact = multiply(queries[query], candidates[row]) / lengths[row]
                            found[at] += exact > (limits[at] + tie) * own_lengths[query]
            counts[start : start + PART, column] += found


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
    own_lengths = np.ones(len(unit))
    count_rows(similarity, unit, own_lengths, candidates, lengths, thresholds, band, tie, counts)
    return counts
