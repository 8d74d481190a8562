"""The names of features."""

import pytest

from lib.errors import InputError
from lib.feature_names import find_channels, get_channels, keep_wanted

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
