"""Where results are."""

import string

import pytest

from lib.places import PLACES, place

pytestmark = pytest.mark.unit


def test_wildcards_that_are_not_given_stay():
    assert place("split", split="random") == "benchmark/splits/random.csv"
    assert place("score", metric="percent_replicating", name="U2OS") == (
        "benchmark/percent_replicating/{feature_set}/U2OS_score.csv"
    )


def test_no_two_results_share_a_place():
    assert len(set(PLACES.values())) == len(PLACES)


def test_every_pattern_can_be_filled_in():
    for result, pattern in PLACES.items():
        names = {name for _, name, _, _ in string.Formatter().parse(pattern) if name}
        filled = place(result, **dict.fromkeys(names, "x"))
        assert not set(filled) & set("{}"), result
        assert not filled.startswith("/"), result
