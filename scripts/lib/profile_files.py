"""The formats of profile files, and common names of the columns of wells and plates.

Standard library only: the header of each file is read while planning.
"""

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from lib.errors import InputError, join_names

# What pandas calls a column without a name, and an index without one.
NUMBERED = re.compile(r"Unnamed: \d+|__index_level_\d+__|")
# The first bytes of formats.
PARQUET, FEATHER, GZIP, HDF5 = b"PAR1", b"ARROW1", b"\x1f\x8b", b"\x89HDF"
OTHER_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or another zip file",
    b"SQLite format": "an SQLite database",
}
READ = "comma-, tab- or semicolon-separated text, Parquet, Feather and AnnData (h5ad)"
WELL_NAMES = (
    *("Metadata_Well", "Metadata_well", "Metadata_well_position", "Metadata_Well_Position"),
    *("Well", "well", "well_position"),
)
ROW_NAMES = (("Metadata_Row", "Metadata_Column"), ("Metadata_Row", "Metadata_Col"), ("Row", "Column"))
PLATE_NAMES = (
    *("Metadata_Plate", "Metadata_plate", "Metadata_Assay_Plate_Barcode", "Metadata_Plate_Barcode"),
    *("Metadata_Barcode", "Metadata_barcode", "Metadata_PlateID", "Metadata_Plate_ID"),
    *("Plate", "plate", "Assay_Plate_Barcode", "Barcode", "barcode"),
)
LOOKED_AT = 50  # rows that show how numbers are written


def rename_image_metadata(name: str) -> str:
    """Rename `Image_Metadata_Well` to `Metadata_Well`; a measurement of entire images keeps its name."""
    return name.removeprefix("Image_") if name.startswith("Image_Metadata_") else name


def read_start(path: Path, gzipped: bool) -> tuple[list[str], str, list[list[str]]]:
    """Return the header of separated text, its separator, and the first rows.

    Raises
    ------
    InputError
        For an empty file, or one that is not text.
    """
    with gzip.open(path, "rt", encoding="utf-8-sig") if gzipped else path.open(encoding="utf-8-sig") as file:
        try:
            lines = [line for _, line in zip(range(LOOKED_AT + 1), file, strict=False)]
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path} is not UTF-8 text ({error}). {READ} are read; save a spreadsheet as `CSV UTF-8`."
            ) from error
    if not lines or not lines[0].strip():
        raise InputError(f"{path} is empty: its first line must name the columns.")
    if "\0" in lines[0]:
        raise InputError(f"{path} is of a format that is not known: {READ} are read.")
    separator = max("\t;,", key=lines[0].count)
    header, *rows = csv.reader(lines, delimiter=separator)
    return header, separator, rows


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


def name_format(start: bytes) -> str | None:
    """Return the name of an unsupported format, by the first bytes of a file; None for any other."""
    return next((what for magic, what in OTHER_FORMATS.items() if start.startswith(magic)), None)


def find_header_problems(path: Path, plates: Sequence[str]) -> Iterator[str]:
    """Return what will stop the plates that the sample sheet takes from a file, as far as its header shows.

    The header of text is read; of other formats, only those that cannot be read are reported.
    """
    with path.open("rb") as file:
        start = file.read(16)
    if other := name_format(start):
        yield f"{path} is {other}, which is not read. Save the table as CSV; {READ} are read."
    if other or start.startswith((PARQUET, FEATHER, HDF5)):
        return
    try:
        header, _, rows = read_start(path, start.startswith(GZIP))
        refuse_twice([name.strip() for name in header], path)
    except (InputError, OSError, EOFError, csv.Error) as error:
        yield str(error)
        return
    names = {rename_image_metadata(name.strip()) for name in header}
    if not rows:
        yield f"{path} has a header and no rows: it holds no profile."
    if not names & set(WELL_NAMES) and not any(set(place) <= names for place in ROW_NAMES):
        yield (
            f"{path} has no column Metadata_Well (or Metadata_Row and Metadata_Column). Its columns are "
            f"{join_names(header, 8)}."
        )
    if len(plates) > 1 and not names & set(PLATE_NAMES):
        yield (
            f"{path} has no column Metadata_Plate, and the sample sheet takes {len(plates)} plates from it "
            f"({join_names(plates, 5)}): which wells are whose is not known."
        )
