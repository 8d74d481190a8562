"""The sample sheet, plate maps and annotation tables: what is read, and what is rejected."""

import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.conditions import get_conditions
from lib.errors import InputError
from lib.levels import LEVELS
from lib.plate_contents import join_annotation, read_annotation, read_plate_map
from lib.plates import read_plates, read_table
from lib.wells import get_row_name, get_well_name, get_well_order

pytestmark = pytest.mark.unit

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
    assert set(plate) == set(HEADER)
    assert plate["images"] == "images/0012"


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_sheet_as_a_spreadsheet_saves_it(tmp_path, mark):
    path = tmp_path / "plates.csv"
    # Empty columns beside the table, an empty line below it.
    rows = [mark.join([*HEADER, "note", "", ""]), mark.join([*ROW, "", "", ""]), mark * (len(HEADER) + 2)]
    path.write_text("\r\n".join(rows), newline="")
    (plate,) = read_plates(path, LEVELS)
    assert plate == dict(zip(HEADER, ROW, strict=True)) | {"note": ""}


def test_a_column_without_a_name_is_refused(write_table):
    table = write_table("plates.tsv", [[*HEADER, "", "density"], [*ROW, "?", "80"]])
    with pytest.raises(InputError, match="column 8 has no name"):
        read_plates(table, LEVELS)


def test_another_encoding_is_reported_with_the_remedy(tmp_path):
    path = tmp_path / "map.csv"
    path.write_bytes("well_position,broad_sample,dose\nA01,X,1 \u00b5M\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"cannot be read as UTF-8 text.*CSV UTF-8"):
        read_table(path)


def test_an_assay_without_cell_line_and_time_point(write_table):
    without = [HEADER[:4] + HEADER[6:], ROW[:4] + ROW[6:]]
    (plate,) = read_plates(write_table("plates.tsv", without), LEVELS)
    assert (plate["cell_line"], plate["timepoint"]) == ("", "")
    config = {
        "benchmark": {
            "condition": ["perturbation", "cell_line", "timepoint"],
            "where": {},
            "matching_same": [],
        }
    }
    assert list(get_conditions([plate], config)) == ["compound"]
    other = plate | {"cell_line": "48"}
    third = plate | {"timepoint": "48"}
    with pytest.raises(InputError, match="two conditions the same name"):
        get_conditions([other, third], config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plate": ""}, "plate is empty"),
        ({"plate": "a b"}, "plate `a b` may contain only letters"),
        ({"plate": "../x"}, "may contain only letters"),
        ({"batch": "x;rm -rf"}, "batch `x;rm -rf` may contain only letters"),
        ({"plate": "plätte"}, "may contain only letters"),
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
    with pytest.raises(InputError, match="the row has images and cellprofiler"):
        read_plates(table, LEVELS)


def test_an_unknown_level_is_refused(write_table):
    header = [*HEADER[:-1], "profiles", "level"]
    table = write_table("plates.tsv", [header, [*ROW[:-1], "p.csv", "normalised"]])
    with pytest.raises(InputError, match="level `normalised` is not one of aggregated, augmented"):
        read_plates(table, LEVELS)


def test_a_table_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.tsv does not exist"):
        read_table(tmp_path / "nothing.tsv")


def test_wells_of_a_plate_map_become_a01(write_table):
    path = write_table("map.txt", [["well_position", "broad_sample"], ["a1", "x"], ["B010 ", "y"]])
    assert read_plate_map(path)["well"].tolist() == ["A01", "B10"]


def test_a_well_twice_on_a_plate_map_is_refused(write_table):
    rows = [["well_position", "broad_sample"], ["A1", "x"], ["A01", "y"]]
    with pytest.raises(InputError, match="well A01 is listed more than once"):
        read_plate_map(write_table("map.txt", rows))


def test_a_table_of_many_plates_as_jumps(tmp_path):
    """JUMP's well table and compound table: packed, all plates, reagents by their JCP2022."""
    wells = "Metadata_Source,Metadata_Plate,Metadata_Well,Metadata_JCP2022\n"
    wells += "s,11,A01,J1\ns,11,A02,J2\ns,012,A01,J2\n"
    (tmp_path / "well.csv.gz").write_bytes(gzip.compress(wells.encode()))
    (tmp_path / "compound.csv").write_text("Metadata_JCP2022,target\nJ1,\nJ2,TP53\n")
    found = read_plate_map(tmp_path / "well.csv.gz", "11")
    assert found[["well", "broad_sample"]].values.tolist() == [["A01", "J1"], ["A02", "J2"]]
    known = join_annotation(found, read_annotation(tmp_path / "compound.csv", "target"))
    assert known["gene"].tolist() == ["", "TP53"]
    assert read_plate_map(tmp_path / "well.csv.gz", "12")["broad_sample"].tolist() == ["J2"]
    with pytest.raises(InputError, match="lists no well of plate 13; it has 012, 11"):
        read_plate_map(tmp_path / "well.csv.gz", "13")
    with pytest.raises(InputError, match=r"names each row's plate \(Plate, plate, Assay_Plate_Barcode"):
        read_plate_map(tmp_path / "well.csv.gz")


def test_a_solvent_is_annotated_by_its_name(tmp_path):
    (tmp_path / "map.csv").write_text("well_position,broad_sample,solvent\nA1,,DMSO\nA2,X,DMSO\nA3,,\n")
    (tmp_path / "known.csv").write_text("broad_sample,control_type\nDMSO,negcon\nX,\n")
    known = join_annotation(
        read_plate_map(tmp_path / "map.csv"), read_annotation(tmp_path / "known.csv", None)
    )
    assert known["broad_sample"].tolist() == ["DMSO", "X", ""]
    assert known["control_type"].fillna("").tolist() == ["negcon", "", ""]


def test_a_broad_sample_twice_in_an_annotation_is_refused(write_table):
    rows = [["broad_sample", "gene"], ["x", "G1"], ["x", "G2"]]
    with pytest.raises(InputError, match="broad_sample x is listed more than once"):
        read_annotation(write_table("a.tsv", rows), "gene")


def test_row_letters_of_every_plate_format():
    assert [get_row_name(n) for n in (1, 16, 26, 27, 32)] == ["A", "P", "Z", "AA", "AF"]
    with pytest.raises(InputError, match="Row 33"):
        get_row_name(33)


@given(st.integers(1, 32), st.integers(1, 48))
def test_a_well_name_is_read_back_as_itself(row, column):
    name = f"{get_row_name(row)}{column:02d}"
    assert get_well_name(name) == name
    assert get_well_name(name.lower()) == name
    assert get_well_name(f" {get_row_name(row)}{column} ") == name


def test_plate_order():
    wells = ["AA01", "B02", "A10", "A02"]
    assert sorted(wells, key=get_well_order) == ["A02", "A10", "B02", "AA01"]


@pytest.mark.parametrize("text", ["", "A", "1", "1-1", "1AB2", "A00", "A--1", "ABC1"])
def test_text_that_is_not_a_well_is_refused(text):
    with pytest.raises(InputError, match="is not a valid well"):
        get_well_name(text)


DATA = [("A01", "x", "0,5"), ("A02", "y", "0,5"), ("A03", "", "1,5"), ("A04", "", "")]


@pytest.mark.parametrize("separator", ["\t", ";"])
@pytest.mark.parametrize("titles", [["Plate 7"], ["Plate 7", "~~layout"], ["", "Plate 7", "", "by~me"]])
def test_titles_above_the_names_of_the_columns_are_reported_with_the_remedy(tmp_path, titles, separator):
    lines = [*titles, "Well~Compound~Dose", *("~".join(row) for row in DATA)]
    path = tmp_path / "map.tsv"
    path.write_text("\n".join(lines).replace("~", separator) + "\n")
    with pytest.raises(InputError) as error:
        read_table(path)
    number = len(titles) + 1
    assert (
        f" Line {number} seems to name the columns (Well, Compound, Dose): remove the lines above it."
        in str(error.value)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "well,name\nA01,a,b\nA02,c\n",
            "line 2: 3 values for 2 columns. Quote values that hold the separator.",
        ),
        ("well,name\n1,A01,a\n3,A02,b\n", "line 2: 3 values for 2 columns. Quote values"),
        (",well,name\n1,A01,a\n3,A02,b\n", "column 1 has no name"),
        (",1,2\n1,x,y\n2,y,z\n", "Is this a drawing of the plate?"),
        ("id,well,name,\n1,A01,x,note\n2,A02,y,\n", "line 2: 4 values for 3 columns"),
        (",1,2\nA,x,y\nB,y,z\n", "Is this a drawing of the plate?"),
    ],
)
def test_other_tables_are_not_taken_for_titles(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=re.escape(words)) as error:
        read_table(tmp_path / "t.csv")
    assert "seems to name" not in str(error.value)


def test_a_table_of_one_column_is_read(tmp_path):
    (tmp_path / "t.csv").write_text("feature\nCells_A\nCells_B\n")
    assert read_table(tmp_path / "t.csv")[1] == [{"feature": "Cells_A"}, {"feature": "Cells_B"}]


def test_a_name_within_quotation_marks_may_hold_a_separator(tmp_path):
    (tmp_path / "t.csv").write_text('"a, b, and c";d\n1;2\n')
    assert read_table(tmp_path / "t.csv")[1] == [{"a, b, and c": "1", "d": "2"}]


R_TABLE = '"well","broad_sample"\n"1","A01","x"\n"2","A02",""\n'


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (R_TABLE, [["A01", "x"], ["A02", ""]]),
        ("id,broad_sample,gene\n1,a,X,\n2,b,Y,\n", [["1", "a", "X"], ["2", "b", "Y"]]),
        ('id,name,gene\n1,"a, b",X\n2,b,Y\n', [["1", "a, b", "X"], ["2", "b", "Y"]]),
        ('name,note\na,"x, y\nz"\nb,w\n', [["a", "x, y\nz"], ["b", "w"]]),
    ],
)
def test_row_numbers_and_lines_within_values(tmp_path, text, rows):
    (tmp_path / "t.csv").write_text(text)
    assert [list(row.values()) for row in read_table(tmp_path / "t.csv")[1]] == rows


def test_a_comma_in_one_row_shifts_no_column_of_the_others(tmp_path):
    (tmp_path / "t.csv").write_text("id,broad_sample,gene\n1,a,X\n2,b,c,Y\n3,d,Z\n")
    with pytest.raises(InputError, match="line 3: 4 values for 3 columns"):
        read_table(tmp_path / "t.csv")
