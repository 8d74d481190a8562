"""Quotation marks in separated text that are not closed, and swallow rows up to the next mark."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.errors import InputError
from lib.values import number_in_one_spelling


def explain_quotation(path: Path, line: int, problem: str) -> InputError:
    """Return the error for a quotation mark that is not closed, and would swallow the rows after it."""
    return InputError(
        f"{path}, line {line}: {problem}; close the quotation mark, or write a mark that belongs to the "
        "value twice, within quotation marks."
    )


def refuse_swallowed_rows(
    path: Path, line: int, row: Sequence[str], separator: str, table: Sequence[Sequence[str]]
) -> None:
    """Reject a row of which a value holds the end of one row and the beginning of another.

    A quotation mark that is not closed, and another one in a later row, make one value of all that is between
    them. A valid value may have several lines and separators, too: only lines that are rows like those of the
    table are rejected.

    Parameters
    ----------
    path, line
        The file, and the row's line, for the message.
    row
        The row's values as written.
    separator
        The separator of the table.
    table
        The header and rows of the table as written, or the first of them.

    Raises
    ------
    InputError
        Naming the line.
    """
    places = [at for at, value in enumerate(row) if "\n" in value and separator in value]
    if not places:
        return
    names, row = list(table[0]), list(row)
    others = [other for other in map(list, table[1:]) if any(other) and other != row]
    width = Counter(map(len, others or [names])).most_common(1)[0][0]
    # A row that is alone is compared with its own values; the header's are names.
    shapes = get_identifier_shapes(others if others or row == names else [row])
    for at in places:
        rows = split_into_rows(row, at, separator)
        if any(len(one) != width for one in rows):
            continue
        alike = has_shapes(rows[1:] if row == names else rows, shapes)
        # In a table of names only, lines of three or more values without blanks between them are rows.
        if alike or (not shapes and width > 2 and f"{separator} " not in row[at]):
            raise explain_quotation(path, line, f"a value holds {len(rows)} rows: {row[at][:40]!r}...")


def split_into_rows(row: Sequence[str], at: int, separator: str) -> list[list[str]]:
    """Return the rows that a row would be without the quotation marks around its value number `at`."""
    first, *between, last = (line.split(separator) for line in row[at].split("\n"))
    return [[*row[:at], *first], *between, [*last, *row[at + 1 :]]]


def get_shape(value: str) -> str:
    """Return the form of a value: `9` for a number, `a9` for the well A01, `a-a9` for BRD-K123."""
    value = value.strip()
    if number_in_one_spelling(value) is not None:
        return "9"
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", value))


def get_identifier_shapes(rows: Sequence[Sequence[str]]) -> dict[int, set[str]]:
    """Return the forms of wells, numbers and identifiers, by column; half of its values have digits."""
    found = {}
    for at in range(max(map(len, rows), default=0)):
        values = [row[at] for row in rows if at < len(row) and row[at].strip() and "\n" not in row[at]]
        shapes = [shape for shape in map(get_shape, values) if "9" in shape]
        if shapes and 2 * len(shapes) >= len(values):
            found[at] = set(shapes)
    return found


def has_shapes(rows: Sequence[Sequence[str]], shapes: Mapping[int, set[str]]) -> bool:
    """Return whether all `rows` have a value of one of the `shapes` in the same column."""
    return any(
        all(at < len(row) and get_shape(row[at]) in known for row in rows) for at, known in shapes.items()
    )
