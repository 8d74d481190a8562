"""Read the tables of a chunk of sites, of CellProfiler's command line (CSV) or of the runner (Arrow).

CSV tables need only Python 3.8 and its standard library; an Arrow table is read with pyarrow.
"""

import csv
from collections import Counter

from lib.errors import InputError


def get_table_file(folder, name):
    """Return the file of table `name` in a chunk's folder; the path of the CSV file if there is none."""
    arrow = folder / f"{name}.arrow"
    return arrow if arrow.exists() else folder / f"{name}.csv"


def read_arrow(file, columns=None):
    """Read an Arrow table, or some of its columns; raise an InputError if it is incomplete."""
    import pyarrow

    try:
        with pyarrow.OSFile(str(file)) as source:
            options = None
            if columns is not None:
                names = pyarrow.ipc.open_file(source).schema.names
                options = pyarrow.ipc.IpcReadOptions(included_fields=[names.index(name) for name in columns])
            return pyarrow.ipc.open_file(source, options=options).read_all()
    except (pyarrow.ArrowInvalid, ValueError) as error:
        raise InputError(f"{file} is incomplete: {error}.") from error


def read_image_rows(file):
    """Return the rows of a small table as dictionaries."""
    if file.suffix == ".arrow":
        return read_arrow(file).to_pylist()
    with file.open(newline="") as table:
        return list(csv.DictReader(table))


def count_objects(file):
    """Count the objects of each ImageNumber in an object table.

    Only ImageNumber is read, as a table has 36 kB per cell. Raises an InputError if the table is incomplete.
    """
    if file.suffix == ".arrow":
        return Counter(read_arrow(file, ["ImageNumber"]).column(0).to_pylist())
    with file.open() as table:
        header = table.readline()
        if not header.startswith("ImageNumber,"):
            raise InputError(f"The first column of {file.name} is not ImageNumber.")
        last = header
        objects = Counter()
        for last in table:
            objects[int(last.split(",", 1)[0])] += 1
    if last.count(",") != header.count(",") or not last.endswith("\n"):
        raise InputError(f"{file.name} is incomplete: its last line is cut off.")
    return objects
