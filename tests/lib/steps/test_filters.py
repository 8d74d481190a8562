"""Features and wells that go by their values, by hand."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import InputError
from lib.steps.filters import drop_invariant, drop_missing_wells, drop_outliers

pytestmark = pytest.mark.unit


def test_a_feature_must_vary_on_every_plate():
    profiles = pd.DataFrame(
        {
            "Metadata_Plate": ["a"] * 3 + ["b"] * 3,
            "Cells_Good": [1.0, 2, 3, 4, 5, 6],
            "Cells_FlatOnB": [1.0, 2, 3, 5, 5, 5],
            "Cells_Small": [1000.0, 1000.5, 1001, 1, 2, 3],
            "Cells_Zero": [-1.0, 0, 1, -1, 0, 1],  # the coefficient of variation is infinite, and counts as 0
            "Cells_Gap": [1.0, 2, 3, 4, np.nan, 6],
        }
    )
    out, dropped = drop_invariant(profiles, np.ones(6, dtype=bool))
    assert list(out) == ["Metadata_Plate", "Cells_Good"]
    assert dropped == {
        "Cells_Gap": "missing in a well",
        "Cells_FlatOnB": "coefficient of variation 0.0e+00 on plate b",
        "Cells_Small": "coefficient of variation 5.0e-04 on plate a",
        "Cells_Zero": "coefficient of variation 0.0e+00 on plate a",
    }


def two_plates(**columns) -> pd.DataFrame:
    return pd.DataFrame(
        {"Metadata_Batch": ["A"] * 3 + ["B"] * 3, "Metadata_Plate": ["a"] * 3 + ["b"] * 3, **columns}
    )


def test_a_plate_without_reference_wells_loses_its_wells_and_no_feature(caplog):
    profiles = two_plates(Cells_Z=[1.0, 2, 4, 5, 5, 5], Cells_A=[1.0, 2, 4, 1, 2, 4])
    reference = np.array([True] * 3 + [False] * 3)
    out, dropped = drop_invariant(profiles, reference)
    assert dropped == {"plate b": "none of its wells is a reference well"}
    assert out["Metadata_Plate"].tolist() == ["a"] * 3
    assert list(out)[2:] == ["Cells_A", "Cells_Z"]  # sorted, as the recipe's
    assert "get no values: b" in caplog.text
    with pytest.raises(InputError, match="no plate has reference wells"):
        drop_invariant(profiles, np.zeros(6, dtype=bool))


def test_a_plate_on_which_nothing_varies_loses_its_wells():
    profiles = two_plates(Cells_A=[1.0, 2, 4, 5, 5, 5], Cells_B=[1.0, 2, 4, 7, 7, 7])
    out, dropped = drop_invariant(profiles, np.ones(6, dtype=bool))
    assert dropped == {"plate b": "no feature varies among its reference wells"}
    assert list(out)[2:] == ["Cells_A", "Cells_B"]


def test_plates_of_the_same_name_in_two_batches_are_two():
    profiles = two_plates(Cells_A=[1.0, 2, 4, 5, 5, 5], Cells_B=[1.0, 2, 4, 1, 2, 4])
    _, dropped = drop_invariant(profiles.assign(Metadata_Plate="a"), np.ones(6, dtype=bool))
    assert dropped == {"Cells_A": "coefficient of variation 0.0e+00 on plate a"}
    # two plates of one name on which nothing varies, and one that stays
    flat = two_plates(Cells_A=[1.0, 1, 1, 2, 2, 2]).assign(Metadata_Plate="a")
    varied = flat.assign(Metadata_Batch="C", Cells_A=[1.0, 2, 4, 5, 7, 9])
    out, _ = drop_invariant(pd.concat([flat, varied], ignore_index=True), np.ones(12, dtype=bool))
    assert out["Metadata_Batch"].tolist() == ["C"] * 6


def test_outliers_at_the_quantile_and_at_the_maximum():
    profiles = pd.DataFrame({"Cells_X": [0.0] * 199 + [1e6], "Cells_Y": [0.0] * 190 + [-150.0] * 10})
    assert list(drop_outliers(profiles)[1]) == ["Cells_Y"]
    assert list(drop_outliers(profiles, 500, quantile=1)[1]) == ["Cells_X"]


def test_wells_that_lack_much_are_dropped_unless_they_are_too_many(caplog):
    profiles = pd.DataFrame(np.ones((4, 10)), columns=[f"Cells_{n}" for n in range(10)])
    profiles.insert(0, "Metadata_Well", ["A01", "A02", "A03", "A04"])
    profiles.insert(0, "Metadata_Plate", "P")
    profiles.iloc[0, 2:4], profiles.iloc[1, 2:8], profiles.iloc[2, 2:3] = np.nan, np.nan, np.nan
    out, dropped = drop_missing_wells(profiles)
    assert dropped == {"P A01": "lacks 20 % of the features", "P A02": "lacks 60 % of the features"}
    assert out["Metadata_Well"].tolist() == ["A03", "A04"]
    kept, dropped = drop_missing_wells(profiles, most=1)
    assert dropped == {}
    pd.testing.assert_frame_equal(kept, profiles)
    assert "2 wells lack more than 0.1 of the features" in caplog.text
