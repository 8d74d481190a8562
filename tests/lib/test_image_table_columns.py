"""The columns of image tables, and reading a few of them."""

import gzip
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import InputError
from lib.image_table_columns import (
    get_named_plates,
    get_path_of_url,
    get_well_of_row,
    read_columns,
    split_plain_table,
    use_usual_names,
)
from lib.plates import read_table

pytestmark = pytest.mark.unit


def test_a_prefix_is_removed_unless_the_table_has_the_plain_column():
    assert use_usual_names(["Image_Metadata_Well", "Image_Count_Cells"]) == ["Metadata_Well", "Count_Cells"]
    names = ["Image_Metadata_Well", "Metadata_Well", "Image_FileName_DNA"]
    assert use_usual_names(names) == ["Image_Metadata_Well", "Metadata_Well", "FileName_DNA"]
    assert use_usual_names(["Image_Metadata_well", "Metadata_Col"]) == ["Metadata_Well", "Metadata_Column"]


def test_the_well_of_a_row():
    assert get_well_of_row({"Metadata_Well": "a1", "Metadata_Row": "2", "Metadata_Column": "3"}) == "a1"
    assert get_well_of_row({"Metadata_Well": "", "Metadata_Row": "2", "Metadata_Column": "3"}) == "B03"
    assert get_well_of_row({"Metadata_Row": "2", "Metadata_Column": ""}) == ""


def test_words_for_missing_values_name_no_plate():
    columns = {"Metadata_Barcode": ["P1", "NA", "", "P1"], "Metadata_Well": ["A01"] * 4}
    assert get_named_plates(columns) == {"Metadata_Barcode": {"P1"}}


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_only_the_columns_asked_for_are_read(tmp_path, ending, monkeypatch):
    table = pd.DataFrame(
        {"Image_Metadata_Plate": ["P", None], "Metadata_Field": [1, 2], "FileName_DNA": ["a.tif", None]}
    )
    path = tmp_path / f"t.{ending}"
    table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    # Importing pandas takes longer than reading the table.
    for module in ("pandas", "lib.image_tables", "lib.published_profiles"):
        monkeypatch.setitem(sys.modules, module, None)
    expected = {"Metadata_Plate": ["P", ""], "Metadata_Site": ["1", "2"]}
    assert read_columns(path, "Metadata_") == expected
    assert read_columns(path, ("FileName_", "URL_")) == {"FileName_DNA": ["a.tif", ""]}
    path.write_bytes(b"")
    with pytest.raises(InputError):
        read_columns(path, "Metadata_")


def test_parquet_of_any_type_is_text(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {
        "Metadata_a": pa.array(["x", None]).dictionary_encode(),
        "Metadata_b": pa.array([b"x", None]),
        "Metadata_c": pa.array([1.5, float("nan")]),
        "Metadata_d": pa.array([7, None]),
        "Metadata_e": pa.array(["x", None], pa.large_string()),
        "Metadata_f": pa.nulls(2),
    }
    pq.write_table(pa.table(columns), path)
    found = [["x", ""], ["x", ""], ["1.5", ""], ["7", ""], ["x", ""], ["", ""]]
    assert list(read_columns(path, "Metadata_").values()) == found
    pq.write_table(pa.table(columns).slice(0, 0), path)
    assert set(map(len, read_columns(path, "Metadata_").values())) == {0}


@pytest.mark.parametrize("twice", ["Metadata_Well", "Image_Metadata_Well"])
@pytest.mark.parametrize("ending", ["csv.gz", "parquet"])
def test_a_column_twice_is_refused(tmp_path, ending, twice):
    path = tmp_path / f"t.{ending}"
    if ending == "parquet":
        names = ["Metadata_Well", "", "", twice]
        pq.write_table(pa.Table.from_arrays([pa.array(["A01"])] * 4, names=names), path)
    else:
        path.write_bytes(gzip.compress(f"Metadata_Well,{twice}\nA01,A01\n".encode()))
    with pytest.raises(InputError, match="Metadata_Well"):
        read_columns(path, "FileName_")


def test_a_cut_off_parquet_table_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"FileName_DNA": ["a.tif"] * 9}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot be read as an image table"):
        read_columns(path, "FileName_")


def test_columns_without_metadata_before_them():
    plain = ["Plate", "Well", "Site", "FileName_OrigDNA"]
    assert use_usual_names(plain) == ["Metadata_Plate", "Metadata_Well", "Metadata_Site", "FileName_OrigDNA"]
    assert use_usual_names(["Barcode", "Row", "Col"]) == [
        "Metadata_Barcode",
        "Metadata_Row",
        "Metadata_Column",
    ]
    # What the table calls by the usual name counts.
    assert use_usual_names(["Metadata_Well", "Well"]) == ["Metadata_Well", "Well"]


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("file:///data/a%20b/x.tif", "/data/a b/x.tif"),
        ("file:/data/x.tif", "/data/x.tif"),
        ("file://localhost/data/x.tif", "/data/x.tif"),
        ("/data/a%20b/x.tif", "/data/a%20b/x.tif"),
        ("s3://bucket/x.tif", "s3://bucket/x.tif"),
    ],
)
def test_the_path_of_a_url(written, path):
    assert get_path_of_url(written) == path


@given(
    st.lists(
        st.lists(st.sampled_from(["", "a", " b ", "1", "0", "x y", '"q"', "sep="]), max_size=4), max_size=4
    ),
    st.sampled_from(",;\t|"),
    st.lists(st.sampled_from(["a", "Metadata_b", " c", "", "0", "Unnamed: 0"]), min_size=1, max_size=4),
)
def test_a_plain_table_is_read_as_any_other(rows, separator, header):
    text = "\n".join(separator.join(row) for row in [header, *rows]) + "\n"
    found = split_plain_table(text)
    if found is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        path.write_text(text)
        columns, expected = read_table(path)
    assert (columns, [list(row.values()) for row in expected]) == (
        found[0],
        [[value.strip() for value in row] for row in found[1]],
    )


def test_which_tables_are_plain():
    assert split_plain_table("a,b\n1, 2\n") == (["a", "b"], [["1", " 2"]])
    for text in (
        'a,b\n1,"2"\n',
        "a,b\n1\n",
        "a,a\n1,2\n",
        ",b\n0,2\n",
        "a,b\n\n1,2\n",
        "sep=;\na;b\n1;2\n",
        "a,b\n",
    ):
        assert split_plain_table(text) is None


def test_a_row_and_a_column_beside_a_well_are_those_of_a_site():
    assert use_usual_names(["Well", "Row", "col", "Site"]) == ["Metadata_Well", "Row", "col", "Metadata_Site"]
    assert use_usual_names(["Well", "Metadata_row", "Metadata_Col"]) == [
        "Metadata_Well",
        "Metadata_Row",
        "Metadata_Column",
    ]
    assert use_usual_names(["Row", "col"]) == ["Metadata_Row", "Metadata_Column"]
