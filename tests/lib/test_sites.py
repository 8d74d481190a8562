"""The names of sites, which CellProfiler returns unchanged, and their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.sites import PLATE_VARIABLE, find_plate, get_barcode, get_site_name, get_site_order

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("1", "1"),
        ("01", "1"),
        ("0", "0"),
        ("00", "0"),
        ("10.0", "10"),
        ("1.50", "1.5"),
        (" 7 ", "7"),
        ("", "1"),
        (None, "1"),
        ("0a", "0a"),
        ("top left", "top left"),
        ("2_3", "2-3"),
        ("a_b", "a_b"),
        ("a/b", "a-b"),
        ("nan", "nan"),
    ],
)
def test_the_name_of_a_site(written, name):
    assert get_site_name(written) == name


def test_sites_are_in_the_order_of_numbers_and_then_of_names():
    mixed = ["b", "10", "2", "a", "1.5", "1", "11"]
    assert sorted(mixed, key=get_site_order) == ["1", "1.5", "2", "10", "11", "a", "b"]


def as_cellprofiler(names):
    """A column of the image table as CellProfiler's LoadData reads and writes it."""
    for kind in (int, float):
        try:
            return [str(kind(name)) for name in names]
        except ValueError:
            continue
    return names


@given(st.lists(st.text("0123456789._ab-+", min_size=1, max_size=6), min_size=1, max_size=8))
def test_cellprofiler_gives_the_names_back(written):
    names = [get_site_name(text) for text in written]
    assert [get_site_name(name) for name in names] == names
    assert [get_site_name(text) for text in as_cellprofiler(names)] == names


def test_a_barcode_keeps_its_zeros(tmp_path, monkeypatch):
    """CellProfiler reads a column of digits as numbers; its messages name the plate as the table does."""
    table = tmp_path / "load_data.csv"
    for written, read, barcode in (
        ("00123", 123, "00123"),
        ("00123", 124, "124"),
        ("1e5", 100000.0, "1e5"),
        ("BR001", "BR001", "BR001"),
        ("", 7, "7"),
    ):
        table.write_text(f"Metadata_Plate,Metadata_Well\n{written},A01\n")
        assert find_plate(table) == written
        monkeypatch.setenv(PLATE_VARIABLE, find_plate(table))
        assert get_barcode(read) == barcode
    table.write_text("Metadata_Well\nA01\n")
    assert find_plate(table) == ""
    monkeypatch.delenv(PLATE_VARIABLE)
    assert get_barcode(123) == "123"
