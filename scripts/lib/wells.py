"""The names of wells: `A01` everywhere after reading."""

import re
from collections.abc import Iterable, Mapping

from lib.errors import InputError
from lib.look_alikes import write_in_latin

# A01, a1, A-01, A:1, A.1, and A1.0 where a program joined the letter and a decimal number.
WELL = re.compile(r"\s*([A-Za-z]{1,2})\s*[-_:.]?\s*0*([0-9]{1,2})(?:\.0)?\s*")
# The column first: 1A, 01-A, 1.A.
COLUMN_FIRST = re.compile(r"\s*0*([0-9]{1,2})\s*[-_:.]?\s*([A-Za-z]{1,2})\s*")
TEXT_FORMULA = re.compile(r'="(.*)"')  # how Excel keeps a value as text
# The wells in the Opera's file names: r01c02.
ROW_AND_COLUMN = re.compile(r"\s*[rR]0*([0-9]{1,2})[\s_-]*[cC]0*([0-9]{1,2})\s*")
# Of which the first may be the row or the column.
TWO_NUMBERS = re.compile(r"\s*0*([1-9][0-9]?)\s*[-_.:/,]\s*0*([1-9][0-9]?)\s*")
ROWS_OF_1536, COLUMNS_OF_1536 = 32, 48
# Rows and columns of the plates that are sold.
FORMATS = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))


def get_row_name(number: int) -> str:
    """Return the letter of a row counted from 1: 1 is A, 26 is Z, 27 is AA (1536-well plates end at AF)."""
    if not 1 <= number <= ROWS_OF_1536:
        raise InputError(f"Row {number} is not a row of a plate (1 to {ROWS_OF_1536}).")
    return chr(64 + number) if number <= 26 else "A" + chr(64 + number - 26)


def get_row_number(name: str) -> int:
    """Return the row of a letter, counted from 1: A is 1, Z is 26, AA is 27."""
    return ord(name) - 64 if len(name) == 1 else 26 * (ord(name[0]) - 64) + ord(name[1]) - 64


def get_well_name(text: str) -> str:
    """Read `a1`, `A1`, `A001`, `A-01`, `1.A`, `r01c01` and `A01 ` as `A01`, in letters that look like these.

    Raises
    ------
    InputError
        If `text` is not a valid well.
    """
    text = TEXT_FORMULA.sub(r"\1", write_in_latin(text))
    placed = ROW_AND_COLUMN.fullmatch(text)
    if placed and int(placed[1]):
        text = f"{get_row_name(int(placed[1]))}{placed[2]}"
    text = COLUMN_FIRST.sub(r"\2\1", text) if COLUMN_FIRST.fullmatch(text) else text
    match = WELL.fullmatch(text)
    if not match or int(match[2]) == 0:
        hint = ""
        if numbers := TWO_NUMBERS.fullmatch(text):
            hint = f" If it is row {numbers[1]} and column {numbers[2]}, write r{numbers[1]}c{numbers[2]}."
        raise InputError(
            f"`{text}` is not a valid well: write a row letter and a column number, as in A01.{hint}"
        )
    row, column = match[1].upper(), int(match[2])
    if get_row_number(row) > ROWS_OF_1536 or column > COLUMNS_OF_1536:
        raise InputError(
            f"`{text.strip()}` is not a well of a plate: the largest, of 1536 wells, end at AF48."
        )
    return f"{row}{column:02d}"


def get_well_at(row: str, column: str) -> str:
    """Return the well in a row, given by its letter or its number, and a column.

    Raises
    ------
    InputError
        Naming row and column as they are written, if they are not a valid well.
    """
    row, column = (write_in_latin(part).strip().removesuffix(".0") for part in (row, column))
    try:
        return get_well_name(f"{get_row_name(int(row)) if row.isdigit() else row}{column}")
    except InputError as error:
        swapped = " Are rows and columns swapped?" if row.isdigit() and column.isalpha() else ""
        raise InputError(
            f"Row `{row}` and column `{column}` are not a valid well: a row is a letter or its number (1 to "
            f"{ROWS_OF_1536}), and a column is a number (1 to {COLUMNS_OF_1536}).{swapped}"
        ) from error


def get_well_of_groups(groups: Mapping[str, str | None]) -> str:
    """Return the well that the groups of a name pattern give: `well`, or `row` and `column`.

    Raises
    ------
    InputError
        If they are not a valid well.
    KeyError
        If there are no such groups.
    """
    if well := groups.get("well"):
        return get_well_name(well)
    return get_well_at(groups["row"] or "", groups["column"] or "")


def find_well_name(*written: str) -> str | None:
    """Return a well given by its name, or by row and column, as A01; None if it is not valid."""
    try:
        return get_well_at(*written) if len(written) == 2 else get_well_name(*written)
    except InputError:
        return None


def get_well_order(well: str) -> tuple[int, str, int]:
    """Return a sort key that puts wells in plate order: A01, A02, ..., Z24, AA01."""
    letters = well.rstrip("0123456789")
    return len(letters), letters, int(well[len(letters) :])


def get_well_place(well: str) -> tuple[int, int]:
    """Return row and column of a well, counted from 1: B03 is (2, 3), AA01 is (27, 1)."""
    _, letters, column = get_well_order(well)
    return get_row_number(letters), column


def get_plate_format(wells: Iterable[str]) -> tuple[int, int]:
    """Return rows and columns of the smallest plate sold with all these wells, or as many as they need."""
    places = [get_well_place(well) for well in wells]
    rows, columns = (max(numbers, default=1) for numbers in zip(*places, strict=True))
    return next(((r, c) for r, c in FORMATS if r >= rows and c >= columns), (rows, columns))
