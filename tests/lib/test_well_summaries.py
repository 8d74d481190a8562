"""Summaries of a well's cells: hand-computed, and against scipy and numpy."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation, trim_mean, wasserstein_distance

from lib.well_summaries import Controls, is_summary, sort_values, summarize_block

pytestmark = pytest.mark.unit


def summarize(values, operation, row=None, is_control=None, trim=0.1):
    """Summarize a list of features (a list of values each) over one well, or those of `row`."""
    values = np.array(values, dtype=float)
    block = pa.table({f"F{at}": column for at, column in enumerate(values)})
    row = np.zeros(values.shape[1], dtype=int) if row is None else np.array(row)
    return summarize_block(block, row, operation, trim, None if is_control is None else np.array(is_control))


def signed_distance(cells, controls):
    cells, controls = np.array(cells, dtype=float)[:, None], np.array(controls, dtype=float)[:, None]
    return Controls.of_cells(controls).get_distance(*sort_values(cells))[0]


def test_names():
    names = ["mean", "median", "trimmed_mean", "mad", "emd", "quantile_5", "quantile_90"]
    assert all(map(is_summary, names))
    assert not any(map(is_summary, ["max", "quantile", "quantile_100", "quantile_0.5", ""]))


def test_hand_computed():
    values = [[3, 1, 2, 100, np.nan], [1, 1, 2, 5, 6]]
    np.testing.assert_allclose(summarize(values, "trimmed_mean", trim=0.25), [[2.5, 8 / 3]])
    np.testing.assert_allclose(summarize(values, "mad"), [[1, 1]])
    np.testing.assert_allclose(summarize(values, "quantile_50"), [[2.5, 2]])
    np.testing.assert_allclose(summarize(values, "quantile_25"), [[1.75, 1]])


def test_as_scipy_and_numpy_with_missing_values_and_several_wells():
    generator = np.random.default_rng(0)
    values = generator.lognormal(size=(4, 90))
    values[generator.random(values.shape) < 0.2] = np.nan
    row = generator.permutation(np.repeat([1, 4, 7], 30))
    for at, well in enumerate((1, 4, 7)):
        for feature in range(4):
            cells = values[feature, row == well]
            cells = cells[~np.isnan(cells)]
            expected = {
                "trimmed_mean": trim_mean(cells, 0.1),
                "mad": median_abs_deviation(cells),
                "quantile_10": np.quantile(cells, 0.1),
                "quantile_99": np.quantile(cells, 0.99),
                "quantile_0": cells.min(),
            }
            for operation, value in expected.items():
                found = summarize(values, operation, row)
                np.testing.assert_allclose(found[at, feature], value, rtol=1e-12, err_msg=operation)


def test_distance_by_hand():
    assert signed_distance([1, 2, 3], [1, 2, 3]) == 0
    assert signed_distance([3], [1]) == 2
    assert signed_distance([1], [3]) == -2
    # Half of the controls move by 1, half by 3.
    assert signed_distance([2, 6], [1, 3]) == pytest.approx(2)
    # The spread differs, the medians do not: SPACe's sign is 0.
    assert signed_distance([-1, 1], [0]) == 0


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40),
)
def test_distance_is_scipys_with_the_sign_of_the_medians(cells, controls):
    expected = wasserstein_distance(cells, controls) * np.sign(np.median(cells) - np.median(controls))
    scale = max(map(abs, [*cells, *controls]))
    assert signed_distance(cells, controls) == pytest.approx(expected, rel=1e-9, abs=1e-12 * (1 + scale))


def test_distance_with_missing_values_ties_and_a_large_offset():
    generator = np.random.default_rng(2)
    controls = 1e6 + generator.integers(0, 5, 500).astype(float)
    cells = 1e6 + generator.integers(1, 7, 40).astype(float)
    cells[:3], controls[:7] = np.nan, np.inf
    expected = wasserstein_distance(cells[3:], controls[7:])
    assert signed_distance(cells, controls) == pytest.approx(expected, rel=1e-9)


def test_distance_without_values_is_missing():
    assert np.isnan(signed_distance([np.nan], [1, 2]))
    assert np.isnan(signed_distance([1], [np.nan]))
    found = summarize([[1, 2, 3]], "emd", [0, 0, 1], [False, False, False])
    assert np.isnan(found).all()
