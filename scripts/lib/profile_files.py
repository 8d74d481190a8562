"""The formats of profile files, and common names of the columns of wells and plates.

The header of each file is read while planning, so a library is imported only for the files that need it.
"""

import csv
import io
import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lib.errors import InputError, join_names
from lib.plate_columns import METADATA_PLATE_COLUMNS, PLATE_COLUMNS
from lib.plates import NUMBERED, QUOTED, SEPARATOR, find_name
from lib.swallowed_rows import explain_quotation, refuse_swallowed_rows
from lib.text_files import (
    FEATHER,
    HDF5,
    LOOKED_AT,
    PARQUET,
    explain_format,
    find_encoding,
    name_format,
    open_bytes,
)
from lib.values import plain_text
from lib.wells import get_well_name

READ = "comma-, tab- or semicolon-separated text, Parquet, Feather and AnnData (h5ad)"
SAVE_AS_CSV = f"Save the table as CSV; {READ} are read."
WELL_NAMES = (
    *("Metadata_Well", "Metadata_well", "Metadata_well_position", "Metadata_Well_Position"),
    *("Well", "well", "well_position"),
)
ROW_NAMES = tuple(
    (prefix + row, prefix + column)
    for prefix in ("Metadata_", "")
    for row, column in (("Row", "Column"), ("Row", "Col"), ("row", "column"), ("row", "col"))
)
PLATE_NAMES = (*METADATA_PLATE_COLUMNS, *PLATE_COLUMNS)
METADATA = re.compile("(Image_)?metadata[_. ]", re.IGNORECASE)
FIRST_ROWS = 50  # rows that show how numbers are written


def get_usual_name(name: str) -> str:
    """Return the usual name of a column such as `Image_Metadata_Well`, `metadata_Well` or `Metadata.Well`.

    A measurement of entire images (`Image_Granularity_1_DNA`) keeps its name.
    """
    name = plain_text(name)
    match = METADATA.match(name)
    return f"Metadata_{name[match.end() :]}" if match else name


@dataclass(frozen=True)
class Start:
    """The beginning of a file of separated text.

    `skipped` counts the lines above the header: empty ones, and the separator that Excel writes (`sep=;`).
    """

    header: list[str]
    separator: str
    rows: list[list[str]]
    encoding: str = "utf-8-sig"
    skipped: int = 0


def open_text(path: Path, encoding: str) -> IO[str]:
    """Open a text file, or one that is compressed by gzip."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding)


def read_start(path: Path) -> Start:
    """Read the header of separated text, and its first rows.

    Raises
    ------
    InputError
        For an empty file, or one that is not text.
    """
    with open_bytes(path) as file:
        encoding = find_encoding(file.read(LOOKED_AT))
    with open_text(path, encoding) as file:
        try:
            lines = list(itertools.islice(file, FIRST_ROWS + 1))
        except UnicodeError as error:
            raise explain_encoding(path, error) from error
    separator_line = SEPARATOR.fullmatch(lines[0].strip(' "\r\n')) if lines else None
    skipped = 1 if separator_line else 0
    while skipped < len(lines) and not lines[skipped].strip(" \t\r\n,;"):
        skipped += 1
    if skipped == len(lines):
        raise InputError(f"{path} is empty: its first line must name the columns.")
    if "\0" in lines[skipped]:
        raise InputError(f"{path} is of a format that is not known: {READ} are read.")
    head, at = lines[skipped], skipped
    while head.count('"') % 2 and at + 1 < len(lines):  # a name with a line end
        at += 1
        head += lines[at]
    separator = separator_line[1] if separator_line else max("\t;,|", key=QUOTED.sub("", head).count)
    reader = csv.reader(lines[skipped:], delimiter=separator)
    try:
        header, *rows = reader
    except csv.Error as error:
        raise explain_quotation(path, skipped + reader.line_num, str(error)) from error
    return Start(header, separator, rows, encoding, skipped)


def explain_encoding(path: Path, error: UnicodeError) -> InputError:
    """Return the error for text in an encoding that is not read."""
    return InputError(
        f"{path} is not UTF-8 text ({error}). {READ} are read; save a spreadsheet as `CSV UTF-8`."
    )


def count_values(path: Path, start: Start) -> Iterator[tuple[int, int]]:
    """Return the number of values in each row of separated text, with the row's line in the file.

    Empty lines are skipped, and empty values beyond the header are not counted.
    """
    width = len(start.header)

    def count(row: Sequence[str]) -> int:
        beyond = max((at for at, value in enumerate(row[width:], start=1) if value.strip()), default=0)
        return min(len(row), width) + beyond

    with open_text(path, start.encoding) as file:
        lines = file.readlines()[start.skipped :]
    first = start.skipped + 1
    if any('"' in line for line in lines):
        reader, before = csv.reader(lines, delimiter=start.separator), 0
        table = [start.header, *start.rows]
        try:
            for row in reader:
                at = start.skipped + reader.line_num
                if reader.line_num > before + 1:
                    refuse_swallowed_rows(path, start.skipped + before + 1, row, start.separator, table)
                before = reader.line_num
                if any(value.strip() for value in row):
                    yield at, count(row)
        except csv.Error as error:
            raise explain_quotation(path, start.skipped + reader.line_num, str(error)) from error
        return
    for number, line in enumerate(lines, start=first):
        if line.strip(f" \t\r\n{start.separator}"):
            values = line.count(start.separator) + 1
            yield number, values if values <= width else count(line.split(start.separator))


def check_rows(path: Path, start: Start) -> None:
    """Check that each row of separated text has as many values as the header.

    A row with fewer values is read, and reported; its last columns are missing. So is a last value that may
    have been cut off.

    Raises
    ------
    InputError
        If a row has more values, so that its columns are shifted, or if the file ends in the middle of a row.
    """
    width = len(start.header)
    rows = list(count_values(path, start))
    if longer := [(line, values) for line, values in rows if values > width]:
        named = join_names((f"{line} ({values} values)" for line, values in longer), 5)
        remedy = f"Write values that hold the separator `{start.separator}` within quotation marks."
        if 2 * len(longer) > len(rows):
            remedy = (
                "If there are lines above the names of the columns (a title), remove them; if the first "
                "value of each row is its number or name (R's write.table), write the table without these."
            )
        raise InputError(
            f"{path} has rows with more values than its header ({width}): line {named}. {remedy}"
        )
    shorter = [(line, values) for line, values in rows if values < width]
    cut_off = bool(rows) and not ends_in_line_end(path)
    if cut_off and shorter and shorter[-1][0] == rows[-1][0]:
        raise InputError(
            f"{path} ends in the middle of a row: its last line has {shorter[-1][1]} values, and the header "
            f"{width}. It was cut off: replace it."
        )
    if shorter:
        logging.warning(
            "%s has rows with fewer values than its header (%d): line %s; their last columns are taken as "
            "missing",
            *(path, width, join_names((str(line) for line, _ in shorter), 5)),
        )
    if cut_off:
        *others, last = read_last_values(path, start)
        if len(last) < min(map(len, others), default=0):
            logging.warning(
                "%s ends without a line end, and its last value (%s) is shorter than all others in its "
                "column: was the file cut off?",
                *(path, last),
            )


def read_last_values(path: Path, start: Start) -> list[str]:
    """Read the last value of each row of separated text."""
    with open_text(path, start.encoding) as file:
        lines = [line.rstrip("\r\n") for line in file.readlines()[start.skipped :] if line.strip()]
    return [line.rsplit(start.separator, 1)[-1] for line in lines[1:]]


def ends_in_line_end(path: Path) -> bool:
    """Return whether the last character of a file is a line end."""
    with open_bytes(path) as file:
        return file.read()[-2:].strip(b"\0")[-1:] in (b"\n", b"\r")


def refuse_twice(names: Sequence[str], path: Path) -> None:
    """Reject a table with duplicate columns.

    Raises
    ------
    InputError
        Naming the column.
    """
    twice = [name for name, count in Counter(names).items() if count > 1 and not NUMBERED.fullmatch(name)]
    if twice:
        raise InputError(f"{path} has the column {join_names(twice)} twice. Keep one of them.")


def suggest_name(names: Iterable[str], wanted: str) -> str:
    """Return the sentence that says which column may be meant, and how it has to be called; else nothing.

    Comment lines above the header are what is wrong if the first name begins with #.
    """
    names = list(names)
    if names and names[0].startswith("#"):
        return " Its first line begins with #: take comments above the names of the columns out."
    if len(names) == 1 and '" "' in names[0]:
        return " They are separated by blanks: save the table separated by tabs or commas."
    if len(names) == 1:
        return " Are there lines above the names of the columns (a title)? Remove them."
    plain = {re.sub(r"[\W_]+", "", name.removeprefix("Metadata_")).casefold(): name for name in names}
    key = wanted.removeprefix("Metadata_").casefold()
    found = next(
        (plain[key + end] for end in ("", "id", "name", "position", "barcode") if key + end in plain), ""
    )
    return f" Is it {found}? Call that column {wanted}." if found else ""


def read_column_names(path: Path) -> set[str]:
    """Return the usual names of the columns of profiles; nothing for AnnData and what cannot be read."""
    with path.open("rb") as file:
        start = file.read(16)
    if name_format(start) or start.startswith(HDF5):
        return set()
    try:
        if start.startswith((PARQUET, FEATHER)):
            import pyarrow.dataset

            kind = "parquet" if start.startswith(PARQUET) else "feather"
            names = pyarrow.dataset.dataset(path, format=kind).schema.names
        else:
            names = read_start(path).header
    except (InputError, OSError, EOFError, ValueError, csv.Error):
        return set()
    return {get_usual_name(name) for name in names}


def find_wells_in_profiles(path: Path, plate: str) -> set[str] | None:
    """Return the wells of a plate in profiles that are text; None if that is not known quickly.

    Only the columns of plates and wells are read.
    """
    with path.open("rb") as file:
        start = file.read(16)
    if name_format(start) or start.startswith((PARQUET, FEATHER, HDF5)):
        return None
    try:
        begin = read_start(path)
        names = [get_usual_name(name) for name in begin.header]
        well = next((names.index(name) for name in WELL_NAMES if name in names), None)
        of_plate = next((names.index(name) for name in PLATE_NAMES if name in names), None)
        if well is None:
            return None
        last = max(well, of_plate or 0) + 1
        with open_text(path, begin.encoding) as file:
            lines = itertools.islice(file, begin.skipped + 1, None)
            rows = [line.rstrip("\r\n").split(begin.separator, last)[:last] for line in lines if line.strip()]
        if any('"' in value for row in rows for value in row):
            return None
        named = set() if of_plate is None else {row[of_plate].strip() for row in rows} - {""}
        meant = find_name(plate, named)
        return {
            get_well_name(row[well]) for row in rows if of_plate is None or row[of_plate].strip() in meant
        } or None
    except (InputError, OSError, EOFError, ValueError, IndexError, csv.Error):
        return None


def find_header_problems(path: Path, plates: Sequence[str]) -> Iterator[str]:
    """Return what will stop the plates that the sample sheet takes from a file, as far as its header shows.

    The header of text is read; of other formats, only those that cannot be read are reported.
    """
    with path.open("rb") as file:
        start = file.read(16)
    if other := name_format(start):
        yield str(explain_format(path, other, SAVE_AS_CSV))
    if other or start.startswith((PARQUET, FEATHER, HDF5)):
        return
    try:
        begin = read_start(path)
        refuse_twice([plain_text(name) for name in begin.header], path)
    except (InputError, OSError, EOFError, csv.Error) as error:
        yield str(error) if str(path) in str(error) else f"{path} cannot be read ({error}): replace it."
        return
    names = {get_usual_name(name) for name in begin.header}
    if not begin.rows:
        yield f"{path} has a header and no rows: it holds no profile."
    if not names & set(WELL_NAMES) and not any(set(place) <= names for place in ROW_NAMES):
        yield (
            f"{path} has no column Metadata_Well (or Metadata_Row and Metadata_Column). Its columns are "
            f"{join_names(begin.header, 8)}.{suggest_name(begin.header, 'Metadata_Well')}"
        )
    if len(plates) > 1 and not names & set(PLATE_NAMES):
        yield (
            f"{path} has no column Metadata_Plate, and the sample sheet takes {len(plates)} plates from it "
            f"({join_names(plates, 5)}): which wells are whose is not known."
        )
