"""Missing values: incomplete wells, features with gaps, and what is filled, by hand."""

import numpy as np
import pandas as pd
import pytest

from lib.gaps import (
    describe_filled,
    describe_incomplete,
    fill_gaps,
    find_few_cells,
    find_gappy_features,
    find_incomplete_wells,
    get_incomplete_wells,
    mark_few_cells,
)

pytestmark = pytest.mark.unit


def complete(wells: int = 20, features: int = 20) -> np.ndarray:
    return np.arange(wells * features, dtype=float).reshape(wells, features)


def test_a_well_without_more_than_a_tenth_of_the_features_is_incomplete():
    values = complete()
    values[0, :2] = np.nan  # a tenth
    values[1, :3] = np.inf
    values[2] = np.nan  # empty, not incomplete
    assert np.flatnonzero(find_incomplete_wells(values)).tolist() == [1]


def test_one_gap_makes_no_well_incomplete_however_few_features_there_are():
    values = complete(features=3)
    values[0, 0] = np.nan
    assert not find_incomplete_wells(values).any()


def test_features_that_most_wells_lack_are_not_the_wells_fault():
    values = complete()
    values[:11, :10] = np.nan
    assert not find_incomplete_wells(values).any()
    values[:10, :10], values[:9, :10] = np.nan, 1.0
    assert find_incomplete_wells(values).tolist() == [False] * 9 + [True] * 2 + [False] * 9


def test_nothing_measured_and_no_wells():
    assert not find_incomplete_wells(np.full((3, 4), np.nan)).any()
    assert find_incomplete_wells(np.empty((0, 4))).tolist() == []


def test_a_feature_with_a_gap_goes_unless_that_would_take_more_than_a_quarter():
    values = complete(wells=30)
    values[0, 0] = np.nan
    assert np.flatnonzero(find_gappy_features(values)).tolist() == [0]
    values[range(6), range(6)] = np.nan  # 6 of 20 features, each in one of 30 wells
    values[:2, 7] = np.nan  # in 2 of 30 wells: more than 5 %
    assert np.flatnonzero(find_gappy_features(values)).tolist() == [7]


def test_gaps_take_the_median_or_what_is_typical():
    values = np.array([[1.0, 5.0], [np.nan, 6.0], [3.0, 7.0], [4.0, np.inf]])
    np.testing.assert_array_equal(fill_gaps(values)[:, 0], [1, 3, 3, 4])
    np.testing.assert_array_equal(fill_gaps(values, np.array([0.0, 9.0]))[3], [4, 9])
    assert describe_filled(values) == ["2 missing values replaced by the median of the feature"]
    assert describe_filled(complete()) == []


def test_wells_with_few_cells_are_marked_and_others_are_not():
    profiles = pd.DataFrame(
        {"Metadata_Well": ["A01", "A02", "A03"], "Metadata_Count_Cells": [0, 9, 10], "Cells_X": 1.0}
    )
    one = profiles.assign(Metadata_Count_Cells=[1, 9, 10])
    assert mark_few_cells(one, 1) is one
    marked = mark_few_cells(profiles, 10)
    assert list(marked) == ["Metadata_Well", "Metadata_Count_Cells", "Metadata_few_cells", "Cells_X"]
    assert find_few_cells(marked).tolist() == [True, True, False]
    assert not find_few_cells(profiles).any()
    assert not find_few_cells(mark_few_cells(profiles.drop(columns="Metadata_Count_Cells"), 10)).any()


def test_incomplete_wells_are_named():
    values = complete(wells=3)
    values[1, :5] = np.nan
    metadata = pd.DataFrame({"Metadata_Plate": "P1", "Metadata_Well": ["A01", "A02", "A03"]})
    table = get_incomplete_wells(metadata, values)
    assert table["Metadata_Well"].tolist() == ["A02"]
    assert table["reason"].item().startswith("lacks 25 % of the features")
    assert describe_incomplete(metadata, find_incomplete_wells(values)) == [
        "1 well left out because more than a tenth of the features are missing: P1 A02"
    ]
    assert describe_incomplete(metadata, np.zeros(3, dtype=bool)) == []


def make_profiles(counts: list, **others: list) -> pd.DataFrame:
    """Return wells with counts of cells, and one feature, which a well without cells fills with 0."""
    wells = [f"A{number:02d}" for number in range(1, len(counts) + 1)]
    columns = {"Metadata_Well": wells, "Metadata_Count_Cells": counts}
    return pd.DataFrame(columns | ({"Cells_F": [1.0] * len(counts)} | others))


def test_a_well_without_cells_whose_values_are_filled_does_not_count(caplog):
    marked = mark_few_cells(make_profiles([0, 5, 9], Cells_F=[0.0, 2.0, 3.0]), 1)
    assert find_few_cells(marked).tolist() == [True, False, False]
    assert "1 wells have values although they have 0 cells; they are left out: A01" in caplog.text


@pytest.mark.parametrize(
    "profiles",
    [
        make_profiles([0, 5, 9], Cells_F=[np.nan, 2.0, 3.0]),
        make_profiles([0, 5, 9], Cells_F=[np.nan, 2.0, 3.0], Image_F=[1.0, 1.0, 1.0]),
        make_profiles([np.nan, 5, 9]),
        make_profiles([0, 0, 0]),
        make_profiles([5, 5, 9]).drop(columns="Metadata_Count_Cells"),
    ],
    ids=["no values", "features of images", "unknown", "no counts at all", "no column"],
)
def test_other_wells_are_not_marked_by_the_default(profiles, caplog):
    assert mark_few_cells(profiles, 1) is profiles
    assert not caplog.text
