"""Choose example cells of each perturbation on a plate: those that are nearest to the median of its cells.

The cells come from one site of each well, the one whose thumbnail is drawn. The distance of a cell is the
root mean square, over the features, of its difference to the median of all cells of its perturbation on the
plate, in units of the spread of the plate's cells (1.4826 MAD); each difference is limited to 10.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.cell_positions import POSITION, find_position_columns

MOST_FEATURES = 300  # features that are compared, spread evenly over all of them
MOST_CANDIDATES = 200  # cells of a well
LIMIT = 10.0


def choose_examples(
    cells: str | Path,
    features: Sequence[str],
    sites: Mapping[str, str],
    perturbations: Mapping[str, str],
    number: int,
) -> dict[str, np.ndarray]:
    """Choose the example cells of each well.

    Parameters
    ----------
    cells
        The single-cell table.
    features
        The features that are compared; those that the table lacks are left out.
    sites
        The site of each well from which its cells are chosen.
    perturbations
        The perturbation of each well; a well that is not named stands for itself.
    number
        How many cells of a well are chosen; a well with fewer cells gives all of them.

    Returns
    -------
    dict[str, numpy.ndarray]
        For each well with cells the centers of the chosen ones in pixels, nearest to the median first:
        (cells, 2), X and Y. It is empty if the table has no positions of cells.
    """
    with pq.ParquetFile(cells) as file:
        there = set(file.schema_arrow.names)
        position = find_position_columns(file.schema_arrow.names)
        if not position:
            logging.warning("%s has no positions of cells: no example cells are shown", cells)
            return {}
        compared = pick_evenly([name for name in features if name in there], MOST_FEATURES)
        found = read_candidates(file, [*(position[axis] for axis in POSITION), *compared], sites)
    if not found:
        return {}
    centers = {well: table[:, :2] for well, table in found.items()}
    values = {well: table[:, 2:] for well, table in found.items()}
    spread = measure_spread(np.concatenate(list(values.values())))
    groups: dict[str, list[str]] = {}
    for well in values:
        groups.setdefault(perturbations.get(well) or f"well {well}", []).append(well)
    chosen = {}
    for wells in groups.values():
        with np.errstate(all="ignore"):
            median = compute_finite_medians(np.concatenate([values[well] for well in wells]))
            for well in wells:
                distance = measure_distance(values[well], median, spread)
                chosen[well] = centers[well][np.argsort(distance, kind="stable")[:number]]
    return chosen


def pick_evenly(names: Sequence[str], most: int) -> list[str]:
    """Return at most `most` names, spread evenly over all of them."""
    if len(names) <= most:
        return list(names)
    return [names[at] for at in np.linspace(0, len(names) - 1, most).round().astype(int)]


def read_candidates(
    file: pq.ParquetFile, columns: Sequence[str], sites: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Return the first cells of the named site of each well: (cells, columns), float32.

    Cells without a position, which are the first two columns, are left out.
    """
    wanted = pa.array([f"{well}/{site}" for well, site in sites.items()])
    parts: dict[str, list[np.ndarray]] = {}
    for batch in file.iter_batches(columns=["Metadata_Well", "Metadata_Site", *columns]):
        wells, numbers = (pc.cast(batch[name], pa.string()) for name in ("Metadata_Well", "Metadata_Site"))
        mask = pc.is_in(pc.binary_join_element_wise(wells, numbers, "/"), wanted)
        some = batch.filter(mask)
        if not some.num_rows:
            continue
        names = np.array(wells.filter(mask).to_pylist())
        values = np.column_stack([as_floats(some[name]) for name in columns])
        for well in dict.fromkeys(names.tolist()):
            own = parts.setdefault(well, [])
            room = MOST_CANDIDATES - sum(map(len, own))
            placed = values[names == well]
            own.append(placed[np.isfinite(placed[:, :2]).all(axis=1)][:room])
    joined = {well: np.concatenate(own) for well, own in parts.items()}
    return {well: table for well, table in joined.items() if len(table)}


def as_floats(column: pa.Array) -> np.ndarray:
    """Return a column as float32; values that are not numbers are missing."""
    return pc.cast(column, pa.float32(), safe=False).to_numpy(zero_copy_only=False)


def compute_finite_medians(values: np.ndarray) -> np.ndarray:
    """Return the median of each column over its finite values, NaN for a column without any."""
    known = np.where(np.isfinite(values), values, np.nan)
    empty = np.isnan(known).all(axis=0)
    return np.where(empty, np.nan, np.nanmedian(np.where(empty, 0, known), axis=0))


def measure_spread(values: np.ndarray) -> np.ndarray:
    """Return 1.4826 MAD of each column; a column without spread has NaN, so that it does not count."""
    with np.errstate(all="ignore"):
        spread = 1.4826 * compute_finite_medians(np.abs(values - compute_finite_medians(values)))
    return np.where(spread > 0, spread, np.nan)


def measure_distance(values: np.ndarray, center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the distance of each cell to a center; infinity for a cell without a feature that counts."""
    difference = np.clip((values - center) / spread, -LIMIT, LIMIT)
    known = np.isfinite(difference)
    number = known.sum(axis=1)
    total = np.where(known, difference, 0) ** 2
    return np.sqrt(np.divide(total.sum(axis=1), number, out=np.full(len(values), np.inf), where=number > 0))
