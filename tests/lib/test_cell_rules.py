"""Rules of the config that flag cells: their names, their features, and what is wrong with them."""

import pytest

from lib.cell_rules import COSMICQC, Rule, find_columns, find_nuclei, get_rules
from lib.config import complete_config
from lib.errors import InputError
from small_config import SMALL

pytestmark = pytest.mark.unit

COLUMNS = ["Metadata_Well", "Nuclei_AreaShape_Area", "Nuclei_AreaShape_FormFactor", "Cells_AreaShape_Area"]


def settings(**given):
    return complete_config({**SMALL, "cell_quality": given}, "config.yaml")["cell_quality"]


def test_off_by_default():
    assert get_rules(complete_config(dict(SMALL), "config.yaml")["cell_quality"]) == []


def test_named_sets_and_own_rules():
    own = {"dim": {"conditions": {"Nuclei_Intensity_MeanIntensity_DNA": -3}, "z": "robust", "over": "well"}}
    rules = get_rules(settings(sets=["large_nuclei"], rules=own))
    assert [rule.name for rule in rules] == ["large_nuclei", "dim"]
    assert rules[0].conditions == {"Nuclei_AreaShape_Area": 2, "Nuclei_AreaShape_FormFactor": -2}
    assert (rules[0].z, rules[0].over) == ("plain", "plate")
    assert rules[1] == Rule("dim", {"Nuclei_Intensity_MeanIntensity_DNA": -3}, "robust", "well")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sets": ["large_nucleus"]}, "large_nuclei"),
        ({"rules": {"large_nuclei": {"conditions": {"A_B": 1}}}}, "is the name of a set of coSMicQC"),
        ({"rules": {"odd": {"conditions": {"A_B": 0}}}}, "has no sign"),
        ({"rules": {"odd": {"conditions": {}}}}, "conditions"),
        ({"rules": {"odd": {"condition": {"A_B": 1}}}}, "did you mean `conditions`"),
        ({"rules": {"flagged": {"conditions": {"A_B": 1}}}}, "flagged"),
        ({"exclude_flagged": True}, "neither sets nor rules"),
    ],
)
def test_errors_are_found_before_anything_runs(given, message):
    with pytest.raises(InputError, match="cell_quality") as error:
        settings(**given)
    assert message in str(error.value)


def test_a_feature_that_does_not_exist_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"rules\.small: T has no feature Nuclei_Areashape_Area") as error:
        find_columns(Rule("small", {"Nuclei_Areashape_Area": -1}), COLUMNS, "T")
    assert "Did you mean Nuclei_AreaShape_Area" in str(error.value)


def test_metadata_are_not_features():
    with pytest.raises(InputError, match="no feature Metadata_Well"):
        find_columns(Rule("odd", {"Metadata_Well": 1}), COLUMNS, "T")


@pytest.mark.parametrize("nuclei", ["Nuclei", "FilteredNuclei", "Filtered_Nuclei", "nucleus"])
def test_the_sets_find_nuclei_under_another_name(nuclei):
    columns = [name.replace("Nuclei", nuclei) for name in COLUMNS]
    rule = Rule("large_nuclei", COSMICQC["large_nuclei"], is_named_set=True)
    assert find_columns(rule, columns, "T") == {columns[1]: 2, columns[2]: -2}


def test_two_compartments_of_nuclei_are_not_guessed():
    columns = ["A_Nuclei_AreaShape_Area", "B_Nuclei_AreaShape_Area", "Nucleoli_AreaShape_Area"]
    assert find_nuclei(columns) == "Nuclei"
    rule = Rule("large_nuclei", COSMICQC["large_nuclei"], is_named_set=True)
    with pytest.raises(InputError, match=r"cell_quality\.sets: large_nuclei"):
        find_columns(rule, columns, "T")
