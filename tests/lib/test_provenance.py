"""Provenance of tables."""

import pandas as pd
import pytest

from lib.provenance import add_left_out, digest, get_left_out, get_provenance, read_provenance
from lib.tables import write_profiles

pytestmark = pytest.mark.unit
PROFILES = pd.DataFrame({"Metadata_Well": ["A01"], "Cells_AreaShape_Area": [1.0]})


def test_inputs_are_known_by_name_and_content(tmp_path):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "map.txt").write_text("a")
    here = get_provenance({"a": 1}, [tmp_path / "here" / "map.txt"])
    assert here == get_provenance({"a": 1}, [tmp_path / "there" / "map.txt"])
    assert here["workflow"].startswith("platewise ")
    (tmp_path / "here" / "map.txt").write_text("b")
    assert here != get_provenance({"a": 1}, [tmp_path / "here" / "map.txt"])


def test_a_folder_is_known_by_names_and_sizes(tmp_path):
    (tmp_path / "a").write_text("1")
    before = digest(tmp_path)
    (tmp_path / "a").write_text("12")
    assert digest(tmp_path) != before


def test_what_was_left_out_stays_on_record(tmp_path):
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    write_profiles(PROFILES, first, add_left_out({}, tmp_path / "x.csv", {"F1": "explodes"}))
    assert get_left_out(first) == {"features": {"F1": "explodes"}}
    write_profiles(PROFILES, second, add_left_out({}, first, wells={"B02": "incomplete"}))
    assert read_provenance(second)["left_out"] == {
        "features": {"F1": "explodes"},
        "wells": {"B02": "incomplete"},
    }


def test_nothing_left_out_leaves_no_trace(tmp_path):
    write_profiles(PROFILES, tmp_path / "a.parquet", add_left_out({"a": 1}, tmp_path / "x.csv"))
    assert get_left_out(tmp_path / "a.parquet") == {}
