"""Dose-response curves of known parameters, doses as people write them, and curves that must not count."""

import numpy as np
import pytest

from lib.dose_curves import (
    Grid,
    bootstrap_interval,
    find_logarithms,
    fit_curve,
    get_benchmark_dose,
    get_share,
    read_doses,
    read_unit,
)

pytestmark = pytest.mark.unit

DOSES = np.repeat([0, 0.1, 0.3, 1, 3, 10, 30, 100], [16, 4, 4, 4, 4, 4, 4, 4]).astype(float)


def hill(bottom, top, ec50, slope, noise=0.0, seed=0, doses=DOSES):
    rng = np.random.default_rng(seed)
    return bottom + (top - bottom) * get_share(doses, ec50, slope) + noise * rng.normal(size=len(doses))


@pytest.mark.parametrize(
    ("written", "doses", "unit"),
    [
        (["1", "1.0", "0.1", "1e1"], [1, 1, 0.1, 10], ""),
        (["10 uM", "10 µM", "500 nM", "0.01mM"], [10, 10, 0.5, 10], "uM"),
        (["1 mg/L", "2mg/L", "500 ug/mL"], [1, 2, 500], "mg/L"),
        (["3 drops", "4 drops", "5 uM"], [3, 4, np.nan], "drops"),
        (["10 uM", "0.5 UM", "500 nanomolar", "2 µmol/L", "1\u00a0μM"], [10, 0.5, 0.5, 2, 1], "uM"),
        (["1 ug/ml", "500ng/ml", "2 µg/mL"], [1, 0.5, 2], "ug/mL"),
        (["0,5", "1,25", "10"], [0.5, 1.25, 10], ""),
        (["0,125 uM", "2,5 uM", "1e-6 M"], [0.125, 2.5, 1], "uM"),
        (["1,000 uM", "5 uM"], [np.nan, 5], "uM"),  # a thousand, or one
        (["5.", "1.5.2", "1 2", "5 uM"], [5, np.nan, np.nan, 5], "uM"),
        (["high", "", None, "-1", "5"], [np.nan, np.nan, np.nan, np.nan, 5], ""),
        ([], [], ""),
    ],
)
def test_doses_are_read_as_numbers_of_one_unit(written, doses, unit):
    found, found_unit = read_doses(written)
    assert found.tolist() == pytest.approx(doses, nan_ok=True)
    assert found_unit == unit


def test_the_benchmark_dose_by_hand():
    # a change of 9 has changed by 3 at odds 3 / 6: ec50 x 0.5 with slope 1, ec50 x sqrt(0.5) with slope 2
    change, slope = np.array([9.0, -9.0, 9.0, 2.0]), np.array([1.0, 1.0, 2.0, 1.0])
    found = get_benchmark_dose(change, np.full(4, 10.0), slope, 3.0)
    assert found == pytest.approx([5, 5, 10 * np.sqrt(0.5), np.inf])


@pytest.mark.parametrize(("ec50", "slope"), [(0.5, 1), (3, 2), (20, 1.5)])
@pytest.mark.parametrize(("bottom", "top"), [(2, 30), (100, 10)])
def test_a_curve_is_found_again(ec50, slope, bottom, top):
    noise = 0.02 * abs(top - bottom)
    found = fit_curve(DOSES, hill(bottom, top, ec50, slope, noise), "2sd", 1)
    assert found.counts
    assert found.ec50 == pytest.approx(ec50, rel=0.25)
    assert found.slope == pytest.approx(slope, rel=0.3)
    assert found.bottom == pytest.approx(bottom, abs=3 * noise)
    solvent = hill(bottom, top, ec50, slope, noise)[DOSES == 0]
    expected = get_benchmark_dose(
        np.array(top - bottom), np.array(ec50), np.array(slope), 2 * solvent.std(ddof=1)
    )
    assert found.benchmark_dose == pytest.approx(float(expected), rel=0.35)
    assert found.benchmark_dose_low < found.benchmark_dose < found.benchmark_dose_high


def test_the_interval_covers_the_benchmark_dose():
    """Of 40 curves with a known benchmark dose, the 90 % interval holds it in most."""
    responses = [hill(5, 25, 3, 1.5, 1.0, seed) for seed in range(40)]
    truth = float(get_benchmark_dose(np.array(20.0), np.array(3.0), np.array(1.5), 2.0))
    grid = Grid.of_doses(DOSES)
    ends = np.array([bootstrap_interval(grid, response, 2.0, 0) for response in responses])
    inside = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    assert 0.75 <= inside.mean() <= 1


def test_noise_rarely_has_a_benchmark_dose():
    rng = np.random.default_rng(2)
    found = [fit_curve(DOSES, rng.normal(size=len(DOSES)), "2sd", 0).counts for _ in range(100)]
    assert np.mean(found) <= 0.05


@pytest.mark.parametrize(
    ("doses", "responses", "message"),
    [
        ([0, 0, 0, 1, 1, 2], [1, 2, 1, 5, 5, 9], "2 doses"),
        ([0, 1, 2, 3], [1, 2, 3, 4], "1 solvent wells"),
        ([0, 0, 0, 1, 2, 3], [1, 1, 1, 2, 3, 4], "do not vary"),
    ],
)
def test_too_little_to_fit_is_reported(doses, responses, message):
    found = fit_curve(np.array(doses, float), np.array(responses, float), "2sd", 0)
    assert message in found.message
    assert not found.counts
    assert np.isnan(found.benchmark_dose)


def test_a_curve_with_wild_replicates_does_not_count():
    responses = hill(1, 30, 3, 2, 0.2)
    responses[DOSES > 0] += 12 * np.tile([1, -1], (DOSES > 0).sum() // 2)
    found = fit_curve(DOSES, responses, "2sd", 0)
    assert not found.counts
    assert "spread" in found.message or "no effect" in found.message


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("dose_uM", "uM"),
        ("Dose (\u00b5M)", "uM"),
        ("concentration nM", "nM"),
        ("mmoles_per_liter", ""),
        ("dose", ""),
        ("nM", ""),
    ],
)
def test_a_unit_may_be_in_the_name_of_the_column(column, unit):
    assert read_unit(column) == unit


def test_logarithms_are_found_and_a_sign_for_missing_is_none():
    assert find_logarithms(["-1", "0", "-0,5", "1", None]) == ["-1", "-0,5"]
    assert find_logarithms(["-666", "-666", "0", "10"]) == []
    assert find_logarithms(["-0.52", "0", "0.48", "1"]) == ["-0.52"]
    assert np.isnan(read_doses(["1e400"])[0][0])
