"""Published profiles in the formats and files that people have."""

import gzip

import numpy as np
import pandas as pd
import pytest

from cases.case import case
from cases.profiles import FORMATS, PLATE, get_refusal, make_profiles, read
from lib.profile_files import find_header_problems
from lib.tables import get_features

pytestmark = pytest.mark.unit


@case(
    "profiles",
    kind="profiles with semicolons, tabs, decimal commas, a byte-order mark, gzipped, in Parquet, "
    "Feather or AnnData, regardless of the file's name",
    comes_from="German spreadsheets, R, scanpy; files that were renamed",
    happens="the same profiles from every format",
)
@pytest.mark.parametrize("name", FORMATS)
def test_one_table_gives_the_same_profiles_from_every_format(tmp_path, expected_profiles, name):
    FORMATS[name](make_profiles(), tmp_path / name)
    found = read(tmp_path / name)
    pd.testing.assert_frame_equal(found[expected_profiles.columns], expected_profiles, check_exact=True)
    assert set(found) == set(expected_profiles)


@case(
    "profiles",
    kind="profiles saved as an Excel workbook, or in a database",
    comes_from="supplementary tables; cytominer-database",
    says="... is an Excel workbook or another zip file, which is not read. Save the table as CSV; ... "
    "are read.",
    happens="the plate stops",
)
def test_a_workbook_is_named(tmp_path):
    (tmp_path / "p.csv").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "p.sqlite").write_bytes(b"SQLite format 3\x00" + bytes(100))
    assert "is an SQLite database" in get_refusal(tmp_path / "p.sqlite")
    return get_refusal(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"BZh91AY", "a file compressed by bzip2"),
        (b"\xfd7zXZ\x00", "a file compressed by xz"),
        (b"\x28\xb5\x2f\xfd", "a file compressed by Zstandard"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, start, what):
    (tmp_path / "p.csv").write_bytes(start + bytes(50))
    assert f"is {what}" in get_refusal(tmp_path / "p.csv")
    (problem,) = find_header_problems(tmp_path / "p.csv", ["P1"])
    assert f"is {what}" in problem
    is_pointer = what == "a pointer of Git LFS"
    assert ("`git lfs pull`" in problem) == is_pointer
    assert ("Save the table" in problem) == (not is_pointer)


@case(
    "profiles",
    kind="a file of profiles that ends in the middle of a row",
    comes_from="downloads and copies that were cut off",
    says="... ends in the middle of a row: its last line has 7 values, and the header 8. It was cut off: "
    "replace it.",
    happens="the plate stops",
)
def test_a_file_that_ends_in_a_row(tmp_path):
    text = make_profiles().to_csv(index=False)
    path = tmp_path / "p.csv"
    path.write_text(text.rstrip("\n"))
    assert len(read(path)) == 6  # without its last line end, it is complete
    path.write_text(text[: text.rindex(",")])
    return get_refusal(path)


@case(
    "profiles",
    kind="a file of profiles that ends in the middle of its last value",
    comes_from="downloads and copies that were cut off",
    says="... ends without a line end, and its last value (...) is shorter than all others in its column: "
    "was the file cut off?",
    happens="a warning: some programs write no last line end",
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_ends_in_a_number(tmp_path, caplog, packed):
    text = make_profiles().to_csv(index=False)
    write = gzip.compress if packed else bytes
    path = tmp_path / "p.csv"
    path.write_bytes(write(text.rstrip("\n").encode()))
    read(path)
    assert caplog.text == ""
    path.write_bytes(write(text[:-8].encode()))
    read(path)
    return caplog.text


@case(
    "profiles",
    kind="a file of profiles with a header and no rows",
    comes_from="an export that was interrupted",
    says="... has a header and no rows: it holds no profile.",
    happens="the plate stops",
)
def test_a_header_without_rows(tmp_path):
    make_profiles()[:0].to_csv(tmp_path / "p.csv", index=False)
    (tmp_path / "empty.csv").touch()
    assert "is empty: its first line must name the columns" in get_refusal(tmp_path / "empty.csv")
    return get_refusal(tmp_path / "p.csv")


@case(
    "profiles",
    kind="plain columns that are not features under any name: dose_uM, compound_id, plate_row, n_cells",
    comes_from="tables that were joined with a plate map",
    says="not features, and kept as metadata: dose_uM, compound_id, cells_total",
    happens="they are metadata; ten or more columns with one first word are a set of features",
)
def test_plain_columns_that_describe_wells(tmp_path, caplog, expected_profiles):
    dna = {f"dna_{at}": np.arange(6) + at / 7 for at in range(10)}
    about = {"dose_uM": [1, 2, 3, 1, 2, 3], "compound_id": [7, 8, 9, 7, 8, 9], "cells_total": 5.5}
    make_profiles().assign(**about, **dna).to_csv(tmp_path / "p.csv", index=False)
    found = read(tmp_path / "p.csv")
    assert get_features(found) == [*get_features(expected_profiles), *dna]
    assert found["Metadata_compound_id"].tolist() == ["7", "8", "9"] * 2
    words = caplog.text
    deep = {"plate_row": 2, "replicate": 1, "timepoint_h": 48, "well_id": [5, 4, 3, 2, 1, 9]}
    features = {f"f{at}": np.arange(6) * 1.5 for at in range(3)}
    about = make_profiles()[["Metadata_Plate", "Metadata_Well"]]
    about.assign(**deep, **features).to_csv(tmp_path / "deep.csv", index=False)
    assert get_features(read(tmp_path / "deep.csv")) == list(features)
    return words


@case(
    "profiles",
    kind="the numbers of cells under another name (Metadata_Object_Count, Metadata_nCells), with dots "
    "(1.234), negative or infinite",
    comes_from="pycytominer, German spreadsheets",
    says="the dots in Metadata_Count_Cells are read as separators of thousands ... Metadata_Count_Cells is "
    "not a possible number in well A01, A02 (-1.0, inf): taken as missing",
    happens="they are counts; what is not possible is missing, and named",
)
def test_numbers_of_cells_as_people_write_them(tmp_path, caplog, expected_profiles):
    path = tmp_path / "p.csv"
    for name in ("Metadata_Object_Count", "Metadata_nCells", "Metadata_Cell_Count", "cell_count"):
        make_profiles().rename(columns={"Metadata_Count_Cells": name}).to_csv(path, index=False)
        assert read(path)["Metadata_Count_Cells"].tolist() == [90, 80, 70, 60, 50, 40]
    for written, counts in (
        (["1.234", "12.345", "1.000", "70", "60", "5"], [1234, 12345, 1000, 70, 60, 5]),
        (["88.333", "90.667", "88.000", "1.000", "2.500", "3.250"], [88.333, 90.667, 88, 1, 2.5, 3.25]),
        (["1e3", "2", "3", "4", "5", "6"], [1000, 2, 3, 4, 5, 6]),
    ):
        make_profiles().assign(Metadata_Count_Cells=written).to_csv(path, index=False)
        assert read(path)["Metadata_Count_Cells"].tolist() == counts
    make_profiles().assign(Metadata_Count_Cells=[-1, np.inf, 3, 4, 5, 6]).to_csv(path, index=False)
    assert read(path)["Metadata_Count_Cells"].isna().tolist() == [True, True, *[False] * 4]
    return caplog.text


@case(
    "profiles",
    kind="rows without a plate, in a file that names plates",
    comes_from="merged cells of a spreadsheet",
    says="... has rows without a plate in Metadata_Plate: well B01, B02, B03. Write the plate into each row, "
    "or remove these rows.",
    happens="the plate stops; a plate may be called NA",
)
def test_rows_without_a_plate(tmp_path):
    path = tmp_path / "p.csv"
    for name in ("NA", "none", "1E5", "007"):
        make_profiles().assign(Metadata_Plate=name).to_csv(path, index=False)
        assert len(read(path, {**PLATE, "plate": name}, (name,))) == 6
    make_profiles().assign(Metadata_Plate=["P1"] * 3 + [None] * 3).to_csv(path, index=False)
    return get_refusal(path)


def test_doses_in_single_precision_are_those_of_text(tmp_path):
    table = make_profiles().assign(Metadata_dose=np.float32([0.1, 0.3, 3.3, 10, 0, np.nan]))
    table.to_parquet(tmp_path / "p.parquet")
    assert read(tmp_path / "p.parquet")["Metadata_dose"].fillna("").tolist() == [
        "0.1",
        "0.3",
        "3.3",
        "10",
        "0",
        "",
    ]


def test_the_nearest_name_of_the_column_of_wells_is_reported(tmp_path):
    make_profiles().rename(columns={"Metadata_Well": "Metadata_WELL_ID"}).to_csv(
        tmp_path / "p.csv", index=False
    )
    nearest = "Is it Metadata_WELL_ID? Call that column Metadata_Well."
    assert nearest in get_refusal(tmp_path / "p.csv")
    (problem,) = find_header_problems(tmp_path / "p.csv", ["P1"])
    assert nearest in problem


def test_nothing_is_reported_for_clean_profiles(tmp_path, caplog, recwarn):
    wide = pd.DataFrame(1.5, index=range(6), columns=[f"Cells_Texture_F{i}" for i in range(900)])
    table = pd.concat([make_profiles(), wide], axis=1)
    table.to_csv(tmp_path / "p.csv", index=False)
    table.to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv", "p.parquet"):
        assert read(tmp_path / name).shape == (6, 912)
    assert caplog.text == ""
    assert [str(warning.message) for warning in recwarn] == []
