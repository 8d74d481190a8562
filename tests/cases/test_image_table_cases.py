"""Image tables (load_data.csv) as people and programs write them."""

import gzip

import pandas as pd
import pytest

from cases.case import case
from lib.errors import InputError
from lib.image_changes import find_files_of_table
from lib.image_tables import read_load_data
from lib.plates import is_image_table
from load_data import load_data

pytestmark = pytest.mark.unit

CHANNELS = {"DNA": "DNA"}
TABLE = pd.DataFrame(
    {
        "Metadata_Plate": "P1",
        "Metadata_Well": ["A01", "A02"],
        "Metadata_Site": 1,
        "FileName_OrigDNA": ["a.tif", "b.tif"],
        "PathName_OrigDNA": "/images",
    }
)


def read(path, plate="P1"):
    """Well, site and file of each image."""
    return [(image.well, image.site, str(image.path)) for image in read_load_data(path, CHANNELS, plate)]


def get_refusal(path) -> str:
    with pytest.raises(InputError) as error:
        read(path)
    return str(error.value)


@case(
    "images",
    kind="an image table with semicolons or tabs, in UTF-16, gzipped or not, in Parquet, with row numbers "
    "or an index, "
    "under a name such as LOAD_DATA.CSV, or behind a link",
    comes_from="spreadsheets; pandas; data managers that replace files by links",
    happens="it is read",
)
def test_one_image_table_in_every_form(tmp_path):
    expected = [("A01", "1", "/images/a.tif"), ("A02", "1", "/images/b.tif")]
    text = TABLE.to_csv(index=False)
    contents = {
        "semicolons.csv": text.replace(",", ";").encode(),
        "TABS.TSV": text.replace(",", "\t").encode(),
        "unicode.csv.gz": gzip.compress(text.replace(",", ";").encode("utf-16-le")),
        "plain.csv.gz": text.encode(),
        "numbered.csv": TABLE.to_csv().encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert is_image_table(name)
        assert read(tmp_path / name) == expected
    TABLE.set_index("Metadata_Well").to_parquet(tmp_path / "object")
    (tmp_path / "linked.parquet").symlink_to(tmp_path / "object")
    assert read((tmp_path / "linked.parquet").resolve()) == expected


@case(
    "images",
    kind="an image table with the plates in Metadata_Barcode or Metadata_Assay_Plate_Barcode, the sites in "
    "Metadata_Field or Metadata_FieldID",
    comes_from="exports of microscopes and of the Gallery",
    happens="the plate's own rows are used, each with its site",
)
@pytest.mark.parametrize("plate", ["Metadata_Barcode", "Metadata_Assay_Plate_Barcode"])
@pytest.mark.parametrize("site", ["Metadata_Field", "Metadata_FieldID"])
def test_other_names_of_columns(tmp_path, plate, site):
    table = TABLE.assign(Metadata_Well=["A01", "B02"], Metadata_Plate=["P1", "P2"])
    table.rename(columns={"Metadata_Plate": plate, "Metadata_Site": site}).to_csv(
        tmp_path / "t.csv", index=False
    )
    assert read(tmp_path / "t.csv") == [("A01", "1", "/images/a.tif")]
    again = TABLE.assign(Metadata_Well="A01", Metadata_Site=[1, 2]).rename(columns={"Metadata_Site": site})
    again.to_csv(tmp_path / "t.csv", index=False)
    assert [image[:2] for image in read(tmp_path / "t.csv")] == [("A01", "1"), ("A01", "2")]


@case(
    "images",
    kind="a row of an image table without any file name; a well that does not exist on any plate",
    comes_from="tables that list planned wells; typing errors",
    says="has rows without a file name: well A02 site 1. Write the names of their images into them, or "
    "remove these rows. ... t.csv (plate P1): `Z99` is not a well of a plate",
    happens="the plate stops: the well would be lost silently",
)
def test_rows_without_an_image(tmp_path):
    path = tmp_path / "t.csv"
    TABLE.assign(FileName_OrigDNA=["a.tif", None]).to_csv(path, index=False)
    message = get_refusal(path)
    TABLE.assign(Metadata_Well=["A01", "Z99"]).to_csv(path, index=False)
    return f"{message} {get_refusal(path)}"


@pytest.mark.parametrize("name", ["load_data.csv", "load_data.parquet"])
def test_a_missing_table_is_named(tmp_path, name):
    with pytest.raises(InputError, match=f"{name} does not exist"):
        find_files_of_table(tmp_path / name)


@case(
    "images",
    kind="an image table with columns Plate, Well and Site instead of Metadata_Plate, Metadata_Well and "
    "Metadata_Site, or folders such as file:///data/a%20b",
    comes_from="tables of other programs; CellProfiler's Image table",
    happens="they are read as if they were written in the usual way",
)
def test_columns_without_metadata_and_folders_as_urls(tmp_path):
    table = TABLE.assign(Metadata_Plate=["P1", "P2"], Metadata_Site=[1, 2], PathName_OrigDNA="file:///a%20b")
    table.columns = [name.removeprefix("Metadata_") for name in table]
    table.to_csv(tmp_path / "t.csv", index=False)
    assert read(tmp_path / "t.csv") == [("A01", "1", "/a b/a.tif")]
    assert read(tmp_path / "t.csv", "P2") == [("A02", "2", "/a b/b.tif")]
    assert find_files_of_table(tmp_path / "t.csv") == ["/a b/a.tif", "/a b/b.tif"]


@case(
    "images",
    kind="an image table whose wells contradict its rows and columns",
    comes_from="a column that was sorted alone",
    says="the wells are read from Metadata_Well; in 1 of 2 rows, Metadata_Row and Metadata_Column are of "
    "another well (A02 is at B07)",
    happens="the log of load_data reports it, and the plate continues",
)
def test_two_wells_in_a_row(tmp_path, caplog):
    TABLE.assign(Metadata_Row=[1, 2], Metadata_Col=[1, 7]).to_csv(tmp_path / "t.csv", index=False)
    assert [well for well, *_ in read(tmp_path / "t.csv")] == ["A01", "A02"]
    messages = caplog.text
    caplog.clear()
    # Rows and columns that are counted from 0 are not those of a well.
    for rows, columns in (([1, 1], [1, 2]), ([0, 0], [0, 1]), (["A", "A"], ["01", "02"]), ([2, 2], [3, 4])):
        TABLE.assign(Metadata_Row=rows, Metadata_Col=columns).to_csv(tmp_path / "t.csv", index=False)
        read(tmp_path / "t.csv")
    assert caplog.text == ""
    return messages


@case(
    "images",
    kind="an image table without a column of sites, with a misspelled column, or with wells such as 1-2",
    comes_from="tables made by hand",
    says="lacks the column FileName_OrigDNA; ... Is Filename_OrigDNA meant to be FileName_OrigDNA? ... `1-2` "
    "is not a valid well: write a row letter and a column number, as in A01. If it is row 1 and column 2, "
    "write r1c2. ... write the number of each row's site into Metadata_Site, and list each site once.",
    happens="the plate stops",
)
def test_what_an_image_table_lacks(tmp_path):
    path = tmp_path / "t.csv"
    TABLE.rename(columns={"FileName_OrigDNA": "Filename_OrigDNA"}).to_csv(path, index=False)
    messages = [get_refusal(path)]
    TABLE.assign(Metadata_Well=["A01", "1-2"]).to_csv(path, index=False)
    messages.append(get_refusal(path))
    TABLE.assign(Metadata_Well="A01").drop(columns="Metadata_Site").to_csv(path, index=False)
    plate = {"batch": "B", "plate": "P1"}
    with pytest.raises(InputError) as error:
        load_data(path, plate, CHANNELS, "phenix", "error", 2)
    return " ".join([*messages, str(error.value)])
