"""The Methods on single cells: what was flagged, and the summaries of a well."""

import re
from html import unescape

import pytest

from report_page.methods import write_methods

pytestmark = pytest.mark.unit

RULE = {"conditions": {"Nuclei_Intensity_MeanIntensity_DNA": -3}, "z": "robust", "over": "well"}


def get_text(levels):
    return re.sub("<.*?>", "", " ".join(write_methods({}, {}, "", levels, {}, [])))


def flagged(number, exclude=True, **settings):
    settings = {"sets": [], "rules": {}, "exclude_flagged": exclude, **settings}
    parameters = {"operation": "mean", "cell_quality": settings, "flagged_cells": number}
    return {"parameters": {**parameters, "exclude_flagged_cells": exclude}}


def test_flagged_cells_are_reported_with_their_rules():
    rules = {"sets": ["large_nuclei"], "rules": {"dim": RULE}}
    text = get_text({"aggregated": [flagged(1200, **rules), flagged(34, **rules)]})
    assert (
        "Quality control flagged 1,234 single cells (coSMicQC's rule large nuclei; dim: robust z-scores "
        "within each well, Nuclei_Intensity_MeanIntensity_DNA below -3), which were excluded."
    ) in unescape(text)
    text = get_text({"aggregated": [flagged(1, exclude=False, **rules)]})
    assert "flagged 1 single cell (" in text
    assert "which was kept." in text
    assert "flagged none of the single cells (" in get_text({"aggregated": [flagged(0, **rules)]})


def test_without_rules_nothing_is_reported():
    assert "flagged" not in get_text({"aggregated": [{"parameters": {"operation": "mean"}}]})


def test_summaries_are_reported():
    levels = {"aggregated": [{"parameters": {"operation": "mean"}}]}
    assert "In addition" not in get_text(levels)
    levels |= {name: [{"parameters": {"operation": name}}] for name in ("mad", "quantile_5")}
    levels["trimmed_mean"] = [{"parameters": {"operation": "trimmed_mean", "trim": 0.2}}]
    assert (
        "the cells of a well were summarized by their median absolute deviation, 0.05 quantile and mean "
        "after a fraction of 0.2 of the values was trimmed from each end."
    ) in get_text(levels)
