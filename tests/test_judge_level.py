"""A level is judged by its replicates and by how batches mix: against copairs, and on planted effects."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from copairs.map import average_precision

from judge_chains import MIXED, compare, describe, draw, get_change
from judge_level import (
    CONTROLS,
    choose_wells,
    get_interval,
    get_judged_wells,
    get_precision_among_controls,
    get_precision_among_others,
    judge,
)
from lib.replicates import Wells, join_plates
from simulated_profiles import plates

pytestmark = pytest.mark.unit

OPTIONS = {
    "group": "Metadata_broad_sample",
    "batch": "Metadata_Plate",
    "draws": 500,
    "percentile": 95,
    "minimum_replicates": 2,
    "most_wells": 10_000,
    "seed": 1,
}


def simulate(plate_effect: float = 0.0, effect: float = 0.6, **more) -> Wells:
    """Four plates, each with its own shift of every feature."""
    settings = {"perturbations": 30, "replicates": 4, "controls": 16, "shuffled": True, **more}
    found = plates(effect=effect, **settings)
    rng = np.random.default_rng(5)
    for table in found.values():
        features = [name for name in table if not name.startswith("Metadata_")]
        table[features] += plate_effect * rng.normal(size=len(features))
    return join_plates(found)


def test_precision_is_that_of_copairs():
    wells = simulate(effect=0.3, plate_effect=0.2)
    judged, both = get_judged_wells(wells, OPTIONS["group"], OPTIONS["batch"], raw=False)
    number = judged.number
    meta = both.metadata.iloc[:number][["Metadata_Plate", "perturbation"]].reset_index(drop=True)
    expected = average_precision(
        meta,
        judged.values[:number],
        ["perturbation"],
        [],
        ["Metadata_Plate"],
        ["perturbation"],
        progress_bar=False,
    )
    found, baseline = get_precision_among_others(judged)
    np.testing.assert_allclose(found, expected["average_precision"], atol=1e-12)
    positive, total = expected["n_pos_pairs"], expected["n_total_pairs"]
    np.testing.assert_allclose(baseline, positive / total)
    kind = np.where(np.arange(len(judged.values)) < number, "trt", "negcon")
    meta = pd.DataFrame({"kind": kind, "perturbation": both.metadata["perturbation"].fillna("negcon")})
    expected = average_precision(meta, judged.values, ["perturbation"], [], [], ["kind"], progress_bar=False)
    found, _ = get_precision_among_controls(judged)
    np.testing.assert_allclose(found, expected["average_precision"][:number], atol=1e-12)


def test_a_shift_of_each_plate_lowers_mixing_and_replicates():
    clean, table = judge(simulate(), OPTIONS)
    shifted, _ = judge(simulate(plate_effect=1.5), OPTIONS)
    for name in ("ilisi", "kbet", "silhouette_batch"):
        assert clean[name] > 0.6, name
        assert shifted[name] < clean[name] - 0.2, name
    for name in ("mean_average_precision_negcon", "mean_average_precision_others", "percent_replicating"):
        assert clean[name] > shifted[name], name
        assert clean[f"{name}_sampling_low"] <= clean[name] <= clean[f"{name}_sampling_high"], name
    assert clean["batches"] == 4
    assert table["perturbation"].tolist()[-1] == CONTROLS
    assert table["wells"].sum() == clean["wells"] == 4 * 46


def test_raw_features_are_standardized():
    wells = simulate()
    scale = 10.0 ** np.arange(-10, 10, 0.5)
    scaled = Wells(wells.metadata, wells.values * scale, wells.features, wells.dropped)
    first, _ = judge(wells, OPTIONS, raw=True)
    second, _ = judge(scaled, OPTIONS, raw=True)
    assert second["standardized"]
    for name in ("mean_average_precision_others", "ilisi", "percent_replicating"):
        assert second[name] == pytest.approx(first[name], abs=1e-9), name


def test_what_cannot_be_judged_is_empty_and_reported():
    wells = simulate()
    fitted, _ = judge(wells, OPTIONS, controls_fitted=True)
    assert np.isnan(fitted["mean_average_precision_negcon"])
    assert "fitted on them" in fitted["message"]
    single, _ = judge(wells, {**OPTIONS, "batch": "Metadata_gene"} | {"batch": "Metadata_lot"})
    assert np.isnan(single["ilisi"])
    assert "no column Metadata_lot" in single["message"]
    one = Wells(wells.metadata.assign(Metadata_lot="1"), wells.values, wells.features, wells.dropped)
    row, _ = judge(one, {**OPTIONS, "batch": "Metadata_lot"})
    assert np.isnan(row["kbet"])
    assert "same Metadata_lot" in row["message"]
    alone, _ = judge(simulate(controls=0), OPTIONS)
    assert np.isnan(alone["mean_average_precision_negcon"])
    assert np.isfinite(alone["mean_average_precision_others"])


def test_of_many_wells_whole_perturbations_are_judged():
    wells = simulate()
    chosen = choose_wells(wells, OPTIONS["group"], 100, 0)
    assert len(chosen) <= 100
    sizes = chosen.metadata["Metadata_broad_sample"].replace("nan", pd.NA).value_counts()
    assert set(sizes) == {4}
    assert "of 184 judged" in chosen.notes[-1]
    assert choose_wells(wells, OPTIONS["group"], 184, 0) is wells


def test_an_interval_draws_perturbations():
    parts = [np.array([value]) for value in np.arange(100.0)]
    low, high = get_interval(parts, np.mean, 0)
    # the standard error of the mean of 0 to 99 is 2.9
    assert 42 < low < 45
    assert 54 < high < 57
    assert np.isnan(get_interval(parts[:1], np.mean, 0)).all()


def test_a_change_is_paired_by_perturbation():
    names = [f"P{number}" for number in range(20)]
    before = pd.DataFrame({"perturbation": names, "ilisi": np.linspace(0, 1, 20), "kbet": np.nan})
    after = before.assign(ilisi=before["ilisi"] + 0.1).iloc[::-1]
    value, low, high = get_change(before, after, ("ilisi", "kbet"), 0)
    assert (value, low, high) == pytest.approx((0.1, 0.1, 0.1))
    assert np.isnan(get_change(before, after, ("kbet",), 0)).all()


def test_what_a_step_changed_is_reported_in_words():
    up, down, none = (0.2, 0.1, 0.3), (-0.2, -0.3, -0.1), (0.02, -0.01, 0.05)
    assert "at the cost of biology" in describe(up, down)
    assert "keeps the biology" in describe(up, none)
    assert "raises the biology" in describe(up, up)
    assert describe(none, none).startswith("changes neither")
    tiny = (0.001, 0.0005, 0.002)
    assert describe(tiny, tiny).startswith("changes neither")
    unknown = (np.nan, np.nan, np.nan)
    assert describe(unknown, down) == "mixing not known; mean average precision -0.200 (-0.300 to -0.100)"


def test_a_correction_that_eats_the_signal_is_reported():
    """Replicates share their position: the mean of a position is the perturbation's profile."""
    before = simulate(plate_effect=0.5, shuffled=False)
    values = pd.DataFrame(before.values)
    gone = values - values.groupby(before.metadata["Metadata_Well"]).transform("mean")
    by_plate = values - values.groupby(before.metadata["Metadata_Plate"]).transform("mean")
    rows, tables = [], {}
    for level, wells in (
        ("raw", before),
        ("position", Wells(before.metadata, gone.to_numpy(), before.features, {})),
        ("plate", Wells(before.metadata, by_plate.to_numpy(), before.features, {})),
    ):
        row, tables["c", level] = judge(wells, OPTIONS)
        first = "" if level == "raw" else "raw"
        named = {"condition": "c", "chain": "x", "step": level, "level_before": first, "start": ""}
        rows.append({**named, "feature_set": level, **row})
    table = compare(pd.DataFrame(rows), tables, 0).set_index("step")
    assert table.loc["raw", "verdict"] == ""
    assert re.match("lowers (the|both mixing and) biology", table.loc["position", "verdict"])
    assert table.loc["position", "precision_change"] < -0.1
    assert table.loc["plate", "verdict"].startswith("mixes batches better and")
    assert table.loc["plate", "mixing_change_low"] > 0
    assert set(MIXED) <= set(table)
    figure = draw(table.reset_index())
    assert len(figure.axes) == 4
    long = "a_chain_with_a_name_that_is_longer_than_one_panel_is_wide"
    second = table.reset_index().assign(chain=long)
    figure = draw(pd.concat([table.reset_index(), second], ignore_index=True))
    first = figure.axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == second["step"].tolist() * 2
    assert [text.get_text() for text in first.texts][-1] == long
    figure.canvas.draw()
    titles = [axes._left_title.get_window_extent() for axes in figure.axes]
    assert all(left.x1 < right.x0 for left, right in pairwise(titles))
    figure = draw(pd.concat([table.reset_index()] * 200, ignore_index=True))
    assert figure.get_suptitle() == "The first 150 of 600 steps"
    assert figure.get_figheight() < 100
