"""Published profiles as people write them: one table, changed in one way."""

import gzip

import numpy as np
import pandas as pd
import pytest

from cases.case import case
from export import convert_to_anndata
from import_profiles import read_plate_profiles
from lib.errors import InputError
from lib.profile_files import find_header_problems
from lib.tables import get_features, get_provenance, read_profiles, write_profiles
from plot_dropped_features import plot_dropped_features
from report import make_plate_entries
from report_page.plates import sum_up_plates
from report_page.results import Results
from splits import main as write_split

pytestmark = pytest.mark.unit

PLATE = {
    "batch": "B",
    "plate": "P1",
    "plate_map": "",
    "perturbation": "compound",
    "cell_line": "",
    "timepoint": "",
    "profiles": "x",
    "level": "augmented",
}


def base() -> pd.DataFrame:
    """Six wells of two plates' worth of values, as a recipe writes them."""
    values = np.random.default_rng(1).normal(size=(6, 3))
    return pd.DataFrame(
        {
            "Metadata_Plate": "P1",
            "Metadata_Well": ["A01", "A02", "A03", "B01", "B02", "B03"],
            "Metadata_broad_sample": ["x", "y", "DMSO", "x", "y", "DMSO"],
            "Metadata_control_type": ["", "", "negcon"] * 2,
            "Metadata_Count_Cells": [90, 80, 70, 60, 50, 40],
            "Cells_AreaShape_Area": values[:, 0],
            "Cells_Texture_Contrast_DNA_3_00_256": values[:, 1] * 1e-7,
            "Nuclei_Intensity_MeanIntensity_DNA": values[:, 2] * 1e5,
        }
    )


def read(path, plate=PLATE, sharing=("P1",)) -> pd.DataFrame:
    return read_plate_profiles(path, plate, sharing)


@pytest.fixture
def expected(tmp_path) -> pd.DataFrame:
    base().to_csv(tmp_path / "expected.csv", index=False)
    return read(tmp_path / "expected.csv")


def refused(path, **arguments) -> str:
    with pytest.raises(InputError) as error:
        read(path, **arguments)
    return str(error.value)


# --- formats ------------------------------------------------------------------------------------

FORMATS = {
    "semicolon.csv": lambda table, path: table.to_csv(path, index=False, sep=";"),
    "comma.csv": lambda table, path: table.to_csv(path, index=False, sep=";", decimal=","),
    "tab.csv": lambda table, path: table.to_csv(path, index=False, sep="\t"),
    "tab_comma.txt": lambda table, path: table.to_csv(path, index=False, sep="\t", decimal=","),
    "excel.csv": lambda table, path: table.to_csv(
        path, index=False, encoding="utf-8-sig", lineterminator="\r\n"
    ),
    "unicode.txt": lambda table, path: table.to_csv(path, index=False, sep="\t", encoding="utf-16"),
    "told.csv": lambda table, path: path.write_text("sep=;\n" + table.to_csv(index=False, sep=";")),
    "bar.csv": lambda table, path: table.to_csv(path, index=False, sep="|"),
    "below.csv": lambda table, path: path.write_text("\n,,\n" + table.to_csv(index=False)),
    "lower.csv": lambda table, path: table.rename(
        columns=lambda name: name.replace("Metadata_", "metadata_")
    ).to_csv(path, index=False),
    "packed.csv.gz": lambda table, path: table.to_csv(path, index=False),
    "packed.csv": lambda table, path: path.write_bytes(gzip.compress(table.to_csv(index=False).encode())),
    "table.parquet": lambda table, path: table.to_parquet(path),
    "table.pq": lambda table, path: table.to_parquet(path),
    "table.csv": lambda table, path: table.to_parquet(path),
    "table.feather": lambda table, path: table.to_feather(path),
    "table.h5ad": lambda table, path: convert_to_anndata(table, {}, "augmented").write_h5ad(path),
    "category.parquet": lambda table, path: table.astype({"Metadata_broad_sample": "category"}).to_parquet(
        path
    ),
    "index.parquet": lambda table, path: table.set_index("Metadata_Well").to_parquet(path),
    "index.csv": lambda table, path: table.to_csv(path),
}


@case(
    "profiles",
    kind="profiles with semicolons, tabs, decimal commas, a byte-order mark, gzipped, in Parquet, "
    "Feather or AnnData, whatever the file is called",
    comes_from="German spreadsheets, R, scanpy; files that were renamed",
    happens="the same profiles from every format",
)
@pytest.mark.parametrize("name", FORMATS)
def test_one_table_gives_the_same_profiles_from_every_format(tmp_path, expected, name):
    FORMATS[name](base(), tmp_path / name)
    found = read(tmp_path / name)
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_exact=True)
    assert set(found) == set(expected)


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
    assert "is an SQLite database" in refused(tmp_path / "p.sqlite")
    return refused(tmp_path / "p.csv")


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
    assert f"is {what}" in refused(tmp_path / "p.csv")
    (problem,) = find_header_problems(tmp_path / "p.csv", ["P1"])
    assert f"is {what}" in problem


@case(
    "profiles",
    kind="a file of profiles that ends in the middle of a row",
    comes_from="downloads and copies that were cut off",
    says="... ends in the middle of a row: its last line has 7 values, and the header 8. It was cut off: "
    "replace it.",
    happens="the plate stops",
)
def test_a_file_that_ends_in_a_row(tmp_path):
    text = base().to_csv(index=False)
    path = tmp_path / "p.csv"
    path.write_text(text.rstrip("\n"))
    assert len(read(path)) == 6  # without its last line end, it is complete
    path.write_text(text[: text.rindex(",")])
    return refused(path)


@case(
    "profiles",
    kind="a file of profiles with a header and no rows",
    comes_from="an export that was interrupted",
    says="... has a header and no rows: it holds no profile.",
    happens="the plate stops",
)
def test_a_header_without_rows(tmp_path):
    base()[:0].to_csv(tmp_path / "p.csv", index=False)
    (tmp_path / "empty.csv").touch()
    assert "is empty: its first line must name the columns" in refused(tmp_path / "empty.csv")
    return refused(tmp_path / "p.csv")


@case(
    "profiles",
    kind="plain columns that are not features under any name: dose_uM, compound_id, plate_row, n_cells",
    comes_from="tables that were joined with a plate map",
    says="not features, and kept as metadata: dose_uM, compound_id, cells_total",
    happens="they are metadata; ten or more columns with one first word are a set of features",
)
def test_plain_columns_that_describe_wells(tmp_path, caplog, expected):
    dna = {f"dna_{at}": np.arange(6) + at / 7 for at in range(10)}
    about = {"dose_uM": [1, 2, 3, 1, 2, 3], "compound_id": [7, 8, 9, 7, 8, 9], "cells_total": 5.5}
    base().assign(**about, **dna).to_csv(tmp_path / "p.csv", index=False)
    found = read(tmp_path / "p.csv")
    assert get_features(found) == [*get_features(expected), *dna]
    assert found["Metadata_compound_id"].tolist() == ["7", "8", "9"] * 2
    said = caplog.text
    deep = {"plate_row": 2, "replicate": 1, "timepoint_h": 48, "well_id": [5, 4, 3, 2, 1, 9]}
    features = {f"f{at}": np.arange(6) * 1.5 for at in range(3)}
    about = base()[["Metadata_Plate", "Metadata_Well"]]
    about.assign(**deep, **features).to_csv(tmp_path / "deep.csv", index=False)
    assert get_features(read(tmp_path / "deep.csv")) == list(features)
    return said


@case(
    "profiles",
    kind="the numbers of cells under another name (Metadata_Object_Count, Metadata_nCells), with dots "
    "(1.234), negative or infinite",
    comes_from="pycytominer, German spreadsheets",
    says="the dots in Metadata_Count_Cells are read as those of thousands ... Metadata_Count_Cells is not a "
    "possible number in well A01, A02 (-1.0, inf): taken as missing",
    happens="they are counts; what is not possible is missing, and named",
)
def test_numbers_of_cells_as_people_write_them(tmp_path, caplog, expected):
    path = tmp_path / "p.csv"
    for name in ("Metadata_Object_Count", "Metadata_nCells", "Metadata_Cell_Count", "cell_count"):
        base().rename(columns={"Metadata_Count_Cells": name}).to_csv(path, index=False)
        assert read(path)["Metadata_Count_Cells"].tolist() == [90, 80, 70, 60, 50, 40]
    for written, counts in (
        (["1.234", "12.345", "1.000", "70", "60", "5"], [1234, 12345, 1000, 70, 60, 5]),
        (["88.333", "90.667", "88.000", "1.000", "2.500", "3.250"], [88.333, 90.667, 88, 1, 2.5, 3.25]),
        (["1e3", "2", "3", "4", "5", "6"], [1000, 2, 3, 4, 5, 6]),
    ):
        base().assign(Metadata_Count_Cells=written).to_csv(path, index=False)
        assert read(path)["Metadata_Count_Cells"].tolist() == counts
    base().assign(Metadata_Count_Cells=[-1, np.inf, 3, 4, 5, 6]).to_csv(path, index=False)
    assert read(path)["Metadata_Count_Cells"].isna().tolist() == [True, True, *[False] * 4]
    return caplog.text


@case(
    "profiles",
    kind="rows without a plate, in a file that names plates",
    comes_from="merged cells of a spreadsheet",
    says="... has rows without a plate in Metadata_Plate: well B01, B02, B03. Write the plate into each row, "
    "or take the rows out.",
    happens="the plate stops; a plate may be called NA",
)
def test_rows_without_a_plate(tmp_path):
    path = tmp_path / "p.csv"
    for name in ("NA", "none", "1E5", "007"):
        base().assign(Metadata_Plate=name).to_csv(path, index=False)
        assert len(read(path, {**PLATE, "plate": name}, (name,))) == 6
    base().assign(Metadata_Plate=["P1"] * 3 + [None] * 3).to_csv(path, index=False)
    return refused(path)


def test_doses_in_single_precision_are_those_of_text(tmp_path):
    table = base().assign(Metadata_dose=np.float32([0.1, 0.3, 3.3, 10, 0, np.nan]))
    table.to_parquet(tmp_path / "p.parquet")
    assert read(tmp_path / "p.parquet")["Metadata_dose"].fillna("").tolist() == [
        "0.1",
        "0.3",
        "3.3",
        "10",
        "0",
        "",
    ]


def test_the_nearest_name_of_the_column_of_wells_is_said(tmp_path):
    base().rename(columns={"Metadata_Well": "Metadata_WELL_ID"}).to_csv(tmp_path / "p.csv", index=False)
    nearest = "Is it Metadata_WELL_ID? Call that column Metadata_Well."
    assert nearest in refused(tmp_path / "p.csv")
    (problem,) = find_header_problems(tmp_path / "p.csv", ["P1"])
    assert nearest in problem


def test_nothing_is_said_of_clean_profiles(tmp_path, caplog, recwarn):
    wide = pd.DataFrame(1.5, index=range(6), columns=[f"Cells_Texture_F{i}" for i in range(900)])
    table = pd.concat([base(), wide], axis=1)
    table.to_csv(tmp_path / "p.csv", index=False)
    table.to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv", "p.parquet"):
        assert read(tmp_path / name).shape == (6, 912)
    assert caplog.text == ""
    assert [str(warning.message) for warning in recwarn] == []


# --- wells and plates ---------------------------------------------------------------------------


@case(
    "profiles",
    kind="wells in Metadata_well_position, Metadata_well, Row and Column, or written r01c01, a1, A001",
    comes_from="the JUMP profiling recipe, Harmony, pycytominer's augmented files",
    happens="they are read as plate maps are, and the log says from which column",
)
@pytest.mark.parametrize(
    "name", ["Metadata_well_position", "Metadata_well", "well_position", "Metadata_Well "]
)
def test_wells_under_other_names(tmp_path, expected, name):
    base().rename(columns={"Metadata_Well": name}).to_csv(tmp_path / "p.csv", index=False)
    assert read(tmp_path / "p.csv")["Metadata_Well"].tolist() == expected["Metadata_Well"].tolist()
    rows = (
        base()
        .assign(Metadata_Row=list("AAABBB"), Metadata_Column=[1.0, 2, 3] * 2)
        .drop(columns="Metadata_Well")
    )
    rows.to_parquet(tmp_path / "p.parquet")
    assert read(tmp_path / "p.parquet")["Metadata_Well"].tolist() == expected["Metadata_Well"].tolist()
    numbers = rows.assign(Metadata_Row=[1, 1, 1, 2, 2, 2])
    numbers.to_csv(tmp_path / "n.csv", index=False)
    assert read(tmp_path / "n.csv")["Metadata_Well"].tolist() == expected["Metadata_Well"].tolist()


def test_wells_written_otherwise(tmp_path, expected):
    written = ["r01c01", "a2", "A003", "R2C1", "b02 ", " B3"]
    base().assign(Metadata_Well=written).to_csv(tmp_path / "p.csv", index=False)
    assert read(tmp_path / "p.csv")["Metadata_Well"].tolist() == expected["Metadata_Well"].tolist()


@case(
    "profiles",
    kind="a file without a column of wells",
    comes_from="profiles that were averaged over wells",
    says="... has no column Metadata_Well (or Metadata_Row and Metadata_Column): a profile has one row"
    " per well. Its columns are ...",
    happens="the plate stops",
)
def test_no_column_of_wells(tmp_path):
    base().drop(columns="Metadata_Well").to_csv(tmp_path / "p.csv", index=False)
    return refused(tmp_path / "p.csv")


@case(
    "profiles",
    kind="a row without a well",
    comes_from="a join that found no well",
    says="... has rows without a well: 3, 6 (the header is row 1). Write the well into Metadata_Well, "
    "or take the rows out.",
    happens="the plate stops",
)
def test_a_row_without_a_well(tmp_path):
    base().assign(Metadata_Well=["A01", None, "A03", "B01", "NA", "B03"]).to_csv(
        tmp_path / "p.csv", index=False
    )
    base().assign(Metadata_Well=["A01", None, "A03", "B01", "nan", "B03"]).to_parquet(tmp_path / "p.parquet")
    assert "rows without a well: 3, 6" in refused(tmp_path / "p.parquet")
    return refused(tmp_path / "p.csv")


@case(
    "profiles",
    kind="one file without Metadata_Plate for several plates of the sample sheet",
    comes_from="profiles of one plate that were used for two, so that wells were their own replicates",
    says="... has no column Metadata_Plate, and the sample sheet takes 2 plates from it (P1, P2): "
    "which wells are whose is not known. Add the column, or write one file per plate.",
    happens="these plates stop; a file for one plate needs no such column",
)
def test_a_file_without_plates_for_several_plates(tmp_path, expected):
    base().drop(columns="Metadata_Plate").to_csv(tmp_path / "p.csv", index=False)
    assert len(read(tmp_path / "p.csv")) == len(expected)
    return refused(tmp_path / "p.csv", sharing=("P1", "P2"))


@case(
    "profiles",
    kind="the plates in Metadata_Assay_Plate_Barcode, Metadata_Barcode or the like",
    comes_from="the Broad's older files",
    happens="that column is used where it has the sample sheet's plate, and the log says so",
)
@pytest.mark.parametrize(
    "name", ["Metadata_Assay_Plate_Barcode", "Metadata_Barcode", "Metadata_plate", "Plate", "barcode"]
)
def test_plates_under_other_names(tmp_path, name):
    plates = ["P1", "P1", "P1", "P2", "P2", "P2"]
    base().drop(columns="Metadata_Plate").assign(**{name: plates}).to_csv(tmp_path / "p.csv", index=False)
    found = read(tmp_path / "p.csv", sharing=("P1", "P2"))
    assert found["Metadata_Well"].tolist() == ["A01", "A02", "A03"]
    assert len(get_features(found)) == 3
    assert "has no well of plate P9; it has P1, P2 in " in refused(
        tmp_path / "p.csv", plate={**PLATE, "plate": "P9"}
    )


@case(
    "profiles",
    kind="a barcode of digits that the file holds as a number (12 for 0012, 12.0)",
    comes_from="pandas reads 0012 as 12, and writes 12.0 beside an empty cell",
    happens="the plate is found",
)
@pytest.mark.parametrize("plate", [12, 12.0, "0012", "12"])
def test_a_barcode_that_became_a_number(tmp_path, plate):
    base().assign(Metadata_Plate=plate).to_parquet(tmp_path / "p.parquet")
    found = read(tmp_path / "p.parquet", plate={**PLATE, "plate": "0012"})
    assert found["Metadata_Plate"].unique().tolist() == ["0012"]
    assert len(found) == 6


# --- columns and values -------------------------------------------------------------------------


@case(
    "profiles",
    kind="columns that are not features: the row's number under any name, Row, Column, concentration",
    comes_from="pandas' to_csv with a named index; tables joined to their layout",
    says="not features, and kept as metadata: index, Row, concentration",
    happens="they are metadata",
)
def test_plain_columns_are_no_features(tmp_path, expected, caplog):
    table = base().assign(Row=1, concentration=[0.5, 1, 2] * 2)
    table.insert(0, "index", range(6))
    table.to_csv(tmp_path / "p.csv", index=False)
    found = read(tmp_path / "p.csv")
    told = caplog.text
    assert get_features(found) == get_features(expected)
    assert found["Metadata_concentration"].tolist() == ["0.5", "1", "2"] * 2
    # A network's features have no form; what counts the rows is none of them.
    network = pd.DataFrame(
        {"Metadata_Well": base()["Metadata_Well"], "row_id": range(1, 7), "0": 0.5, "1": 1.5}
    )
    network.to_parquet(tmp_path / "network.parquet")
    assert get_features(read(tmp_path / "network.parquet")) == ["0", "1"]
    return told


@case(
    "profiles",
    kind="a column twice",
    comes_from="tables that were pasted beside each other",
    says="... has the column Cells_AreaShape_Area twice. Keep one of them.",
    happens="the plate stops",
)
def test_a_column_twice(tmp_path):
    table = pd.concat([base(), base()[["Cells_AreaShape_Area"]]], axis=1)
    table.to_csv(tmp_path / "p.csv", index=False)
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.array(base()["Metadata_Well"]), pa.array([1.0] * 6), pa.array([2.0] * 6)]
    names = ["Metadata_Well", "Cells_AreaShape_Area", "Cells_AreaShape_Area"]
    pq.write_table(pa.Table.from_arrays(columns, names=names), tmp_path / "p.parquet")
    assert "has the column Cells_AreaShape_Area twice" in refused(tmp_path / "p.parquet")
    return refused(tmp_path / "p.csv")


@case(
    "profiles",
    kind="a count of cells with a comma (1,234), a word or text in it",
    comes_from="spreadsheets that format numbers",
    says="Metadata_Count_Cells is not a number in well A03 (many): taken as missing",
    happens="1,234 is 1234, n/a is missing, other text is missing and named",
)
def test_a_count_of_cells_as_text(tmp_path, caplog):
    counts = ["1,234", "1 234", "many", "n/a", "80", "12,345"]
    base().assign(Metadata_Count_Cells=counts).to_csv(tmp_path / "p.csv", index=False)
    found = read(tmp_path / "p.csv")["Metadata_Count_Cells"]
    assert found.fillna(-1).tolist() == [1234, 1234, -1, -1, 80, 12345]
    base().assign(Metadata_Count_Cells=counts).to_parquet(tmp_path / "p.parquet")
    pd.testing.assert_series_equal(read(tmp_path / "p.parquet")["Metadata_Count_Cells"], found)
    return caplog.text


@case(
    "profiles",
    kind="text in a feature",
    comes_from="columns of file names without Metadata_",
    says="column Cells_AreaShape_Area holds text: `big` in well A02. Every column is a feature, unless"
    " its name starts with Metadata_: rename it, or take it out.",
    happens="the plate stops",
)
def test_text_in_a_feature_names_column_and_well(tmp_path):
    values = ["1.5", "big", "NA", "", "nan", "2"]
    base().assign(Cells_AreaShape_Area=values).to_csv(tmp_path / "p.csv", index=False)
    base().assign(Cells_AreaShape_Area=values).to_parquet(tmp_path / "p.parquet")
    assert "holds text: `big` in well A02" in refused(tmp_path / "p.parquet")
    told = refused(tmp_path / "p.csv")
    values[1] = "#N/A"
    for name in ("p.csv", "p.parquet"):
        table = base().assign(Cells_AreaShape_Area=values)
        table.to_csv(tmp_path / name, index=False) if name == "p.csv" else table.to_parquet(tmp_path / name)
        assert read(tmp_path / name)["Cells_AreaShape_Area"].fillna(-1).tolist() == [1.5, -1, -1, -1, -1, 2]
    return told


@case(
    "profiles",
    kind="a control type with blanks around it",
    comes_from="typed tables",
    happens="the blanks are taken away",
)
def test_blanks_around_values(tmp_path, expected):
    table = base()
    table["Metadata_control_type"] = [f" {value} " for value in table["Metadata_control_type"]]
    table.to_parquet(tmp_path / "p.parquet")
    table.to_csv(tmp_path / "p.csv", index=False)
    for name in ("p.csv", "p.parquet"):
        pd.testing.assert_frame_equal(read(tmp_path / name)[expected.columns], expected)


def test_profiles_of_the_workflow_are_read_as_they_are(tmp_path):
    """What a control is called may be a word for nothing: a file of the workflow was read once."""
    table = base().assign(Metadata_control_type="untreated", Metadata_gene="NA (name)")
    write_profiles(table, tmp_path / "p.parquet", get_provenance({}, []))
    found = read_profiles(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(
        found,
        table.astype({name: "str" for name in table if name.startswith("Metadata_") and "Count" not in name}),
    )


# --- what a table says of itself ----------------------------------------------------------------


@case(
    "profiles",
    kind="profiles with a cell line, and a sample sheet without one",
    comes_from="files of several cell lines, one plate each",
    happens="the profiles' own column stays, also in the recommended splits",
)
def test_splits_keep_what_the_profiles_say(tmp_path):
    table = base().assign(Metadata_cell_line=["A549"] * 3 + ["U2OS"] * 3)
    table.to_csv(tmp_path / "p.csv", index=False)
    write_profiles(read(tmp_path / "p.csv"), tmp_path / "p.parquet", get_provenance({}, []))
    split = {"column": "cell_line", "train": ["A549"], "test": ["U2OS"]}
    write_split([str(tmp_path / "p.parquet")], [PLATE], str(tmp_path / "s.csv"), split, {})
    found = pd.read_csv(tmp_path / "s.csv")
    assert found.groupby("Metadata_split")["Metadata_Well"].first().to_dict() == {
        "test": "B01",
        "train": "A01",
    }


@case(
    "profiles",
    kind="one barcode in two batches",
    comes_from="plates that were imaged twice",
    happens="each is a plate of its own, also in the figure of dropped features",
)
def test_one_barcode_in_two_batches_is_two_bars():
    rows = [
        ("B1", "P1", "plate", "kept", 20),
        ("B2", "P1", "plate", "kept", 10),
        ("B1", "P2", "plate", "kept", 5),
    ]
    figure = plot_dropped_features(
        pd.DataFrame(rows, columns=["batch", "plate", "selection", "operation", "features"])
    )
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert dict(zip(labels, widths, strict=True)) == {
        "B1 P1 (plate)": 20,
        "B2 P1 (plate)": 10,
        "P2 (plate)": 5,
    }


@case(
    "plan",
    kind="a file of profiles that cannot be read: a workbook, no column of wells, a column twice, no "
    "rows, no plates",
    comes_from="the same files as above, found out only when the first plates were done",
    says="... has no column Metadata_Well (or Metadata_Row and Metadata_Column). Its columns are ...",
    happens="the header is read before anything runs, and a warning names the plates",
)
def test_the_header_of_profiles_is_read_before_anything_runs(tmp_path):
    def told(table, name="p.csv", plates=("P1",)):
        table.to_csv(tmp_path / name, index=False)
        return "\n".join(find_header_problems(tmp_path / name, plates))

    for name in FORMATS:
        FORMATS[name](base(), tmp_path / name)
        assert list(find_header_problems(tmp_path / name, ("P1", "P2"))) in ([], None), name
    assert "has a header and no rows" in told(base()[:0])
    assert "Cells_AreaShape_Area twice" in told(pd.concat([base(), base()[["Cells_AreaShape_Area"]]], axis=1))
    assert "takes 2 plates from it (P1, P2)" in told(
        base().drop(columns="Metadata_Plate"), plates=("P1", "P2")
    )
    assert told(base().drop(columns="Metadata_Plate")) == ""
    (tmp_path / "p.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))
    assert "is an Excel workbook" in next(find_header_problems(tmp_path / "p.xlsx", ["P1"]))
    return told(base().drop(columns="Metadata_Well"))


# --- the report ---------------------------------------------------------------------------------


@case(
    "profiles",
    kind="results of one plate that the report cannot read",
    comes_from="a file that was cut off after the run; a count of cells with a comma",
    says="not shown, since its results cannot be read: ...",
    happens="the report names the plate, and shows all others",
)
def test_one_bad_plate_keeps_no_report_back(tmp_path):
    for plate in ("P1", "P2"):
        write_profiles(base(), tmp_path / f"{plate}.parquet", get_provenance({}, []))
    (tmp_path / "P2.parquet").write_bytes((tmp_path / "P2.parquet").read_bytes()[:-20])
    manifest = [
        {
            "plate": {**PLATE, "plate": plate},
            "stages": {"augmented": f"{plate}.parquet"},
            "tables": {},
            "pictures": [],
            "profiles": {"augmented": f"{plate}.parquet"},
            "cells": {},
            "load_data": "",
        }
        for plate in ("P1", "P2")
    ]
    options = {"manifest": {"plates": manifest, "plate_pages": []}, "captions": str(tmp_path)}
    good, bad = make_plate_entries(Results(tmp_path), options)
    assert good["counts"]["cells"] == 390
    assert bad["counts"]["wells"] is None
    assert sum_up_plates([good, bad])["complete"] == 1
    return bad["state"]
