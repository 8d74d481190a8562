"""Average precision of queries that each have their own positives, such as perturbations of one gene."""

from collections.abc import Sequence

import numpy as np

from lib.average_precision import (
    BLOCK,
    COUNTED,
    MANY,
    TIE,
    Candidates,
    compute_precision_from_counts,
    count_above,
    scale_rows_to_unit,
)

NONE = np.empty(0, dtype=int)
NEVER = 2.0  # a threshold that no similarity exceeds


def rank_queries(
    queries: np.ndarray,
    candidates: np.ndarray,
    rows: Sequence[int],
    positives: Sequence[np.ndarray],
    aside: Sequence[np.ndarray],
    threads: int = 1,
) -> np.ndarray:
    """Return the average precision of some queries, each with its own positives.

    Parameters
    ----------
    queries, candidates
        Profiles, (queries, features) and (candidates, features).
    rows
        The queries that rank.
    positives
        For each of them, its positives among the candidates.
    aside
        For each of them, the candidates that are not negatives: its positives, and those that are left out.
    threads
        Number of blocks of queries that are counted at the same time.

    Returns
    -------
    numpy.ndarray
        Average precision of each of `rows`.
    """
    found = np.empty(len(rows))
    if not len(rows):
        return found
    rows = np.asarray(rows)
    prepared = Candidates.of(candidates)
    width = np.array([len(part) for part in positives], dtype=int)
    similarity = multiply_sets(queries, rows, candidates, positives)
    similarity_aside = multiply_sets(queries, rows, candidates, aside)
    comparisons = len(rows) * len(candidates) * int(width.max())
    # profiles that rank each other share their similarities, unless few of them are queries
    shared = queries is candidates and comparisons >= MANY and 2 * len(rows) > len(candidates)
    narrow = np.flatnonzero(width <= COUNTED) if shared else NONE
    if len(narrow):
        from lib.symmetric_counting import count_above_within

        limits = np.full((len(candidates), int(width[narrow].max())), NEVER)
        for i in narrow:
            limits[rows[i], : width[i]] = similarity[i]
        above = count_above_within(prepared, limits, threads)
        for i in narrow:
            found[i] = get_precision(above[rows[i]], similarity[i], similarity_aside[i])
    # other queries with similar numbers of positives are ranked together
    classes = np.ceil(np.log2(np.maximum(width, 1))).astype(int)
    classes[narrow] = -1
    for each in np.unique(classes[classes >= 0]):
        chosen = np.flatnonzero(classes == each)
        limits = np.full((len(chosen), width[chosen].max()), NEVER)
        for line, i in enumerate(chosen):
            limits[line, : width[i]] = similarity[i]
        above = count_above(queries[rows[chosen]], prepared, limits, threads)
        for line, i in enumerate(chosen):
            found[i] = get_precision(above[line], similarity[i], similarity_aside[i])
    return found


def multiply_sets(
    queries: np.ndarray, rows: np.ndarray, candidates: np.ndarray, sets: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return the similarities of each query to its own set of candidates, in double precision.

    Parameters
    ----------
    queries
        Profiles, (queries, features).
    rows
        The queries that have a set.
    candidates
        Profiles, (candidates, features).
    sets
        The row numbers of each query's candidates.
    """
    found: list[np.ndarray] = [np.empty(0)] * len(sets)
    sizes = np.array([len(part) for part in sets])
    for size in np.unique(sizes):
        chosen = np.flatnonzero(sizes == size)
        step = max(1, BLOCK // (4 * max(1, size) * queries.shape[1]))
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            unit = scale_rows_to_unit(queries[rows[part]])
            others = scale_rows_to_unit(candidates[np.concatenate([sets[i] for i in part])])
            blocks = others.reshape(len(part), size, -1) @ unit[:, :, None]
            for i, similarity in zip(part, blocks[:, :, 0], strict=True):
                found[i] = similarity
    return found


def get_precision(above: np.ndarray, similarity: np.ndarray, aside: np.ndarray) -> float:
    """Return the average precision of one query.

    Parameters
    ----------
    above
        The number of candidates above each positive, (at least as many as positives,).
    similarity, aside
        The similarities of the positives, and of all candidates that are not negatives.
    """
    no_negatives = (aside[None, :] > similarity[:, None] + TIE).sum(axis=1)
    return float(compute_precision_from_counts((above[: len(similarity)] - no_negatives)[None])[0])
