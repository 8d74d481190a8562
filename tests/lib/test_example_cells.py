"""Example cells: those nearest to the median of their perturbation, whatever the table has."""

import numpy as np
import pandas as pd
import pytest

from lib.example_cells import choose_examples, measure_distance, pick_evenly

pytestmark = pytest.mark.unit

X, Y = "Nuclei_Location_Center_X", "Nuclei_Location_Center_Y"


def choose(folder, rows, sites, perturbations, number=2, features=("F", "G"), names=("F", "G")):
    """Choose from rows of (well, site, x, y, values of `names`)."""
    table = pd.DataFrame(rows, columns=["Metadata_Well", "Metadata_Site", X, Y, *names])
    table.to_parquet(folder / "cells.parquet", row_group_size=2)
    return choose_examples(folder / "cells.parquet", features, sites, perturbations, number)


def test_the_nearest_cells_by_hand(tmp_path):
    """F of the perturbation is 1, 2, 3, 9, 10: the median is 3. G has no spread."""
    values = {"A01": [9, 1, 10], "A02": [3, 2]}
    rows = [(w, "1", 10.0 * i, 1.0, f, 7.0) for w, some in values.items() for i, f in enumerate(some)]
    found = choose(tmp_path, rows, {"A01": "1", "A02": "1"}, {"A01": "x", "A02": "x"})
    assert found["A01"].tolist() == [[10, 1], [0, 1]]
    assert found["A02"].tolist() == [[0, 1], [10, 1]]
    alone = choose(tmp_path, rows, {"A01": "1", "A02": "1"}, {}, number=1)
    assert alone["A01"].tolist() == [[0, 1]], "a well without a perturbation has its own median"


def test_only_cells_of_the_drawn_site_that_have_a_place(tmp_path):
    rows = [
        ("A01", 1, 5.0, 5.0, 1.0, 1.0),
        ("A01", 2, 6.0, 6.0, 2.0, 1.0),
        ("A01", 2, np.nan, 6.0, 2.0, 3.0),
        ("B01", 1, 7.0, 7.0, 2.0, 1.0),
    ]
    found = choose(tmp_path, rows, {"A01": "2", "C01": "1"}, {})
    assert {well: centers.tolist() for well, centers in found.items()} == {"A01": [[6, 6]]}


def test_missing_values_and_missing_features(tmp_path):
    rows = [
        ("A01", "1", float(i), 0.0, value, None) for i, value in enumerate([np.nan, np.inf, 4.0, 5.0, 6.0])
    ]
    found = choose(tmp_path, rows, {"A01": "1"}, {}, number=4, features=["absent", "F", "G"])
    assert found["A01"][:3, 0].tolist() == [3, 2, 4], "cells without a feature come last"
    assert len(choose(tmp_path, rows, {"A01": "1"}, {}, features=[])["A01"]) == 2


def test_a_table_without_positions_or_cells_has_no_examples(tmp_path):
    pd.DataFrame({"Metadata_Well": ["A01"], "Metadata_Site": ["1"], "F": [1.0]}).to_parquet(
        tmp_path / "a.parquet"
    )
    assert choose_examples(tmp_path / "a.parquet", ["F"], {"A01": "1"}, {}, 2) == {}
    assert choose(tmp_path, [("A01", "1", 0.0, 0.0, 1.0, 1.0)], {"B02": "1"}, {}) == {}


def test_a_large_difference_is_limited():
    far = measure_distance(np.array([[1000.0, 0.0], [0.0, 0.0]]), np.zeros(2), np.ones(2))
    assert far.tolist() == [pytest.approx(np.sqrt(50)), 0]


@pytest.mark.parametrize("number", [0, 1, 300, 301, 5000])
def test_features_are_picked_evenly(number):
    names = [str(i) for i in range(number)]
    found = pick_evenly(names, 300)
    assert len(found) == len(set(found)) == min(number, 300)
    assert not number or (found[0], found[-1]) == (names[0], names[-1])
