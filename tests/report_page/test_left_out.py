"""What was left out, as sentences: counted once, with its reason."""

import pandas as pd
import pytest

from report_page.left_out import get_totals
from report_page.results import Results

pytestmark = pytest.mark.unit
COLUMNS = ["what", "number", "stage", "batch", "plate", "condition", "level", "why"]


def write(tmp_path, *rows):
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "left_out.csv", index=False)
    return get_totals(Results(tmp_path), "left_out.csv")


def test_wells_that_several_levels_lack_count_once_and_plates_are_added_up(tmp_path):
    lines = write(
        tmp_path,
        ("well", 2, "normalize", "B", "P1", "", "normalized", "no cells"),
        ("well", 2, "normalize", "B", "P1", "", "normalized_negcon", "no cells"),
        ("well", 1, "normalize", "B", "P2", "", "normalized", "no cells"),
        ("well", 1, "normalize", "B", "P2", "", "normalized", "few_cells"),
    )
    assert lines == ["normalize: 3 wells (no cells); 1 well (few cells)"]


def test_features_and_what_conditions_share_are_reported_as_a_range(tmp_path):
    lines = write(
        tmp_path,
        ("feature", 5, "feature_select", "B", "P1", "", "a", "blocklist"),
        ("feature", 7, "feature_select", "B", "P2", "", "a", "blocklist"),
        ("well", 2, "benchmark", "", "", "compound", "a", "no value"),
        ("well", 2, "benchmark", "", "", "compound and orf", "a", "no value"),
    )
    assert lines == [
        "feature_select: 5 to 7 features (blocklist) in each of 2 tables",
        "benchmark: 2 wells (no value) in each of 2 tables",
    ]


def test_many_reasons_are_shortened_and_nothing_is_nothing(tmp_path):
    rows = [("site", 9 - n, "load_data", "B", "P", "", "", f"reason {n}") for n in range(8)]
    (line,) = write(tmp_path, *rows)
    assert line.startswith("load_data: 9 sites (reason 0); ")
    assert line.endswith("; 4 more reasons")
    assert write(tmp_path) == []
    assert get_totals(Results(tmp_path), "missing.csv") == []
