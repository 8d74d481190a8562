"""Plate maps, annotation, sample sheets and controls as people write them."""

import logging

import pandas as pd
import pytest

from annotate import annotate
from cases.case import case
from cases.tables import COMPLETE, MEASURED, PLATE
from import_profiles import add_annotation, read_plate_profiles
from lib.controls import find_control_kinds
from lib.errors import InputError
from lib.layouts import find_near_samples
from lib.levels import get_levels
from lib.plate_contents import join_annotation, read_plate_map
from lib.plates import read_plates
from lib.suspects import find_contradictions
from lib.values import MissingValues

pytestmark = pytest.mark.unit


# --- headings and wells -------------------------------------------------------------------------


@case(
    "tables",
    kind="headings with other capitals or blanks: Well_Position, WELL, Plate Map, IMAGES, Broad_Sample",
    comes_from="tables of people",
    says="columns are named in lower-case letters, unlike `Plate Map` (write plate_map), `Images` (write "
    "images). ... Is it WELL? Call that column well_position. ... Is it Broad_Sample? Call that column "
    "broad_sample.",
    happens="nothing runs, or the plate stops; the message gives the right name",
)
def test_headings_in_other_letters(write):
    names = [{"plate_map": "Plate Map", "profiles": "Images"}.get(name, name) for name in PLATE]
    sheet = write("plates.tsv", names, PLATE.values())
    messages = []
    with pytest.raises(InputError) as error:
        read_plates(sheet, get_levels(COMPLETE))
    messages.append(str(error.value))
    for header in (("WELL", "broad_sample"), ("well_position", "Broad_Sample")):
        with pytest.raises(InputError) as error:
            read_plate_map(write("map.txt", header, ("A01", "x")))
        messages.append(str(error.value))
    return " ".join(messages)


@case(
    "tables",
    kind="misspelled headings of a plate map: well_postion, broad_smaple",
    comes_from="typed tables",
    says="this one has well_postion, broad_sample. Is it well_postion? Call that column well_position. ... "
    "this one has well_position, broad_smaple. Is it broad_smaple? Call that column broad_sample. ... "
    "this one has well_postion, broad_smaple. Is it well_postion? Call that column well_position. Is it "
    "broad_smaple? Call that column broad_sample.",
    happens="a warning before anything runs, and the plate stops; the message gives the right name",
)
def test_misspelled_headings(write):
    messages = []
    for header in (
        ("well_postion", "broad_sample"),
        ("well_position", "broad_smaple"),
        ("well_postion", "broad_smaple"),
    ):
        with pytest.raises(InputError) as error:
            read_plate_map(write("map.txt", header, ("A01", "x")))
        messages.append(str(error.value))
    return " ".join(messages)


@case(
    "tables",
    kind="a plate map with row and column of each well, a row without a well, a well beyond a 1536-well "
    "plate, a drawing of the plate",
    comes_from="tables of robots and of people",
    says="has rows without a well: 3 (the header is row 1). ... `AG01` is not a well of a plate: the largest,"
    " of 1536 wells, end at AF48. ... Is this a drawing of the plate? Write one row per well instead.",
    happens="row and column are read; otherwise, the plate stops",
)
def test_wells_of_plate_maps(write):
    for row in ("A", "1", "1.0"):
        placed = write("placed.txt", ("row", "column", "broad_sample"), (row, "3", "x"))
        assert read_plate_map(placed)["well"].tolist() == ["A03"]
    messages = []
    for rows in (
        [("well", "broad_sample"), ("A1", "x"), ("", "y")],
        [("well", "broad_sample"), ("AG01", "x")],
        [("", "1", "2"), ("A", "x", "y")],
    ):
        with pytest.raises(InputError) as error:
            read_plate_map(write("map.txt", *rows))
        messages.append(str(error.value))
    with pytest.raises(InputError, match="A49"):
        read_plate_map(write("map.txt", ("well", "broad_sample"), ("A49", "x")))
    return " ".join(messages)


# --- columns whose names clash ------------------------------------------------------------------


def annotated(plate_map, annotation=None, plate=PLATE):
    known = None if annotation is None else pd.DataFrame(annotation, dtype=str)
    return annotate(MEASURED, pd.DataFrame(plate_map, dtype=str), known, plate)


@case(
    "tables",
    kind="a plate map with a column perturbation, cell_line, Batch or Count_Cells",
    comes_from="plate maps that name the compound so, or the cells that were seeded",
    says="the plate map has a column ..., and so has the workflow or its sample sheet: theirs is "
    "Metadata_..., and the plate map's is kept as Metadata_plate_map_...",
    happens="the values of the sample sheet and the cell counts are used; nothing is lost",
)
@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("perturbation", "compound"),
        ("cell_line", "U2OS"),
        ("Batch", "B"),
        ("Count_Cells", 90),
        ("timepoint", "48"),
    ],
)
def test_a_column_that_the_workflow_has_too(caplog, name, taken):
    caplog.set_level(logging.WARNING)
    wells = {"well": ["A01", "A02", "A03"], "broad_sample": ["x", "y", "z"], name: ["a", "b", "c"]}
    result = annotated(wells)
    assert result[f"Metadata_{name}"].iloc[0] == taken
    assert result[f"Metadata_plate_map_{name}"].tolist() == ["a", "b", "c"]
    return caplog.text


def test_a_column_that_says_what_the_sheet_says_is_not_a_clash(caplog):
    result = annotated({"well": ["A01", "A02", "A03"], "broad_sample": "x", "cell_line": "U2OS"})
    assert caplog.text == ""
    assert not [name for name in result if name.startswith("Metadata_plate_map_")]


@case(
    "tables",
    kind="an empty column of the plate map that the annotation has, too",
    comes_from="templates of plate maps with columns that nobody filled",
    says="the plate map's column pert_iname is empty: the annotation's values are used",
    happens="the annotation's column is used",
)
def test_an_empty_column_hides_nothing(caplog):
    wells = {"well": ["A01", "A02", "A03"], "broad_sample": ["x", "y", "x"], "pert_iname": ""}
    known = {"broad_sample": ["x", "y"], "pert_iname": ["Aspirin", "Ibuprofen"]}
    assert annotated(wells, known)["Metadata_pert_iname"].tolist() == ["Aspirin", "Ibuprofen", "Aspirin"]
    return caplog.text


@case(
    "tables",
    kind="a column that plate map and annotation both have",
    comes_from="plate maps that were exported together with the annotation",
    says="plate map and annotation have a column gene: the plate map's is used",
    happens="the plate map's column is used",
)
def test_a_column_of_both_is_the_plate_maps(caplog):
    wells = {"well": ["A01", "A02", "A03"], "broad_sample": ["x", "y", "x"], "gene": ["G1", "", "G1"]}
    known = {"broad_sample": ["x", "y"], "gene": ["H1", "H2"]}
    assert annotated(wells, known)["Metadata_gene"].fillna("").tolist() == ["G1", "", "G1"]
    return caplog.text


def test_columns_that_differ_in_capitals_are_named(caplog):
    wells = {"well": ["A01", "A02", "A03"], "broad_sample": ["x", "y", "x"], "Gene": ["1", "2", "3"]}
    annotated(wells, {"broad_sample": ["x", "y"], "gene": ["H1", "H2"]})
    assert "Gene and gene are two columns, which differ only in capitalization" in caplog.text


def test_a_broad_sample_that_differs_in_capitals_or_a_dash_is_recognized():
    found = find_near_samples(["brd-k2", "BRD\u2010K3", "other"], ["BRD-K1", "BRD-K2", "BRD-K3"])
    assert found == ["BRD\u2010K3 (is it BRD-K3?)", "brd-k2 (is it BRD-K2?)", "other"]


# --- controls -----------------------------------------------------------------------------------


@case(
    "tables",
    kind="a control column that names the compound in each well, with six compounds or fewer",
    comes_from="small screens whose `controls.column` is the compound's name",
    happens="the compounds are treatments, not kinds of positive control",
)
def test_a_column_of_few_compounds_marks_the_negative_controls_alone():
    compounds = [f"compound {i}" for i in range(6)]
    values = pd.Series(["DMSO"] * 4 + compounds * 2 + [""] * 3, dtype="str", name="Metadata_pert_iname")
    assert set(find_control_kinds(values, "DMSO")) == {"DMSO", ""}
    # The same names beside many empty wells, in the column that names perturbations.
    many = pd.Series(["DMSO", *compounds, *[""] * 80], dtype="str", name="broad_sample")
    assert set(find_control_kinds(many, "DMSO")) == {"DMSO", ""}
    # Kinds of controls stay kinds of controls, also on a plate that has nothing else.
    kinds = pd.Series(["negcon", "poscon_cp", "poscon_orf", "poscon_cp"], dtype="str", name="control_type")
    assert find_control_kinds(kinds, "negcon").tolist() == kinds.tolist()
    marked = pd.Series(["vehicle", "reference", "trt", "", "trt"], dtype="str", name="role")
    assert find_control_kinds(marked, "vehicle").tolist() == ["vehicle", "reference", "", "", ""]


def test_the_annotation_fills_an_empty_column_of_published_profiles(caplog):
    profiles = pd.DataFrame(
        {
            "Metadata_Well": ["A01", "A02"],
            "Metadata_broad_sample": ["x", "y"],
            "Metadata_gene": [None, None],
            "Cells_F": [1.0, 2],
        }
    )
    joined = add_annotation(profiles, pd.DataFrame({"broad_sample": ["x", "y"], "gene": ["G", "H"]}))
    assert joined["Metadata_gene"].tolist() == ["G", "H"]
    assert "Metadata_gene is empty in the profiles: the annotation's values are used" in caplog.text


def test_known_wells_of_an_empty_annotation_are_the_plate_maps():
    wells = pd.DataFrame({"well": ["A01"], "broad_sample": ["x"], "gene": [""]})
    assert join_annotation(wells, None)["gene"].tolist() == [""]


def test_a_sheet_that_says_otherwise_than_the_profiles_wins_and_is_named(write, caplog):
    path = write(
        "p.csv", ("Metadata_Well", "Metadata_cell_line", "Cells_F"), ("A01", "A549", 1), separator=","
    )
    found = read_plate_profiles(path, PLATE)
    assert found["Metadata_cell_line"].tolist() == ["U2OS"]
    assert found["Metadata_profiles_cell_line"].tolist() == ["A549"]
    assert "the sample sheet says U2OS for Metadata_cell_line" in caplog.text
    assert read_plate_profiles(path, {**PLATE, "cell_line": ""})["Metadata_cell_line"].tolist() == ["A549"]


@case(
    "tables",
    kind="titles above the header; rows and columns of the wells exchanged",
    comes_from="spreadsheets with merged cells; layouts that were written by hand",
    says="line 2: 3 values for 1 columns. Line 3 seems to name the columns (row, column, broad_sample): "
    "remove the lines above it. ... Row `1` and column `A` are not a valid well: a row is a letter or its "
    "number (1 to 32), and a column is a number (1 to 48). Are rows and columns swapped?",
    happens="the plate stops at `annotate`; a warning before anything runs",
)
def test_titles_and_swapped_columns(write):
    rows = (("row", "column", "broad_sample"), (1, "A", "x"), (2, "A", "y"))
    messages = []
    for path in (write("titles.txt", ("Plate 7",), ("", "", "layout"), *rows), write("swapped.txt", *rows)):
        with pytest.raises(InputError) as error:
            read_plate_map(path)
        messages.append(str(error.value))
    return " ".join(messages)


@case(
    "tables",
    kind="two columns of wells that contradict each other, in a plate map or in profiles; a plate map of "
    "another plate",
    comes_from="tables with the wells of the library's plate, too; a plate map of the next plate",
    says="the wells are read from well_position; rows with another well in Well: 2 of 3 (B02 instead of A02 "
    "in row 3) ... rows with another well in Row and Column: 1 of 3 (B02 instead of A02 in row 3) ... its "
    "column Plate names P2, and it is used for P1",
    happens="a warning before anything runs says which column is used",
)
def test_tables_that_contradict_themselves(write, caplog):
    names = ("Metadata_Plate", "well_position", "Well", "Row", "Column", "broad_sample")
    right = write("right.txt", names, ("P1", "A01", "a1", 1, 1.0, "x"), ("P1", "A02", "", "A", 2, "y"))
    assert find_contradictions(right, ["P1"], MissingValues()) == []
    rows = (("A01", "A1", 1, 1), ("A02", "B2", "B", 2), ("A03", "B3", "", 3))
    wrong = write("wrong.txt", names, *(("P2", *row, "x") for row in rows))
    profiles = (
        ("Metadata_Well", "well_position", "Cells_F"),
        ("A01", "A01", 1),
        ("A02", "B2", 2),
        ("A3", "", 3),
    )
    path = write("p.csv", *profiles, ("A04", "B4", 3), separator=",")
    assert read_plate_profiles(path, PLATE)["Metadata_Well"].tolist() == ["A01", "A02", "A03", "A04"]
    assert (
        "the wells are read from Metadata_Well; rows with another well in well_position: 2 of 4"
        in caplog.text
    )
    of_library = find_contradictions(wrong, ["P1"], MissingValues(), ["P1", "P3"])
    assert not any("column Plate" in sentence for sentence in of_library)
    return "; ".join(find_contradictions(wrong, ["P1"], MissingValues(), ["P1", "P2"]))
