"""Tables in the page: the text of a cell, and the key that its column is sorted by."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from report_page.pictures import link_to
from report_page.results import Results

MISSING = ("", "nan", "NaN", "NA")  # how a missing number is written
MOST_ROWS = 300  # rows of a table in the page; the file beside it has all of them


@dataclass(frozen=True)
class Cell:
    """One value of a table: its text, and its sort key."""

    text: str
    sort: str
    number: bool
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page; `total` counts the rows of its file, of which the page may have fewer."""

    id: str
    title: str
    columns: list[str]
    rows: list[list[Cell]]
    total: int
    link: str = ""
    notes: Sequence[str] = ()

    def numeric(self, column: int) -> bool:
        """Return whether a column holds numbers, which are aligned to the right."""
        cells = [row[column] for row in self.rows if row[column].text]
        return bool(cells) and all(each.number for each in cells)


def make_cell(value: Any, link: str = "", digits: int = 4) -> Cell:
    """Return a value with its text and sort key; a missing one is empty and sorts last."""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return Cell("yes" if value else "no", "yes" if value else "no", False, link)
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return Cell("", "", False, link)
    if isinstance(value, float):
        text = f"{value:,.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:,.{digits}g}"
        return Cell(text, repr(float(value)), True, link)
    if isinstance(value, int) or hasattr(value, "__index__"):
        return Cell(f"{int(value):,}", str(int(value)), True, link)
    return Cell(str(value), str(value), False, link)


def number_or_text(text: str) -> float | str:
    """Return the text as a number if it is one, so that it is sorted as one."""
    try:
        return float(text)
    except ValueError:
        return text


def make_table(
    frame: pd.DataFrame, identifier: str, title: str, link: str = "", most: int = MOST_ROWS
) -> Table:
    """Return a data frame as a table of the page.

    Parameters
    ----------
    frame
        The data frame.
    identifier
        The table's identifier on the page.
    title
        The table's title.
    link
        The link to the complete table; empty for none.
    most
        How many rows are shown at most.
    """
    columns = [str(name).removeprefix("Metadata_").replace("_", " ") for name in frame]
    rows = [[make_cell(value) for value in row] for row in frame.head(most).itertuples(index=False)]
    return Table(identifier, title, columns, rows, len(frame), link)


def read_table(
    results: Results,
    file: str,
    identifier: str,
    title: str,
    read: Callable[[str | Path], pd.DataFrame] | None = None,
) -> Table | None:
    """Return a CSV file of the results as a table; None if it is missing or has no rows.

    Parameters
    ----------
    results
        The results folder.
    file
        The table's path in the results.
    identifier
        The table's identifier on the page.
    title
        The table's title.
    read
        Reads the file; None for `read_csv`.
    """
    if not results.has(file):
        return None
    frame = (read or read_csv)(results.path(file))
    return make_table(frame, identifier, title, link_to(file)) if len(frame) else None


def read_csv(file: str | Path, text: Sequence[str] = (), rows: int | None = None) -> pd.DataFrame:
    """Read a CSV file of the results; names stay text, even if they are `007`, `NA` or `None`.

    Parameters
    ----------
    file
        The file.
    text
        Columns of names beside those that begin with `Metadata_`.
    rows
        How many of the first rows are read; None for all.
    """
    return pd.read_csv(file, nrows=rows, **get_reading(file, text))


def read_csv_in_parts(file: str | Path, text: Sequence[str], rows: int) -> Iterator[pd.DataFrame]:
    """Read a CSV file as `read_csv` does, a number of rows at a time; a file without rows is one part."""
    with pd.read_csv(file, chunksize=rows, **get_reading(file, text)) as parts:
        yield from parts


def get_reading(file: str | Path, text: Sequence[str]) -> dict[str, Any]:
    """Return the options of pandas with which names stay text."""
    columns = list(pd.read_csv(file, nrows=0))
    names = [
        name for name in columns if name in text or (name.startswith("Metadata_") and "Count" not in name)
    ]
    missing = {name: [""] if name in names else MISSING for name in columns}
    return {"dtype": dict.fromkeys(names, str), "keep_default_na": False, "na_values": missing}


def count_rows(results: Results, file: str) -> int | None:
    """Return how many rows a CSV file of the results has; None if it is missing."""
    return len(pd.read_csv(results.path(file))) if results.has(file) else None
