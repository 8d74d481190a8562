"""Normalization: pycytominer's methods, over plates and batches, with and without the constant."""

import numpy as np
import pandas as pd
import pytest
from pycytominer import normalize as pycytominer_normalize

from lib.errors import InputError
from lib.steps.normalization import METHODS, normalize
from lib.tables import get_features
from simulated_profiles import plates

pytestmark = pytest.mark.unit


def wells() -> pd.DataFrame:
    return pd.concat(plates(30, 2, controls=20, features=12).values(), ignore_index=True)


def negative(profiles: pd.DataFrame) -> np.ndarray:
    return (profiles["Metadata_control_type"] == "negcon").to_numpy()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reference", ["negcon", "all"])
def test_each_plate_is_normalized_as_by_pycytominer(method, reference):
    profiles = wells()
    chosen = negative(profiles) if reference == "negcon" else np.ones(len(profiles), dtype=bool)
    mine, dropped = normalize(profiles, chosen, method=method)
    assert dropped == {}
    for _, plate in profiles.groupby("Metadata_Plate"):
        theirs = pycytominer_normalize(
            plate,
            features=get_features(plate),
            meta_features=[name for name in plate if name.startswith("Metadata_")],
            samples="Metadata_control_type == 'negcon'" if reference == "negcon" else "all",
            method=method,
        )
        np.testing.assert_allclose(
            mine.loc[plate.index, get_features(plate)],
            theirs[get_features(plate)],
            rtol=1e-9,
            atol=1e-9,
        )


def test_over_all_plates_and_without_the_constant_by_hand():
    profiles = pd.DataFrame(
        {"Metadata_Plate": ["a", "a", "b", "b"], "Metadata_Batch": "B", "Cells_X": [1.0, 2.0, 4.0, 8.0]}
    )
    out, _ = normalize(profiles, np.ones(4, dtype=bool), "Metadata_Batch", scaled=False, epsilon=0)
    # median 3, absolute deviations 2, 1, 1, 5: MAD 1.5
    assert out["Cells_X"].tolist() == pytest.approx([-4 / 3, -2 / 3, 2 / 3, 10 / 3])


@pytest.mark.parametrize("method", METHODS)
def test_a_feature_without_spread_on_one_plate_is_dropped(method):
    profiles = wells().assign(Cells_Flat=0.3, Cells_Gone=np.nan)
    profiles.loc[profiles["Metadata_Plate"] == "Pplate1", "Cells_Flat"] = np.arange(50.0)
    _, dropped = normalize(profiles, negative(profiles), method=method)
    assert sorted(dropped) == ["Cells_Flat", "Cells_Gone"]


def test_inverse_normal_keeps_gaps():
    profiles = wells()
    profiles.loc[3, "Cells_F0"] = np.nan
    out, dropped = normalize(profiles, negative(profiles), method="inverse_normal")
    assert dropped == {}
    assert np.isnan(out.loc[3, "Cells_F0"])
    assert out["Cells_F0"].notna().sum() == len(profiles) - 1


def test_a_floor_under_tiny_spreads():
    profiles = wells()
    profiles["Cells_F0"] *= 1e-3
    plain, _ = normalize(profiles, negative(profiles))
    floored, _ = normalize(profiles, negative(profiles), floor=0.1)
    assert np.abs(floored["Cells_F0"]).max() < 0.02 * np.abs(plain["Cells_F0"]).max()
    pd.testing.assert_series_equal(floored["Cells_F1"], plain["Cells_F1"])


def test_too_few_reference_wells_and_a_wrong_method_are_answered():
    profiles = wells()
    with pytest.raises(InputError, match="Pplate0 has 0 reference wells and needs 3"):
        normalize(profiles, np.zeros(len(profiles), dtype=bool))
    with pytest.raises(
        InputError, match="`z` is not one of mad_robustize, robustize, standardize, inverse_normal"
    ):
        normalize(profiles, negative(profiles), method="z")


def test_single_precision_is_computed_in_single_precision():
    """The values are those of the recipe's files, to the last bit: another rounding would change ranks."""
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(40, 6)) * 1000).astype(np.float32)
    profiles = pd.DataFrame(values, columns=[f"Cells_F{number}" for number in range(6)])
    profiles.insert(0, "Metadata_Plate", "P")
    out, _ = normalize(profiles, np.ones(40, dtype=bool), scaled=False, epsilon=0)
    median = np.median(values, axis=0)
    expected = (values - median) / np.median(np.abs(values - median), axis=0)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(out[get_features(out)], expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("samples", ["all", "Metadata_kind == 'DMSO'"])
def test_with_keep_flat_every_bit_is_pycytominers(method, dtype, samples):
    """Gaps, constants, few values, whole numbers, decimals, large offsets: all features, the same bits."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 12)) * 10.0 ** np.arange(-3, 9) + 5
    values[3, 0] = np.nan
    values[5:20, 1] = np.nan
    values[:, 2] = np.nan
    values[:, 3] = 7
    values[:, 4] = rng.integers(0, 2, 60) * 0.1
    values[:, 5] = np.round(values[:, 5], 2)
    values[:, 6] = rng.integers(0, 5, 60)
    values[:50, 7] = 0
    values[:, 8] = 0.1 + 0.2
    features = [f"Cells_F{number}" for number in range(12)]
    profiles = pd.DataFrame(values.astype(dtype), columns=features)
    kind = np.where(np.arange(60) % 3 == 0, "DMSO", "x")
    profiles = pd.concat([pd.DataFrame({"Metadata_Plate": "P", "Metadata_kind": kind}), profiles], axis=1)
    chosen = np.ones(60, dtype=bool) if samples == "all" else kind == "DMSO"
    mine, dropped = normalize(profiles, chosen, method=method, keep_flat=True)
    theirs = pycytominer_normalize(
        profiles, features=features, meta_features=["Metadata_Plate"], samples=samples, method=method
    )
    assert dropped == {}
    pd.testing.assert_frame_equal(mine[features], theirs[features], check_exact=True)
    without, dropped = normalize(profiles, chosen, method=method)
    assert {"Cells_F2", "Cells_F3", "Cells_F8"} <= set(dropped)
    kept = get_features(without)
    pd.testing.assert_frame_equal(without[kept], theirs[kept], check_exact=True)
