"""The names of wells, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import InputError
from lib.wells import (
    get_plate_format,
    get_row_name,
    get_row_number,
    get_well_at,
    get_well_name,
    get_well_of_groups,
    get_well_order,
    get_well_place,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("written", "well"),
    [
        ("a1", "A01"),
        ("A001", "A01"),
        (" A01 ", "A01"),
        ("r01c02", "A02"),
        ("R16 C24", "P24"),
        ("r27c48", "AA48"),
        ("af48", "AF48"),
        *(
            (text, "B03")
            for text in ("B-03", "b_3", "B:3", "B3.0", "\u041203", "\uff22\uff10\uff13", "B03\u200b")
        ),
        *((text, "B03") for text in ("3B", "03b", "3.B", "03-B", "B.3", "B.03", "R2C3", "r2_c3")),
        ('="B03"', "B03"),
    ],
)
def test_a_well_has_one_spelling(written, well):
    assert get_well_name(written) == well


@pytest.mark.parametrize(
    "written", ["", "A", "1", "A00", "A100", "AAA1", "r00c01", "A--1", "1-1", "01.01", "0A", "A1.5", "1AAA"]
)
def test_what_is_not_a_well_is_refused(written):
    with pytest.raises(InputError, match="is not a valid well"):
        get_well_name(written)


def test_a_row_beyond_the_largest_plate_is_refused():
    with pytest.raises(InputError, match="Row 33 is not a row of a plate"):
        get_well_name("r33c01")
    with pytest.raises(InputError, match="Row 0"):
        get_row_name(0)


@given(st.integers(1, 32))
def test_letters_and_numbers_of_rows_belong_together(row):
    assert get_row_number(get_row_name(row)) == row


def test_well_at_a_row_and_a_column():
    assert get_well_at("B", "3") == get_well_at("2", "3.0") == get_well_at(" 2.0", " 03") == "B03"
    assert get_well_at("27", "1") == "AA01"


def test_well_of_the_groups_of_a_name():
    assert get_well_of_groups({"well": "b3", "site": "1"}) == "B03"
    assert get_well_of_groups({"well": None, "row": "2", "column": "03"}) == "B03"
    with pytest.raises(InputError, match="not a valid well"):
        get_well_of_groups({"row": None, "column": "3"})
    with pytest.raises(KeyError):
        get_well_of_groups({"site": "1"})


def test_wells_are_ordered_as_on_the_plate():
    wells = ["AA01", "B01", "A10", "A02", "Z24"]
    assert sorted(wells, key=get_well_order) == ["A02", "A10", "B01", "Z24", "AA01"]
    assert [get_well_place(well) for well in ("B03", "AA01")] == [(2, 3), (27, 1)]


@pytest.mark.parametrize(
    ("wells", "size"),
    [
        (["A01"], (2, 3)),
        (["B03"], (2, 3)),
        (["A04"], (3, 4)),
        (["H12"], (8, 12)),
        (["A13"], (16, 24)),
        (["AF48"], (32, 48)),
        (["A60"], (1, 60)),
    ],
)
def test_the_smallest_plate_that_holds_the_wells(wells, size):
    assert get_plate_format(wells) == size


def test_row_and_column_are_named_as_they_are_written():
    with pytest.raises(
        InputError, match=r"Row `1` and column `A` are not a valid well.*\. Are rows and columns"
    ):
        get_well_at("1", "A")
    for row, column in (("33", "1"), ("A", "49"), ("A", ""), ("A", "0")):
        with pytest.raises(InputError, match=f"Row `{row}` and column `{column}` .*48\\)\\.$"):
            get_well_at(row, column)
