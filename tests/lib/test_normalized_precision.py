"""Normalized average precision: as copairs computes it, with its limits."""

import numpy as np
import pytest
from copairs.map.normalization import normalize_ap

from lib.normalized_precision import normalize_precision

pytestmark = pytest.mark.unit


def test_it_is_that_of_copairs():
    rng = np.random.default_rng(0)
    positives, negatives = rng.integers(0, 6, 300), rng.integers(0, 40, 300)
    positives[(positives == 0) & (negatives == 0)] = 1
    precision = rng.random(300)
    found = normalize_precision(precision, positives, negatives)
    np.testing.assert_array_equal(found, normalize_ap(precision, positives, negatives))


def test_random_is_zero_and_perfect_is_one_by_hand():
    # one positive and one negative: 1 or 1/2, so 3/4 at random
    numbers = np.array([1, 1, 1]), np.array([1, 1, 1])
    np.testing.assert_allclose(normalize_precision(np.array([0.75, 1.0, 0.5]), *numbers), [0, 1, -1])
    assert len(normalize_precision(np.empty(0), np.empty(0, int), np.empty(0, int))) == 0
