"""Baselines of scores: which wells they are computed from."""

from dataclasses import replace

import numpy as np
import pytest

from lib import baselines
from lib.baselines import get_replicate_baselines, sample_groups
from lib.replicates import join_plates
from simulated_profiles import plates

pytestmark = pytest.mark.unit


def test_so_many_groups_are_drawn_and_rows_without_a_group_stay():
    chosen = sample_groups(["a", "a", "b", "c", None, "d"], 2, seed=0)
    assert chosen[4]
    kept = {name for name, keep in zip("aabc-d", chosen, strict=True) if keep}
    assert len(kept - {"-"}) == 2
    assert chosen[0] == chosen[1]
    assert sample_groups(["a", "b", None], 2, seed=0).all()


@pytest.mark.parametrize("name", [np.nan, "DMSO"])
def test_negative_controls_stay_whatever_they_are_called(monkeypatch, name):
    monkeypatch.setattr(baselines, "MOST_PERTURBATIONS", 3)
    wells = join_plates(plates(20, 2, controls=6))
    metadata = wells.metadata.copy()
    control = metadata["Metadata_control_type"] == "negcon"
    metadata["Metadata_broad_sample"] = metadata["Metadata_broad_sample"].mask(control, name)
    seen = []

    def rescore(part):
        is_control = part.metadata["Metadata_control_type"] == "negcon"
        seen.append(
            (int(is_control.sum()), part.metadata.loc[~is_control, "Metadata_broad_sample"].nunique())
        )
        return {"score": 1.0}, part.metadata

    row = get_replicate_baselines(replace(wells, metadata=metadata), ("score",), rescore, {})
    assert row["shuffled_score"] == 1.0
    assert seen == [(12, 3)]
