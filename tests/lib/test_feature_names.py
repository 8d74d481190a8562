"""The names of features."""

import pytest

from cases.case import case
from lib.config import complete_config
from lib.errors import InputError
from lib.feature_names import describe_identifiers, find_channels, get_channels, keep_wanted
from small_config import SMALL

pytestmark = pytest.mark.unit
FEATURES = ["Cells_AreaShape_Area", "Cells_Intensity_MeanIntensity_ER", "Nuclei_Intensity_StdIntensity_DNA"]


def test_channels_are_those_of_the_assay_and_those_measured():
    assert get_channels(FEATURES, ["DNA"]) == ["DNA", "ER"]
    assert get_channels([], []) == []


def test_unwanted_features_are_named_or_match_a_pattern():
    assert keep_wanted(FEATURES, ["Cells_AreaShape_Area"]) == FEATURES[1:]
    assert keep_wanted(FEATURES, ["*_Intensity_*"]) == FEATURES[:1]
    assert keep_wanted(FEATURES, ["cells_*"]) == FEATURES  # capitals count
    assert keep_wanted([], ["*"]) == []


def test_patterns_that_leave_nothing_are_refused():
    with pytest.raises(InputError, match="leaves none of the 3 features"):
        keep_wanted(FEATURES, ["*"])


def test_channels_are_found_whatever_their_names_share():
    channels = ["DNA", "Bright", "Bright_H"]
    assert find_channels("Correlation_DNA_Bright_H", channels) == ["DNA", "Bright_H"]
    assert find_channels("K_Bright_H_DNA", channels) == ["Bright_H", "DNA"]
    assert find_channels("Contrast_Bright_3_00_256", channels) == ["Bright"]
    assert find_channels("Correlation_DNA_DNA", channels) == ["DNA"]
    assert find_channels("Area", channels) == []


@case(
    "profiles",
    kind="features of aggregated profiles that number or locate objects (Cells_Location_Center_X, "
    "Cells_Number_Object_Number, Nuclei_Children_Cells_Count, Cells_AreaShape_Center_X)",
    comes_from="own means of CellProfiler's tables; JUMP's and LINCS' published profiles have them, too",
    says="identifiers, counts or locations of objects, not measurements, are 4 features of the profiles "
    "(Cells_AreaShape_Center_X, Cells_Location_Center_X, Cells_Number_Object_Number, "
    "Nuclei_Children_Cells_Count). Published profiles keep them; to remove them, add "
    '"*_AreaShape_Center_*", "*_Location_*", "*_Number_*", "*_Children_*" to exclude_features',
    happens="they are kept, since published scores depend on them; a warning before anything runs, and "
    "in the log",
)
def test_features_that_are_not_measurements_are_named():
    rules = complete_config(SMALL, "c")["aggregate"]["exclude_features"]
    others = [
        "Cells_AreaShape_Center_X",
        "Cells_Location_Center_X",
        "Cells_Number_Object_Number",
        "Nuclei_Children_Cells_Count",
    ]
    names = ["Metadata_Well", *FEATURES, *others]
    sentence = describe_identifiers(names, rules, [])
    patterns = ["*_AreaShape_Center_*", "*_Location_*", "*_Number_*", "*_Children_*"]
    assert keep_wanted(names, patterns) == ["Metadata_Well", *FEATURES]
    assert describe_identifiers(names, rules, patterns) == ""
    assert describe_identifiers(FEATURES, rules, []) == ""
    images = ["Image_Count_Cells", "Image_Granularity_1_DNA"]
    assert describe_identifiers(images, rules, []).endswith('add "*_Count_*" to exclude_features')
    assert describe_identifiers(names, [], []) == "", "the config keeps them when it aggregates, too"
    # A pattern that would remove a measurement is not suggested; of one other word, the name is.
    crowded = ["Cells_Neighbors_FirstClosestObjectNumber_5", "Cells_Neighbors_AngleBetweenNeighbors_5"]
    assert describe_identifiers(crowded, rules, []).endswith(
        'add "*_Neighbors_FirstClosestObjectNumber_*" to exclude_features'
    )
    assert "are 1 feature of" in describe_identifiers(["C_Parent_Nuclei"], rules, [])
    return sentence
