"""Count similarities above thresholds where profiles rank each other: each similarity is computed once.

The similarity of two profiles is compared with the thresholds of both. This halves the matrix products of
`count_above` for a comparison of a large condition with itself.
"""

from threading import Lock

import numpy as np

from lib.average_precision import QUERIES, TIE, Candidates, get_band, run_blocks


def count_above_within(profiles: Candidates, thresholds: np.ndarray, threads: int = 1) -> np.ndarray:
    """Count, for each profile and threshold, the profiles (itself included) that are more similar to it.

    Parameters
    ----------
    profiles
        Profiles that rank each other, prepared.
    thresholds
        Cosine similarities, (profiles, thresholds); 2 where a profile has fewer thresholds.
    threads
        Number of blocks that are counted at the same time.

    Returns
    -------
    numpy.ndarray
        Counts, (profiles, thresholds), equal to those of `count_above`.
    """
    from lib.counting import count_columns, count_rows

    counts = np.zeros(thresholds.shape, dtype=np.int64)
    band, lock = get_band(profiles.values.shape[1]), Lock()
    starts = range(0, len(profiles), QUERIES)
    pairs = [(first, second) for first in starts for second in starts if first <= second]

    def count_block(pair: tuple[int, int]) -> None:
        a, b = (slice(start, start + QUERIES) for start in pair)
        similarity = profiles.columns[:, a].T @ profiles.columns[:, b]
        sides = [(profiles.values[part], profiles.lengths[part]) for part in (a, b)]
        of_rows = np.zeros((similarity.shape[0], thresholds.shape[1]), dtype=np.int64)
        count_rows(similarity, *sides[0], *sides[1], thresholds[a], band, TIE, of_rows)
        of_columns = np.zeros((similarity.shape[1], thresholds.shape[1]), dtype=np.int64)
        if pair[0] != pair[1]:
            count_columns(similarity, *sides[1], *sides[0], thresholds[b], band, TIE, of_columns)
        with lock:
            counts[a] += of_rows
            counts[b] += of_columns

    run_blocks(count_block, pairs, threads)
    return counts
