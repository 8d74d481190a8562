"""Read the cells of a plate well by well, without ever holding the plate in memory."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import InputError, join_names

# Cells whose wells are collected in one pass; a row group of the single-cell table has as many.
ROWS = 8192


def read_codes(file: pq.ParquetFile, wells: Sequence[str]) -> np.ndarray:
    """Return the position of each cell's well among `wells`.

    Raises
    ------
    InputError
        For cells in a well that is not among them.
    """
    position, parts = {well: at for at, well in enumerate(wells)}, []
    for batch in file.iter_batches(columns=["Metadata_Well"]):
        column = batch["Metadata_Well"].dictionary_encode()
        names = column.dictionary.to_pylist()
        if strange := sorted(set(names) - set(position)):
            raise InputError(
                f"Wells {join_names(strange)} have cells but no profile: make the profiles of this plate "
                "again."
            )
        codes = np.array([position[name] for name in names], dtype=np.int32)
        parts.append(codes[column.indices.to_numpy()])
    return np.concatenate([np.array([], dtype=np.int32), *parts])


def iterate_wells(
    file: pq.ParquetFile, codes: np.ndarray, kept: np.ndarray, columns: Sequence[str]
) -> Iterator[tuple[int, np.ndarray, pa.Table]]:
    """Yield the kept cells of each well that has any, in the order of the wells.

    Where the cells of a well lie together in the table, each part of it is read once or twice; where they are
    scattered, the table is read once for about every `ROWS` cells.

    Parameters
    ----------
    file
        The single-cell table.
    codes
        (cells,), the number of each cell's well.
    kept
        (cells,), which cells are kept.
    columns
        The columns to read.

    Yields
    ------
    The number of the well, the row numbers of its cells in the table, and the cells.
    """
    counts = np.bincount(codes[kept], minlength=1)
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    firsts = np.cumsum([0, *sizes])
    of_group = [np.unique(codes[a:b][kept[a:b]]) for a, b in pairwise(firsts)]
    for wells in group_wells(counts):
        parts, rows = [], []
        for group, there in enumerate(of_group):
            if not np.isin(there, wells).any():
                continue
            part = slice(firsts[group], firsts[group + 1])
            mask = kept[part] & np.isin(codes[part], wells)
            parts.append(file.read_row_group(group, columns=list(columns)).filter(pa.array(mask)))
            rows.append(firsts[group] + np.flatnonzero(mask))
        table, row = pa.concat_tables(parts), np.concatenate(rows)
        for well in wells:
            own = np.flatnonzero(codes[row] == well)
            yield int(well), row[own], table.take(pa.array(own))


def group_wells(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the numbers of wells that have cells, some consecutive ones at a time with about `ROWS` cells."""
    waiting: list[int] = []
    for well in np.flatnonzero(counts):
        if waiting and counts[waiting].sum() + counts[well] > ROWS:
            yield np.array(waiting)
            waiting = []
        waiting.append(int(well))
    if waiting:
        yield np.array(waiting)


def convert_to_matrix(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    """Return the values of some columns: (rows, columns), float64."""
    values = np.empty((len(names), len(table)))
    for row, name in enumerate(names):
        values[row] = table[name].to_numpy()
    return values.T
