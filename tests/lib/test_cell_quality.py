"""Which cells are outliers: hand-computed, against scipy, and the cells that coSMicQC itself flags."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import median_abs_deviation, zscore

from cosmicqc_flags import get_seeded_cells
from lib.cell_quality import get_z, is_beyond
from lib.cell_rules import COSMICQC

pytestmark = pytest.mark.unit

# What tests/support/cosmicqc_flags.py prints with coSMicQC 1.1.2: of its seeded cells, and of ExampleHuman's.
FLAGGED = {
    "small_and_low_formfactor_nuclei": [3, 7, 29, 53, 80, 101, 158, 165, 232, 233, 249, 275, 277, 297],
    "elongated_nuclei": [82, 184, 228, 248, 275, 293],
    "large_nuclei": [2, 4, 21, 43, 48, 56, 64, 161, 209, 242, 258],
}
FLAGGED_OF_EXAMPLE = {
    "small_and_low_formfactor_nuclei": [137, 231, 287],
    "elongated_nuclei": [92, 170, 266],
    "large_nuclei": [10, 52, 87, 170, 215, 281],
}


def flagged_by(name, cells):
    met = [
        is_beyond(get_z(cells[feature].to_numpy(float)), limit) for feature, limit in COSMICQC[name].items()
    ]
    return np.flatnonzero(np.all(met, axis=0)).tolist()


@pytest.mark.parametrize("name", COSMICQC)
def test_the_sets_flag_the_cells_that_cosmicqc_flags(name):
    assert flagged_by(name, get_seeded_cells()) == FLAGGED[name]


@pytest.mark.data
@pytest.mark.parametrize("name", COSMICQC)
def test_the_sets_flag_the_nuclei_that_cosmicqc_flags(name, shared):
    nuclei = pd.read_csv(shared / "examplehuman" / "Nuclei.csv").add_prefix("Nuclei_")
    assert flagged_by(name, nuclei) == FLAGGED_OF_EXAMPLE[name]


def test_plain_z_is_scipys_and_robust_z_uses_median_and_mad():
    values = np.random.default_rng(0).lognormal(size=101)
    np.testing.assert_allclose(get_z(values), zscore(values), rtol=1e-12)
    expected = (values - np.median(values)) / (1.4826 * median_abs_deviation(values))
    np.testing.assert_allclose(get_z(values, "robust"), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["plain", "robust"])
def test_z_over_each_well_is_z_of_that_well_alone(kind):
    generator = np.random.default_rng(1)
    values, wells = generator.normal(size=60), generator.integers(0, 3, 60)
    found = get_z(values, kind, wells)
    for well in range(3):
        np.testing.assert_allclose(found[wells == well], get_z(values[wells == well], kind), rtol=1e-12)


def test_missing_values_and_no_spread_flag_nothing():
    np.testing.assert_allclose(get_z(np.array([1, np.nan, 3, np.inf])), [-1, np.nan, 1, np.nan])
    for values in ([], [5.0], [0.1] * 7, [np.nan, np.nan]):
        z = get_z(np.array(values, dtype=float))
        assert np.isnan(z).all()
        assert not is_beyond(z, -1).any()
        assert not is_beyond(z, 1).any()


def test_the_sign_gives_the_direction_and_the_threshold_itself_is_not_beyond():
    z = np.array([-3, -2, 0, 2, 3, np.nan])
    assert is_beyond(z, -2).tolist() == [True, False, False, False, False, False]
    assert is_beyond(z, 2).tolist() == [False, False, False, False, True, False]
