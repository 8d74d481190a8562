"""Columns of plate maps and annotation that conflict, and names that nearly agree."""

import pytest

from lib.errors import InputError
from lib.layouts import (
    find_clashes,
    find_heading,
    find_near_samples,
    read_annotation_rows,
    read_columns,
    read_plate_map_rows,
)

pytestmark = pytest.mark.unit


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "table.tsv"
        path.write_text(text.replace(",", "\t"))
        return path

    return write


def test_metadata_is_not_part_of_a_name(table):
    columns, rows = read_columns(table("Metadata_well,Metadata_JCP2022\nA01,J1\n"))
    assert columns == ["well", "JCP2022", "broad_sample"]
    assert rows == [{"well": "A01", "JCP2022": "J1", "broad_sample": "J1"}]
    with pytest.raises(InputError, match="has the column well twice"):
        read_columns(table("Metadata_well,well\nA01,A01\n"))


def test_the_rows_of_a_plate_are_taken_from_a_table_of_many(table):
    path = table("Metadata_Plate,well,broad_sample\n0012,A01,a\n12,A01,b\n13,a1,c\n")
    assert read_plate_map_rows(path, "13")[1] == [{"well": "A01", "broad_sample": "c"}]
    assert read_plate_map_rows(path, "0012")[1][0]["broad_sample"] == "a"
    with pytest.raises(InputError, match="lists no well of plate 14"):
        read_plate_map_rows(path, "14")


@pytest.mark.parametrize("name", ["Plate", "plate", "Barcode", "Assay_Plate_Barcode"])
def test_the_column_of_plates_may_have_another_name(table, name):
    path = table(f"{name},well,broad_sample\nP1,A01,a\nP2,A02,b\n")
    assert [row["broad_sample"] for row in read_plate_map_rows(path, "P2")[1]] == ["b"]
    with pytest.raises(InputError, match=f"rows without a plate: 3 .* into {name}"):
        read_plate_map_rows(table(f"{name},well,broad_sample\nP1,A01,a\n,A02,b\n"), "P1")


def test_a_row_without_a_well_stops_its_own_plate_only(table):
    path = table("plate,well,broad_sample\nP1,A01,a\nP2,A01,b\nP2,,c\nP1,A02,d\n")
    assert [row["well"] for row in read_plate_map_rows(path, "P1")[1]] == ["A01", "A02"]
    for plate in ("P2", None):
        with pytest.raises(InputError, match=r"rows without a well: 4 \(the header is row 1\)"):
            read_plate_map_rows(path, plate)


def test_the_plates_of_a_library_are_not_plates_of_the_experiment(table):
    path = table("barcode,well,broad_sample\nL1,A01,a\nL2,A02,b\n")
    assert [row["broad_sample"] for row in read_plate_map_rows(path, "P1")[1]] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("well\nA01\n", "has the columns well_position and broad_sample"),
        ("well,broad_sample\n", "lists no well"),
        ("well,broad_sample\nA01,a\na1,b\n", "well A01 is listed more than once"),
        ("well,broad_sample\nA0,a\n", "`A0` is not a valid well"),
    ],
)
def test_a_plate_map_that_cannot_be_read_is_named(table, text, words):
    with pytest.raises(InputError, match=f"table.tsv.*{words}"):
        read_plate_map_rows(table(text))


def test_an_annotation_has_one_row_per_reagent_and_its_gene(table):
    columns, rows = read_annotation_rows(table("broad_sample,target\na,X\nNA,\n"), "target")
    assert columns == ["broad_sample", "target", "gene"]
    assert rows == [{"broad_sample": "a", "target": "X", "gene": "X"}]
    with pytest.raises(InputError, match="broad_sample a is listed more than once"):
        read_annotation_rows(table("broad_sample,gene\na,X\na,Y\n"), "gene")
    repeated = table("broad_sample,gene\na,X\na,X\nb,Y\n")  # says nothing twice
    assert [row["gene"] for row in read_annotation_rows(repeated, "gene")[1]] == ["X", "Y"]
    with pytest.raises(InputError, match="has no column `moa`"):
        read_annotation_rows(table("broad_sample,gene\na,X\n"), "moa")


def test_clashes_are_reported_and_nothing_is_lost():
    renamed, notes = find_clashes(
        {"cell_line": ["A549"], "dose": ["1"], "note": [""], "Dose": ["1"]},
        {"dose": ["2"], "note": ["x"]},
        {"cell_line": "U2OS"},
    )
    assert renamed == {"cell_line": "plate_map_cell_line"}
    assert len(notes) == 4
    assert "is kept as Metadata_plate_map_cell_line" in notes[0]
    assert "column dose: the plate map's is used" in notes[1]
    assert "column note is empty: the annotation's values are used" in notes[2]
    assert "Dose and dose are two columns" in notes[3]


def test_a_column_equal_to_the_sheets_value_does_not_clash():
    assert find_clashes({"cell_line": ["U2OS", ""]}, {}, {"cell_line": "U2OS"}) == ({}, [])


def test_names_that_differ_in_capitals_or_dashes_are_suggested():
    assert find_near_samples(["brd a-1", "x"], ["BRD-A1"]) == ["brd a-1 (is it BRD-A1?)", "x"]


@pytest.mark.parametrize(
    ("wanted", "column", "near"),
    [
        ("broad_sample", "broad_smaple", True),
        ("broad_sample", "Broad Sample", True),
        ("well_position", "well_postion", True),
        ("well", "wel", True),
        ("control_type", "control_typ", True),
        ("well", "cell", False),
        ("control_type", "cell_type", False),
        ("broad_sample", "sample", False),
        ("gene", "genus", False),
    ],
)
def test_a_heading_is_near_if_it_is_misspelled(wanted, column, near):
    assert find_heading(wanted, ["other", column]) == (column if near else None)


GENOTYPES = (
    "WellRow,WellCol,well_position,gene_name,genotype\nC,6,C6,NF1,WT\nC,7,C7,NF1,Null\nD,6,D6,NF1,Null\n"
)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (GENOTYPES, "plate_maps: {sample: genotype}."),
        ("well,well_id,drug\nA1,A01,x\nA2,A02,x\nA3,A03,y\n", "plate_maps: {sample: drug}."),
        (
            "Assay_Plate_Barcode,Plate_Map_Name\nP1,map_1\nP2,map_1\n",
            "It lists plates: name the plate map of each plate in the sample sheet.",
        ),
    ],
)
def test_a_position_is_not_what_is_in_a_well(tmp_path, text, hint):
    (tmp_path / "map.csv").write_text(text)
    with pytest.raises(InputError) as error:
        read_plate_map_rows(tmp_path / "map.csv")
    assert str(error.value).endswith(hint)
