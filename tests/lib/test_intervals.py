"""Intervals over perturbations: against scipy, by hand, and how often they hold the truth."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from lib.intervals import compute_mean_interval, compute_proportion_interval, get_interval_columns

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("hits", "number"), [(4, 10), (0, 10), (10, 10), (1, 1), (240, 306)])
def test_without_clusters_it_is_wilsons(hits, number):
    expected = binomtest(hits, number).proportion_ci(method="wilson")
    counts = np.arange(number) < hits
    low, high = compute_proportion_interval(counts)
    assert low == pytest.approx(100 * expected.low, abs=1e-9)
    assert high == pytest.approx(100 * expected.high, abs=1e-9)
    assert compute_proportion_interval(counts, pd.Series(np.arange(number))) == pytest.approx((low, high))


def test_ten_clusters_of_equal_pairs_are_ten_counts():
    # every pair of a gene alike: 40 pairs say what 10 say (but for 9 and 39 degrees of freedom)
    counts = np.repeat(np.arange(10) < 4, 4)
    clusters = pd.Series(np.repeat(np.arange(10), 4))
    # variance 10/9 x 10 x 4^2 x 0.24 / 40^2 = 0.24/9, of 40 independent ones 0.24/39: effect 39/9
    expected = binomtest(4, 10).proportion_ci(method="wilson")
    low, high = compute_proportion_interval(counts, clusters)
    assert low == pytest.approx(100 * expected.low, abs=1.5)
    assert high == pytest.approx(100 * expected.high, abs=1.5)
    none = binomtest(0, 10).proportion_ci(method="wilson")
    assert compute_proportion_interval(counts & False, clusters) == pytest.approx(
        (0, 100 * none.high), abs=1e-9
    )


def test_it_holds_the_truth_in_95_of_100():
    rng = np.random.default_rng(2)
    genes = pd.Series(np.repeat(np.arange(60), 3))
    held = []
    for _ in range(400):
        # pairs of a gene share half of what decides whether they match
        shared, own = rng.normal(size=60).repeat(3), rng.normal(size=180)
        low, high = compute_proportion_interval((shared + own) / np.sqrt(2) > 0.5244, genes)
        held.append(low <= 30 <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)


def test_the_bootstrap_of_a_mean():
    values = np.random.default_rng(0).normal(0.4, 0.2, 300)
    low, high = compute_mean_interval(values, seed=1)
    error = 1.96 * values.std() / np.sqrt(300)
    assert low == pytest.approx(values.mean() - error, abs=0.003)
    assert high == pytest.approx(values.mean() + error, abs=0.003)
    assert compute_mean_interval(values, seed=1) == (low, high)


def test_nothing_has_no_interval():
    assert np.isnan(compute_proportion_interval(np.array([], dtype=bool))).all()
    assert np.isnan(compute_mean_interval(np.array([]), seed=0)).all()
    for equal in ([0.6], [0.6, 0.6 + 1e-16, 0.6], [0.0, 0.0]):
        assert np.isnan(compute_mean_interval(np.array(equal), seed=0)).all()
    assert get_interval_columns("score", (1.0, 2.0)) == {
        "score_sampling_low": 1.0,
        "score_sampling_high": 2.0,
    }
