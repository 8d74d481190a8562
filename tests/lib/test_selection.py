"""The operations of feature selection, compared with pycytominer's."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycytominer.cyto_utils.blocklist import Blocklist
from pycytominer.operations import frequency_threshold, get_na_columns

from lib.selection import count_values, find_dropped_features, read_blocklist

pytestmark = pytest.mark.unit

FEW = st.sampled_from([np.nan, 0.0, -0.0, 1.0, 2.0, -1.5])
SHARES = st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0])


def test_values_are_counted_by_hand():
    values = np.array([[1, 5, np.nan], [1, 6, np.nan], [2, 7, np.nan], [np.nan, 8, np.nan]])
    different, common = count_values(values)
    assert different.tolist() == [2, 4, 0]
    assert common.tolist() == [[2, 1], [1, 1], [0, 0]]


@given(arrays(float, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=FEW), SHARES, SHARES, SHARES)
@settings(max_examples=40, deadline=None)
def test_the_operations_are_those_of_pycytominer(values, freq_cut, unique_cut, na_cutoff):
    features = [f"Cells_{number}" for number in range(values.shape[1])]
    # So many complete features that no well is left out as incomplete.
    values = np.column_stack([values, np.arange(40 * len(values)).reshape(len(values), 40)])
    features += [f"Cells_Complete_{number}" for number in range(40)]
    table = pd.DataFrame(values, columns=features)
    found = find_dropped_features(
        table.assign(Metadata_Well="A01"),
        {
            "freq_cut": freq_cut,
            "unique_cut": unique_cut,
            "na_cutoff": na_cutoff,
            "correlation": 2.0,
            "blocklist": False,
        },
    )
    by_operation = found.groupby("operation")["feature"].apply(set).to_dict()
    expected = set(frequency_threshold(table, features, freq_cut=freq_cut, unique_cut=unique_cut))
    assert by_operation.get("frequency_threshold", set()) == expected
    assert by_operation.get("drop_na_columns", set()) == set(
        get_na_columns(table, features, cutoff=na_cutoff)
    )


def test_the_blocklist_is_pycytominers():
    assert read_blocklist() == Blocklist("default").to_list()
    blocked = read_blocklist()[0]
    table = pd.DataFrame(
        {"Metadata_Well": ["A01", "A02", "A03"], blocked: [1.0, 2.0, 3.0], "Cells_X": [1.0, 5.0, 2.0]}
    )
    options = {"freq_cut": 0, "unique_cut": 0, "na_cutoff": 1, "correlation": 2.0}
    assert find_dropped_features(table, {**options, "blocklist": True})["feature"].tolist() == [blocked]
    assert find_dropped_features(table, {**options, "blocklist": False}).empty
