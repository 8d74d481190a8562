"""The options of a chain's steps: which values are valid, and how they are read."""

import pytest

from cases.case import case
from lib.chain_options import NUMBERS, STEPS
from lib.chains import complete_chain
from lib.errors import InputError

pytestmark = pytest.mark.unit


def complete(step: str, **options) -> dict:
    ((_, completed),) = complete_chain("mine", [{step: options}])["steps"]
    return completed


def test_every_number_and_switch_of_every_step_is_checked():
    for step, options in STEPS.items():
        for key, default in options.items():
            if isinstance(default, bool | int | float) or key == "floor":
                with pytest.raises(InputError, match=rf"chains.mine.{step}.{key}: `many` is not"):
                    complete(step, **{key: "many"})
    assert all(set(numbers) <= set(STEPS[step]) for step, numbers in NUMBERS.items())


@pytest.mark.parametrize(
    ("step", "options", "message"),
    [
        ("drop_missing_wells", {"share": 10}, "share: `10` is not a number from 0 to 1."),
        ("drop_missing_wells", {"most": 1.5}, "most: `1.5` is not a whole number of at least 0."),
        ("normalize", {"epsilon": -1}, "epsilon: `-1` is not a number of at least 0."),
        ("normalize", {"floor": -0.1}, "floor: `-0.1` is not a number of at least 0 or null."),
        ("normalize", {"scaled": "no"}, "scaled: `no` is not true or false."),
        ("normalize", {"minimum_wells": True}, "minimum_wells: `True` is not a whole number of at least 1."),
        ("drop_outliers", {"quantile": 99}, "quantile: `99` is not a number from 0 to 1."),
        ("feature_select", {"corr_threshold": 90}, "corr_threshold: `90` is not a number from 0 to 1."),
        ("feature_select", {"operations": "blocklist"}, "operations: write a list, as in [blocklist]."),
        (
            "feature_select",
            {"blocklist": 5},
            "blocklist: `5` is not a list of names or patterns, nor a file.",
        ),
        ("pca", {"variance": 1}, "variance: `1` is not a number between 0 and 1."),
        ("pca", {"variance": 98}, "variance: `98` is not a number between 0 and 1."),
        ("harmony", {"clusters": 0}, "clusters: `0` is not a whole number of at least 1."),
        ("tvn", {"ridge": float("inf")}, "ridge: `inf` is not a number of at least 0."),
        ("combat", {"batch": ["Batch", "Plate"]}, "is not the name of a column of the wells."),
        ("arm_correction", {"threshold": "many"}, "threshold: `many` is not a number."),
        ("arm_correction", {"arm": None}, "arm: `None` is not the name of a column of the wells."),
        ("sphere", {"epsilon": {"draws": True}}, "epsilon: `{'draws': True}` is not a number above 0"),
        ("sphere", {"epsilon": float("nan")}, "epsilon: `nan` is not a number above 0"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_the_valid_ones(step, options, message):
    with pytest.raises(InputError) as error:
        complete(step, **options)
    assert message in str(error.value)


@case(
    "plan",
    kind="an option of a chain's step that is text, a percentage instead of a fraction, or out of bounds",
    comes_from="own trial: corr_threshold: 90 dropped nothing, and pca: {variance: 1} kept one component",
    says="chains.mine.feature_select.corr_threshold: `90` is not a number from 0 to 1. "
    "chains.mine.pca.variance: `1` is not a number between 0 and 1. "
    "chains.mine.normalize.scaled: `no` is not true or false.",
    happens="nothing runs; numbers that YAML reads as text (1e-6) are numbers",
)
def test_options_of_steps_that_cannot_be():
    messages = []
    for step, options in [
        ("feature_select", {"corr_threshold": 90}),
        ("pca", {"variance": 1}),
        ("normalize", {"scaled": "no"}),
    ]:
        with pytest.raises(InputError) as error:
            complete(step, **options)
        messages.append(str(error.value))
    return " ".join(messages)


def test_numbers_that_yaml_reads_as_text_are_numbers():
    assert complete("sphere", epsilon="1e-6")["epsilon"] == 1e-6
    assert complete("normalize", epsilon="1e-18", scaled="False")["epsilon"] == 1e-18
    assert complete("normalize", scaled="False")["scaled"] is False
    assert complete("rank_int", seed="7") == {"over": "experiment", "seed": 7, "keep_flat": False}
    assert complete("arm_correction", threshold="-3", arm="locus") == {
        "over": "experiment",
        "arm": "Metadata_locus",
        "expression": "Metadata_zfpkm",
        "fewest_genes": 20,
        "threshold": -3,
    }
