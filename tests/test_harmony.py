"""Harmony: what is aligned, what is returned as it is, and what is refused."""

import numpy as np
import pandas as pd
import pytest

import harmony
from harmony import limit_clusters, mix_batches
from harmony_runs import run_harmony
from lib.chain_options import STEPS
from lib.chain_wells import apply_step
from lib.chains import KEYS
from lib.errors import InputError
from lib.tables import get_features, read_profiles, read_provenance, write_profiles

FEATURES = ["Cells_A", "Cells_B"]


def wells(number: int = 8) -> pd.DataFrame:
    """Two plates; plate 1 is shifted by 5."""
    rng = np.random.default_rng(0)
    plate = np.arange(number) % 2
    table = pd.DataFrame(rng.normal(size=(number, 2)) + 5 * plate[:, None], columns=FEATURES)
    table.insert(0, "Metadata_broad_sample", "a")
    table.insert(0, "Metadata_Well", [f"A{at:02d}" for at in range(1, number + 1)])
    table.insert(0, "Metadata_Plate", np.where(plate, "P1", "P0"))
    return table


@pytest.fixture
def centered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace harmonypy, which only an environment of its own has: the mean of each batch is subtracted."""

    def subtract(values, of_batch, batch, clusters, iterations):
        table = pd.DataFrame(values)
        return (table - table.groupby(of_batch[batch].to_numpy()).transform("mean")).to_numpy()

    monkeypatch.setattr(harmony, "run_harmony", subtract)


def settings(**options) -> dict:
    """Settings of the step as the first one of a chain of its own."""
    return {
        "step": "harmony",
        "options": {"over": "experiment", **STEPS["harmony"], "clusters": 4, **options},
        "first": True,
        "condition": [],
        "group": "Metadata_broad_sample",
        **KEYS,
    }


@pytest.mark.unit
def test_wells_without_values_stay_so_and_a_feature_with_a_gap_is_left_out(centered):
    profiles = wells().assign(Cells_C=1.0, Cells_D=2.0, Cells_E=3.0)
    profiles.loc[2, [*FEATURES, "Cells_C", "Cells_D", "Cells_E"]] = np.nan
    profiles.loc[4, "Cells_B"] = np.nan
    out, dropped, found = apply_step(profiles, settings(), mix_batches)
    assert get_features(out) == ["X_1", "X_2", "X_3", "X_4"]
    assert out.loc[2, "X_1":].isna().all()
    assert out.drop(index=2)["X_1"].notna().all()
    np.testing.assert_allclose(out.groupby("Metadata_Plate")["X_1"].mean(), 0, atol=1e-6)
    assert dropped == {"Cells_B": "missing in a well"}
    assert found["clusters"] == 4
    recipe = {**settings(), "precision": "float32"}
    assert apply_step(profiles, recipe, mix_batches)[0]["X_1"].dtype == np.float32


@pytest.mark.unit
def test_the_first_step_takes_out_the_wells_that_do_not_count(centered):
    """As any first step: incomplete wells, few cells, wells without a perturbation."""
    profiles = wells(12).assign(**{f"Cells_{at}": float(at) for at in range(10)})
    profiles.loc[[0, 1], "Metadata_broad_sample"] = [None, None]
    profiles["Metadata_control_type"] = ["negcon", *[None] * 11]
    profiles["Metadata_few_cells"] = [*[None] * 11, "True"]
    profiles.loc[5, ["Cells_A", "Cells_3"]] = np.nan
    chosen = {"untreated_wells": False, "incomplete_wells": False}
    out, dropped, _ = apply_step(profiles, {**settings(), **chosen}, mix_batches)
    assert np.flatnonzero(out["X_1"].isna()).tolist() == [1, 5, 11]
    assert len(get_features(out)) == 12
    assert dropped["P1 A12"] == "fewer cells than minimum_cells"
    assert dropped["P1 A06"] == "lacks 17 % of the features"
    # with incomplete wells, the features that these lack are dropped for all
    out, dropped, _ = apply_step(profiles, {**settings(), "incomplete_wells": True}, mix_batches)
    assert np.flatnonzero(out["X_1"].isna()).tolist() == [11]
    assert {"Cells_A", "Cells_3"} < set(dropped)
    later, _, _ = apply_step(profiles, {**settings(), "first": False}, mix_batches)
    assert later["X_1"].notna().all()


@pytest.mark.unit
def test_each_batch_may_be_aligned_separately(centered):
    """Plates of two batches: with `over: batch`, those of one batch only are aligned with each other."""
    profiles = wells(80).assign(Metadata_Batch=["B0"] * 40 + ["B1"] * 40)
    profiles.loc[40:, "Cells_A"] += 100
    out, _, found = apply_step(profiles, settings(over="batch"), mix_batches)
    assert found["clusters"] == 4
    np.testing.assert_allclose(out.groupby("Metadata_Batch")["X_1"].mean(), 0, atol=1e-5)
    uncorrected = profiles.groupby(["Metadata_Batch", "Metadata_Plate"])[FEATURES].transform("mean")
    np.testing.assert_allclose(out[["X_1", "X_2"]], profiles[FEATURES] - uncorrected, atol=1e-4)


@pytest.mark.unit
def test_one_batch_is_returned_as_it_is_and_reported(caplog):
    profiles = wells().assign(Metadata_Plate="P0")
    out, _, _ = apply_step(profiles, settings(), mix_batches)
    np.testing.assert_array_equal(out[["X_1", "X_2"]], profiles[FEATURES].astype(np.float32))
    assert "all wells are of one batch (Metadata_Plate P0), so there is nothing to align" in caplog.text


@pytest.mark.unit
def test_few_wells_have_few_clusters(caplog):
    assert limit_clusters(8, 8) == 8
    assert not caplog.text
    assert limit_clusters(8, 300) == 2
    assert "8 wells have values, fewer than its 300 clusters: 2 clusters are used" in caplog.text
    # one per 30 wells
    assert limit_clusters(192, 300) == 6


@pytest.mark.unit
def test_what_cannot_be_aligned_is_refused():
    with pytest.raises(InputError, match="no column Metadata_Lot"):
        apply_step(wells(), settings(batch="Metadata_Lot"), mix_batches)
    without = wells().assign(Metadata_Lot=["x"] * 7 + [np.nan])
    with pytest.raises(InputError, match=r"1 wells have no value in Metadata_Lot .*A08"):
        apply_step(without, settings(batch="Metadata_Lot"), mix_batches)


@pytest.mark.run
def test_plates_are_aligned_by_the_script(tmp_path, capfd):
    profiles = wells(80)
    # a plate with other metadata, and a feature that the first one lacks
    parts = [part for _, part in profiles.groupby("Metadata_Plate")]
    parts[1] = parts[1].assign(Metadata_lot="L", Cells_Z=1.0)
    paths = [tmp_path / f"{number}.parquet" for number in range(2)]
    for part, path in zip(parts, paths, strict=True):
        write_profiles(part, path, {})
    options = {"over": "experiment", "batch": "Metadata_Plate", "clusters": 5, "iterations": 20}
    output, log = tmp_path / "out.parquet", tmp_path / "log.txt"
    run_harmony(paths, options, output, log)
    out = read_profiles(output)
    assert get_features(out) == ["X_1", "X_2"]
    assert out["Metadata_lot"].tolist()[40:] == ["L"] * 40
    means = out.groupby("Metadata_Plate")[["X_1", "X_2"]].mean()
    # 5 apart before; few wells in wide clusters are not aligned completely
    assert (means.loc["P0"] - means.loc["P1"]).abs().max() < 2.5
    dropped = pd.read_csv(output.with_suffix(".csv")).set_index("feature")["reason"]
    assert dropped.to_dict() == {"Cells_Z": "not measured on every plate"}
    assert "harmony: 80 wells, 2 features, 1 dropped" in log.read_text()
    # harmonypy's own messages are in the log, not on the terminal
    assert "Iteration 1 of 20" in log.read_text()
    assert "Iteration" not in "".join(capfd.readouterr())
    (step,) = read_provenance(output)["parameters"]["steps"]
    assert step.items() >= {"step": "harmony", **options}.items()
