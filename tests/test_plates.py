"""The sample sheet, plate maps and annotation tables: what is read, and what is refused how."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import InputError
from lib.experiment import LEVELS
from lib.plate_contents import read_annotation, read_plate_map
from lib.plates import read_plates, read_table
from lib.wells import row_name, well_name, well_order

HEADER = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", "images"]
ROW = ["B1", "0012", "map.txt", "compound", "U2OS", "48", "images/0012"]


def test_a_barcode_keeps_its_leading_zeros(write_table):
    (plate,) = read_plates(write_table("plates.tsv", [HEADER, ROW]), LEVELS)
    assert plate["plate"] == "0012"


def test_extra_columns_are_carried_along(write_table):
    (plate,) = read_plates(write_table("p.tsv", [[*HEADER, "density"], [*ROW, "80"]]), LEVELS)
    assert plate["density"] == "80"


def test_byte_order_mark_windows_lines_and_blanks_are_taken_away(tmp_path):
    path = tmp_path / "plates.tsv"
    rows = ["\t".join(HEADER), "\t".join(value + "  " for value in ROW)]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\r\n\r\n")
    (plate,) = read_plates(path, LEVELS)
    assert list(plate) == HEADER
    assert plate["images"] == "images/0012"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plate": ""}, "plate is empty"),
        ({"plate": "a b"}, "plate `a b` may hold only letters"),
        ({"plate": "../x"}, "may hold only letters"),
        ({"batch": "x;rm -rf"}, "batch `x;rm -rf` may hold only letters"),
        ({"plate": "plätte"}, "may hold only letters"),
        ({"timepoint": "two days"}, "timepoint `two days` is not a number of hours"),
        ({"images": ""}, "exactly one of images, cellprofiler, profiles"),
        ({"plate_map": ""}, "plate_map is empty"),
    ],
)
def test_a_wrong_row_is_named_with_what_is_wrong(write_table, change, message):
    row = [change.get(name, value) for name, value in zip(HEADER, ROW, strict=True)]
    path = write_table("plates.tsv", [HEADER, row])
    with pytest.raises(InputError) as error:
        read_plates(path, LEVELS)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_a_plate_listed_twice_is_refused(write_table):
    with pytest.raises(InputError, match="plate 0012 of batch B1 is listed 2 times"):
        read_plates(write_table("plates.tsv", [HEADER, ROW, ROW]), LEVELS)


def test_a_misnamed_column_is_answered_with_the_near_one(write_table):
    header = ["platemap" if name == "plate_map" else name for name in HEADER]
    with pytest.raises(InputError, match=r"lacks the column plate_map \(is it `platemap`\?\)"):
        read_plates(write_table("plates.tsv", [header, ROW]), LEVELS)


def test_two_sources_are_refused(write_table):
    table = write_table("plates.tsv", [[*HEADER, "cellprofiler"], [*ROW, "tables"]])
    with pytest.raises(InputError, match="here images and cellprofiler is given"):
        read_plates(table, LEVELS)


def test_an_unknown_level_is_refused(write_table):
    header = [*HEADER[:-1], "profiles", "level"]
    table = write_table("plates.tsv", [header, [*ROW[:-1], "p.csv", "normalised"]])
    with pytest.raises(InputError, match="level `normalised` is none of aggregated, augmented"):
        read_plates(table, LEVELS)


def test_a_table_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.tsv does not exist"):
        read_table(tmp_path / "nothing.tsv")


def test_wells_of_a_plate_map_become_a01(write_table):
    path = write_table("map.txt", [["well_position", "broad_sample"], ["a1", "x"], ["B010 ", "y"]])
    assert read_plate_map(path)["well"].tolist() == ["A01", "B10"]


def test_a_well_twice_on_a_plate_map_is_refused(write_table):
    rows = [["well_position", "broad_sample"], ["A1", "x"], ["A01", "y"]]
    with pytest.raises(InputError, match="well A01 stands there more than once"):
        read_plate_map(write_table("map.txt", rows))


def test_a_broad_sample_twice_in_an_annotation_is_refused(write_table):
    rows = [["broad_sample", "gene"], ["x", "G1"], ["x", "G2"]]
    with pytest.raises(InputError, match="broad_sample x stands there more than once"):
        read_annotation(write_table("a.tsv", rows), "gene")


def test_row_letters_of_every_plate_format():
    assert [row_name(n) for n in (1, 16, 26, 27, 32)] == ["A", "P", "Z", "AA", "AF"]
    with pytest.raises(InputError, match="Row 33"):
        row_name(33)


@given(st.integers(1, 32), st.integers(1, 48))
def test_a_well_name_is_read_back_as_itself(row, column):
    name = f"{row_name(row)}{column:02d}"
    assert well_name(name) == name
    assert well_name(name.lower()) == name
    assert well_name(f" {row_name(row)}{column} ") == name


def test_plate_order():
    wells = ["AA01", "B02", "A10", "A02"]
    assert sorted(wells, key=well_order) == ["A02", "A10", "B02", "AA01"]


@pytest.mark.parametrize("text", ["", "A", "1A", "A00", "A-1", "ABC1"])
def test_what_is_no_well_is_refused(text):
    with pytest.raises(InputError, match="is no well"):
        well_name(text)
