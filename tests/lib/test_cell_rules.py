"""Rules of the config that flag cells: their names, their features, and their errors."""

import pytest

from lib.cell_rules import COSMICQC, Rule, check_rules, find_columns, find_nuclei, get_rules
from lib.checks import check_experiment
from lib.config import complete_config
from lib.errors import InputError
from planned_experiment import build_experiment
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


def test_what_the_assay_cannot_measure_is_reported_at_the_start(tmp_path):
    features = ["Nuclei_AreaShape_Area", "Nucleus_AreaShape_Area", "Cells_Areashape_Area", "Cells"]
    rules = {f"r{at}": {"conditions": {name: 1}} for at, name in enumerate(features)}
    with pytest.raises(InputError) as error:
        check_rules(settings(rules=rules), ["Nuclei", "Cells"])
    found = str(error.value).splitlines()
    assert len(found) == 3
    assert "rules.r1: Nucleus_AreaShape_Area: there is no object `Nucleus`; did you mean Nuclei?" in found[0]
    assert "there is no family of features `Areashape`; did you mean AreaShape?" in found[1]
    check_rules(settings(rules={"r0": rules["r0"]}), ["Nuclei"])


def test_the_check_is_for_generated_pipelines(tmp_path):
    rules = {"odd": {"conditions": {"Nucleus_AreaShape_Area": 1}}}
    (tmp_path / "map.csv").write_text("well_position,broad_sample\nA01,x\n")
    (tmp_path / "images").mkdir()
    plate = {"images": "images"}
    with pytest.raises(InputError, match="did you mean Nuclei"):
        check_experiment(
            build_experiment([plate], tmp_path, cell_quality={"rules": rules}), tmp_path / "results"
        )
    published = build_experiment([{"cellprofiler": "images"}], tmp_path, cell_quality={"rules": rules})
    check_experiment(published, tmp_path / "results")
