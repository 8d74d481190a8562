"""Feature selection by name: pycytominer's operations, one after the other and all on the full set."""

import numpy as np
import pandas as pd
import pytest
from pycytominer import feature_select

from lib.errors import InputError
from lib.steps.operations import DEFAULTS, OPERATIONS, select_features
from lib.tables import get_features

pytestmark = pytest.mark.unit
THEIRS = [name for name in OPERATIONS if name != "image_features"]
ORDER = ["frequency_threshold", "correlation_threshold", "blocklist", "drop_na_columns"]


def wells() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(60, 8))
    values = shared @ rng.normal(size=(8, 30)) + 0.3 * rng.normal(size=(60, 30))
    table = pd.DataFrame(values, columns=[f"Cells_F{n}" for n in range(30)])
    table["Cells_Rare"] = [0.0] * 58 + [1.0, 2.0]
    table["Cells_Sparse"] = [np.nan] * 10 + list(np.linspace(0, 1, 50))
    table["Cells_Still"] = 1 + 1e-5 * rng.normal(size=60)
    table["Cells_Wild"] = [0.1 * n for n in range(59)] + [900.0]
    table["Nuclei_Correlation_Manders_AGP_DNA"] = rng.normal(size=60)
    table.insert(0, "Metadata_broad_sample", [f"C{n % 20}" for n in range(60)])
    return table


@pytest.mark.parametrize("method", ["pearson", "spearman", "kendall"])
@pytest.mark.parametrize("operations", [[name] for name in THEIRS] + [ORDER, THEIRS])
def test_one_after_the_other_is_pycytominers(operations, method):
    profiles = wells()
    theirs = feature_select(
        profiles,
        features=get_features(profiles),
        operation=operations,
        corr_method=method,
        noise_removal_perturb_groups="Metadata_broad_sample",
        noise_removal_stdev_cutoff=0.8,
    )
    mine, dropped = select_features(profiles, operations, {"corr_method": method})
    assert set(get_features(mine)) == set(get_features(theirs))
    assert set(get_features(profiles)) - set(get_features(mine)) == set(dropped)


def test_together_each_operation_looks_at_all_features():
    profiles = wells()
    alone = [set(select_features(profiles, [name])[1]) for name in ORDER]
    _, dropped = select_features(profiles, ORDER, together=True)
    assert set(dropped) == set.union(*alone)


def test_a_blocklist_of_ones_own_and_image_features():
    profiles = wells().assign(Image_Granularity_1_DNA=np.arange(60.0))
    _, dropped = select_features(profiles, ["blocklist"], {"blocklist": ["Cells_F1", "*_Correlation_*"]})
    assert sorted(dropped) == ["Cells_F1", "Nuclei_Correlation_Manders_AGP_DNA"]
    assert list(select_features(profiles, ["image_features"])[1]) == ["Image_Granularity_1_DNA"]


def test_wells_that_do_not_count_are_not_looked_at():
    profiles = wells()
    counted = profiles.index.to_numpy() < 59
    assert "Cells_Wild" in select_features(profiles, ["drop_outliers"])[1]
    assert "Cells_Wild" not in select_features(profiles, ["drop_outliers"], counted=counted)[1]


def test_an_unknown_operation_names_the_known_ones():
    with pytest.raises(InputError, match="variance is not one of variance_threshold, frequency_threshold"):
        select_features(wells(), ["variance"])
    assert DEFAULTS["unique_cut"] == 0.01
