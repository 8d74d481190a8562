"""Nulls by hand: how they are drawn, and the p-values, q-values and scores that they give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from lib.nulls import Null, compute_p_values, compute_q_values, draw_different, score

pytestmark = pytest.mark.unit


@given(size=st.integers(2, 6), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_draw_never_repeats_a_perturbation(size, seed):
    codes = np.repeat(np.arange(6), [1, 1, 2, 5, 9, 1])
    sets = draw_different(np.arange(len(codes)), codes, size, 300, np.random.default_rng(seed))
    assert sets.shape == (300, size)
    assert all(len(set(codes[row])) == size for row in sets)


def test_a_draw_of_more_wells_than_perturbations_is_refused():
    codes = np.array([0, 0, 1])
    assert draw_different(np.arange(3), codes, 3, 10, np.random.default_rng(0)) is None


def test_every_well_is_drawn_as_often():
    codes = np.repeat(np.arange(10), 4)
    sets = draw_different(np.arange(40), codes, 4, 20_000, np.random.default_rng(3))
    times = np.bincount(sets.ravel(), minlength=40)
    assert abs(times / 2000 - 1).max() < 0.1


def test_repeats_of_a_null_scatter_like_nulls_that_are_drawn_again():
    rng = np.random.default_rng(0)
    again = [np.percentile(rng.normal(size=2000), [5, 95]) for _ in range(400)]
    spreads = [
        np.std(Null(rng.normal(size=2000)).percentiles([5, 95], 200, rng)[1:], axis=0) for _ in range(30)
    ]
    np.testing.assert_allclose(np.mean(spreads, axis=0), np.std(again, axis=0), rtol=0.15)
    one = Null(np.arange(100.0), drawn=False).percentiles([50], 3, rng)
    assert one.tolist() == [[49.5]] * 4


def test_p_values_by_hand():
    nulls = {4: Null(np.array([0.1, 0.2, 0.3, 0.4])), 2: None}
    signal = np.array([0.25, 0.4, 0.5, np.nan, 0.9])
    keys = [4, 4, 4, 4, 2]
    np.testing.assert_allclose(compute_p_values(signal, keys, nulls, "right")[:3], [3 / 5, 2 / 5, 1 / 5])
    np.testing.assert_allclose(compute_p_values(signal, keys, nulls, "left")[:3], [3 / 5, 5 / 5, 5 / 5])
    np.testing.assert_allclose(compute_p_values(signal, keys, nulls, "both")[:3], [1, 4 / 5, 2 / 5])
    assert np.isnan(compute_p_values(signal, keys, nulls, "right")[3:]).all()


def test_a_null_of_few_values_is_calibrated():
    # of 20 values the next one is the largest with a chance of 1/21, near 5 %
    values = np.arange(20.0)
    null = Null(np.random.default_rng(0).choice(values, 10_000), 20)
    found = score(np.array([18.5, 19.5]), [4, 4], {4: null}, 95, "right")
    assert found.counts.tolist() == [False, True]
    assert compute_p_values(np.array([19.5]), [4], {4: null}, "right")[0] == pytest.approx(1 / 21)


def test_q_values_by_hand():
    # Benjamini-Hochberg of (0.01, 0.04, 0.03): 0.03, 0.04, 0.04
    np.testing.assert_allclose(
        compute_q_values(np.array([0.01, np.nan, 0.04, 0.03])), [0.03, np.nan, 0.04, 0.04]
    )
    # for any dependence: times 1 + 1/2 + 1/3
    np.testing.assert_allclose(
        compute_q_values(np.array([0.01, np.nan, 0.04, 0.03]), "by"),
        np.array([0.03, np.nan, 0.04, 0.04]) * 11 / 6,
    )


@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.05])), max_size=40), st.integers(0, 3))
def test_q_values_are_those_of_scipy(p, missing):
    q = compute_q_values(np.array(p + [np.nan] * missing))
    np.testing.assert_array_equal(q[: len(p)], false_discovery_control(p) if p else [])
    assert np.isnan(q[len(p) :]).all()


def test_a_score_is_strictly_above_and_keeps_missing_signals_in_the_denominator():
    null = Null(np.full(100, 0.5))
    found = score(np.array([0.5, 0.6, np.nan, 0.7]), [4] * 4, {4: null}, 95, "right")
    assert found.percent == 50
    assert (found.low, found.high) == (50, 50)


def test_no_p_value_is_smaller_than_the_pairs_of_wells_allow():
    nulls = {2: Null(np.zeros(10_000), pairs=99)}
    assert compute_p_values(np.array([1.0]), [2], nulls, "right").tolist() == [1 / 100]
