"""Percent Replicating: against its definition, on noise, on known effects, on awkward input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import replicates
from lib.errors import InputError
from lib.nulls import Null, compute_p_values, compute_q_values, draw_different, score
from lib.replicates import (
    compute_medians_between,
    compute_medians_within,
    correlate,
    group_members,
    join_plates,
    mark_controls,
    read_wells,
    split_wells,
)
from lib.tables import read_provenance, write_profiles
from percent_replicating import main, score_condition
from simulated_profiles import plates

pytestmark = pytest.mark.unit

QUICK = {"draws": 1000, "repeats": 10}


def direct_median(rows: np.ndarray) -> float:
    """The definition: the median of the off-diagonal Pearson correlations."""
    correlations = np.corrcoef(rows)
    np.fill_diagonal(correlations, np.nan)
    return float(np.nanmedian(correlations))


def test_median_of_a_hand_computed_group():
    # r(a, b) = 1, r(a, c) = -1, r(b, c) = -1, and with d = (1, 0, 1): r(a, d) = 0
    rows = np.array([[1.0, 2, 3], [2, 4, 6], [3, 2, 1], [1, 0, 1]])
    assert compute_medians_within(correlate(rows), np.array([[0, 1, 2]]))[0] == pytest.approx(-1)
    assert compute_medians_within(correlate(rows), np.array([[0, 1, 3]]))[0] == pytest.approx(0, abs=1e-15)
    assert compute_medians_within(correlate(rows), np.array([[0, 1, 2, 3]]))[0] == pytest.approx(0, abs=1e-15)


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
    hits = 0
    for name, rows in group_members(scored.metadata["perturbation"]).items():
        if len(rows) < 2:
            continue
        rng = np.random.default_rng([seed, 0, len(rows)])
        sets = draw_different(np.arange(len(codes)), codes, len(rows), 50, rng)
        nulls = np.array([direct_median(scored.values[wells_of]) for wells_of in sets])
        signal = direct_median(scored.values[rows])
        own = table.set_index("perturbation").loc[name]
        assert own["median_correlation"] == pytest.approx(signal, abs=1e-12)
        drawn = null[(null["null"] == "standard") & (null["wells"] == str(len(rows)))]
        np.testing.assert_allclose(drawn["median_correlation"], nulls, atol=1e-12)
        above = tail != "left" and signal > np.percentile(nulls, 95)
        below = tail != "right" and signal < np.percentile(nulls, 5)
        assert own["replicating"] == (above or below)
        hits += above or below
    assert row["perturbations"] == len(sizes)
    if any(size > 1 for size in sizes):
        assert row["percent_replicating"] == pytest.approx(100 * hits / len(sizes))


@given(size=st.integers(2, 6), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_draw_never_repeats_a_perturbation(size, seed):
    codes = np.repeat(np.arange(6), [1, 1, 2, 5, 9, 1])
    sets = draw_different(np.arange(len(codes)), codes, size, 300, np.random.default_rng(seed))
    assert sets.shape == (300, size)
    assert all(len(set(codes[row])) == size for row in sets)


def test_a_draw_of_more_wells_than_perturbations_is_refused():
    codes = np.array([0, 0, 1])
    assert draw_different(np.arange(3), codes, 3, 10, np.random.default_rng(0)) is None


def test_every_well_is_drawn_as_often():
    codes = np.repeat(np.arange(10), 4)
    sets = draw_different(np.arange(40), codes, 4, 20_000, np.random.default_rng(3))
    times = np.bincount(sets.ravel(), minlength=40)
    assert abs(times / 2000 - 1).max() < 0.1


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


def test_all_ways_to_compute_correlations_agree(monkeypatch):
    """All at once, only those that are asked for, and block by block for a large set."""
    values = np.random.default_rng(0).normal(size=(60, 7))
    sets = np.array([np.random.default_rng(i).permutation(60)[:40] for i in range(5)])
    expected = [direct_median(values[rows]) for rows in sets]
    whole, asked = correlate(values), correlate(values, pairs=10)
    assert asked.matrix is None
    for correlations in (whole, asked):
        np.testing.assert_allclose(compute_medians_within(correlations, sets), expected, atol=1e-12)
        pairs = compute_medians_between(correlations, sets[:, :3], sets[:, 3:7])
        direct = [np.median(np.corrcoef(values[rows[:7]])[:3, 3:]) for rows in sets]
        np.testing.assert_allclose(pairs, direct, atol=1e-12)
    monkeypatch.setattr(replicates, "LARGE_SET", 30)
    monkeypatch.setattr(replicates, "BLOCK_ROWS", 7)
    np.testing.assert_allclose(compute_medians_within(asked, sets), expected, atol=1e-12)


def test_plates_are_read_for_their_common_features_alone(tmp_path):
    first, second = plates(5, 2, features=6).values()
    second = second.drop(columns="Cells_F2").assign(Cells_other=1.0)
    second = second[[*reversed(second.columns)]]
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for file, plate in zip(files, (first, second), strict=True):
        write_profiles(plate, file, {})
    read, joined = read_wells(files), join_plates({"a.parquet": first, "b.parquet": second})
    pd.testing.assert_frame_equal(read.metadata[joined.metadata.columns], joined.metadata)
    assert read.features == joined.features
    assert read.dropped == joined.dropped == {"features_not_common": 2}
    assert (read.values == joined.values).all()
    assert read.values.dtype == float


def test_single_precision_stays_single_in_memory(tmp_path, monkeypatch):
    files = []
    for name, plate in plates(5, 2, features=6).items():
        files.append(tmp_path / name)
        features = [column for column in plate if column.startswith("Cells")]
        write_profiles(plate.astype(dict.fromkeys(features, "float32")), files[-1], {})
    assert read_wells(files).values.dtype == np.float32
    double = [tmp_path / f"double_{name}" for name in plates(5, 2)]
    for file, plate in zip(double, plates(5, 2).values(), strict=True):
        write_profiles(plate, file, {})
    monkeypatch.setattr(replicates, "MOST_DOUBLES", 10)
    assert read_wells(double).values.dtype == np.float32


def test_a_million_draws_move_the_score_by_less_than_one_perturbation():
    wells = join_plates(plates(150, 4, effect=0.35, seed=3))
    scores = [score_condition(wells, seed=seed)[0]["percent_replicating"] for seed in range(4)]
    assert 20 < np.mean(scores) < 95
    assert max(scores) - min(scores) <= 100 / 150 + 1e-9


def test_repeats_of_a_null_scatter_like_nulls_that_are_drawn_again():
    rng = np.random.default_rng(0)
    again = [np.percentile(rng.normal(size=2000), [5, 95]) for _ in range(400)]
    spreads = [
        np.std(Null(rng.normal(size=2000)).percentiles([5, 95], 200, rng)[1:], axis=0) for _ in range(30)
    ]
    np.testing.assert_allclose(np.mean(spreads, axis=0), np.std(again, axis=0), rtol=0.15)
    one = Null(np.arange(100.0), drawn=False).percentiles([50], 3, rng)
    assert one.tolist() == [[49.5]] * 4


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


def test_controls_as_other_projects_mark_them():
    """`trt` is a treatment, and a column of names marks the negative controls alone."""
    controls = {"column": "pert_type", "negcon": "DMSO"}
    table = pd.DataFrame({"Metadata_pert_type": ["DMSO", "trt", "poscon", "", None]})
    found = mark_controls(table, controls)["Metadata_control_type"].fillna("").tolist()
    assert found == ["negcon", "", "poscon", "", ""]
    names = pd.DataFrame({"Metadata_pert_type": ["DMSO", *(f"compound {n}" for n in range(9))]})
    assert mark_controls(names, controls)["Metadata_control_type"].fillna("").tolist() == [
        "negcon",
        *[""] * 9,
    ]


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


def test_no_common_feature_names_the_plates():
    a, b = plates(5, 2, features=3).values()
    b = b.rename(columns={f"Cells_F{i}": f"Other_F{i}" for i in range(3)})
    with pytest.raises(InputError, match=r"no feature in common.*a\.csv \(3\), b\.csv \(3\)"):
        join_plates({"x/a.csv": a, "x/b.csv": b})


def test_a_well_twice_is_named():
    (plate,) = plates(5, 1).values()
    with pytest.raises(InputError, match="Pplate0 W00000"):
        join_plates({"a.csv": plate, "b.csv": plate})


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


def test_p_values_by_hand():
    nulls = {4: Null(np.array([0.1, 0.2, 0.3, 0.4])), 2: None}
    signal = np.array([0.25, 0.4, 0.5, np.nan, 0.9])
    keys = [4, 4, 4, 4, 2]
    np.testing.assert_allclose(compute_p_values(signal, keys, nulls, "right")[:3], [3 / 5, 2 / 5, 1 / 5])
    np.testing.assert_allclose(compute_p_values(signal, keys, nulls, "left")[:3], [3 / 5, 5 / 5, 5 / 5])
    np.testing.assert_allclose(compute_p_values(signal, keys, nulls, "both")[:3], [1, 4 / 5, 2 / 5])
    assert np.isnan(compute_p_values(signal, keys, nulls, "right")[3:]).all()


def test_a_null_of_few_values_is_calibrated():
    # of 20 values the next one is the largest with a chance of 1/21, near 5 %
    values = np.arange(20.0)
    null = Null(np.random.default_rng(0).choice(values, 10_000), 20)
    found = score(np.array([18.5, 19.5]), [4, 4], {4: null}, 95, "right")
    assert found.counts.tolist() == [False, True]
    assert compute_p_values(np.array([19.5]), [4], {4: null}, "right")[0] == pytest.approx(1 / 21)


def test_q_values_by_hand():
    # Benjamini-Hochberg of (0.01, 0.04, 0.03): 0.03, 0.04, 0.04
    np.testing.assert_allclose(
        compute_q_values(np.array([0.01, np.nan, 0.04, 0.03])), [0.03, np.nan, 0.04, 0.04]
    )


def test_a_score_is_strictly_above_and_keeps_missing_signals_in_the_denominator():
    null = Null(np.full(100, 0.5))
    found = score(np.array([0.5, 0.6, np.nan, 0.7]), [4] * 4, {4: null}, 95, "right")
    assert found.percent == 50
    assert (found.low, found.high) == (50, 50)


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


def test_no_p_value_is_smaller_than_the_pairs_of_wells_allow():
    nulls = {2: Null(np.zeros(10_000), pairs=99)}
    assert compute_p_values(np.array([1.0]), [2], nulls, "right").tolist() == [1 / 100]
