"""The sample sheet `plates.tsv`: one row is one plate."""

import csv
import difflib
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.errors import InputError, join_names
from lib.swallowed_rows import explain_quotation, refuse_swallowed_rows
from lib.text_files import read_text_file
from lib.values import MissingValues, plain_text
from lib.wells import find_well_name

SEPARATORS = "\t,;"
BLANKS = re.compile(r'^"[^"\t,;]*" "')  # R's write.table quotes all names
QUOTED = re.compile('"[^"]*"')  # a name may hold a separator
# What pandas calls a column without a name, and an index without one.
NUMBERED = re.compile(r"Unnamed: \d+|__index_level_\d+__|")
SEPARATOR = re.compile(r"sep=([,;\t|])", re.IGNORECASE)
REQUIRED = ("batch", "plate", "plate_map", "perturbation")
# Columns that an assay may lack: cells that are not a line, an end point without a time.
MAY_BE_EMPTY = ("cell_line", "timepoint")
SOURCES = ("images", "cellprofiler", "profiles")
NOT_ON_MAP = "not in the plate map"  # a reason in the table of unmatched wells
KNOWN = (*REQUIRED, *MAY_BE_EMPTY, *SOURCES, "level")
# Names in file names and shell lines must not contain characters that either could misread.
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# What to do if images are of other plates than the sample sheet's.
WRITE_ONE = (
    "Write one of these names into the sample sheet (with underscores for blanks and other characters)."
)
IN_FILE_NAMES = ("batch", "plate", "perturbation", *MAY_BE_EMPTY)

Plate = dict[str, str]


def read_table(path: str | Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read a text table, separated by tabs, commas, semicolons or bars, as strings: columns and rows.

    The file may be compressed (gzip) and in UTF-16 (`read_text_file`). Blanks around values are removed, and
    names of columns are written as in `plain_text`; empty lines, and what a program adds (a line `sep=;`,
    empty columns at the end, a first column that numbers the rows), are skipped.

    Raises
    ------
    InputError
        If the file is missing, is not Unicode text, has duplicate or unnamed columns, a row
        with more values than columns, or a quotation mark that is not closed.
    """
    path = Path(path)
    # Lines end only at line ends: names may contain other characters that Unicode counts as line ends.
    lines = list(io.StringIO(read_text_file(path)))
    if not lines:
        raise InputError(f"{path} is empty: its first line must name the columns.")
    # Excel writes the separator into a line of its own: sep=;
    separator_line = SEPARATOR.fullmatch(lines[0].strip(' "\n'))
    lines[0] = "" if separator_line else lines[0]
    head = next((line for line in lines if line.strip()), "")
    if BLANKS.search(head):
        raise InputError(
            f"{path} is separated by blanks. Save it separated by tabs or commas (in R, write.table with "
            "sep = '\\t' and row.names = FALSE)."
        )
    delimiter = separator_line[1] if separator_line else find_separator(head, lines)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        written = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise explain_quotation(path, reader.line_num, str(error)) from error
    has_line_ends = len(written) < len(lines)  # within values
    cells = [(line, strip_empty_end([cell.strip() for cell in row])) for line, row in written]
    while len(cells) > 1 and not any(cells[0][1]):
        cells.pop(0)
        written.pop(0)
    table = [row for _, row in written]
    if has_line_ends:
        for line, row in written:
            refuse_swallowed_rows(path, line, row, delimiter, table)
    cells = drop_row_numbers(cells, [len(row) for row in table])
    columns = [plain_text(name) for name in cells[0][1]]
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise InputError(
            f"{path}: column {join_names(name or '(without a name)' for name in twice)} is duplicated."
        )
    if "" in columns:
        if 2 * len([name for name in columns if name]) < len(columns) and (hint := suggest_header(cells)):
            raise InputError(f"{path}, line {cells[0][0]}, does not name the columns.{hint}")
        is_grid = columns[1:3] == ["1", "2"]
        hint = " Is this a drawing of the plate? Write one row per well instead." if is_grid else ""
        raise InputError(
            f"{path}: column {columns.index('') + 1} has no name; its neighbors are "
            f"{join_names(columns)}.{hint}"
        )
    rows = []
    for number, row in cells[1:]:
        if not any(row):
            continue
        if len(row) > len(columns):
            hint = suggest_header(cells) or " Quote values that hold the separator."
            raise InputError(f"{path}, line {number}: {len(row)} values for {len(columns)} columns.{hint}")
        rows.append(dict(zip(columns, row + [""] * (len(columns) - len(row)), strict=True)))
    return columns, rows


def drop_row_numbers(
    cells: list[tuple[int, list[str]]], lengths: Sequence[int]
) -> list[tuple[int, list[str]]]:
    """Return the lines of a table without a first column that numbers its rows, from 0 or from 1.

    pandas and R write such a column: without a name or, in R's `write.table`, with a header that has one name
    fewer than each row has values. If only some rows have more values, they hold a separator that is not
    quoted, and a first column of numbers is the table's own.

    Parameters
    ----------
    cells
        The line number and the values of each line, without empty values at its end; the first is the header.
    lengths
        The number of values of each line, with empty ones at its end.
    """
    header = cells[0][1]
    firsts = [row[0] for _, row in cells[1:] if any(row)]
    if not any(firsts == [str(at) for at in range(start, start + len(firsts))] for start in (0, 1)):
        return cells
    if len(header) > 1 and NUMBERED.fullmatch(header[0]) and header[1] not in ("0", "1"):
        return [(line, row[1:]) for line, row in cells]
    of_rows = {length for length, (_, row) in zip(lengths[1:], cells[1:], strict=True) if any(row)}
    longest = max((len(row) for _, row in cells[1:]), default=0)
    if of_rows == {longest} == {lengths[0] + 1} and all(header):
        return [cells[0], *((line, row[1:]) for line, row in cells[1:])]
    return cells


def find_separator(head: str, lines: Sequence[str]) -> str:
    """Return the separator of a table: that of its first line; if that is a title, of the lines below it."""
    head = QUOTED.sub("", head)
    if not any(separator in head for separator in SEPARATORS):
        if "|" in head and all("|" in line for line in lines if line.strip()):
            return "|"
        counts = {one: Counter(line.count(one) for line in lines if one in line) for one in SEPARATORS}
        often = {one: max(count.values(), default=0) for one, count in counts.items()}
        found = max(SEPARATORS, key=lambda separator: often[separator])
        return found if often[found] > 1 else ","
    return "\t" if "\t" in head else max(",;", key=head.count)


def suggest_header(cells: Sequence[tuple[int, list[str]]]) -> str:
    """Return the sentence that says which line names the columns, if titles are above it; else nothing.

    Parameters
    ----------
    cells
        The line number and the values of each row, without empty values at its end.
    """
    rows = [(number, row) for number, row in cells if any(row)]
    usual = Counter(len(row) for _, row in rows).most_common(1)[0][0]
    if len(rows[0][1]) >= usual and all(rows[0][1]):
        return ""
    for number, row in rows[1:]:
        is_data = any(find_well_name(value) or re.fullmatch(r"[\d.,]+", value) for value in row)
        if len(row) >= usual and all(row) and not is_data:
            return (
                f" Line {number} seems to name the columns ({join_names(row, 5)}): remove the lines above it."
            )
    return ""


def strip_empty_end(row: list[str]) -> list[str]:
    """Return a row up to its last value."""
    if row and row[-1]:
        return row
    return row[: max((at for at, cell in enumerate(row, start=1) if cell), default=0)]


def is_address(location: str) -> bool:
    """Return whether `location` is an address (s3://, https://) rather than a path."""
    return "://" in location


def is_image_table(location: str) -> bool:
    """Return whether `location` is a user's image table (a load_data.csv) rather than a folder of images."""
    return location.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".txt", ".parquet", ".pq"))


def source(plate: Mapping[str, str]) -> str:
    """Return where a plate's data starts: `images`, `cellprofiler` or `profiles`."""
    return next(name for name in SOURCES if plate.get(name))


def read_plates(
    path: str | Path, levels: Mapping[str, Any], missing: MissingValues | None = None
) -> list[Plate]:
    """Read and check the sample sheet.

    Parameters
    ----------
    path
        `plates.tsv`.
    levels
        The levels of profiles (`lib.levels.Level`) by name, at which a `profiles` row may enter.
    missing
        What counts as missing in columns that describe a plate (cell line, time point, others).

    Returns
    -------
    One dictionary per plate, in the sheet's order; values are strings.

    Raises
    ------
    InputError
        Naming the file and every row with an error.
    """
    columns, rows = read_table(path)
    plain = {re.sub(r"[\W_]+", "_", column).casefold(): column for column in columns}
    other = {name: plain[name] for name in KNOWN if name in plain and name not in columns}
    if other:
        renamed = join_names(f"`{column}` (write {name})" for name, column in other.items())
        raise InputError(f"{path}: columns are named in lower-case letters, unlike {renamed}.")
    lacking = [name for name in REQUIRED if name not in columns]
    if lacking:
        near = [
            f"{name} (is it `{close[0]}`?)" if close else name
            for name in lacking
            for close in [difflib.get_close_matches(name, set(columns) - set(KNOWN), 1)]
        ]
        raise InputError(f"{path} lacks the column {join_names(near)}; it has {join_names(columns)}.")
    if not rows:
        raise InputError(f"{path} lists no plate.")
    rows = [dict.fromkeys(MAY_BE_EMPTY, "") | row for row in rows]
    for column in set(rows[0]) - set(KNOWN) | set(MAY_BE_EMPTY):
        cleaned = (missing or MissingValues()).clean([row[column] for row in rows], column)
        rows = [{**row, column: value} for row, value in zip(rows, cleaned, strict=True)]
    found = [
        f"plate {plate} of batch {batch} is listed {count} times"
        for (batch, plate), count in Counter((row["batch"], row["plate"]) for row in rows).items()
        if count > 1
    ]
    for number, row in enumerate(rows, start=2):
        found += [
            f"row {number} ({row['plate'] or 'no plate'}): {what}" for what in get_row_problems(row, levels)
        ]
    if found:
        raise InputError(f"{path} has errors:\n  " + "\n  ".join(found))
    return rows


def get_row_problems(row: Mapping[str, str], levels: Mapping[str, Any]) -> list[str]:
    """Return the errors of one row of the sample sheet."""
    found = [f"{name} is empty" for name in REQUIRED if not row[name] and name != "plate_map"]
    found += [
        f"{name} `{row[name]}` may contain only letters, digits, dots, dashes and underscores, since it is "
        "part of file names (at most 100, the first a letter or digit)"
        for name in IN_FILE_NAMES
        if row[name] and not SAFE.fullmatch(row[name])
    ]
    found += [
        f"{name} `{row[name]}` is an address with a folder `..`; write it without"
        for name in ("plate_map", *SOURCES)
        if is_address(row.get(name, "")) and ".." in row[name].split("/")
    ]
    found += [
        f"{name} `{row[name]}` must not contain {{ or }}, which Snakemake reads as a wildcard: rename it"
        for name in ("plate_map", *SOURCES)
        if set(row.get(name, "")) & set("{}")
    ]
    given = [name for name in SOURCES if row.get(name)]
    if len(given) != 1:
        found.append(
            f"give exactly one of {', '.join(SOURCES)}, where the plate's data start; "
            f"the row has {' and '.join(given) if given else 'none'}"
        )
    images = row.get("images", "")
    if given == ["images"] and re.match(r"(?!s3:)\w+://", images) and not is_image_table(images):
        found.append(
            f"images `{row['images']}` cannot be listed: give a folder, an s3:// address, or the address "
            "of a load_data.csv"
        )
    if row["timepoint"] and not re.fullmatch(r"\d+(\.\d+)?", row["timepoint"]):
        found.append(f"timepoint `{row['timepoint']}` is not a number of hours (it may be empty)")
    if given == ["profiles"]:
        if row.get("level") not in levels:
            found.append(f"level `{row.get('level', '')}` is not one of {', '.join(levels)}")
        elif not row["plate_map"] and not levels[row["level"]].annotated:
            found.append(f"plate_map is empty, and profiles of level {row['level']} need one")
    elif not row["plate_map"]:
        found.append("plate_map is empty")
    return found


def get_chosen_plates(plates: list[Plate], only: Iterable[str] | None) -> list[Plate]:
    """Return the plates that `only` names, or all of them.

    Snakemake reads `--config only=0012` as the number 12, and 10_1 as 101: a number that is not a plate's
    name means the plate whose barcode is that number, if there is one such plate.

    Raises
    ------
    InputError
        If `only` names a plate that the sample sheet does not list.
    """
    if only is None:
        return plates
    names = {plate["plate"] for plate in plates}
    chosen, unknown = set(), []
    for name in only:
        number = get_number(name)
        meant = find_name(name, names) or [
            other for other in names if number is not None and get_number(other.replace("_", "")) == number
        ]
        chosen.update(meant[:1] if len(meant) == 1 else [])
        if not meant:
            unknown.append(f"only={name}: the sample sheet lists no such plate.")
        elif len(meant) > 1:
            unknown.append(
                f"only={name} may be {join_names(meant)}: quote the barcode twice, as in "
                f"--config only='\"{meant[0]}\"'."
            )
    if unknown:
        raise InputError("\n".join(unknown))
    return [plate for plate in plates if plate["plate"] in chosen]


def make_safe(name: str) -> str:
    """Return a name with only letters, digits, dots, dashes and underscores, as the sample sheet needs it."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:100]
    return safe if SAFE.fullmatch(safe) else f"plate_{safe}"[:100]


def find_spelling(name: str, names: Iterable[str]) -> list[str]:
    """Return a plate's name as others spell it.

    That is the name itself, else names that the sample sheet cannot have otherwise (`Plate 1` for `Plate_1`).
    """
    names = set(names)
    return [name] if name in names else sorted(other for other in names if make_safe(other) == name)


def find_name(name: str, names: Iterable[str]) -> list[str]:
    """Return a plate's name as others spell it (`find_spelling`), else the equal numbers (0012 and 12)."""
    names = [str(other) for other in names]
    if spelled := find_spelling(name, names):
        return spelled
    number = get_number(name)
    return sorted(other for other in names if number is not None and get_number(other) == number)


def get_number(name: str) -> float | None:
    """Return the number that a plate's name is, such as 12 for 0012; None for any other name.

    `10_1`, `nan` and `infinity`, which Python reads as numbers, are names.
    """
    return float(name) if PLAIN_NUMBER.fullmatch(name) else None
