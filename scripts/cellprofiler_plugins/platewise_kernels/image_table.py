"""Read a plate's image table for CellProfiler's LoadData: what a run needs of it, numbered as in the whole.

CellProfiler converts and stores each row of the table, and removes those of other runs afterwards. Of them, a
run needs only the types of the columns and, if the pipeline groups its images, the order of the groups.
"""

import csv
import io
from pathlib import Path

import numpy
from cellprofiler_core.constants.measurement import COLTYPE_FLOAT, COLTYPE_INTEGER, COLTYPE_VARCHAR
from cellprofiler_core.utilities.core.modules.load_data import get_loaddata_type, header_to_column

#: From the narrowest type of a column to the widest.
TYPES = (COLTYPE_INTEGER, COLTYPE_FLOAT, COLTYPE_VARCHAR)


def read_table(path):
    """Return header and rows of a table, or None if it is no file with a value per row and column."""
    try:
        with Path(path).open() as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error):
        return None
    rows = [row for row in rows if row]
    return (header, rows) if all(len(row) == len(header) for row in rows) else None


def write_text(header, rows):
    """Return the text of a table."""
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue()


def summarize(header, rows):
    """Return the text of a table of two rows whose columns have the types and lengths of all rows."""
    columns = [set(column) for column in zip(*rows)]
    longest = [max(values, key=len) for values in columns]
    return write_text(header, [longest, [find_widest(values) for values in columns]] if columns else [])


def find_widest(values):
    """Return one of the values that determine a column's type: a text, else a fraction, else an integer."""
    found, widest = None, -1
    for value in values:
        width = TYPES.index(get_loaddata_type(value))
        if width > widest:
            found, widest = value, width
        if widest == len(TYPES) - 1:
            break
    return found


class Numbering:
    """The rows of an image table by ImageNumber (from 1), with their groups.

    As in CellProfiler, the groups are in the order of the text of their values, and the rows of each group
    are in the order of the table.
    """

    def __init__(self, rows, groups):
        self.rows = [rows[at] for group in groups for at in group]
        self.numbers = [number for number, group in enumerate(groups, 1) for _ in group]
        self.indexes = [index for group in groups for index in range(1, len(group) + 1)]
        self.lengths = [len(group) for group in groups for _ in group]


def number_rows(header, rows, keys, types):
    """Return the numbering of a table's rows; None if a key is not a column of the table.

    Parameters
    ----------
    header, rows
        The table.
    keys
        Names of the columns that group the rows; none if the pipeline does not group them.
    types
        CellProfiler's type of each column, by name.
    """
    if not keys:
        return Numbering(rows, [range(len(rows))])
    places = {header_to_column(name): at for at, name in enumerate(header)}
    if not all(key in places and key in types for key in keys):
        return None
    convert = {COLTYPE_INTEGER: int, COLTYPE_FLOAT: numpy.float64}
    columns = [[str(convert.get(types[key], str)(row[places[key]])) for row in rows] for key in keys]
    groups = {}
    for at, values in enumerate(zip(*columns)):
        groups.setdefault(values, []).append(at)
    return Numbering(rows, [groups[values] for values in sorted(groups)])
