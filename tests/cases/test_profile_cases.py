"""Published profiles as people write them: one table, changed in one way."""

import pandas as pd
import pytest

from cases.case import case
from cases.profiles import FORMATS, PLATE, get_refusal, make_profiles, read
from lib.profile_files import find_header_problems
from lib.tables import get_features, get_provenance, read_profiles, write_profiles
from plot_dropped_features import plot_dropped_features
from report import make_plate_entries
from report_page.plates import sum_up_plates
from report_page.results import Results
from splits import main as write_split

pytestmark = pytest.mark.unit


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
def test_wells_under_other_names(tmp_path, expected_profiles, name):
    make_profiles().rename(columns={"Metadata_Well": name}).to_csv(tmp_path / "p.csv", index=False)
    assert read(tmp_path / "p.csv")["Metadata_Well"].tolist() == expected_profiles["Metadata_Well"].tolist()
    rows = (
        make_profiles()
        .assign(Metadata_Row=list("AAABBB"), Metadata_Column=[1.0, 2, 3] * 2)
        .drop(columns="Metadata_Well")
    )
    rows.to_parquet(tmp_path / "p.parquet")
    assert (
        read(tmp_path / "p.parquet")["Metadata_Well"].tolist() == expected_profiles["Metadata_Well"].tolist()
    )
    numbers = rows.assign(Metadata_Row=[1, 1, 1, 2, 2, 2])
    numbers.to_csv(tmp_path / "n.csv", index=False)
    assert read(tmp_path / "n.csv")["Metadata_Well"].tolist() == expected_profiles["Metadata_Well"].tolist()


def test_wells_written_otherwise(tmp_path, expected_profiles):
    written = ["r01c01", "a2", "A003", "R2C1", "b02 ", " B3"]
    make_profiles().assign(Metadata_Well=written).to_csv(tmp_path / "p.csv", index=False)
    assert read(tmp_path / "p.csv")["Metadata_Well"].tolist() == expected_profiles["Metadata_Well"].tolist()


@case(
    "profiles",
    kind="a file without a column of wells",
    comes_from="profiles that were averaged over wells",
    says="... has no column Metadata_Well (or Metadata_Row and Metadata_Column): a profile has one row"
    " per well. Its columns are ...",
    happens="the plate stops",
)
def test_no_column_of_wells(tmp_path):
    make_profiles().drop(columns="Metadata_Well").to_csv(tmp_path / "p.csv", index=False)
    return get_refusal(tmp_path / "p.csv")


@case(
    "profiles",
    kind="a row without a well",
    comes_from="a join that found no well",
    says="... has rows without a well: 3, 6 (the header is row 1). Write the well into Metadata_Well, "
    "or remove these rows.",
    happens="the plate stops",
)
def test_a_row_without_a_well(tmp_path):
    make_profiles().assign(Metadata_Well=["A01", None, "A03", "B01", "NA", "B03"]).to_csv(
        tmp_path / "p.csv", index=False
    )
    make_profiles().assign(Metadata_Well=["A01", None, "A03", "B01", "nan", "B03"]).to_parquet(
        tmp_path / "p.parquet"
    )
    assert "rows without a well: 3, 6" in get_refusal(tmp_path / "p.parquet")
    return get_refusal(tmp_path / "p.csv")


@case(
    "profiles",
    kind="one file without Metadata_Plate for several plates of the sample sheet",
    comes_from="profiles of one plate that were used for two, so that wells were their own replicates",
    says="... has no column Metadata_Plate, and the sample sheet takes 2 plates from it (P1, P2): "
    "which wells are whose is not known. Add the column, or write one file per plate.",
    happens="these plates stop; a file for one plate needs no such column",
)
def test_a_file_without_plates_for_several_plates(tmp_path, expected_profiles):
    make_profiles().drop(columns="Metadata_Plate").to_csv(tmp_path / "p.csv", index=False)
    assert len(read(tmp_path / "p.csv")) == len(expected_profiles)
    return get_refusal(tmp_path / "p.csv", sharing=("P1", "P2"))


def test_a_plate_for_two_rows_of_the_sheet(tmp_path, caplog):
    """A file that is fetched first is not read before: its plates stop."""
    make_profiles().assign(Metadata_Plate=123).to_csv(tmp_path / "p.csv", index=False)
    plate = {**PLATE, "plate": "00123"}
    with caplog.at_level("INFO"):
        assert set(read(tmp_path / "p.csv", plate, ("00123",))["Metadata_Plate"]) == {"00123"}
    assert "p.csv: plate 00123 is called 123 there; its rows are used" in caplog.text
    says = "The sample sheet takes plate 123 of"
    assert says in get_refusal(tmp_path / "p.csv", plate=plate, sharing=("00123", "123"))
    assert says in get_refusal(tmp_path / "p.csv", plate=plate, sharing=("00123", "00123"))
    both = [make_profiles().assign(Metadata_Plate=name) for name in ("123", "00123")]
    pd.concat(both).to_csv(tmp_path / "p.csv", index=False)
    assert len(read(tmp_path / "p.csv", plate, ("00123", "123"))) == len(make_profiles())


@case(
    "profiles",
    kind="the plates in Metadata_Assay_Plate_Barcode, Metadata_Barcode or the like",
    comes_from="the Broad's older files",
    happens="that column is used if it has the sample sheet's plate, and the log says so",
)
@pytest.mark.parametrize(
    "name", ["Metadata_Assay_Plate_Barcode", "Metadata_Barcode", "Metadata_plate", "Plate", "barcode"]
)
def test_plates_under_other_names(tmp_path, name):
    plates = ["P1", "P1", "P1", "P2", "P2", "P2"]
    make_profiles().drop(columns="Metadata_Plate").assign(**{name: plates}).to_csv(
        tmp_path / "p.csv", index=False
    )
    found = read(tmp_path / "p.csv", sharing=("P1", "P2"))
    assert found["Metadata_Well"].tolist() == ["A01", "A02", "A03"]
    assert len(get_features(found)) == 3
    assert "has no well of plate P9; it has P1, P2 in " in get_refusal(
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
    make_profiles().assign(Metadata_Plate=plate).to_parquet(tmp_path / "p.parquet")
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
def test_plain_columns_are_not_features(tmp_path, expected_profiles, caplog):
    table = make_profiles().assign(Row=1, concentration=[0.5, 1, 2] * 2)
    table.insert(0, "index", range(6))
    table.to_csv(tmp_path / "p.csv", index=False)
    found = read(tmp_path / "p.csv")
    message = caplog.text
    assert get_features(found) == get_features(expected_profiles)
    assert found["Metadata_concentration"].tolist() == ["0.5", "1", "2"] * 2
    # A network's features have no form; what counts the rows is none of them.
    network = pd.DataFrame(
        {"Metadata_Well": make_profiles()["Metadata_Well"], "row_id": range(1, 7), "0": 0.5, "1": 1.5}
    )
    network.to_parquet(tmp_path / "network.parquet")
    assert get_features(read(tmp_path / "network.parquet")) == ["0", "1"]
    return message


@case(
    "profiles",
    kind="several rows per well: one per site, or a well that was measured again",
    comes_from="tables that were not aggregated",
    says="plate P1: well A01 is listed more than once. The table has one row per site (Metadata_Site), and "
    "profiles have one row per well: write the mean or the median over the sites of each well. ... Profiles "
    "have one row per well: keep one of the rows, or write their mean or median. If the rows are of "
    "different plates, name the plate of each in Metadata_Plate.",
    happens="the plate stops",
)
def test_several_rows_per_well(tmp_path):
    table = make_profiles()
    again = pd.concat([table, table.head(1).assign(Cells_AreaShape_Area=9.0)])
    again.assign(Metadata_Site=[1] * 6 + [2]).to_csv(tmp_path / "sites.csv", index=False)
    again.assign(Metadata_Site=1).to_csv(tmp_path / "again.csv", index=False)
    return f"{get_refusal(tmp_path / 'sites.csv')} {get_refusal(tmp_path / 'again.csv')}"


@case(
    "profiles",
    kind="a column twice",
    comes_from="tables that were pasted beside each other",
    says="... has the column Cells_AreaShape_Area twice. Keep one of them.",
    happens="the plate stops",
)
def test_a_column_twice(tmp_path):
    table = pd.concat([make_profiles(), make_profiles()[["Cells_AreaShape_Area"]]], axis=1)
    table.to_csv(tmp_path / "p.csv", index=False)
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.array(make_profiles()["Metadata_Well"]), pa.array([1.0] * 6), pa.array([2.0] * 6)]
    names = ["Metadata_Well", "Cells_AreaShape_Area", "Cells_AreaShape_Area"]
    pq.write_table(pa.Table.from_arrays(columns, names=names), tmp_path / "p.parquet")
    assert "has the column Cells_AreaShape_Area twice" in get_refusal(tmp_path / "p.parquet")
    return get_refusal(tmp_path / "p.csv")


@case(
    "profiles",
    kind="a count of cells with a comma (1,234), a word or text in it",
    comes_from="spreadsheets that format numbers",
    says="Metadata_Count_Cells is not a number in well A03 (many): taken as missing",
    happens="1,234 is 1234, n/a is missing, other text is missing and named",
)
def test_a_count_of_cells_as_text(tmp_path, caplog):
    counts = ["1,234", "1 234", "many", "n/a", "80", "12,345"]
    make_profiles().assign(Metadata_Count_Cells=counts).to_csv(tmp_path / "p.csv", index=False)
    found = read(tmp_path / "p.csv")["Metadata_Count_Cells"]
    assert found.fillna(-1).tolist() == [1234, 1234, -1, -1, 80, 12345]
    make_profiles().assign(Metadata_Count_Cells=counts).to_parquet(tmp_path / "p.parquet")
    pd.testing.assert_series_equal(read(tmp_path / "p.parquet")["Metadata_Count_Cells"], found)
    return caplog.text


@case(
    "profiles",
    kind="text in a feature",
    comes_from="columns of file names without Metadata_",
    says="column Cells_AreaShape_Area holds text: `big` in well A02. Every column is a feature, unless"
    " its name starts with Metadata_ or the config names it (controls.column, benchmark.group): rename it, "
    "or remove it.",
    happens="the plate stops",
)
def test_text_in_a_feature_names_column_and_well(tmp_path):
    values = ["1.5", "big", "NA", "", "nan", "2"]
    make_profiles().assign(Cells_AreaShape_Area=values).to_csv(tmp_path / "p.csv", index=False)
    make_profiles().assign(Cells_AreaShape_Area=values).to_parquet(tmp_path / "p.parquet")
    assert "holds text: `big` in well A02" in get_refusal(tmp_path / "p.parquet")
    message = get_refusal(tmp_path / "p.csv")
    values[1] = "#N/A"
    for name in ("p.csv", "p.parquet"):
        table = make_profiles().assign(Cells_AreaShape_Area=values)
        table.to_csv(tmp_path / name, index=False) if name == "p.csv" else table.to_parquet(tmp_path / name)
        assert read(tmp_path / name)["Cells_AreaShape_Area"].fillna(-1).tolist() == [1.5, -1, -1, -1, -1, 2]
    return message


@case(
    "profiles",
    kind="a control type with blanks around it",
    comes_from="typed tables",
    happens="the blanks are removed",
)
def test_blanks_around_values(tmp_path, expected_profiles):
    table = make_profiles()
    table["Metadata_control_type"] = [f" {value} " for value in table["Metadata_control_type"]]
    table.to_parquet(tmp_path / "p.parquet")
    table.to_csv(tmp_path / "p.csv", index=False)
    for name in ("p.csv", "p.parquet"):
        pd.testing.assert_frame_equal(read(tmp_path / name)[expected_profiles.columns], expected_profiles)


def test_profiles_of_the_workflow_are_read_as_they_are(tmp_path):
    """The name of a control may be a word for a missing value: a file of the workflow was read once."""
    table = make_profiles().assign(Metadata_control_type="untreated", Metadata_gene="NA (name)")
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
    happens="the profiles' own column is kept, also in the recommended splits",
)
def test_splits_keep_what_the_profiles_say(tmp_path):
    table = make_profiles().assign(Metadata_cell_line=["A549"] * 3 + ["U2OS"] * 3)
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
    happens="each is a separate plate, also in the figure of dropped features",
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
    def get_message(table, name="p.csv", plates=("P1",)):
        table.to_csv(tmp_path / name, index=False)
        return "\n".join(find_header_problems(tmp_path / name, plates))

    for name in FORMATS:
        FORMATS[name](make_profiles(), tmp_path / name)
        assert list(find_header_problems(tmp_path / name, ("P1", "P2"))) in ([], None), name
    assert "has a header and no rows" in get_message(make_profiles()[:0])
    assert "Cells_AreaShape_Area twice" in get_message(
        pd.concat([make_profiles(), make_profiles()[["Cells_AreaShape_Area"]]], axis=1)
    )
    assert "takes 2 plates from it (P1, P2)" in get_message(
        make_profiles().drop(columns="Metadata_Plate"), plates=("P1", "P2")
    )
    assert get_message(make_profiles().drop(columns="Metadata_Plate")) == ""
    (tmp_path / "p.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))
    assert "is an Excel workbook" in next(find_header_problems(tmp_path / "p.xlsx", ["P1"]))
    return get_message(make_profiles().drop(columns="Metadata_Well"))


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
        write_profiles(make_profiles(), tmp_path / f"{plate}.parquet", get_provenance({}, []))
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
