"""The table of levels: each row follows from the ones above it, and the config says which are made."""

import pytest

from lib.config import complete_config
from lib.errors import InputError
from lib.levels import LEVELS, get_exported_levels, get_levels
from small_config import SMALL

pytestmark = pytest.mark.unit


def levels(**config):
    return get_levels(complete_config({**SMALL, **config}, "config.yaml"))


def test_a_level_stands_below_the_one_that_it_is_made_from():
    names = list(LEVELS)
    for number, level in enumerate(LEVELS.values()):
        assert level.made_from in ("", *names[:number])
        assert level.all_features in names
        assert LEVELS[level.made_from].features == level.features if level.made_from else True


def test_suffixes_tell_levels_apart():
    assert len({level.suffix for level in LEVELS.values()}) == len(LEVELS)
    assert LEVELS["aggregated"].suffix == ""


def test_only_sphering_is_fitted_on_controls():
    fitted = [level.name for level in LEVELS.values() if level.controls_fitted]
    assert fitted == ["spherized", "embeddings_spherized"]
    assert [level.name for level in LEVELS.values() if not level.annotated] == ["aggregated", "embeddings"]


def get_asked(step, **config):
    return {name for name, level in levels(**config).items() if level.requested and level.step == step}


def test_the_config_says_which_levels_are_made():
    all_wells = levels(normalize={"to": ["all"]}, feature_select={"reference": "all", "over": ["plate"]})
    assert not all_wells["normalized_negcon"].requested
    assert all_wells["normalized_feature_select_plate"].requested
    assert all_wells["spherized"].made_from == "normalized"
    assert not all_wells["spherized"].requested
    judged = levels(benchmark={"feature_sets": ["spherized"]})
    assert judged["spherized"].requested
    assert not judged["embeddings_spherized"].requested


PLATE, BATCH = "normalized_feature_select_negcon_plate", "normalized_feature_select_negcon_batch"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {PLATE}),
        ({"benchmark": {"feature_sets": [BATCH]}}, {BATCH}),
        ({"benchmark": {"feature_sets": [BATCH, PLATE]}}, {BATCH, PLATE}),
        ({"benchmark": {"feature_sets": ["normalized_negcon"]}}, set()),
        ({"benchmark": {"feature_sets": ["spherized"]}, "spherize": {"level": BATCH}}, {BATCH}),
        ({"export": ["csv.gz"], "export_levels": ["augmented", BATCH]}, {BATCH, PLATE}),
        ({"chains": {"own": {"start": BATCH, "steps": ["normalize"]}}}, {BATCH, PLATE}),
        ({"feature_select": {"over": ["batch"]}}, {BATCH}),
        ({"feature_select": {"over": ["plate", "batch"]}}, {BATCH, PLATE}),
        ({"feature_select": {"over": []}}, set()),
        (
            {"feature_select": {"reference": "all", "over": ["batch"]}, "normalize": {"to": ["all"]}},
            {"normalized_feature_select_batch"},
        ),
    ],
)
def test_features_are_selected_over_the_plates_that_the_config_asks_for(config, expected):
    assert get_asked("feature_select", **config) == expected


def test_all_features_of_a_selected_or_sphered_level():
    table = levels(spherize={"level": "normalized_feature_select_negcon_batch"})
    assert table["normalized_feature_select_negcon_batch"].all_features == "normalized_negcon"
    assert table["spherized"].all_features == "normalized_feature_select_negcon_batch"
    assert table["embeddings_spherized"].all_features == "embeddings_normalized_negcon"
    assert table["augmented"].all_features == "augmented"


def test_an_exported_level_must_exist():
    assert get_exported_levels({"export_levels": ["augmented"]}, LEVELS) == ["augmented"]
    with pytest.raises(InputError, match="there is no level selected"):
        get_exported_levels({"export_levels": ["selected"]}, LEVELS)


def test_a_summary_has_the_levels_of_the_papers_chain_under_its_name():
    given = {
        "aggregate": {"summaries": ["emd", "quantile_90"]},
        "feature_select": {"reference": "all", "over": ["plate"]},
    }
    levels = get_levels(complete_config({**SMALL, **given}, "config.yaml"))
    assert (levels["emd"].step, levels["emd"].suffix, levels["emd"].summary) == ("aggregate", "_emd", "emd")
    assert levels["emd_augmented"].made_from == "emd"
    assert levels["emd_normalized"].made_from == "emd_augmented"
    selected = levels["emd_normalized_feature_select_plate"]
    assert (selected.made_from, selected.requested, selected.all_features) == (
        "emd_normalized",
        True,
        "emd_normalized",
    )
    assert selected.made_from_published == "emd_normalized_feature_select_batch"
    assert not levels["emd_normalized_feature_select_negcon_plate"].requested
    assert "emd_spherized" not in levels
    assert levels["quantile_90_augmented"].summary == "quantile_90"
    assert list(levels).index("embeddings_spherized") < list(levels).index("emd")
    assert not levels["normalized"].summary


@pytest.mark.parametrize("name", ["max", "quantile_100", "emd_augmented"])
def test_a_summary_that_does_not_exist(name):
    with pytest.raises(InputError, match=r"aggregate\.summaries"):
        complete_config({**SMALL, "aggregate": {"summaries": [name]}}, "config.yaml")


def test_a_chain_can_start_from_a_summary():
    config = {**SMALL, "aggregate": {"summaries": ["emd"]}}
    chains = {"mine": {"start": "emd_augmented", "steps": ["normalize"]}}
    complete = complete_config({**config, "chains": chains}, "config.yaml")
    assert complete["chains"]["mine"]["start"] == "emd_augmented"
    with pytest.raises(InputError, match="emd_augmented"):
        complete_config({**SMALL, "chains": chains}, "config.yaml")


@pytest.mark.parametrize("written", ["jump_compound", ["normalize"], {"preset": "jump_orf"}])
def test_chains_in_every_form_have_levels(written):
    complete = complete_config({**SMALL, "chains": {"mine": written}}, "config.yaml")
    assert "normalized_negcon" in get_levels(complete)
