"""The columns of a single-cell table."""

import pytest

from lib.cells import find_features

pytestmark = pytest.mark.unit


def test_features_are_what_is_measured():
    columns = [
        "Metadata_Well",
        "Cells_Number_Object_Number",
        "Cells_AreaShape_Area",
        "Cells_Location_Center_X",
    ]
    assert find_features(columns, ["^Location_"]) == ["Cells_AreaShape_Area"]
    assert find_features(columns, []) == ["Cells_AreaShape_Area", "Cells_Location_Center_X"]


def test_rules_are_about_the_name_without_its_compartment():
    # the objects are called Filtered_Nuclei: their compartment holds an underscore
    columns = ["Filtered_Nuclei_Number_Object_Number", "Filtered_Nuclei_Location_Center_X"]
    assert find_features(columns, ["^Location_"]) == []
    assert find_features([*columns, "Filtered_Nuclei_AreaShape_Area"], ["^Location_", "^Nuclei"]) == [
        "Filtered_Nuclei_AreaShape_Area"
    ]


def test_no_column_no_feature():
    assert find_features([], ["^Location_"]) == []
