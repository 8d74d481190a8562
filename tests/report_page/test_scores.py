"""The order of scores in the page."""

import pandas as pd
import pytest

from report_page.scores import order_feature_sets

pytestmark = pytest.mark.unit


def test_feature_sets_come_in_the_order_of_the_config_and_unknown_ones_last():
    rows = pd.DataFrame(
        {
            "condition": ["b", "b", "b", "a", "a"],
            "feature set": ["combat", "other", "plain", "combat", "plain"],
            "score": [1, 2, 3, 4, 5],
        }
    )
    found = order_feature_sets(rows, ["plain", "combat"])
    assert found["condition"].tolist() == ["b", "b", "b", "a", "a"]
    assert found["feature set"].tolist() == ["plain", "combat", "other", "plain", "combat"]
    assert found["score"].tolist() == [3, 1, 2, 5, 4]
    single = rows.drop(columns="feature set")
    assert order_feature_sets(single, ["plain"]) is single
