"""Tables of the page, and of the results as it reads them: names are text, whatever they look like."""

import numpy as np
import pytest

from report_page.blocks import format_block
from report_page.perturbations import get_changes
from report_page.plates import make_plates_table
from report_page.results import Results
from report_page.tables import make_cell, read_csv

pytestmark = pytest.mark.unit
NAMES = ["007", "1e5", "NA", "NaN", "None", "null", "true", 'a "b"', "<b>", "细胞"]


def test_names_stay_as_they_are_and_numbers_become_numbers(tmp_path):
    quoted = ['"a ""b"""' if name.startswith("a ") else name for name in NAMES]
    lines = [f"{name},{name},7,{number}" for number, name in enumerate(quoted)]
    file = tmp_path / "a.csv"
    file.write_text("\n".join(["Metadata_Well,perturbation,Metadata_Count_Cells,value", *lines, ",,,NaN"]))
    table = read_csv(file, ("perturbation",))
    for column in ("Metadata_Well", "perturbation"):
        assert table[column].tolist()[:-1] == NAMES
        assert table[column].isna().tolist() == [False] * len(NAMES) + [True]
    assert table["value"].tolist()[:-1] == list(range(len(NAMES)))
    assert table["value"].isna().sum() == table["Metadata_Count_Cells"].isna().sum() == 1


def test_a_perturbation_that_is_called_nan_is_in_the_page(tmp_path):
    rows = [f"{name},Cells,Intensity,NA,3,1.5" for name in ("NaN", "None", "A")]
    header = "perturbation,compartment,family,channel,features,median_absolute_z"
    (tmp_path / "changes.csv").write_text("\n".join([header, *rows]))
    found = get_changes(Results(tmp_path), {"changes": "changes.csv"})
    assert found == {
        "groups": [["Cells", "Intensity", "NA", 3]],
        "perturbations": {"NaN": [1.5], "None": [1.5], "A": [1.5]},
    }
    assert "NaN" in format_block(found)


def test_columns_that_no_plate_has_are_left_out():
    counts = dict.fromkeys(("wells", "without_cells", "cells", "sites", "features"))
    plate = {"plate": "P", "batch": "B", "perturbation": "compound", "cell_line": "", "timepoint": "48"}
    entry = {"plate": {**plate, "images": "x"}, "link": "#plate-1", "state": "complete", "flags": None}
    table = make_plates_table([{**entry, "counts": {**counts, "wells": 0}, "dropped_sites": None}])
    assert table.columns == ["plate", "batch", "perturbation", "hours", "state", "wells", "starts with"]
    assert [cell.text for cell in table.rows[0]] == ["P", "B", "compound", "48", "complete", "0", "images"]
    assert make_plates_table([]).rows == []


def test_cells_sort_by_value_and_read_as_words():
    assert make_cell(1234.5).text == "1,234" or make_cell(1234.5).text == "1,234.5"
    assert make_cell(float("nan")).text == ""
    assert make_cell(True).text == "yes"
    assert make_cell("0012").text == "0012"
    assert not make_cell("0012").number
    assert make_cell(np.float64(0.00012345)).sort == "0.00012345"
