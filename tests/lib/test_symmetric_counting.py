"""Counting among profiles that rank each other: equal to counting for each of them alone."""

import numpy as np
import pytest

from lib import symmetric_counting
from lib.average_precision import Candidates, count_above, scale_rows_to_unit
from lib.query_ranking import NEVER
from lib.symmetric_counting import count_above_within

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("precision", [np.float32, float])
@pytest.mark.parametrize("number", [1, 16, 700])
def test_counts_are_those_of_each_profile_alone(monkeypatch, precision, number):
    monkeypatch.setattr(symmetric_counting, "QUERIES", 16)
    rng = np.random.default_rng(number)
    profiles = rng.normal(size=(number, 12)).astype(precision)
    profiles[number // 2 :] = profiles[: number - number // 2]  # duplicates: their similarities are ties
    unit = scale_rows_to_unit(profiles)
    similarity = unit @ unit.T
    # thresholds that are similarities, so that equal ones must not count
    limits = np.take_along_axis(similarity, rng.integers(number, size=(number, 3)), axis=1)
    limits[rng.random(limits.shape) < 0.2] = NEVER
    expected = count_above(profiles, profiles, limits)
    for threads in (1, 3):
        assert np.array_equal(count_above_within(Candidates.of(profiles), limits, threads), expected)
