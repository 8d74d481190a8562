"""Chains in a config: presets, options, names of levels, and error messages."""

import re

import pytest

from lib.chain_options import CHOICES, OPERATIONS, STEPS
from lib.chains import PRESETS, complete_chain, get_chain_levels
from lib.config import complete_config
from lib.errors import InputError
from lib.steps import normalization, operations, whitening
from planned_experiment import build_experiment
from report_page.chain_methods import SENTENCES, describe_chains, describe_step
from small_config import SMALL

pytestmark = pytest.mark.unit


def test_a_list_of_steps_gets_every_option():
    chain = complete_chain("mine", [{"normalize": {"method": "standardize"}}, "rank_int"])
    assert chain["start"] == "augmented"
    (first, options), (second, ranks) = chain["steps"]
    assert (first, second) == ("normalize", "rank_int")
    assert options == {**STEPS["normalize"], "method": "standardize"}
    assert ranks == {"over": "experiment", "seed": 0, "keep_flat": False}


def test_a_levels_name_follows_from_the_steps():
    chain = complete_chain("mine", ["normalize", {"sphere": {"over": "condition"}}, "rank_int"])
    levels = get_chain_levels("mine", chain)
    assert [level.name for level in levels] == [
        "mine_normalize",
        "mine_normalize_sphere",
        "mine_normalize_sphere_rank_int",
    ]
    assert [level.made_from for level in levels] == ["augmented", "mine_normalize", "mine_normalize_sphere"]
    assert [level.scope for level in levels] == ["plate", "condition", "experiment"]
    assert [level.controls_fitted for level in levels] == [False, True, True]
    assert [level.is_last for level in levels] == [False, False, True]


def test_the_presets_are_the_recipes_chains():
    steps = {name: [step for step, _ in complete_chain("x", name)["steps"]] for name in PRESETS}
    assert steps["jump_compound"] == ["variance", "normalize", "rank_int", "feature_select", "harmony"]
    assert steps["jump_crispr"] == [*steps["jump_orf"], "pca", "arm_correction"]
    assert complete_chain("x", "jump_orf")["precision"] == "float32"
    changed = complete_chain("x", {"preset": "jump_orf", "options": {"sphere": {"epsilon": {"draws": 2}}}})
    assert dict(changed["steps"])["sphere"]["epsilon"] == {"draws": 2}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("jump", "`jump` is not one of the presets jump_compound, jump_orf, jump_crispr"),
        (["normalise"], "`normalise` is not one of the steps drop_missing_wells, variance"),
        ([{"normalize": {"to": "all"}}], "chains.mine.normalize: `to` is not one of over, method"),
        (
            [{"normalize": {"method": "zscore"}}],
            "`zscore` is not one of mad_robustize, robustize, standardize, inverse_normal",
        ),
        ([{"normalize": {"method": "spherize"}}], "spherize is a step of its own, `sphere`"),
        ([{"normalize": {"reference": "dmso"}}], "`dmso` is not negcon, all or a query on columns"),
        ([{"combat": {"over": "plate"}}], "this step aligns several plates"),
        ([{"sphere": {"epsilon": 0}}], "epsilon: `0` is not a number above 0"),
        ([{"feature_select": {"operations": ["variance"]}}], "`variance` is not one of variance_threshold"),
        ([{"harmony": {"over": "plate"}}], "this step aligns several plates"),
        (
            [{"sphere": {"over": "batch"}}, {"pca": {"over": "condition"}}],
            "one step processes batches and another",
        ),
        ({"over": "batch"}, "it has neither steps nor a preset"),
        ({"preset": "jump_compound", "options": {"sphere": {}}}, "the chain has no step sphere"),
    ],
)
def test_what_is_wrong_is_answered(written, message):
    with pytest.raises(InputError) as error:
        get_chain_levels("mine", complete_chain("mine", written))
    assert message in str(error.value)


def test_a_query_names_reference_wells():
    query = "Metadata_pert_type == 'control' and Metadata_dose in ['0', '1']"
    chain = complete_chain("mine", [{"normalize": {"reference": query}}, {"sphere": {"reference": "all"}}])
    assert chain["steps"][0][1]["reference"] == query
    fitted = [level.controls_fitted for level in get_chain_levels("mine", chain)]
    assert fitted == [False, False]


@pytest.mark.parametrize(
    "text",
    [
        "blocklist\nCells_A\n*_Manders_*\n",
        "Cells_A\n*_Manders_*",
        "number,blocklist\n1,Cells_A\n2,*_Manders_*\n",
        '\ufeff"blocklist"\r\n"Cells_A"\r\n\r\n"*_Manders_*"\r\n',
    ],
)
def test_a_blocklist_may_be_a_file(tmp_path, text):
    (tmp_path / "blocked.csv").write_text(text)
    steps = [{"feature_select": {"operations": ["blocklist"], "blocklist": "blocked.csv"}}]
    config = complete_config({**SMALL, "chains": {"mine": steps}}, tmp_path / "config.yaml")
    ((_, options),) = config["chains"]["mine"]["steps"]
    assert options["blocklist"] == ["Cells_A", "*_Manders_*"]


def test_a_blocklist_that_is_not_there_is_named(tmp_path):
    steps = [{"feature_select": {"blocklist": "blocked.csv"}}]
    config = {**SMALL, "chains": {"mine": steps}}
    with pytest.raises(
        InputError, match=r"chains.mine.feature_select.blocklist: .*blocked.csv does not exist"
    ):
        complete_config(config, tmp_path / "config.yaml")
    (tmp_path / "blocked.csv").write_text("blocklist\n")
    with pytest.raises(InputError, match="names no feature"):
        complete_config(config, tmp_path / "config.yaml")


def test_what_the_config_may_say_is_what_the_steps_know():
    assert CHOICES["normalize"]["method"] == normalization.METHODS
    assert CHOICES["sphere"]["method"] == whitening.METHODS
    assert tuple(operations.OPERATIONS) == OPERATIONS
    of_selection = {
        name: value for name, value in STEPS["feature_select"].items() if name in operations.DEFAULTS
    }
    assert of_selection == {
        name: value for name, value in operations.DEFAULTS.items() if name != "noise_removal_perturb_groups"
    }


def test_each_step_has_its_sentence_with_the_options_of_the_file():
    assert set(SENTENCES) == set(STEPS)
    for preset in PRESETS:
        for step, options in complete_chain("x", preset)["steps"]:
            found = {"chosen_epsilon": 0.0042665621} if step == "sphere" else {}
            text = str(describe_step({"step": step, **options, **found}))
            assert "None" not in text
            assert not re.search(r"[{}]", re.sub("<[^>]*>", "", text))
            for key, value in options.items():
                if f"{{{key}}}" in SENTENCES[step] and not isinstance(value, dict | list | str):
                    assert f'data-key="{key}" value="{str(value).lower()}"' in text


def get_text(step: str, **options) -> str:
    (pair,) = complete_chain("x", [{step: options}])["steps"]
    return re.sub("<[^>]*>", "", str(describe_step({"step": step, **pair[1]})))


def test_queries_blocklists_floors_and_shrinkage_are_described():
    text = get_text("normalize", reference="Metadata_dose == '0'", floor=0.1)
    assert "relative to the wells with Metadata_dose == &#39;0&#39;; spreads below a fraction of 0.1" in text
    text = get_text("feature_select", operations=["blocklist", "noise_removal"], blocklist=["a", "b"])
    assert (
        "on all wells (noise_removal_stdev_cutoff = 0.8); the blocklist was a custom list of 2 names" in text
    )
    assert "freq_cut" not in text
    assert "corr_threshold = 0.9, corr_method = kendall" in get_text(
        "feature_select", operations=["correlation_threshold"], corr_method="kendall"
    )
    assert "fitted to all wells; the covariance was shrunk" in get_text(
        "sphere", reference="all", epsilon="shrink"
    )
    assert "lacked any of the features" in get_text("drop_missing_wells", share=0)
    assert "lacked more than a fraction of 0.1 of the" in get_text("drop_missing_wells")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_paragraph_of_a_preset_has_the_parameters_of_its_files(preset):
    steps = [
        {"step": step, **options, "chosen_epsilon": 0.004}
        for step, options in complete_chain("x", preset)["steps"]
    ]
    steps[0]["untreated_wells"] = False
    (sentences,) = describe_chains({"last": [{"parameters": {"chain": "x", "steps": steps}}]})
    text = re.sub("<[^>]*>", "", " ".join(map(str, sentences)))
    first = "To obtain the profiles “x”, well-level profiles were processed as follows. "
    assert text.startswith(f"{first}Wells without")
    assert len(sentences) == len(steps) + 2
    assert "with the method mad_robustize (without the factor 1.4826)" in text
    assert (
        "freq_cut = 0.05, unique_cut = 0.01, corr_threshold = 0.9, corr_method = pearson, na_cutoff = 0"
        in text
    )
    assert "(300 clusters, at most 20 iterations)" in text
    assert ("relative to all wells" in text) == (preset != "jump_compound")
    assert ("ε was the best of 25 random draws" in text) == (preset != "jump_compound")
    assert ("zFPKM below -3" in text) == (preset == "jump_crispr")


def test_what_a_step_found_in_several_groups_of_wells_is_a_range():
    def made(*epsilons: float) -> dict:
        found = list(epsilons) if len(epsilons) > 1 else epsilons[0]
        ((_, options),) = complete_chain("x", [{"sphere": {"epsilon": {"draws": 2}}}])["steps"]
        steps = [{"step": "sphere", **options, "chosen_epsilon": found}]
        return {"parameters": {"chain": "x", "steps": steps}}

    for files, expected in [
        ([made(0.5), made(0.5)], "(ZCA-cor, ε = 0.5)"),
        ([made(0.5), made(0.02)], "(ZCA-cor, ε = 0.02–0.5)"),
        ([made(0.5), made(0.02, 4)], "(ZCA-cor, ε = 0.02–4)"),
    ]:
        (sentences,) = describe_chains({"last": files})
        assert expected in re.sub("<[^>]*>", "", " ".join(map(str, sentences)))


def test_a_chain_takes_plates_by_name_and_a_preset_those_of_the_sample_sheet(tmp_path):
    """Ties in ranks depend on the order of the plates; the recipe takes that of its own tables."""
    chains = {
        "own": [{"rank_int": {"over": "experiment"}}],
        "recipe": "profiles_var_mad_int",
        "named": {"preset": "profiles_var_mad_int", "plate_order": "name"},
    }
    plates = [{"plate": name, "images": "i"} for name in ("P3", "P1", "P2")]
    feature_sets = {"feature_sets": list(chains)}
    experiment = build_experiment(plates, tmp_path, chains=chains, benchmark=feature_sets)

    def get_order(chain):
        level = next(name for name, level in experiment.levels.items() if level.chain == chain)
        return [plate["plate"] for plate in experiment.get_plates_of_group(level, "all")]

    assert get_order("own") == get_order("named") == ["P1", "P2", "P3"]
    assert get_order("recipe") == ["P3", "P1", "P2"]
