"""Percent Replicating: against its definition, on noise, on known effects, on awkward input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.errors import InputError
from lib.nulls import draw_different
from lib.replicates import (
    group_members,
    join_plates,
    split_wells,
)
from lib.tables import read_provenance, write_profiles
from percent_replicating import main, score_condition
from simulated_profiles import compute_median_directly, plates

pytestmark = pytest.mark.unit

QUICK = {"draws": 1000, "repeats": 10}


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=9, max_size=25),
    features=st.integers(3, 30),
    effect=st.floats(0, 2),
    seed=st.integers(0, 2**31),
    tail=st.sampled_from(["right", "left", "both"]),
)
def test_agrees_with_the_slow_definition(sizes, features, effect, seed, tail):
    wells = join_plates(plates(len(sizes), sizes, effect=effect, features=features, seed=seed))
    row, table, null = score_condition(wells, tail=tail, seed=seed, draws=50, repeats=2)

    scored, _ = split_wells(wells, "Metadata_broad_sample")
    codes = pd.factorize(scored.metadata["perturbation"], sort=True)[0]
    scores = table.set_index("perturbation")
    standard = null[null["null"] == "standard"]
    by_size = {size: part.to_numpy() for size, part in standard.groupby("wells")["median_correlation"]}
    hits = 0
    for name, rows in group_members(scored.metadata["perturbation"]).items():
        if len(rows) < 2:
            continue
        rng = np.random.default_rng([seed, 0, len(rows)])
        sets = draw_different(np.arange(len(codes)), codes, len(rows), 50, rng)
        nulls = np.array([compute_median_directly(scored.values[wells_of]) for wells_of in sets])
        signal = compute_median_directly(scored.values[rows])
        own = scores.loc[name]
        assert own["median_correlation"] == pytest.approx(signal, abs=1e-12)
        np.testing.assert_allclose(by_size[str(len(rows))], nulls, atol=1e-12)
        above = tail != "left" and signal > np.percentile(nulls, 95)
        below = tail != "right" and signal < np.percentile(nulls, 5)
        assert own["replicating"] == (above or below)
        hits += above or below
    assert row["perturbations"] == len(sizes)
    if any(size > 1 for size in sizes):
        assert row["percent_replicating"] == pytest.approx(100 * hits / len(sizes))


@pytest.mark.parametrize("replicates", [2, 3, 4, 8, "unequal"])
def test_five_percent_of_pure_noise_replicates(replicates):
    shares, aware = [], []
    for seed in range(5):
        counts = replicates
        if replicates == "unequal":
            counts = np.random.default_rng(seed).integers(2, 9, 240).tolist()
        wells = join_plates(plates(240, counts, controls=60, seed=seed))
        row, _, _ = score_condition(wells, draws=4000, repeats=2, seed=seed)
        shares.append(row["percent_replicating"])
        aware.append(row["position_aware_percent_replicating"])
    # 1,200 perturbations: a standard error of 0.63 points
    assert abs(np.mean(shares) - 5) < 2
    # sixty positions: a threshold is uncertain by 2.8 points, the mean of five by 1.3
    assert abs(np.mean(aware) - 5) < 4


def test_a_null_of_the_wrong_size_is_not_five_percent():
    wells = join_plates(plates(240, 8, seed=1))
    row, _, _ = score_condition(wells, null_size=2, **QUICK)
    assert row["percent_replicating"] < 1


def test_power_rises_to_one():
    curve = []
    for effect in (0, 0.3, 0.6, 1, 2):
        wells = join_plates(plates(150, 4, effect=effect, seed=7))
        curve.append(score_condition(wells, **QUICK)[0]["percent_replicating"])
    assert curve[0] < 10
    assert curve == sorted(curve)
    assert curve[2] > 30
    assert curve[-1] == 100


def test_shared_positions_are_not_mistaken_for_an_effect():
    aware = []
    for seed in range(6):
        wells = join_plates(plates(150, 4, position_effect=0.7, controls=60, seed=seed))
        row, table, null = score_condition(wells, **QUICK)
        assert row["percent_replicating"] > 70
        assert set(table["positions"]) == {"4"}
        assert set(null["null"]) == {"standard", "position_aware"}
        aware.append(row["position_aware_percent_replicating"])
    # sixty positions: one threshold is uncertain by 2.8 points, the mean of six by 1.2
    assert abs(np.mean(aware) - 5) < 4


def test_few_positions_make_a_wide_interval():
    few, many = (
        score_condition(join_plates(plates(150, 4, controls=controls, seed=3)), **QUICK)[0]
        for controls in (25, 600)
    )
    widths = [
        row["position_aware_percent_replicating_high"] - row["position_aware_percent_replicating_low"]
        for row in (few, many)
    ]
    assert widths[0] > 1.5 * widths[1] > 0


def test_real_effects_survive_the_position_aware_null():
    wells = join_plates(plates(100, 4, effect=2, position_effect=0.7, controls=60, seed=5))
    row, _, _ = score_condition(wells, **QUICK)
    assert row["position_aware_percent_replicating"] > 95


def test_without_shared_positions_both_nulls_agree():
    wells = join_plates(plates(400, 3, effect=0.5, shuffled=True, seed=2))
    row, table, _ = score_condition(wells, draws=5000, repeats=5)
    alone = table[table["positions"] == "1+1+1"]
    assert len(alone) > 390
    assert row["position_aware_percent_replicating"] == pytest.approx(row["percent_replicating"], abs=3)


def test_position_null_without_controls_says_so():
    row, _, _ = score_condition(join_plates(plates(60, 4)), **QUICK)
    assert np.isnan(row["position_aware_percent_replicating"])
    assert "position-aware null not available for 60 perturbations" in row["message"]


def test_controls_that_a_sphering_was_fitted_on_stay_out_of_the_position_null():
    wells = join_plates(plates(60, 4, controls=40))
    assert score_condition(wells, **QUICK)[0]["position_aware_perturbations"] == 60
    row, _, _ = score_condition(wells, controls_in_null=False, **QUICK)
    assert row["position_aware_perturbations"] == 0


def test_a_single_replicate_counts_as_not_replicating():
    wells = join_plates(plates(40, [1] * 10 + [4] * 30, effect=3))
    row, table, _ = score_condition(wells, **QUICK)
    assert row["percent_replicating"] == 75
    assert row["perturbations"] == 40
    assert row["perturbations_with_replicates"] == 30
    single = table[table["replicates"] == 1]
    assert not single["replicating"].any()
    assert single["p_value"].isna().all()


def test_minimum_replicates():
    wells = join_plates(plates(40, [2] * 10 + [4] * 30, effect=3))
    row, _, _ = score_condition(wells, minimum_replicates=3, **QUICK)
    assert row["percent_replicating"] == 75


def test_no_replicates_is_a_row_with_a_message():
    row, table, null = score_condition(join_plates(plates(20, 1)), **QUICK)
    assert np.isnan(row["percent_replicating"])
    assert "no perturbation has 2 replicates" in row["message"]
    assert np.isnan(row["percent_retrieved_at_q_5"]), "nothing could be tested"
    assert len(table) == 20
    assert len(null) == 0


def test_what_has_no_threshold_is_missing_and_not_zero():
    """Without the standard null there is no position-aware one, although controls could fill it."""
    wells = join_plates(plates(3, 2, effect=3, controls=30, shuffled=True))
    row, table, null = score_condition(wells, **QUICK)
    for kind in ("", "position_aware_"):
        for name in ("percent_replicating", "percent_replicating_low", "threshold"):
            assert np.isnan(row[f"{kind}{name}"]), (kind, name)
        assert table[f"{kind}replicating"].isna().all()
    assert row["message"] == "too few perturbations for a null of sets of 2 wells"
    assert null.empty


def test_a_single_perturbation_has_no_null():
    row, _, _ = score_condition(join_plates(plates(1, 4, controls=8)), **QUICK)
    assert np.isnan(row["percent_replicating"])
    assert row["message"].startswith("only one perturbation: there are no wells of different perturbations")


def test_profiles_without_correlations_say_why():
    row, _, _ = score_condition(join_plates(plates(20, 4, controls=8, features=1)), **QUICK)
    assert "112 wells left out, which have no correlation because there is only one feature" in row["message"]


def test_a_pattern_without_a_null_makes_no_call():
    wells = join_plates(plates(25, [2] * 24 + [3], effect=1))
    _, table, _ = score_condition(wells, **QUICK)
    assert table["replicating"].dtype == bool
    aware = table["position_aware_replicating"]
    missing = table["position_aware_threshold"].isna()
    assert (aware.isna() == missing).all()


def test_two_perturbations_have_no_null_of_four_wells():
    row, _, _ = score_condition(join_plates(plates(2, 4)), **QUICK)
    assert np.isnan(row["percent_replicating"])
    assert "too few perturbations for a null of sets of 2 wells" in row["message"]


def test_more_replicates_than_perturbations_have_a_null_of_fewer_wells():
    """Two plates with ten perturbations in 56 wells each: sets of 56 different perturbations do not exist."""
    wells = join_plates(plates(10, [20] * 10, effect=1, seed=3))
    row, table, _ = score_condition(wells, **QUICK)
    assert row["percent_replicating"] == 100
    assert set(table["null_wells"]) == {10}
    assert (
        "10 perturbations with 20 replicates or more are compared with sets of 10 wells of different "
        "perturbations, a stricter threshold" in row["message"]
    )
    noise = [
        score_condition(join_plates(plates(10, [20] * 10, seed=seed)), **QUICK)[0]["percent_replicating"]
        for seed in range(10)
    ]
    assert np.mean(noise) < 5


def test_q_values_of_noise_are_rarely_low():
    """40 runs without any effect: in at most 5 % of them a perturbation may have a q-value below 0.05."""
    called = np.zeros(2, dtype=int)
    for seed in range(40):
        wells = join_plates(plates(20, 2 + seed % 4, controls=8, shuffled=True, seed=7000 + seed))
        _, table, _ = score_condition(wells, with_baselines=False, **QUICK)
        called += (table[["q_value", "position_aware_q_value"]] < 0.05).any().to_numpy()
    assert (called <= 2).all()


def test_a_million_draws_move_the_score_by_less_than_one_perturbation():
    wells = join_plates(plates(150, 4, effect=0.35, seed=3))
    scores = [score_condition(wells, seed=seed)[0]["percent_replicating"] for seed in range(4)]
    assert 20 < np.mean(scores) < 95
    assert max(scores) - min(scores) <= 100 / 150 + 1e-9


def test_controls_and_empty_wells_are_left_out():
    given_plates = plates(30, 3, controls=10)
    for plate in given_plates.values():
        plate.loc[0, "Metadata_broad_sample"] = np.nan
        plate.loc[1, "Metadata_broad_sample"] = "empty"
        plate.loc[2, "Metadata_control_type"] = "poscon_cp"
    wells = join_plates(given_plates)
    row, table, _ = score_condition(wells, **QUICK)
    assert row["perturbations"] == 28
    assert row["wells_without_perturbation"] == 6
    assert "P0002" in set(table["perturbation"])
    assert score_condition(wells, positive_controls=False, **QUICK)[0]["perturbations"] == 27


def test_missing_values_are_dropped_and_counted():
    given_plates = plates(30, 3, features=10)
    first = given_plates["Pplate0.parquet"]
    first.loc[3, "Cells_F4"] = np.nan
    first.loc[5, "Cells_F6"] = np.inf
    blank = [name for name in first if name.startswith("Cells")]
    first.loc[7, blank] = np.nan
    first.loc[8, blank] = 1.0
    first = first.assign(Cells_only_here=1.0)
    row, table, _ = score_condition(join_plates({**given_plates, "Pplate0.parquet": first}), **QUICK)
    assert row["features"] == 8
    assert row["features_missing"] == 2
    assert row["features_not_common"] == 1
    assert row["wells_without_values"] == 1
    assert row["wells_constant"] == 1
    assert table.set_index("perturbation").loc[["P0007", "P0008"], "replicates"].tolist() == [2, 2]


def test_an_unknown_group_lists_the_columns():
    with pytest.raises(InputError, match=r"no column Metadata_compound .*Metadata_broad_sample"):
        score_condition(join_plates(plates(5, 2)), group="Metadata_compound", **QUICK)


def test_the_interval_is_that_of_nulls_drawn_anew():
    wells = join_plates(plates(200, 4, effect=0.45, seed=3))
    rows = [score_condition(wells, draws=400, repeats=100, seed=seed)[0] for seed in range(25)]
    scores = np.array([row["percent_replicating"] for row in rows])
    widths = np.array([row["percent_replicating_high"] - row["percent_replicating_low"] for row in rows])
    assert all(
        row["percent_replicating_low"] <= row["percent_replicating"] <= row["percent_replicating_high"]
        for row in rows
    )
    assert scores.std() > 0
    assert widths.mean() == pytest.approx(2 * 1.96 * scores.std(ddof=1), rel=0.5)


def test_more_draws_narrow_the_interval():
    wells = join_plates(plates(200, 4, effect=0.45, seed=3))
    few, many = (score_condition(wells, draws=draws, repeats=50)[0] for draws in (200, 5000))
    width = [row["percent_replicating_high"] - row["percent_replicating_low"] for row in (few, many)]
    assert width[1] < width[0] / 2


def test_the_seed_decides():
    wells = join_plates(plates(50, 3, effect=0.4, controls=30))
    first, again, other = (score_condition(wells, seed=seed, **QUICK) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first[2], again[2])
    assert first[0] == again[0]
    assert not first[2].equals(other[2])


def test_large_groups_are_scored():
    wells = join_plates(plates(60, [30] * 5 + [3] * 55, effect=1))
    row, table, _ = score_condition(wells, draws=500, repeats=5)
    assert row["replicates_max"] == 30
    assert table.loc[table["replicates"] == 30, "replicating"].all()


def test_main_writes_the_three_tables(tmp_path):
    files = []
    for name, plate in plates(30, 3, controls=25).items():
        files.append(tmp_path / name)
        write_profiles(plate, files[-1], {})
    outputs = {
        "score": tmp_path / "score.csv",
        "perturbations": tmp_path / "perturbations.parquet",
        "null": tmp_path / "null.parquet",
    }
    condition = {"perturbation": "compound", "cell_line": "U2OS", "timepoint": "48"}
    main([str(file) for file in files], condition, "selected", outputs, {**QUICK, "seed": 4})
    row = pd.read_csv(outputs["score"]).iloc[0]
    assert list(row.index[:4]) == ["perturbation", "cell_line", "timepoint", "feature_set"]
    table = pd.read_parquet(outputs["perturbations"])
    assert row["percent_replicating"] == pytest.approx(100 * table["replicating"].mean())
    assert row["wells"] == 90
    null = pd.read_parquet(outputs["null"])
    standard = null.loc[null["null"] == "standard", "median_correlation"]
    assert len(standard) == QUICK["draws"]
    assert row["threshold"] == pytest.approx(np.percentile(standard, 95))
    assert read_provenance(outputs["perturbations"])["parameters"]["seed"] == 4
