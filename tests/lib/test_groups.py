"""Which steps of a plate a cluster gets as one job: no step outside a group stands between two inside it."""

import pytest

from lib.groups import get_group, get_steps
from planned_experiment import build_experiment

pytestmark = pytest.mark.unit

SELECTED = "normalized_feature_select_negcon_"
BOTH = {"feature_select": {"over": ["plate", "batch"]}}


def find_steps(plate, **config):
    experiment = build_experiment([plate], **config)
    (row,) = experiment.plates
    return {name: get_steps(experiment, row, level) for name, level in experiment.get_levels(row).items()}


def test_what_needs_no_other_plate_is_one_group():
    steps = find_steps({"images": "i"}, **BOTH)
    assert steps.pop(f"{SELECTED}batch") == f"{SELECTED}batch"
    assert set(steps.values()) == {"wells"}
    assert {"aggregated", "augmented", "normalized", f"{SELECTED}plate"} <= set(steps)


def test_a_plate_of_published_profiles_begins_with_them():
    assert set(find_steps({"profiles": "p", "level": "aggregated"}).values()) == {"wells"}
    steps = find_steps({"profiles": "p", "level": f"{SELECTED}batch"}, **BOTH)
    assert steps == {f"{SELECTED}batch": "wells", f"{SELECTED}plate": "wells"}


def test_a_normalization_over_the_batch_begins_steps_of_its_own():
    steps = find_steps({"images": "i"}, normalize={"over": "batch"})
    assert steps["augmented"] == "wells"
    assert steps["normalized"] == "normalized"
    assert steps[f"{SELECTED}plate"] == steps["normalized_negcon"] == "normalized_negcon"


def test_a_network_stands_between_the_cells_and_its_features():
    steps = find_steps(
        {"images": "i"},
        embeddings={"weights": "random"},
        benchmark={"feature_sets": ["embeddings_spherized"]},
    )
    assert steps["augmented"] == "wells"
    assert steps["embeddings_normalized"] == steps["embeddings_augmented"] == "embeddings"
    assert steps["embeddings_spherized"] == "embeddings_spherized"


def test_steps_of_a_chain_after_a_step_over_plates_are_not_with_those_before():
    chain = {
        "start": "augmented",
        "steps": ["normalize", {"sphere": {"over": "condition"}}, "feature_select"],
    }
    steps = find_steps({"images": "i"}, chains={"own": chain})
    own = {name: of for name, of in steps.items() if name.startswith("own")}
    first, *later = own.items()
    assert first[1] == "wells"
    assert all(of == name for name, of in later)


def test_plates_have_groups_of_their_own():
    experiment = build_experiment([{"images": "i"}, {"images": "i", "plate": "Q"}])
    level = experiment.levels["augmented"]
    assert [get_group(experiment, plate, level) for plate in experiment.plates] == ["wells_B_P", "wells_B_Q"]
