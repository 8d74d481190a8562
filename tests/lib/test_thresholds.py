"""Thresholds that are a bound of the settings instead of calculated."""

import pandas as pd
import pytest

from lib.thresholds import find_threshold_columns, flag_thresholds

pytestmark = pytest.mark.unit


def image(calculated, used):
    return pd.DataFrame(
        {
            "Metadata_Well": [f"A{n:02d}" for n in range(1, len(used) + 1)],
            "Threshold_OrigThreshold_Cells": calculated,
            "Threshold_FinalThreshold_Cells": used,
        }
    )


def test_a_bound_on_nearly_all_sites_is_flagged():
    (flag,) = flag_thresholds(image([0.1] * 10, [0.02] * 10), "P1")
    assert (flag["Metadata_Plate"], flag["region"], flag["flag"]) == ("P1", "plate", "threshold_at_bound")
    assert (flag["value"], flag["limit"]) == (0.1, 0.02)
    assert "assay.cells.threshold.bounds" in flag["reason"]
    assert "includes background" in flag["reason"]


def test_a_bound_above_the_stain_loses_objects():
    (flag,) = flag_thresholds(image([0.01] * 4, [0.1] * 4), "P1")
    assert "misses dim cells" in flag["reason"]


def test_nothing_is_reported_for_calculated_thresholds_and_of_few_sites():
    assert flag_thresholds(image([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]), "P1") == []
    assert flag_thresholds(image([0.1] * 10, [0.02] * 8 + [0.1] * 2), "P1") == []  # 8 of 10 sites
    assert flag_thresholds(image([0.1] * 2, [0.02] * 2), "P1") == []
    assert flag_thresholds(image([0.1] * 10, [0.09] * 10), "P1") == []  # near the calculated one
    assert flag_thresholds(image([], []), "P1") == []


def test_the_columns_of_thresholds():
    assert find_threshold_columns(image([], [])) == [
        "Threshold_OrigThreshold_Cells",
        "Threshold_FinalThreshold_Cells",
    ]
