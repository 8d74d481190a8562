"""Consensus profiles: median and MODZ, by hand and against their definitions."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from consensus import compute_consensus, main
from lib.replicates import Wells, join_plates
from lib.tables import get_features, read_profiles, write_profiles
from simulated_profiles import plates

pytestmark = pytest.mark.unit


def small():
    return join_plates(
        {
            "a.csv": pd.DataFrame(
                {
                    "Metadata_Plate": "a",
                    "Metadata_Well": ["A01", "A02", "A03", "A04", "A05", "A06"],
                    "Metadata_broad_sample": ["x", "x", "x", "y", None, None],
                    "Metadata_gene": ["G", "G", "H", "G", None, None],
                    "Metadata_control_type": [None, None, None, None, "negcon", None],
                    "Cells_F0": [1.0, 2, 9, 4, 5, 6],
                    "Cells_F1": [1.0, 3, 2, 7, 5, 6],
                }
            )
        }
    )


def test_median_by_hand():
    table = compute_consensus(small())[0].set_index("Metadata_perturbation")
    assert table.index.tolist() == ["negcon", "x", "y"]
    assert table.loc["x", ["Cells_F0", "Cells_F1"]].tolist() == [2, 2]
    assert table.loc["y", ["Cells_F0", "Cells_F1"]].tolist() == [4, 7]
    assert table["Metadata_Count_Replicates"].tolist() == [1, 3, 1]
    assert pd.isna(table.loc["x", "Metadata_gene"])
    assert table.loc["y", "Metadata_gene"] == "G"
    assert not {"Metadata_Well", "Metadata_Plate"} & set(table.columns)


def test_modz_is_the_mean_weighted_by_agreement():
    wells = join_plates(plates(3, 4, effect=1, features=30, seed=2))
    table = compute_consensus(wells, operation="modz")[0].set_index("Metadata_perturbation")
    for name in ("P0000", "P0002"):
        rows = wells.values[(wells.metadata["Metadata_broad_sample"] == name).to_numpy()]
        agreement = spearmanr(rows.T).statistic.clip(min=0)
        np.fill_diagonal(agreement, np.nan)
        weights = np.nanmean(agreement, axis=1).clip(min=0.01)
        # pycytominer rounds the weights to four digits
        expected = (weights / weights.sum()).round(4) @ rows
        np.testing.assert_allclose(table.loc[name, wells.features].astype(float), expected, atol=1e-3)


def test_mean_by_hand():
    table = compute_consensus(small(), operation="mean")[0].set_index("Metadata_perturbation")
    assert table.loc["x", ["Cells_F0", "Cells_F1"]].tolist() == [4, 2]
    assert table.loc["y", ["Cells_F0", "Cells_F1"]].tolist() == [4, 7]


def test_the_weights_of_modz_are_options():
    wells = join_plates(plates(3, 4, effect=1, features=30, seed=2))
    options = {"method": "pearson", "min_weight": 0.3, "precision": 12}
    table = compute_consensus(wells, operation="modz", modz=options)[0].set_index("Metadata_perturbation")
    rows = wells.values[(wells.metadata["Metadata_broad_sample"] == "P0001").to_numpy()]
    agreement = np.corrcoef(rows).clip(min=0)
    np.fill_diagonal(agreement, np.nan)
    weights = np.nanmean(agreement, axis=1).clip(min=0.3)
    expected = weights / weights.sum() @ rows
    np.testing.assert_allclose(table.loc["P0001", wells.features].astype(float), expected, atol=1e-9)


def test_modz_of_one_replicate_is_that_replicate():
    wells = join_plates(plates(4, [1, 3, 3, 3]))
    table = compute_consensus(wells, operation="modz")[0].set_index("Metadata_perturbation")
    np.testing.assert_allclose(table.loc["P0000", wells.features].astype(float), wells.values[0])


@pytest.mark.parametrize("operation", ["median", "modz"])
def test_missing_values_leave_out_the_feature_and_blank_wells_the_well(operation):
    given_plates = plates(5, 3, features=6)
    first = given_plates["Pplate0.parquet"]
    first.loc[1, "Cells_F3"] = np.nan
    first.loc[2, get_features(first)] = np.nan
    table = compute_consensus(join_plates(given_plates), operation=operation)[0]
    assert "Cells_F3" not in table
    counts = table.set_index("Metadata_perturbation")["Metadata_Count_Replicates"]
    assert counts.to_dict() == {"P0000": 3, "P0001": 3, "P0002": 2, "P0003": 3, "P0004": 3}
    assert table[get_features(table)].notna().all(axis=None)


def test_main_writes_the_table(tmp_path):
    files = []
    for name, plate in plates(5, 2, controls=3).items():
        files.append(str(tmp_path / name))
        write_profiles(plate, files[-1], {})
    output = tmp_path / "consensus.parquet"
    options = {"operation": "median", "group": "Metadata_broad_sample"}
    main(files, str(output), {"cell_line": "U2OS"}, options)
    written = pd.read_parquet(output)
    assert len(written) == 6
    assert get_features(written) == get_features(read_profiles(files[0]))


@pytest.mark.parametrize("operation", ["median", "mean", "modz"])
def test_many_perturbations_are_computed_some_after_the_other(monkeypatch, operation):
    wells = join_plates(plates(7, 3, features=12, controls=4, seed=5))
    whole, _ = compute_consensus(wells, operation=operation)
    monkeypatch.setattr("consensus.WELLS", 7)
    parts, _ = compute_consensus(wells, operation=operation)
    assert len(whole) == 8
    pd.testing.assert_frame_equal(parts, whole)


def test_a_condition_without_a_perturbation_has_an_empty_consensus():
    wells = join_plates(plates(2, 1, features=3))
    metadata = wells.metadata.assign(Metadata_broad_sample=pd.NA, Metadata_control_type=pd.NA)
    table, _ = compute_consensus(Wells(metadata, wells.values, wells.features, {}))
    assert len(table) == 0
    assert set(wells.features) <= set(table.columns)
