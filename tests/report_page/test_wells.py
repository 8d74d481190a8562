"""The data of a plate's wells: contents, measures, flags and features, whatever of them exists."""

import numpy as np
import pandas as pd
import pytest

from lib.tables import write_profiles
from report_page.results import Results
from report_page.wells import find_features, get_wells

pytestmark = pytest.mark.unit

CONTROLS = {"column": "control_type", "negcon": "negcon"}
OPTIONS = {
    "controls": CONTROLS,
    "group": "Metadata_broad_sample",
    "sheets": (0, 0),
    "example_cells": 0,
    "brief": False,
}


def plate_of(folder, profiles=None, **more):
    """A plate's part of the manifest, with its profiles if there are any."""
    if profiles is not None:
        write_profiles(profiles, folder / "p.parquet", {})
    files = {"normalized": "p.parquet", "selected": "p.parquet", "profiles": {}, "well_quality": "q.csv"}
    rest = {
        "tables": {"flags": "flags.csv"},
        "thumbnails": {},
        "thumbnail_wells": "",
        "example_cells": "",
        "outlines": "outlines",
    }
    row = {"batch": "B", "plate": "P", "plate_map": "map.txt", "perturbation": "compound"}
    return {"plate": row, "condition": "c", "z_scores": True, **files, **rest, **more}


def profiles_of(values, names=("DMSO", "DMSO", "X")):
    wells = ["A01", "A02", "B10"][: len(values)]
    table = pd.DataFrame(
        np.asarray(values, dtype=float), columns=[f"Cells_F{i}" for i in range(len(values[0]))]
    )
    table.insert(0, "Metadata_Well", wells)
    table.insert(1, "Metadata_broad_sample", list(names[: len(values)]))
    table.insert(
        2, "Metadata_control_type", ["negcon" if name == "DMSO" else None for name in table.iloc[:, 1]]
    )
    return table


def wells_of(folder, plate, scored=None):
    features, _ = find_features(Results(folder), [plate])
    return get_wells(Results(folder), "plate-1", plate, features, scored or {}, OPTIONS)


def test_distance_strongest_features_and_scores_by_hand(tmp_path):
    plate = plate_of(tmp_path, profiles_of([[0, 1], [2, 3], [4, -50]]))
    table = pd.DataFrame({"perturbation": ["X"], "median_correlation": [0.5], "replicating": [True]})
    found = wells_of(tmp_path, plate, {"c": table.set_index("perturbation")})
    # The controls' median is (1, 2). The well differs by 3 and by 52, which is limited to 10.
    expected = [1.0, 1.0, float(f"{np.sqrt((9 + 100) / 2):.4g}")]
    assert found["measures"]["Distance to controls"] == expected
    assert found["strongest"]["wells"][2] == [[1, -50.0], [0, 4.0]]
    assert found["measures"]["Replicate correlation (median)"] == [None, None, 0.5]
    assert found["text"]["Replicating"] == {"values": ["yes"], "codes": [-1, -1, 0]}
    assert found["size"] == [8, 12]
    assert found["treatment"]["values"] == ["DMSO", "X"]


def test_quality_control_alone_shows_a_plate(tmp_path):
    pd.DataFrame(
        {"Metadata_Well": ["A01", "B02"], "Count_Cells": [5, 7], "PowerLogLogSlope_DNA": [-1.5, None]}
    ).to_csv(tmp_path / "q.csv", index=False)
    found = wells_of(tmp_path, plate_of(tmp_path))
    assert found["wells"] == ["A01", "B02"]
    assert found["measures"]["Cells"] == [5.0, 7.0]
    assert found["measures"]["Focus (power log-log slope), DNA"] == [-1.5, None]
    assert "features" not in found


def test_without_controls_scores_or_names_the_rest_stays(tmp_path):
    table = profiles_of([[1, 2]], ["X"]).drop(columns=["Metadata_broad_sample", "Metadata_control_type"])
    found = wells_of(tmp_path, plate_of(tmp_path, table))
    assert found["wells"] == ["A01"]
    assert found["measures"] == {}
    assert found["treatment"]["codes"] == [-1]
    assert wells_of(tmp_path / "nothing", plate_of(tmp_path)) is None


def test_missing_values_make_no_strongest_feature(tmp_path):
    found = wells_of(tmp_path, plate_of(tmp_path, profiles_of([[0, 0], [1, 1], [np.nan, 3]])))
    assert found["strongest"]["wells"][2] == [[1, 3.0]]
    empty = wells_of(tmp_path, plate_of(tmp_path, profiles_of([[0, 0], [1, 1], [np.nan, np.nan]])))
    assert empty["strongest"]["wells"][2] == []
    assert empty["measures"]["Distance to controls"][2] is None


def test_raw_profiles_have_no_strongest_feature(tmp_path):
    found = wells_of(tmp_path, plate_of(tmp_path, profiles_of([[0, 1], [2, 3]]), z_scores=False))
    assert "strongest" not in found
    assert "Distance to controls" not in found["measures"]


def test_flags_are_reported_with_site_and_reason(tmp_path):
    (tmp_path / "flags.csv").write_text(
        "Metadata_Well,Metadata_Site,flag,reason\nA01,3,out_of_focus,blurred\nA01,,low_cell_count,\n,,edge_effect,x\n"
    )
    found = wells_of(tmp_path, plate_of(tmp_path, profiles_of([[0, 1], [2, 3]])))
    assert found["flags"] == {"A01": ["out of focus (site 3): blurred", "low cell count"]}


def test_1536_wells_and_rows_beyond_z(tmp_path):
    wells = [f"{row}{column:02d}" for row in ("A", "Z", "AF") for column in (1, 48)]
    table = pd.DataFrame({"Metadata_Well": wells, "Cells_F": range(6)})
    found = wells_of(tmp_path, plate_of(tmp_path, table))
    assert found["size"] == [32, 48]
    assert found["wells"] == ["A01", "A48", "Z01", "Z48", "AF01", "AF48"]
