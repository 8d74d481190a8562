"""Groups of features from CellProfiler's names, from components, and from columns of other programs."""

import pytest

from lib.feature_groups import get_groups_of_feature, group_features, tells_groups
from lib.feature_names import get_channels

pytestmark = pytest.mark.unit


def test_a_features_name_says_its_groups():
    channels = get_channels(["Cells_Intensity_MeanIntensity_ER", "Cells_AreaShape_Area"], ["DNA"])
    assert channels == ["DNA", "ER"]
    groups = get_groups_of_feature
    assert groups("Cells_Texture_Entropy_ER_3_00_256", channels) == [("Cells", "Texture", "ER")]
    assert groups("Nuclei_Correlation_K_DNA_ER", channels) == [
        ("Nuclei", "Correlation", "DNA"),
        ("Nuclei", "Correlation", "ER"),
    ]
    assert groups("Nuclei_AreaShape_Area", channels) == [("Nuclei", "AreaShape", "–")]
    assert groups("feature17", channels) == [("feature17", "", "–")]


@pytest.mark.parametrize("pattern", ["PC{}", "X_{}"])
def test_components_are_one_group_that_tells_nothing(pattern):
    groups = group_features([pattern.format(number) for number in range(1, 256)], ["DNA"])
    assert list(groups) == [(pattern[:2].rstrip("_{"), "all", "–")]
    assert len(next(iter(groups.values()))) == 255
    assert not tells_groups(list(groups))


def test_own_columns_are_groups_of_their_own():
    groups = group_features(["area", "eccentricity", "spots 1", "feature1", "feature2"], [])
    assert [group[0] for group in groups] == ["area", "eccentricity", "spots 1", "feature1", "feature2"]
    assert tells_groups(list(groups))


def test_many_channels_keep_their_groups():
    channels = [f"M{number}" for number in range(100)]
    names = [f"Cells_{family}_x_{channel}" for family in ("Intensity", "Texture") for channel in channels]
    assert len(group_features(names, channels)) == 200


def test_a_feature_of_two_channels_counts_once_where_only_compartments_are_groups():
    names = [f"Cells_F{number}_K_DNA_ER" for number in range(41)]
    groups = group_features(names, ["DNA", "ER"])
    assert groups["Cells", "all", "–"].tolist() == list(range(41))


def test_names_of_another_kind_are_grouped_by_their_beginning():
    names = [f"network_{number}" for number in range(200)]
    groups = group_features(names, [])
    assert list(groups) == [("network", "all", "–")]
    assert sorted(groups["network", "all", "–"]) == list(range(200))


def test_channels_with_an_underscore_are_found():
    channels = ["DNA", "DNA_2", "ER"]
    found = [
        channel for _, _, channel in get_groups_of_feature("Cells_Correlation_Costes_DNA_2_ER", channels)
    ]
    assert found == ["DNA_2", "ER"]
    assert get_groups_of_feature("Cells_Texture_Contrast_ER_3_00_256", channels) == [
        ("Cells", "Texture", "ER")
    ]
