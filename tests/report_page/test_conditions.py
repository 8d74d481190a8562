"""The page's content for conditions: how many perturbations are active."""

import pytest

from report_page.conditions import count_hits
from report_page.results import Results

pytestmark = pytest.mark.unit


def test_active_and_toxic_perturbations_are_counted_once(tmp_path):
    (tmp_path / "a.csv").write_text("name,active,toxic\nA,True,False\nB,False,True\nC,,\n")
    (tmp_path / "b.csv").write_text("name,active\nA,True\n")
    conditions = [
        {"feature_set": "f", "hits": "a.csv"},
        {"feature_set": "f", "hits": "b.csv"},
        # another feature set has the same perturbations
        {"feature_set": "g", "hits": "a.csv"},
        {"feature_set": "f", "hits": "missing.csv"},
    ]
    assert count_hits(Results(tmp_path), conditions) == {"called": 3, "active": 2, "toxic": 1}
    assert count_hits(Results(tmp_path), []) == {"called": 0, "active": 0, "toxic": 0}
