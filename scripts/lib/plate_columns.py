"""The names of the columns that give the plate of a row, or its number of cells, in tables of any kind.

This module uses only the standard library, since tables are also read while planning.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from lib.plates import find_name

# Plate maps have these columns; profiles and image tables also have them after `Metadata_`.
PLATE_COLUMNS = (
    *("Plate", "plate", "Assay_Plate_Barcode", "Plate_Barcode", "Barcode", "barcode", "PlateID", "Plate_ID"),
)
METADATA_PLATE_COLUMNS = tuple(f"Metadata_{name}" for name in PLATE_COLUMNS)
# Other names of the number of cells, without blanks and underscores.
NAMES_OF_COUNT = (
    # Harmony's and Columbus's, before their `Cell Count`: the cells that were seeded
    "cellsselectednumberofobjects",
    "nucleiselectednumberofobjects",
    "cellsnumberofobjects",
    "nucleinumberofobjects",
    "countcells",
    "objectcount",
    "cellcount",
    "cellscount",
    "cellcounts",
    "ncells",
    "numcells",
    "numberofcells",
)


def find_count_column(names: Iterable[str]) -> str | None:
    """Return the column with the numbers of cells, whatever it is called; None if there is none."""
    plain = {re.sub("[^a-z]", "", name.removeprefix("Metadata_").casefold()): name for name in names}
    return next((plain[other] for other in NAMES_OF_COUNT if other in plain), None)


def find_plate_column(named: Mapping[str, Collection[str]], plate: str) -> str | None:
    """Find the column that names the plate of each row; None if no column does.

    That is the first one that has the plate; else `Metadata_Plate`, or the first that has several plates. Any
    other column has a single value that is not a plate of the sample sheet.

    Parameters
    ----------
    named
        The values of each column that may name plates, without empty ones, in the order of `PLATE_COLUMNS`.
    plate
        The plate's name in the sample sheet.
    """
    having = (name for name, values in named.items() if find_name(plate, set(values)))
    others = (name for name, values in named.items() if name == "Metadata_Plate" or len(set(values)) > 1)
    return next(having, None) or next(others, None)


def list_plates(named: Mapping[str, Collection[str]], plates: Iterable[str]) -> list[str]:
    """Return the plates that a table names; none if a plate would get rows of the others.

    That is so if no column names one of the plates, which then gets all rows, and if different columns name
    the plates, since a row may have both names.
    """
    columns = {plate: find_plate_column(named, plate) for plate in plates}
    if None in columns.values():
        return []
    having = {column for plate, column in columns.items() if find_name(plate, set(named[column]))}
    return sorted({name for column in columns.values() for name in named[column]}) if len(having) < 2 else []
