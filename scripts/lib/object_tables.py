"""Read CellProfiler's table of one compartment, an image set at a time.

Arrow, Parquet, CSV or packed CSV. A table is read once, from top to bottom, so that no more than a few
sites of it are in memory.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNAR = (".arrow", ".parquet")
# About so many rows of a columnar table are read at once.
PART = 1024
# Image metadata that ExportToSpreadsheet can repeat in the object tables.
REPEATED = ("Metadata_", "FileName_", "PathName_", "URL_")
# What stands for a missing number in the tables of CellProfiler, R, spreadsheets and C libraries.
MISSING = [
    *(
        "",
        "nan",
        "NaN",
        "NAN",
        "-nan",
        "-NaN",
        "nan(ind)",
        "-nan(ind)",
        "1.#QNAN",
        "-1.#QNAN",
        "1.#IND",
        "-1.#IND",
    ),
    *("NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "none"),
]
UNREADABLE = (OSError, EOFError, zlib.error, pa.ArrowException)


class SiteError(Exception):
    """What is wrong with the tables of one site."""


def open_text(file: Path) -> IO[str]:
    """Open a CSV table, packed or not, as text."""
    opener = gzip.open if file.suffix == ".gz" else open
    return opener(file, "rt", encoding="utf-8-sig", newline="")


def header(file: Path) -> list[str]:
    """The columns of an object table; none when the file is empty or cannot be read."""
    try:
        if file.suffix == ".arrow":
            with pa.memory_map(str(file)) as source:
                return pa.ipc.open_file(source).schema.names
        if file.suffix == ".parquet":
            return pq.read_schema(file).names
        with open_text(file) as lines:
            return next(csv.reader(lines), [])
    except (*UNREADABLE, UnicodeDecodeError):
        return []


def is_identifier(name: str) -> bool:
    """Whether a column of an object table holds object numbers, which stay integers."""
    return name in ("ImageNumber", "ObjectNumber", "Number_Object_Number") or name.startswith("Parent_")


def column_type(name: str) -> Any:
    """What a column of an object table is read as (identifiers may be written as 1.0 or nan)."""
    if name.startswith(REPEATED):
        return pl.String
    return pl.Float64 if is_identifier(name) else pl.Float32


def csv_blocks(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of a CSV table by ImageNumber, in the order of the file.

    Raises:
        SiteError: at a line that is not whole. A last line without a line end is whole where no table of
            the folder ends with one.
    """
    position = list(columns).index("ImageNumber")
    open_end = not ends_lines(file) and not any(ends_lines(other) for other in csv_beside(file))
    with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as stream:
        stream.readline()
        current, block = None, []
        for line in stream:
            try:
                number = int(float(line.split(b",", position + 1)[position].strip(b' \r\n"')))
            except (ValueError, IndexError):
                number = None
            if block and number != current:
                yield current, block
                block = []
            values = line.count(b",") + 1
            whole_line = (open_end or line.endswith(b"\n")) and (values == len(columns) or b'"' in line)
            if number is None or not whole_line:
                raise SiteError(
                    f"{file.name} is cut off: a line has {values} of {len(columns)} values"
                    if values != len(columns)
                    else f"{file.name} is cut off in its last line"
                )
            current = number
            block.append(line if line.endswith(b"\n") else line + b"\n")
        if block:
            yield current, block


def csv_beside(file: Path) -> list[Path]:
    """The other CSV tables of a table's folder."""
    return [
        path for path in file.parent.iterdir() if path != file and path.name.endswith((".csv", ".csv.gz"))
    ]


def ends_lines(file: Path) -> bool:
    """Whether the last line of a CSV table has an end."""
    try:
        if file.suffix == ".gz":
            with gzip.open(file, "rb") as stream:
                last = b"\n"
                while block := stream.read(1 << 20):
                    last = block[-1:]
                return last == b"\n"
        with file.open("rb") as stream:
            stream.seek(-1, 2)
            return stream.read(1) == b"\n"
    except UNREADABLE:
        return True


@dataclass
class Rows:
    """The rows from `start` to before `stop` of a table in memory."""

    table: pa.Table
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def columnar_blocks(file: Path, schema: Mapping[str, Any]) -> Iterator[tuple[int, Rows]]:
    """The rows of an Arrow or Parquet table by ImageNumber, in rising order.

    About `PART` rows are in memory at a time; a table whose image sets are not in rising order is read
    and sorted whole.
    """
    waiting: list[pa.RecordBatch] = []
    for batch in record_batches(file, list(schema)):
        numbers = batch.column("ImageNumber").to_numpy(zero_copy_only=False)
        if not len(numbers):
            continue
        # The last image set read may go on in this batch; it is passed on whole.
        last = waiting[-1].column("ImageNumber")[-1].as_py() if waiting else None
        if sum(map(len, waiting)) < PART or numbers[-1] == last:
            waiting.append(batch)
            continue
        goes_on = int(np.argmax(numbers != last))
        yield from blocks_of(as_table([*waiting, batch[:goes_on]], schema))
        waiting = [batch[goes_on:]]
    if waiting:
        yield from blocks_of(as_table(waiting, schema))


def record_batches(file: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """A columnar table's record batches (row groups), by rising ImageNumber."""
    if file.suffix == ".arrow":
        with pa.memory_map(str(file)) as source:
            reader = pa.ipc.open_file(source)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
        return
    with pq.ParquetFile(file, memory_map=True) as table:
        numbers = table.read(["ImageNumber"]).column(0).to_numpy()
        if np.any(np.diff(numbers) < 0):
            yield from table.read(columns).take(np.argsort(numbers, kind="stable")).to_batches()
            return
        for number in range(table.num_row_groups):
            yield from table.read_row_group(number, columns).combine_chunks().to_batches()


def blocks_of(table: pa.Table) -> Iterator[tuple[int, Rows]]:
    """The rows of a table, in rising order of ImageNumber, by ImageNumber."""
    numbers = table.column("ImageNumber").to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=np.nan) != 0)
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        yield int(numbers[start]), Rows(table, int(start), int(end))


def as_table(batches: Sequence[pa.RecordBatch], schema: Mapping[str, Any]) -> pa.Table:
    """Record batches of the columns of `schema` as one table of its types, nan as missing.

    Measurements go through one matrix of float32: thousands of casts of short columns take longer.
    """
    at = {name: batches[0].schema.get_field_index(name) for name in schema}
    singles = {name: at[name] for name, kind in schema.items() if kind == pl.Float32}
    matrix = np.empty((len(singles), sum(map(len, batches))), np.float32)
    start = 0
    for batch in batches:
        columns = batch.columns
        for row, column in enumerate(singles.values()):
            matrix[row, start : start + len(batch)] = columns[column].to_numpy(zero_copy_only=False)
        start += len(batch)
    missing = np.isnan(matrix)
    found = {
        name: pa.array(values, mask=gaps if some else None)
        for name, values, gaps, some in zip(singles, matrix, missing, missing.any(axis=1), strict=True)
    }
    for name, kind in schema.items():
        if kind == pl.Float64:
            parts = [batch.column(at[name]).to_numpy(zero_copy_only=False) for batch in batches]
            found[name] = pa.array(np.concatenate(parts).astype(float), from_pandas=True)
        elif kind == pl.String:
            parts = [batch.column(at[name]).cast(pa.string()) for batch in batches]
            found[name] = pa.chunked_array(parts)
    return pa.table({name: found[name] for name in schema})


Block = list[bytes] | Rows


class Table:
    """One compartment's table of a folder, read once from top to bottom, an image set at a time.

    A block is what one image set has in the table: its lines (CSV), or its rows (Parquet).
    """

    def __init__(self, file: Path, columns: Sequence[str]):
        self.file = file
        self.schema = {name: column_type(name) for name in columns}
        self.blocks: Iterator[tuple[int, Block]] = (
            columnar_blocks(file, self.schema)
            if file.suffix in COLUMNAR
            else csv_blocks(file, list(self.schema))
        )
        self.waiting: tuple[int, Block] | None = None
        self.broken: SiteError | None = None

    def advance(self) -> None:
        """Have the next image set waiting; nothing waits at the end of the file."""
        if self.broken:
            raise self.broken
        try:
            self.waiting = self.waiting or next(self.blocks, None)
        except SiteError as error:
            self.broken = error
            raise
        except (*UNREADABLE, ValueError, TypeError, pl.exceptions.PolarsError) as error:
            self.broken = SiteError(f"{self.file.name} cannot be read to its end ({error})")
            raise self.broken from error

    def take(self, number: int) -> Block:
        """The block of image set `number`; image sets are asked for in rising order."""
        self.advance()
        if self.waiting is None or self.waiting[0] > number:
            return []
        self.refuse_stray(number)
        block, self.waiting = self.waiting[1], None
        return block

    def refuse_stray(self, number: int | None = None) -> None:
        """Raise a `SiteError` for waiting objects that belong to no image set of the Image table."""
        self.advance()
        if self.waiting is not None and self.waiting[0] != number:
            stray, self.waiting = self.waiting[0], None
            raise SiteError(
                f"{self.file.name} holds objects of ImageNumber {stray}, which the Image table lacks "
                "(or it is not in the order of ImageNumber)"
            )

    def objects(self, blocks: Sequence[Block]) -> pa.Table:
        """The objects of some blocks, in their order; a `SiteError` for text that is no number."""
        blocks = [block for block in blocks if len(block)]
        if not blocks:
            return pl.DataFrame(schema=self.schema).to_arrow()
        rows = [block for block in blocks if isinstance(block, Rows)]
        if rows:
            # Neighbours in one table are taken at once.
            parts = [rows[0]]
            for block in rows[1:]:
                if block.table is parts[-1].table and block.start == parts[-1].stop:
                    parts[-1] = Rows(block.table, parts[-1].start, block.stop)
                else:
                    parts.append(block)
            return pa.concat_tables([part.table[part.start : part.stop] for part in parts])
        lines = b"".join(line for block in blocks for line in block)
        try:
            table = pl.read_csv(lines, has_header=False, schema=self.schema, null_values=MISSING)
        except pl.exceptions.PolarsError as error:
            raise SiteError(f"{self.file.name}: {str(error).splitlines()[0]}") from error
        # In one piece: thousands of columns of many short pieces each take longer than the reading.
        return table.rechunk().to_arrow()
