"""The columns of image tables (load_data.csv, CellProfiler's Image table), and a quick way to read a few.

This module uses only the standard library (and pyarrow, if a table is Parquet), since image tables are also
read while planning.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lib.errors import InputError
from lib.plate_columns import METADATA_PLATE_COLUMNS
from lib.plates import NUMBERED, find_separator, read_table
from lib.profile_files import refuse_twice
from lib.text_files import is_parquet, read_text_file
from lib.values import is_nothing, plain_text
from lib.wells import get_well_at

PREFIX = "Image_"
PLACE = ("Metadata_Row", "Metadata_Column")
# Other names of columns that say where an image is from.
USUAL_NAMES = {
    "Metadata_Well": (
        *("Metadata_well", "Metadata_Well_Position", "Metadata_well_position"),
        *("Well", "well", "Well_Position", "well_position"),
    ),
    "Metadata_Row": ("Metadata_row", "Row", "row"),
    "Metadata_Column": ("Metadata_Col", "Metadata_column", "Column", "column", "Col", "col"),
    "Metadata_Site": (
        *("Metadata_site", "Metadata_Field", "Metadata_field", "Metadata_FieldID", "Metadata_FOV"),
        *("Metadata_fov", "Site", "site", "Field", "field", "FieldID", "FOV", "fov"),
    ),
    **{usual: (usual.removeprefix("Metadata_"),) for usual in METADATA_PLATE_COLUMNS},
}


def use_usual_names(columns: Sequence[str]) -> list[str]:
    """Return the columns of an image table with the usual names of those of the well and the site.

    Some of CellProfiler's tables call an image's columns Image_FileName_..., Image_Metadata_...; the prefix
    stays if the table has the same column without it. `Row` and `Column` beside a well may be the place of a
    site within the well, and keep their names.
    """
    there = set(columns)
    names = [name if name.removeprefix(PREFIX) in there else name.removeprefix(PREFIX) for name in columns]
    for usual, others in USUAL_NAMES.items():
        if usual in PLACE and "Metadata_Well" in names:
            others = [name for name in others if name.startswith("Metadata_")]
        other = next((name for name in others if name in names), None)
        if usual not in names and other is not None:
            names[names.index(other)] = usual
    return names


def get_table_names(columns: Sequence[str], path: Path) -> list[str]:
    """Return the usual names of the columns of a user's image table.

    Raises
    ------
    InputError
        Naming a column that occurs twice, also with and without `Image_`.
    """
    refuse_twice([name.removeprefix(PREFIX) for name in columns], path)
    return use_usual_names(columns)


def get_named_plates(columns: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Return the plates that each column of plates names, given the values of an image table's columns."""
    there = [name for name in METADATA_PLATE_COLUMNS if name in columns]
    return {name: {value for value in set(columns[name]) if not is_nothing(value)} for name in there}


def get_well_of_row(row: Mapping[str, str | float]) -> str:
    """Return the well of a row as it is written, or by its row and column; "" if the row has none."""
    if row.get("Metadata_Well"):
        return str(row["Metadata_Well"])
    row_name, column = row.get("Metadata_Row"), row.get("Metadata_Column")
    return get_well_at(str(row_name), str(column)) if row_name and column else ""


def split_url(url: str) -> tuple[str, str]:
    """Return folder and name of an image in the Gallery's column `URL_...`."""
    folder, _, name = get_path_of_url(url).rpartition("/")
    return folder, name


def get_path_of_url(text: str) -> str:
    """Return the path in a URL of a file (file:///data/a%20b, file://localhost/data); other text as it is."""
    if not text.startswith("file:"):
        return text
    return unquote(re.sub(r"^file:(//localhost(?=/)|//(?=/))?", "", text))


def read_columns(path: Path, beginnings: str | tuple[str, ...]) -> dict[str, list[str]]:
    """Read the columns of a user's image table whose usual names begin like this, as text.

    Of a Parquet table, only these columns are read, and pandas is not imported.

    Raises
    ------
    InputError
        If the table cannot be read, or has a column twice.
    """
    if not is_parquet(path):
        plain = split_plain_table(read_text_file(path))
        columns, rows = plain or read_table(path)
        names = list(enumerate(get_table_names(columns, path)))
        if plain:
            return {
                name: [row[at].strip() for row in plain[1]]
                for at, name in names
                if name.startswith(beginnings)
            }
        return {name: [row[columns[at]] for row in rows] for at, name in names if name.startswith(beginnings)}

    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            usual = get_table_names([plain_text(name) for name in columns], path)
            names = {
                own: name for own, name in zip(columns, usual, strict=True) if name.startswith(beginnings)
            }
            table = file.read(columns=list(names))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as an image table: {error}.") from error
    return {name: [write_text(value) for value in table[own].to_pylist()] for own, name in names.items()}


def split_plain_table(text: str) -> tuple[list[str], list[list[str]]] | None:
    """Return the columns and rows of a table as `read_table` reads it; None if it is not plain.

    In a plain table, all rows have as many values as there are columns, and none is in quotation marks.
    Splitting its lines takes a third of the time, which counts in experiments of many plates.

    Parameters
    ----------
    text
        The text of the table.
    """
    lines = text.rstrip("\n").split("\n")
    if '"' in text or len(lines) < 2 or lines[0].lower().startswith("sep="):
        return None
    separator = find_separator(lines[0], lines)
    rows = [line.split(separator) for line in lines]
    columns = [plain_text(name.strip()) for name in rows[0]]
    is_even = len(columns) > 1 and set(map(len, rows)) == {len(columns)}
    is_named = len(set(columns)) == len(columns) and not any(map(NUMBERED.fullmatch, columns))
    # Lines without any value are skipped by `read_table`.
    is_full = all("".join(row).strip() for row in rows)
    return (columns, rows[1:]) if is_even and is_named and is_full else None


def write_text(value: Any) -> str:
    """Return a value of a Parquet table as text; "" if it is missing."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None or value != value else str(value)
