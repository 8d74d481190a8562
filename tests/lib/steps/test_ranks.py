"""Inverse normal transform: by hand, with ties and gaps."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from lib.steps.ranks import rank_int

pytestmark = pytest.mark.unit


def test_by_hand():
    out, _ = rank_int(pd.DataFrame({"Metadata_Well": list("abc"), "Cells_X": [5.0, -1.0, 100.0]}))
    np.testing.assert_allclose(out["Cells_X"], norm.ppf((np.array([2, 1, 3]) - 3 / 8) / 3.25))


def test_ties_have_different_ranks_and_gaps_none():
    values = [1.0, 1.0, 1.0, np.nan, 2.0]
    out = rank_int(pd.DataFrame({"Cells_X": values}))[0]["Cells_X"].to_numpy()
    assert np.isnan(out[3])
    np.testing.assert_allclose(np.sort(out[:3]), norm.ppf((np.array([1, 2, 3]) - 3 / 8) / 4.25))
    assert out[4] == pytest.approx(norm.ppf((4 - 3 / 8) / 4.25))
    np.testing.assert_array_equal(out, rank_int(pd.DataFrame({"Cells_X": values}))[0]["Cells_X"])


def test_a_feature_with_one_value_becomes_no_noise():
    profiles = pd.DataFrame({"Cells_X": [1.0, 3, 2], "Cells_Flat": [7.0, np.nan, 7]})
    out, dropped = rank_int(profiles)
    assert list(out) == ["Cells_X"]
    assert dropped == {"Cells_Flat": "the same value in all wells"}
    out, dropped = rank_int(profiles, keep_flat=True)  # the recipe's way
    assert sorted(out["Cells_Flat"].dropna()) == sorted(norm.ppf((np.array([1, 2]) - 3 / 8) / 2.25))
    assert dropped == {}


def test_one_well_has_the_middle_rank():
    out, dropped = rank_int(pd.DataFrame({"Cells_X": [3.0, np.nan]}))
    assert out["Cells_X"].iloc[0] == 0
    assert dropped == {}
