"""Profiles in separated text whose rows do not fit the header."""

import csv
import logging

import pandas as pd
import pytest

from cases.case import case
from lib.errors import InputError
from lib.plates import read_table
from lib.profile_files import find_header_problems
from lib.published_profiles import read_published
from lib.spread import show_value

pytestmark = pytest.mark.unit

HEADER = "Metadata_Plate,Metadata_Well,Metadata_name,Cells_A,Cells_B\n"


def write(folder, rows):
    """A file of profiles with these rows."""
    path = folder / "profiles.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


@case(
    "profiles",
    kind="a row with more values than the header: a name with a comma that is not within quotation marks",
    comes_from="chemical names (1,2-dichloroethane) in tables that were joined by hand",
    says="has rows with more values than its header (5): line 3 (6 values). Write values that hold the "
    "separator `,` within quotation marks.",
    happens="the plate stops, because the row's values would be shifted by one feature",
)
def test_a_comma_in_a_name_shifts_no_value(tmp_path):
    good = write(tmp_path, ["P1,A01,x,1,2", 'P1,A02,"1,2-dichloro",3,4', "P1,A03,y,5,6,"])
    assert read_published(good)["Cells_B"].tolist() == [2, 4, 6]
    with pytest.raises(InputError) as error:
        read_published(write(tmp_path, ["P1,A01,x,1,2", "P1,A02,1,2-dichloro,3,4"]))
    return str(error.value)


@case(
    "profiles",
    kind="a row with fewer values than the header",
    comes_from="spreadsheets leave out the separators of empty cells at a row's end",
    says="has rows with fewer values than its header (5): line 2; their last columns are taken as missing",
    happens="the values are missing, and a warning names the rows",
)
def test_a_row_with_fewer_values(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        table = read_published(write(tmp_path, ["P1,A01,x,1", "P1,A02,y,3,4"]))
    assert table["Cells_B"].isna().tolist() == [True, False]
    return caplog.text


@case(
    "profiles",
    kind="comment lines above the names of the columns",
    comes_from="exports that begin with lines such as `# pipeline 2.1`",
    says="has no column Metadata_Well (or Metadata_Row and Metadata_Column). Its columns are "
    "# exported by X. Its first line begins with #: take comments above the names of the columns out.",
    happens="the plate stops",
)
def test_comments_above_the_header(tmp_path):
    path = write(tmp_path, ["P1,A01,x,1,2"])
    path.write_text("# exported by X\n" + path.read_text())
    (message,) = find_header_problems(path, ["P1"])
    return message


def test_the_name_of_a_compressed_file_that_was_cut_off_is_reported(tmp_path):
    path = tmp_path / "profiles.csv.gz"
    pd.DataFrame({"Metadata_Well": ["A01"] * 999, "Cells_A": range(999)}).to_csv(path)
    path.write_bytes(path.read_bytes()[:60])
    assert str(path) in next(find_header_problems(path, ["P1"]))


def test_plates_that_are_named_by_a_date(tmp_path):
    path = tmp_path / "profiles.parquet"
    day = pd.Timestamp("2020-11-04")
    pd.DataFrame({"Metadata_Plate": [day], "Metadata_Well": ["A01"], "Cells_A": [1.0]}).to_parquet(path)
    assert read_published(path)["Metadata_Plate"].tolist() == ["2020-11-04"]


def test_a_large_value_is_shown_briefly():
    assert show_value(10789.3) == "10,789"
    assert show_value(-2.87e299) == "-3e+299"


@pytest.fixture
def usual_field_limit():
    """Python's own limit of a field in csv, which a script that another test imported may have raised."""
    limit = csv.field_size_limit(131072)
    yield
    csv.field_size_limit(limit)


@case(
    "profiles",
    kind="a quotation mark that is not closed, or that another one in a later row closes",
    comes_from="inches and seconds in names; a mark that was typed by mistake",
    says="profiles.csv, line 3: a value holds 3 rows: 'y,3,4\\nP1,A03,z,5,6\\nP1,B01,w'...; close the "
    "quotation "
    "mark ... field larger than field limit (131072); close the quotation mark",
    happens="the plate stops: the wells between the marks would be lost silently; the same applies to plate "
    "maps",
)
def test_a_quotation_mark_swallows_no_well(tmp_path, usual_field_limit):
    good = write(tmp_path, ["P1,A01,x,1,2", 'P1,A02,"5"" y\nz",3,4'])
    assert read_published(good)["Metadata_name"].tolist() == ["x", '5" y z']
    rows = ["P1,A01,x,1,2", 'P1,A02,"y,3,4', "P1,A03,z,5,6", 'P1,B01,w",7,8', "P1,B02,v,9,9"]
    messages = []
    for swallowed in (
        rows,
        ["P1,A01,x,1,2", *[f"P1,A02,{'x' * 2500},3,4"] * 60, 'P1,B02,"y,9,9', *["z" * 9999] * 20],
    ):
        with pytest.raises(InputError) as error:
            read_published(write(tmp_path, swallowed))
        messages.append(str(error.value))
    plate_map = tmp_path / "map.csv"
    plate_map.write_text('well,broad_sample\nA01,"x\nA02,y"\nA03,z\n')
    with pytest.raises(InputError, match="a value holds 2 rows"):
        read_table(plate_map)
    return " ".join(messages)
