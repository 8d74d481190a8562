"""z-scores of cell counts by hand, and what follows the count."""

import numpy as np
import pandas as pd
import pytest

from lib.cell_counts import (
    add_count_z,
    drop_following_features,
    find_following_features,
    get_count_wells,
    get_count_z,
    get_counts,
    make_count_profiles,
)
from lib.replicates import Wells, correlate_rows

pytestmark = pytest.mark.unit


def metadata(counts, plate="P", negative=None, sites=None):
    kinds = np.where(np.arange(len(counts)) < (negative or 0), "negcon", "")
    table = {"Metadata_Plate": plate, "Metadata_control_type": kinds, "Metadata_Count_Cells": counts}
    return pd.DataFrame(table | ({} if sites is None else {"Metadata_Count_Sites": sites}))


def test_z_is_relative_to_the_controls_of_the_plate():
    # controls 80 to 120: median 100, MAD 10, sd 14.826, more than the square root of 100
    found = get_count_z(metadata([80, 90, 100, 110, 120, 55, 0], negative=5))
    assert found[5] == pytest.approx(-45 / 14.826)
    assert found[6] == pytest.approx(-100 / 14.826)


def test_the_spread_is_at_least_that_of_a_poisson_variable():
    found = get_count_z(metadata([100, 100, 100, 80], negative=3))
    assert found[3] == pytest.approx(-2)


def test_few_controls_give_way_to_all_wells_and_plates_are_apart():
    few = metadata([1000, 1000, 100, 100, 100], negative=2)
    other = metadata([400, 400, 400, 200], plate="Q", negative=3)
    found = get_count_z(pd.concat([few, other], ignore_index=True))
    assert found[2] == 0
    assert found[8] == pytest.approx(-10)


def test_a_well_with_fewer_sites_is_not_poor_in_cells():
    counts = get_counts(metadata([90, 90, 30, 0], sites=[9, 9, 3, 9]))
    assert counts.tolist() == [90, 90, 90, 0]


def test_a_well_that_was_not_imaged_has_no_count():
    table = metadata([100, 120, 80, 0, 0], negative=4, sites=[9, 9, 9, 0, 9])
    found = get_counts(table)
    assert np.isnan(found[3])
    assert found[[0, 1, 2, 4]].tolist() == [100, 120, 80, 0]
    z = get_count_z(table)
    assert np.isnan(z[3])
    # the controls that were imaged: median 100, MAD 20
    assert z[4] == pytest.approx(-100 / (1.4826 * 20))


@pytest.mark.parametrize("counts", [None, [np.nan] * 3, ["", "x", None]])
def test_without_counts_there_is_no_z(counts):
    table = metadata([0, 0, 0]).drop(columns="Metadata_Count_Cells")
    table = table if counts is None else table.assign(Metadata_Count_Cells=counts)
    assert np.isnan(get_count_z(table)).all()
    wells = add_count_z(Wells(table, np.eye(3), ["a", "b", "c"], {}))
    assert get_count_wells(wells) is None
    assert drop_following_features(wells) is None


def test_profiles_of_counts_are_alike_as_the_cosine_of_one_and_z():
    z = np.array([0.0, 1.0, -3.0, np.nan])
    profiles = make_count_profiles(z)
    pairs = np.column_stack([np.ones(3), z[:3]])
    pairs /= np.linalg.norm(pairs, axis=1, keepdims=True)
    assert correlate_rows(profiles[:3]) == pytest.approx(pairs @ pairs.T)
    assert np.isnan(profiles[3]).all()
    assert make_count_profiles(np.zeros(4)) is None


def test_only_features_that_follow_the_count_are_dropped():
    rng = np.random.default_rng(0)
    z = rng.normal(size=200)
    values = np.column_stack([-z + 0.5 * rng.normal(size=200), *rng.normal(size=(4, 200)), np.ones(200)])
    assert find_following_features(values, z).tolist() == [True, False, False, False, False, False]
    assert not find_following_features(values[:2], z[:2]).any(), "two wells say nothing"
