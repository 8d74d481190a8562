"""Spreads that are rounding, and features that explode, by hand."""

import numpy as np
import pytest

from lib.spread import (
    describe_exploding,
    find_exploding,
    find_lone,
    get_robust_spread,
    get_rounding,
    mask_lone_values,
)

pytestmark = pytest.mark.unit
RNG = np.random.default_rng(3)


def mad(values: np.ndarray) -> np.ndarray:
    return np.median(np.abs(values - np.median(values, axis=0)), axis=0)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 250.0])
def test_single_precision_noise_is_rounding(scale):
    noise = scale * (1 + RNG.integers(-2, 3, (24, 1)) * 2.0**-24)
    assert mad(noise) > 0
    assert mad(noise) <= get_rounding(noise)


def test_means_over_cells_of_single_precision_noise_are_rounding():
    cells = np.where(RNG.random((24, 50, 1)) < 0.5, 1.0, 0.99999994)
    assert 0 < mad(cells.mean(axis=1)) <= get_rounding(cells.mean(axis=1))


@pytest.mark.parametrize("spread", [1e-5, 1e-3, 1.0])
def test_a_real_spread_is_none(spread):
    values = 1 + spread * RNG.normal(size=(24, 1))
    assert mad(values) > get_rounding(values)


def test_half_a_unit_of_the_last_decimal():
    values = np.array([[0.71], [0.72], [0.71], [0.72]])
    assert get_rounding(values) == pytest.approx(0.005, rel=0.01)
    assert mad(values) <= get_rounding(values)
    more = np.array([[0.71], [0.73], [0.75], [0.78]])
    assert mad(more) > get_rounding(more)


def test_counts_are_not_rounded():
    counts = np.array([[4.0], [5.0], [4.0], [5.0], [6.0], [5.0]])
    assert get_rounding(counts) < 1e-4


def test_half_precision():
    values = np.array([[0.1], [0.2], [0.3], [0.1]]).astype(np.float16).astype(float)
    assert get_rounding(values) == pytest.approx(float(np.spacing(np.float16(0.15))) / 2, rel=0.01)


def test_missing_values_and_features_without_any():
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [1.0 + 2.0**-24, np.nan]])
    bound = get_rounding(values)
    assert bound[0] == pytest.approx(8 * 2.0**-23, rel=1e-3)
    assert bound[1] == 0


def test_one_strange_well_does_not_take_the_feature():
    values = np.zeros((100, 3))
    values[0, 0] = 1e6
    values[:2, 1] = -2000, 1500
    assert find_exploding(values, 1000).tolist() == [False, True, False]
    assert find_exploding(np.vstack([values] * 2 + [np.zeros((100, 3))]), 1000).tolist() == [
        False,
        True,
        False,
    ]
    assert not find_exploding(values, None).any()
    found = describe_exploding(["A", "B", "C"], values, 1000)
    assert found == {"B": "exploded: beyond 1,000 in 2 of 100 wells, to -2,000"}


def test_a_lone_value_is_beyond_the_limit_and_ten_times_all_within():
    values = np.zeros((300, 4))
    values[:, 1:] = np.linspace(-90, 90, 300)[:, None]
    values[7, 0] = 1001  # alone
    values[7, 1] = 1001  # 11 times the largest
    values[7, 2] = -899  # within the limit
    values[:4, 3] = 5000  # a feature that explodes
    assert np.argwhere(find_lone(values, 1000)).tolist() == [[7, 0], [7, 1]]
    values[9, 1] = -400  # now 1001 is graded
    assert np.argwhere(find_lone(values, 1000)).tolist() == [[7, 0]]
    assert not find_lone(values, None).any()
    assert find_lone(np.empty((0, 4)), 1000).shape == (0, 4)


def test_lone_values_stand_apart_together():
    """The second value need not be beyond the limit, nor ten times smaller than the first."""
    values = np.linspace(-3, 3, 384)[:, None] * np.ones(4)
    values[[5, 9], 0] = [9_900, -999]
    values[[5, 9], 1] = [999, -999]  # nothing beyond the limit
    values[[5, 9, 12, 20, 21], 2] = [9_900, 999, 120, 50, 15]  # graded
    values[[5, 9], 3] = [1_001, 99]  # the second is no more than a tenth of the limit
    assert np.argwhere(find_lone(values, 1000)).tolist() == [[5, 0], [5, 3], [9, 0]]
    assert not find_lone(values[:, 2:3], 1000).any()


def test_three_of_many_wells_may_each_be_lone():
    values = np.zeros((384, 2))
    values[[1, 5, 9], 0] = [2e3, -9e5, 4e3]
    assert find_lone(values, 1000).sum() == 3
    values[11, 0] = 2e3  # 4 of 384 wells: the feature explodes
    assert not find_lone(values, 1000).any()


def test_a_single_well_has_no_lone_value():
    assert not find_lone(np.array([[5000.0, 1.0]]), 1000).any()
    assert find_lone(np.array([[5000.0], [1.0]]), 1000).tolist() == [[True], [False]]


def test_lone_values_become_missing_in_counted_wells_only():
    values = np.zeros((10, 2))
    values[[2, 4], [0, 1]] = [5e4, -6e4]
    values[6, 1] = np.nan
    counted = np.arange(10) != 4
    found, lone = mask_lone_values(values, [f"A{n:02d}" for n in range(10)], ["X", "Y"], 1000, counted)
    assert lone == {"A02 X": "50,000"}
    assert np.isnan(found).sum() == 2
    assert found[4, 1] == -6e4


def test_robust_spread_by_hand():
    # the deviations from the median 3 are 2, 1, 0, 1, 7: their median is 1
    assert get_robust_spread(np.array([1.0, 2, 3, np.nan, 4, 10])) == pytest.approx(1.4826)
    assert get_robust_spread(np.array([5.0, 5, 5])) == 0
    assert np.isnan(get_robust_spread(np.array([np.nan])))
