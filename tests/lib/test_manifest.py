"""What the report's manifest names."""

from types import SimpleNamespace

import pytest

from lib import manifest
from lib.places import place

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("condition", ["U2OS_48", ""])
def test_the_page_of_a_plate_looks_at_no_other_plate(monkeypatch, condition):
    # The experiment of this test knows neither its plates nor its conditions: a look at them would fail, and
    # would make planning quadratic in plates, each of which has a page.
    monkeypatch.setattr(manifest, "get_plate_manifest", lambda experiment, plate: plate)
    plate = {"batch": "B", "plate": "P1"}
    experiment = SimpleNamespace(
        get_condition_of={("B", "P1"): condition} if condition else {}, feature_sets=["own"]
    )
    found = manifest.get_single_manifest(experiment, plate)
    scores = place("perturbations", metric="percent_replicating", feature_set="own", name=condition)
    assert found["scored_conditions"] == ([{"name": condition, "perturbations": scores}] if condition else [])
    assert found["plates"] == [plate]
