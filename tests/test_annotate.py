"""Plate map and annotation joined to profiles, by hand (tests/cases has the untidy ones)."""

import pandas as pd
import pytest

from annotate import annotate, find_unmatched_wells

pytestmark = pytest.mark.unit
PLATE = {
    "batch": "B",
    "plate": "P",
    "perturbation": "compound",
    "cell_line": "U2OS",
    "timepoint": "48",
    "plate_map": "maps/map.txt",
}
PROFILES = pd.DataFrame(
    {
        "Metadata_Batch": "B",
        "Metadata_Plate": "P",
        "Metadata_Well": ["A01", "A02", "B01"],
        "Metadata_Count_Cells": [10, 0, 7],
        "Cells_AreaShape_Area": [1.0, float("nan"), 3.0],
    }
)
MAP = pd.DataFrame({"well": ["B01", "A01", "C01"], "broad_sample": ["b", "a", "c"]})
ANNOTATION = pd.DataFrame({"broad_sample": ["a", "b"], "gene": ["X", "Y"], "pert_type": ["trt", "control"]})


def test_wells_are_joined_by_name_in_the_order_of_the_profiles():
    table = annotate(PROFILES, MAP, ANNOTATION, PLATE).set_index("Metadata_Well")
    assert list(table.index) == ["A01", "A02", "B01", "C01"]
    assert table.loc[["A01", "B01", "C01"], "Metadata_broad_sample"].tolist() == ["a", "b", "c"]
    assert table.loc[["A01", "B01"], "Metadata_gene"].tolist() == ["X", "Y"]
    assert table.loc[["A01", "B01"], "Cells_AreaShape_Area"].tolist() == [1.0, 3.0]
    assert pd.isna(table.loc["C01", "Metadata_Count_Cells"]), "these profiles do not count sites"
    assert table.loc[["A02", "C01"], "Cells_AreaShape_Area"].isna().all()
    assert set(table["Metadata_cell_line"]) == {"U2OS"}
    columns = [name.startswith("Metadata_") for name in table]
    assert columns == sorted(columns, reverse=True)  # metadata first


def test_wells_without_a_partner_are_named():
    of_profiles = dict(find_unmatched_wells(PROFILES, MAP, "profile"))
    assert of_profiles["C01"] == "on the plate map, but without a profile"
    assert find_unmatched_wells(PROFILES, MAP) == [
        ("A02", "not in the plate map"),
        ("C01", "on the plate map, but without a site"),
    ]


def test_a_well_without_images_has_no_site_and_an_unknown_count_stays_unknown():
    profiles = PROFILES.assign(Metadata_Count_Cells=[10, None, 7], Metadata_Count_Sites=[9, 9, 9])
    table = annotate(profiles, MAP, ANNOTATION, PLATE).set_index("Metadata_Well")
    assert table.loc["C01", ["Metadata_Count_Cells", "Metadata_Count_Sites"]].tolist() == [0, 0]
    assert pd.isna(table.loc["A02", "Metadata_Count_Cells"])
    assert table["Metadata_Count_Sites"].dtype == int
