"""Read CellProfiler's table of one compartment, one image set at a time.

Arrow, Parquet, CSV or compressed CSV. A table is read once, from top to bottom, so that at most a few
sites of it are in memory.
"""

import csv
import gzip
import re
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
# Number of rows of a columnar table that are read at once, approximately.
PART = 1024
# Image metadata that ExportToSpreadsheet can repeat in the object tables.
REPEATED = ("Metadata_", "FileName_", "PathName_", "URL_")
# The number of each row, which pandas and R write before the first column.
ROW_NUMBERS = re.compile(r"|Unnamed: \d+|__index_level_\d+__")
NOT_A_NUMBER = re.compile(r"could not parse `(?P<text>.*?)` as dtype .* at column '(?P<column>.*?)'")
# How CellProfiler, R, spreadsheets and C libraries write a missing number.
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
    """The tables of one site cannot be used."""


def open_text(file: Path) -> IO[str]:
    """Open a CSV table, compressed or not, as text."""
    opener = gzip.open if file.suffix == ".gz" else open
    return opener(file, "rt", encoding="utf-8-sig", newline="")


def read_header(file: Path) -> list[str]:
    """Return the columns of an object table; no columns if the file is empty or cannot be read."""
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
    """Return whether a column of an object table holds object numbers, which stay integers."""
    return name in ("ImageNumber", "ObjectNumber", "Number_Object_Number") or name.startswith("Parent_")


def is_measurement(name: str) -> bool:
    """Return whether a column of an object table is measured: not metadata or the row's number."""
    return not name.startswith(REPEATED) and not ROW_NUMBERS.fullmatch(name)


def get_column_type(name: str) -> Any:
    """Return the type that a column is read as (identifiers may be written as 1.0 or nan)."""
    if not is_measurement(name):
        return pl.String
    return pl.Float64 if is_identifier(name) else pl.Float32


def read_csv_blocks(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the lines of a CSV table by ImageNumber, in the order of the file.

    Raises
    ------
    SiteError
        At an incomplete line. A last line without a line end is complete if no table of the
        folder ends with one.
    """
    position = list(columns).index("ImageNumber")
    open_end = not has_line_end(file) and not any(has_line_end(other) for other in find_csv_beside(file))
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


def find_csv_beside(file: Path) -> list[Path]:
    """Return the other CSV tables of a table's folder."""
    return [
        path
        for path in file.parent.iterdir()
        if path != file and path.name.endswith((".csv", ".csv.gz")) and not path.name.startswith(".")
    ]


def has_line_end(file: Path) -> bool:
    """Return whether the last line of a CSV table has a line end."""
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
    """Return the rows from `start` to before `stop` of a table in memory."""

    table: pa.Table
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def read_columnar_blocks(file: Path, schema: Mapping[str, Any]) -> Iterator[tuple[int, Rows]]:
    """Yield the rows of an Arrow or Parquet table by ImageNumber, in ascending order.

    About `PART` rows are in memory at a time. A table whose image sets are not in ascending order is read
    completely and sorted.
    """
    waiting: list[pa.RecordBatch] = []
    for batch in record_batches(file, list(schema)):
        numbers = batch.column("ImageNumber").to_numpy(zero_copy_only=False)
        if not len(numbers):
            continue
        # The last image set may continue in the next batch; it is passed on when it is complete.
        last = waiting[-1].column("ImageNumber")[-1].as_py() if waiting else None
        if sum(map(len, waiting)) < PART or numbers[-1] == last:
            waiting.append(batch)
            continue
        goes_on = int(np.argmax(numbers != last))
        yield from split_into_blocks(make_table([*waiting, batch[:goes_on]], schema))
        waiting = [batch[goes_on:]]
    if waiting:
        yield from split_into_blocks(make_table(waiting, schema))


def record_batches(file: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield a columnar table's record batches (row groups) by ascending ImageNumber."""
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


def split_into_blocks(table: pa.Table) -> Iterator[tuple[int, Rows]]:
    """Yield the rows of a table by ImageNumber, in ascending order."""
    numbers = table.column("ImageNumber").to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=np.nan) != 0)
    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        yield int(numbers[start]), Rows(table, int(start), int(end))


def make_table(batches: Sequence[pa.RecordBatch], schema: Mapping[str, Any]) -> pa.Table:
    """Return record batches with the columns of `schema` as one table of its types, NaN as missing.

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


def describe_unreadable(error: str) -> str:
    """Return polars' error about the text of a table as the end of a sentence that begins with its file."""
    found = NOT_A_NUMBER.search(error)
    if found:
        return f" has `{found['text']}` in its column {found['column']}, which is not a number"
    return f": {error.splitlines()[0]}"


Block = list[bytes] | Rows


class Table:
    """One compartment's table of a folder, read once from top to bottom, one image set at a time.

    A block holds one image set's lines (CSV) or rows (Parquet).
    """

    def __init__(self, file: Path, columns: Sequence[str]):
        self.file = file
        self.schema = {name: get_column_type(name) for name in columns}
        self.blocks: Iterator[tuple[int, Block]] = (
            read_columnar_blocks(file, self.schema)
            if file.suffix in COLUMNAR
            else read_csv_blocks(file, list(self.schema))
        )
        self.waiting: tuple[int, Block] | None = None
        self.broken: SiteError | None = None

    def advance(self) -> None:
        """Read the next image set; None at the end of the file."""
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
        """Return the block of image set `number`; image sets are requested in ascending order."""
        self.advance()
        if self.waiting is None or self.waiting[0] > number:
            return []
        self.refuse_stray(number)
        block, self.waiting = self.waiting[1], None
        return block

    def refuse_stray(self, number: int | None = None) -> None:
        """Raise a `SiteError` for objects that belong to no image set of the Image table."""
        self.advance()
        if self.waiting is not None and self.waiting[0] != number:
            stray, self.waiting = self.waiting[0], None
            raise SiteError(
                f"{self.file.name} holds objects of ImageNumber {stray}, which the Image table lacks "
                "(or it is not in the order of ImageNumber)"
            )

    def objects(self, blocks: Sequence[Block]) -> pa.Table:
        """Return the objects of some blocks, in order; a `SiteError` for text that is not a number."""
        blocks = [block for block in blocks if len(block)]
        if not blocks:
            return pl.DataFrame(schema=self.schema).to_arrow()
        rows = [block for block in blocks if isinstance(block, Rows)]
        if rows:
            # Consecutive blocks of one table are read at once.
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
            raise SiteError(f"{self.file.name}{describe_unreadable(str(error))}") from error
        # Combined into one chunk: many short chunks in thousands of columns take longer than the reading.
        return table.rechunk().to_arrow()
