"""Average precision of wells that rank their positives among many negatives, without a list of all pairs.

Average precision needs no complete ranking: a positive that has k positives and n negatives above it
adds k / (k + n) (itself counted among the k). So only the negatives above each positive are counted, block
by block. The similarities of a block are computed in single precision, and those that come so near to a
positive's that rounding might matter are computed again in double precision: the counts are those of double
precision, at the speed and memory of single precision. For large conditions a compiled loop counts
(`lib/counting.py`); for small ones its compilation would take longer than the counting.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

BLOCK = 8_000_000  # similarities that are held at once
QUERIES, CANDIDATES = 2048, 4096  # profiles in a block, so that a product reads each of them often
MANY = 700_000_000  # comparisons from which the compiled loop is used
TIE = 1e-12  # similarities that differ by less are equal: rounding in another order differs by as much
# Queries of a block whose rows are sorted, at least, so that a product seldom reads the candidates; such a
# block holds at most four times as many similarities as others.
SORTED_QUERIES, SORTED_BLOCK = 256, 4 * BLOCK
COUNTED = 32  # with more thresholds per row than this, a row is sorted instead of compared with each
HELD_QUERIES = 20_000  # wells whose profiles are held in double precision


def scale_rows_to_unit(values: np.ndarray) -> np.ndarray:
    """Scale each row to length 1, in double precision: the product of two rows is their cosine similarity."""
    rows = np.asarray(values, dtype=float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass(frozen=True)
class Candidates:
    """Profiles that many queries rank, prepared once.

    `values` (candidates, features) as given, their `lengths` (candidates,) in double precision, and the
    profiles scaled to length 1 as `columns` (features, candidates) in single precision.
    """

    values: np.ndarray
    lengths: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Candidates":
        """Prepare profiles, (candidates, features)."""
        return cls(values, get_lengths(values), scale_columns_to_unit(values, np.float32))

    def __len__(self) -> int:
        return len(self.values)


def count_above(
    queries: np.ndarray, candidates: np.ndarray | Candidates, thresholds: np.ndarray, threads: int = 1
) -> np.ndarray:
    """Count, for each query and threshold, the candidates whose similarity to the query is larger.

    Parameters
    ----------
    queries
        Profiles, (queries, features).
    candidates
        Profiles, (candidates, features), or the same prepared for several calls.
    thresholds
        Cosine similarities, (queries, thresholds).
    threads
        Number of blocks of queries that are counted at the same time.

    Returns
    -------
    numpy.ndarray
        Counts, (queries, thresholds). Similarities that differ by rounding only count as equal.
    """
    counts = np.zeros(thresholds.shape, dtype=np.int64)
    if not thresholds.size or not len(candidates):
        return counts
    if thresholds.shape[1] > COUNTED:
        values = candidates.values if isinstance(candidates, Candidates) else candidates
        columns = scale_columns_to_unit(values, float)
        step = max(1, min(SORTED_QUERIES, SORTED_BLOCK // len(values)), BLOCK // len(values))
        for start in range(0, len(queries), step):
            rows = slice(start, start + step)
            counts[rows] = count_sorted(scale_rows_to_unit(queries[rows]) @ columns, thresholds[rows])
        return counts
    if not isinstance(candidates, Candidates):
        candidates = Candidates.of(candidates)
    count_block = get_counting(len(queries) * len(candidates) * thresholds.shape[1])

    def count_part(rows: slice) -> None:
        counts[rows] = count_block_of_queries(queries[rows], candidates, thresholds[rows], count_block)

    run_blocks(
        count_part, [slice(start, start + QUERIES) for start in range(0, len(queries), QUERIES)], threads
    )
    return counts


def run_blocks(count_block: Callable[[Any], None], blocks: Sequence[Any], threads: int) -> None:
    """Call a function with each block, in a number of threads."""
    if threads < 2 or len(blocks) < 2:
        for block in blocks:
            count_block(block)
        return
    # each thread computes its own products, in which BLAS must not start threads of its own
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        list(pool.map(count_block, blocks))


def count_block_of_queries(
    queries: np.ndarray,
    candidates: Candidates,
    thresholds: np.ndarray,
    count_block: Callable[..., np.ndarray],
) -> np.ndarray:
    """Count as `count_above`, for at most 2,048 queries, with the function that `get_counting` returns.

    Parameters
    ----------
    queries
        Profiles, (queries, features).
    candidates
        The prepared profiles.
    thresholds
        Cosine similarities, (queries, thresholds).
    count_block
        The function that counts in a block of queries and candidates.

    Returns
    -------
    numpy.ndarray
        Counts, (queries, thresholds).
    """
    unit = scale_rows_to_unit(queries)
    single, band = unit.astype(np.float32), get_band(queries.shape[1])
    counts = np.zeros(thresholds.shape, dtype=np.int64)
    # one buffer for all blocks: new memory for each would cost as much time as the product
    width = min(CANDIDATES, len(candidates))
    buffer = np.empty(len(unit) * width, dtype=np.float32)
    for first in range(0, len(candidates), width):
        part = slice(first, min(first + width, len(candidates)))
        shape = len(unit), part.stop - first
        similarity = buffer[: shape[0] * shape[1]].reshape(shape)
        np.matmul(single, candidates.columns[:, part], out=similarity)
        block = similarity, unit, candidates.values[part], candidates.lengths[part], thresholds
        counts += count_block(*block, band, TIE)
    return counts


def get_lengths(values: np.ndarray) -> np.ndarray:
    """Return the length of each row, made block by block, in double precision."""
    parts = [
        np.linalg.norm(values[start : start + CANDIDATES].astype(float), axis=1)
        for start in range(0, len(values), CANDIDATES)
    ]
    return np.concatenate(parts)


def get_counting(comparisons: int) -> Callable[..., np.ndarray]:
    """Return the function that counts a block: compiled for many comparisons, which takes some seconds."""
    if comparisons < MANY:
        return count_compared
    from lib.counting import count_compiled

    return count_compiled


def scale_columns_to_unit(values: np.ndarray, precision: type) -> np.ndarray:
    """Return profiles of length 1 as the columns of a matrix, made block by block: (features, profiles)."""
    columns = np.empty((values.shape[1], len(values)), dtype=precision, order="F")
    for start in range(0, len(values), 4096):
        columns[:, start : start + 4096] = scale_rows_to_unit(values[start : start + 4096]).T
    return columns


def count_sorted(similarity: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Count the number of values above each threshold of the same row."""
    similarity.sort(axis=1)
    counts = np.empty(thresholds.shape, dtype=np.int64)
    # thresholds in ascending order are found several times faster than in any other
    order = np.argsort(thresholds, axis=1)
    for row, limits, at, found in zip(similarity, thresholds, order, counts, strict=True):
        found[at] = len(row) - np.searchsorted(row, limits[at] + TIE, side="right")
    return counts


def get_band(features: int) -> np.float32:
    """Return a bound of the rounding error of a sum of products in single precision, in any order."""
    return np.float32(2.0**-24 * (features / 4 + 16))


def count_compared(
    similarity: np.ndarray,
    unit: np.ndarray,
    candidates: np.ndarray,
    lengths: np.ndarray,
    thresholds: np.ndarray,
    band: np.float32,
    tie: float,
) -> np.ndarray:
    """Count as `count_above`, for a block of queries and candidates.

    Parameters
    ----------
    similarity
        Their cosine similarities in single precision, (queries, candidates).
    unit
        Queries of length 1, (queries, features).
    candidates
        Candidates as given, (candidates, features).
    lengths
        Their lengths, (candidates,).
    thresholds
        Cosine similarities, (queries, thresholds).
    band
        Similarities that are nearer to a threshold are computed again in double precision.
    tie
        Similarities that are nearer to a threshold are equal to it.

    Returns
    -------
    numpy.ndarray
        Counts, (queries, thresholds).
    """
    counts = np.empty(thresholds.shape, dtype=np.int64)
    for column, limits in enumerate(thresholds.T):
        nearest = limits[:, None].astype(np.float32)
        surely = np.count_nonzero(similarity > nearest + band, axis=1)
        perhaps = np.count_nonzero(similarity > nearest - band, axis=1)
        unsure = np.flatnonzero(perhaps > surely)
        counts[:, column] = surely
        if len(unsure):
            part, at = similarity[unsure], nearest[unsure]
            rows, near = np.nonzero((part > at - band) & (part <= at + band))
            rows = unsure[rows]
            exact = multiply_pairs(unit, rows, candidates, near) / lengths[near]
            above = exact > limits[rows] + tie
            counts[:, column] += np.bincount(rows[above], minlength=len(counts))
    return counts


def multiply_pairs(
    unit: np.ndarray, rows: np.ndarray, candidates: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Return the products of pairs of profiles, in double precision.

    Parameters
    ----------
    unit
        Profiles of length 1, (queries, features).
    rows
        The row of `unit` of each pair, (pairs,).
    candidates
        Profiles, (candidates, features).
    others
        The row of `candidates` of each pair, (pairs,).

    Returns
    -------
    numpy.ndarray
        Products, (pairs,).
    """
    found = np.empty(len(rows))
    step = max(1, BLOCK // (4 * unit.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        found[part] = np.einsum("ij,ij->i", unit[rows[part]], candidates[others[part]].astype(float))
    return found


def compute_precision_from_counts(above: np.ndarray) -> np.ndarray:
    """Return average precision from the negatives above each positive: (queries, positives) to (queries,).

    Among equal similarities a positive ranks first, as in copairs.
    """
    rank = np.arange(1, above.shape[1] + 1)
    return (rank / (rank + np.sort(above, axis=1))).mean(axis=1)


def compute_replicate_precision(
    values: np.ndarray, controls: np.ndarray, groups: Sequence[np.ndarray], threads: int = 1
) -> list[np.ndarray]:
    """Return the average precision of each well, which ranks its group among the controls.

    Groups of one size are ranked together, in blocks.

    Parameters
    ----------
    values
        Profiles, (wells, features).
    controls
        Profiles of the negative controls, (controls, features).
    groups
        The row numbers of each group.
    threads
        Number of blocks of queries that are counted at the same time.

    Returns
    -------
    list
        For each group, the average precision of its wells.
    """
    found: list[np.ndarray] = [np.empty(0, dtype=int)] * len(groups)
    sizes = np.array([len(rows) for rows in groups], dtype=int)
    candidates = Candidates.of(controls) if len(groups) else controls
    for size in np.unique(sizes):
        chosen = np.flatnonzero(sizes == size)
        others = ~np.eye(size, dtype=bool)
        step = max(1, HELD_QUERIES // size)
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            own = scale_rows_to_unit(values[np.concatenate([groups[i] for i in part])])
            blocks = own.reshape(len(part), size, -1)
            limits = (blocks @ blocks.swapaxes(1, 2))[:, others].reshape(len(own), size - 1)
            precision = compute_precision_from_counts(count_above(own, candidates, limits, threads))
            for i, of_group in zip(part, precision.reshape(len(part), size), strict=True):
                found[i] = of_group
    return found
