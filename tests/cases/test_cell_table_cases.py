"""CellProfiler's tables as others write, name and store them."""

import numpy as np
import pandas as pd
import pytest

import single_cells
import small_experiment
from cases.case import case
from lib.cellprofiler_output import find_compartments, find_published_folders
from lib.errors import InputError

pytestmark = pytest.mark.unit

NAMES = ("Cells", "Cytoplasm", "Nuclei")


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The folder of a plate's tables: two wells of two sites of 12 cells."""
    monkeypatch.setattr(small_experiment, "WELLS", small_experiment.WELLS[:2])
    small_experiment.write_tables(tmp_path, "P1", np.random.default_rng(3))
    return tmp_path / "P1"


def read(tables, names=None):
    """The joined cells of a plate."""
    folders = find_published_folders(tables, names or NAMES)
    used = names or find_compartments(folders, NAMES)
    output = tables.parent / "joined"
    output.mkdir(exist_ok=True)
    single_cells.main(
        folders,
        {name: output / name for name in ("cells", "image", "sites")},
        {
            "batch": "B",
            "plate": "P1",
            "compartments": list(used),
            "site_pattern": None,
            "bad_sites": "error",
        },
    )
    return pd.read_parquet(output / "cells")


def rename(tables, change):
    """Give the tables of objects other names."""
    for path in list(tables.rglob("*.csv")):
        if path.stem in NAMES:
            path.rename(path.with_name(f"{change(path.stem)}.csv"))


@case(
    "cells",
    kind="tables of objects with other names, such as Cells_Cellpose3",
    comes_from="CytoTable#362: segmentation by another program",
    says="has no table of Cells, Cytoplasm, but one of Cells_Cellpose3, Cytoplasm_Cellpose3. Name the "
    "objects that make up a cell in the config, as `single_cells: {compartments: [Nuclei, Cells_Cellpose3, "
    "Cytoplasm_Cellpose3]}`, or rename the tables.",
    happens="the plate stops: nuclei alone would pass for its cells",
)
def test_renamed_objects_are_named_with_the_key(tables):
    whole = read(tables)
    rename(tables, lambda name: name if name == "Nuclei" else f"{name}_Cellpose3")
    with pytest.raises(InputError) as error:
        read(tables)
    assert len(whole) == 48
    return str(error.value)


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_names_in_lower_and_upper_case(tables, change):
    whole = read(tables)
    for path in list(tables.rglob("*.csv")):
        path.rename(path.with_name(f"{change(path.stem)}.csv"))
    assert read(tables).equals(whole)


@case(
    "cells",
    kind="an assay of nuclei alone",
    comes_from="assays without a cell stain",
    happens="the nuclei are the cells",
)
def test_nuclei_alone(tables):
    for path in [*tables.rglob("Cells.csv"), *tables.rglob("Cytoplasm.csv")]:
        path.unlink()
    assert len(read(tables)) == 48


@case(
    "cells",
    kind="words for a missing number: NA, None, NULL, #N/A, -nan(ind), 1.#QNAN",
    comes_from="CytoTable#428: tables that went through R, a spreadsheet or a program on Windows",
    happens="the value is missing, the cell stays",
)
@pytest.mark.parametrize("word", ["NA", "None", "NULL", "#N/A", "-nan", "-nan(ind)", "1.#QNAN", ""])
def test_words_for_a_missing_number(tables, word):
    path = tables / "A01-1" / "Cells.csv"
    table = pd.read_csv(path, dtype=str)
    table.loc[0, "Intensity_F0"] = word
    table.to_csv(path, index=False)
    cells = read(tables)
    assert len(cells) == 48
    assert int(cells.isna().sum().sum()) == 1


@case(
    "cells",
    kind="tables with every value in quotation marks, Windows line ends, no line end at the end",
    comes_from="R's write.csv, text editors",
    happens="they are read like any other",
)
@pytest.mark.parametrize("how", ["quoted", "windows", "no end", "quoted without end"])
def test_tables_as_other_programs_write_them(tables, how):
    whole = read(tables)
    for path in tables.rglob("*.csv"):
        text = path.read_text()
        if "quoted" in how:
            lines = [",".join(f'"{value}"' for value in line.split(",")) for line in text.splitlines()]
            text = "\n".join(lines) + "\n"
        if how == "windows":
            text = text.replace("\n", "\r\n")
        if "end" in how:
            text = text.rstrip("\n")
        path.write_bytes(text.encode())
    assert read(tables).equals(whole)


def test_one_table_without_its_last_line_end_is_cut_off(tables):
    path = tables / "A01-1" / "Cells.csv"
    path.write_text(path.read_text().rstrip("\n"))
    with pytest.raises(InputError, match=r"Cells.csv is cut off in its last line"):
        read(tables)


@case(
    "cells",
    kind="a first column with the number of each row, and hidden macOS files (._Image.csv)",
    comes_from="pandas' to_csv, R's write.csv; drives and archives written by macOS",
    happens="they are left alone",
)
def test_row_numbers_and_hidden_files(tables):
    whole = read(tables)
    for path in list(tables.rglob("*.csv")):
        pd.read_csv(path).to_csv(path)
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7")
    assert read(tables).equals(whole)
    for path in tables.rglob("[A-Z]*.csv"):
        pd.read_csv(path).to_csv(path)
    assert read(tables).equals(whole), "a second time: the first has the name Unnamed: 0"


@case(
    "cells",
    kind="CellProfiler's tables separated by semicolons or tabs",
    comes_from="tables that went through a spreadsheet",
    says="... is separated by semicolons. CellProfiler's tables are separated by commas, with decimal "
    "points: save it in that format.",
    happens="the plate stops",
)
def test_tables_with_other_separators(tables):
    for path in tables.rglob("*.csv"):
        path.write_text(path.read_text().replace(",", ";"))
    with pytest.raises(InputError) as error:
        read(tables)
    return str(error.value)


@case(
    "cells",
    kind="text among the measurements of cells: a class by name, True and False, decimal commas",
    comes_from="columns that somebody added",
    says="Cells.csv has `round` in its column Class, which is not a number",
    happens="the plate stops, or continues without these sites, which are listed",
)
def test_text_among_measurements(tables):
    for path in tables.rglob("Cells.csv"):
        pd.read_csv(path).assign(Class="round").to_csv(path, index=False)
    with pytest.raises(InputError) as error:
        read(tables)
    return str(error.value)


def test_a_database_is_named(tmp_path):
    (tmp_path / "BR001.sqlite").touch()
    with pytest.raises(InputError, match=r"Databases are not read: BR001\.sqlite\."):
        find_published_folders(tmp_path, NAMES)


@case(
    "cells",
    kind="an Image table with other names of its columns (Metadata_well, Metadata_FieldID, "
    "Image_Metadata_Well), "
    "or with empty rows at its end",
    comes_from="exports of databases; spreadsheets",
    happens="it is read",
)
@pytest.mark.parametrize(
    "names",
    [
        {"Metadata_Well": "Metadata_well", "Metadata_Site": "Metadata_FieldID"},
        {"Metadata_Well": "Image_Metadata_Well", "Metadata_Site": "Image_Metadata_Site"},
    ],
)
def test_other_names_in_the_image_table(tables, names):
    expected = read(tables)
    for path in tables.rglob("Image.csv"):
        table = pd.read_csv(path, dtype=str).rename(columns=names)
        assert set(names.values()) <= set(table)
        path.write_text(table.to_csv(index=False) + "," * (table.shape[1] - 1) + "\n\n")
    pd.testing.assert_frame_equal(read(tables), expected)
