"""The column that names the plate of each row."""

import pytest

from lib.plate_columns import find_plate_column, list_plates

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, None),
        ({"Metadata_Plate": {"P1"}}, "Metadata_Plate"),
        ({"Metadata_Plate": {"P2"}}, "Metadata_Plate"),  # the table lacks the plate
        ({"Metadata_Barcode": {"P1"}}, "Metadata_Barcode"),
        ({"Metadata_Barcode": {"P2"}}, None),  # something else's barcode
        ({"Metadata_Barcode": {"P2", "P3"}}, "Metadata_Barcode"),
        ({"Metadata_Plate": {"1", "2"}, "Metadata_Barcode": {"P1", "P2"}}, "Metadata_Barcode"),
        ({"Metadata_Barcode": {"x"}, "Metadata_PlateID": {"P 1"}}, None),
        ({"Metadata_Barcode": set()}, None),
    ],
)
def test_the_column_that_has_the_plate_comes_first(named, expected):
    assert find_plate_column(named, "P1") == expected


def test_plates_are_listed_only_if_each_gets_rows_of_its_own():
    assert list_plates({"Metadata_Barcode": {"P1", "P2"}}, ["P1", "P3"]) == ["P1", "P2"]
    assert list_plates({"Metadata_Barcode": {"P1"}}, ["P1", "P2"]) == []  # P2 would get the rows of P1
    both = {"Metadata_Plate": {"A"}, "Metadata_Barcode": {"1"}}
    assert list_plates(both, ["A"]) == ["A"]
    assert list_plates(both, ["A", "1"]) == []
