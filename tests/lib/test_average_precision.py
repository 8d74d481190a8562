"""Average precision from counts: by hand, against a ranking of everything, with ties, at every block size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import average_precision
from lib.average_precision import (
    TIE,
    Candidates,
    compute_precision_from_counts,
    count_above,
    scale_rows_to_unit,
)

pytestmark = pytest.mark.unit


def test_precision_by_hand():
    # negatives above the positives 0 and 1: ranks 1 and 3, so (1/1 + 2/3) / 2; the order of positives is free
    np.testing.assert_allclose(
        compute_precision_from_counts(np.array([[0, 1], [1, 0], [2, 2]])), [5 / 6, 5 / 6, 5 / 12]
    )


@settings(max_examples=30, deadline=None)
@given(
    queries=st.integers(1, 9),
    candidates=st.integers(1, 40),
    features=st.integers(2, 60),
    thresholds=st.integers(1, 40),
    block=st.sampled_from([1, 50, 8_000_000]),
    seed=st.integers(0, 10_000),
)
def test_counts_are_those_of_double_precision(queries, candidates, features, thresholds, block, seed):
    rng = np.random.default_rng(seed)
    q, c = rng.normal(size=(queries, features)), rng.normal(size=(candidates, features)).astype(np.float32)
    similarity = scale_rows_to_unit(q) @ scale_rows_to_unit(c).T
    # thresholds in the gaps between similarities, hardly above and below them
    near = similarity[:, rng.integers(candidates, size=thresholds)]
    limits = near + rng.choice([-1e-9, 1e-9], near.shape)
    expected = (similarity[:, None, :] > limits[:, :, None]).sum(axis=2)
    whole, average_precision.BLOCK = average_precision.BLOCK, block
    try:
        assert (count_above(q, c, limits) == expected).all()
    finally:
        average_precision.BLOCK = whole


@pytest.mark.parametrize("thresholds", [1, 50])
def test_a_tie_is_not_above(thresholds):
    rng = np.random.default_rng(0)
    one = rng.normal(size=(1, 300))
    candidates = np.vstack([one * 3, one, -one, rng.normal(size=(20, 300))])
    # the query's own copy, and a positive that is as similar: rounding does not put the copies above it
    assert (count_above(one, candidates, np.ones((1, thresholds))) == 0).all()
    assert (count_above(one, candidates, np.full((1, thresholds), 0.9)) == 2).all()


def test_without_candidates_nothing_is_above():
    assert count_above(np.ones((2, 3)), np.empty((0, 3)), np.zeros((2, 4))).tolist() == [[0] * 4] * 2


@pytest.mark.parametrize("precision", [np.float32, float])
def test_the_compiled_loop_counts_the_same(monkeypatch, precision):
    rng = np.random.default_rng(3)
    queries = rng.normal(size=(60, 40)).astype(precision)
    candidates = rng.normal(size=(5000, 40)).astype(precision)
    # some thresholds are similarities of candidates, which rounding must not put above themselves
    exact = scale_rows_to_unit(queries) @ scale_rows_to_unit(candidates[:2]).T
    limits = np.hstack([exact, rng.uniform(-0.4, 0.4, (60, 2)), np.full((60, 1), 2.0)])
    plain = count_above(queries, candidates, limits)
    monkeypatch.setattr(average_precision, "MANY", 0)
    assert np.array_equal(count_above(queries, candidates, limits), plain)
    in_full = scale_rows_to_unit(queries) @ scale_rows_to_unit(candidates).T
    expected = (in_full[:, None, :] > limits[:, :, None] + TIE).sum(axis=2)
    assert np.array_equal(plain, expected)


@pytest.mark.parametrize("compiled", [True, False])
def test_threads_and_prepared_candidates_count_the_same(monkeypatch, compiled):
    rng = np.random.default_rng(4)
    queries, candidates = rng.normal(size=(70, 30)), rng.normal(size=(900, 30)).astype(np.float32)
    limits = rng.uniform(-0.4, 0.4, (70, 3))
    expected = count_above(queries, candidates, limits)
    monkeypatch.setattr(average_precision, "QUERIES", 16)
    monkeypatch.setattr(average_precision, "CANDIDATES", 100)
    monkeypatch.setattr(average_precision, "MANY", 0 if compiled else 10**12)
    prepared = Candidates.of(candidates)
    for threads in (1, 3):
        assert np.array_equal(count_above(queries, prepared, limits, threads), expected)
