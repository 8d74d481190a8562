"""The benchmark's tables on a few wells, every number worked out by hand or by counting."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from lib.replicates import Wells, join_plates, mark_controls
from mean_average_precision import rank_matches
from percent_matching import score_comparison
from percent_replicating import score_condition
from simulated_profiles import plates

pytestmark = pytest.mark.unit

# Eight features in the plane of two orthogonal contrasts: the correlation of two wells is the cosine of
# the angle between them, so that angles can be written down instead of profiles.
FIRST = np.array([1, 1, 1, 1, -1, -1, -1, -1.0])
SECOND = np.array([1, 1, -1, -1, 1, 1, -1, -1.0])


def at(angle: float) -> np.ndarray:
    """A profile whose correlation with another is the cosine of the difference of their angles."""
    return np.cos(np.radians(angle)) * FIRST + np.sin(np.radians(angle)) * SECOND


def wells(rows: list[tuple]) -> Wells:
    """Wells from (plate, well, perturbation, gene, control type, angle)."""
    names = ("Plate", "Well", "broad_sample", "gene", "control_type")
    metadata = pd.DataFrame([row[:5] for row in rows], columns=[f"Metadata_{name}" for name in names])
    values = np.array([at(row[5]) for row in rows])
    return Wells(metadata, values, [f"F{i}" for i in range(8)], {"features_not_common": 0})


def test_the_median_of_replicates_is_that_of_their_angles():
    # angles 0, 10, 40: pairs 10, 30, 40 degrees apart, median cos 30; 0, 0, 90, 90: cos 0, 0, 90 x 4
    angles = {"a": (0, 10, 40), "b": (0, 0, 90, 90), "c": (5,)}
    rows = [
        (f"p{i}", f"{name}01", name, "G", None, angle)
        for name, of_name in angles.items()
        for i, angle in enumerate(of_name)
    ]
    row, table, _ = score_condition(wells(rows), draws=100, repeats=1, minimum_replicates=2)
    signal = table.set_index("perturbation")["median_correlation"]
    assert signal["a"] == pytest.approx(np.cos(np.radians(30)))
    assert signal["b"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(signal["c"])
    assert (row["perturbations"], row["perturbations_with_replicates"]) == (3, 2)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """q-values from the definition: the smallest p n / rank of all that are as large."""
    rank = {value: (p <= value).sum() for value in p}
    return np.array([min(min(1, v * len(p) / rank[v]) for v in p if v >= value) for value in p])


@pytest.mark.parametrize("tail", ["right", "left", "both"])
def test_p_and_q_of_every_perturbation_are_counted_from_the_null(tail):
    joined = join_plates(plates(30, [2] * 12 + [3] * 18, effect=0.8, controls=30, seed=1))
    row, table, null = score_condition(joined, tail=tail, draws=500, repeats=3, seed=2)
    drawn = null[null["null"] == "standard"].groupby("wells")["median_correlation"].apply(np.array)
    expected = []
    for line in table.itertuples():
        own = drawn[str(line.replicates)]
        right = (1 + (own >= line.median_correlation).sum()) / 501
        left = (1 + (own <= line.median_correlation).sum()) / 501
        both = min(1, 2 * min(right, left))
        expected.append({"right": right, "left": left, "both": both}[tail])
        above, below = (
            line.median_correlation > np.percentile(own, 95),
            line.median_correlation < np.percentile(own, 5),
        )
        assert line.replicating == {"right": above, "left": below, "both": above or below}[tail]
        if tail == "both":
            assert line.threshold == np.percentile(own, 95)
            assert line.threshold_left == np.percentile(own, 5)
        else:
            assert line.threshold == np.percentile(own, 95 if tail == "right" else 5)
    np.testing.assert_allclose(table["p_value"], expected)
    np.testing.assert_allclose(table["q_value"], benjamini_hochberg(np.array(expected)))
    assert row["percent_replicating"] == pytest.approx(100 * table["replicating"].mean())
    assert row["percent_retrieved_at_q_5"] == pytest.approx(100 * (table["q_value"] < 0.05).mean())


def test_the_position_aware_null_is_made_of_wells_of_one_position():
    # two plates of one layout: each draw is a pair of different perturbations or controls at one position
    joined = join_plates(plates(25, 2, effect=1, controls=25, shuffled=True, seed=3))
    moved = joined.metadata.copy()
    # put the replicates of one perturbation at one position: its pattern is (2,)
    place = moved.index[moved["Metadata_broad_sample"] == "P0000"]
    other = moved.index[
        (moved["Metadata_Well"] == moved.loc[place[0], "Metadata_Well"])
        & (moved["Metadata_Plate"] == moved.loc[place[1], "Metadata_Plate"])
    ]
    moved.loc[other, "Metadata_Well"] = moved.loc[place[1], "Metadata_Well"]
    moved.loc[place[1], "Metadata_Well"] = moved.loc[place[0], "Metadata_Well"]
    laid = Wells(moved, joined.values, joined.features, joined.dropped)
    row, table, null = score_condition(laid, draws=4000, repeats=2, seed=4)
    assert table.set_index("perturbation").loc["P0000", "positions"] == "2"

    identity = moved["Metadata_broad_sample"].fillna(pd.Series(moved.index.astype(str), index=moved.index))
    correlations = np.corrcoef(joined.values)
    possible = {
        round(correlations[i, j], 12)
        for _, rows in moved.groupby("Metadata_Well").groups.items()
        for i, j in combinations(rows, 2)
        if identity[i] != identity[j]
    }
    aware = null[(null["null"] == "position_aware") & (null["wells"] == "2")]
    assert {round(value, 12) for value in aware["median_correlation"]} == possible, "all of them, no other"
    standard = null[null["null"] == "standard"]
    assert len(set(standard["median_correlation"].round(12))) > 2 * len(possible)
    threshold = table.set_index("perturbation").loc["P0000", "position_aware_threshold"]
    level = 95 * (len(possible) + 1) / len(possible)
    assert threshold == pytest.approx(np.percentile(aware["median_correlation"], level), abs=1e-12)
    assert row["position_aware_perturbations"] >= 1


def two_sides() -> tuple[Wells, np.ndarray]:
    """Five compounds with two replicates and seven guides with three, two guides of G0 and of G1."""
    targets = ["G0|G1", "G1", "G2", "G3", "G4"]
    guides = ["G0", "G0", "G1", "G1", "G2", "G8", "G9"]
    rng = np.random.default_rng(6)
    rows = [
        (f"c{i}", f"A{n + 1:02d}", f"C{n}", gene, None, rng.uniform(0, 360))
        for n, gene in enumerate(targets)
        for i in range(2)
    ]
    rows += [
        (f"k{i}", f"B{n + 1:02d}", f"K{n}", gene, None, rng.uniform(0, 360))
        for n, gene in enumerate(guides)
        for i in range(3)
    ]
    return wells(rows), np.arange(len(rows)) < 10


def test_pairs_of_several_targets_and_both_guides_with_their_medians_p_and_q():
    joined, of_a = two_sides()
    row, table, null = score_comparison(joined, of_a, draws=2000, repeats=2, seed=1)
    genes = {
        ("C0", "K0"): "G0",
        ("C0", "K1"): "G0",
        ("C0", "K2"): "G1",
        ("C0", "K3"): "G1",
        ("C1", "K2"): "G1",
        ("C1", "K3"): "G1",
        ("C2", "K4"): "G2",
    }
    found = table.set_index(["perturbation_a", "perturbation_b"])
    assert found["genes"].to_dict() == genes, "guides apart, a compound with each of its targets"
    assert (row["pairs"], row["genes"]) == (7, 3)

    name = joined.metadata["Metadata_broad_sample"].to_numpy()
    correlations = np.corrcoef(joined.values)

    def median(a, b):
        return np.median(correlations[np.ix_(name == a, name == b)])

    for a, b in genes:
        assert found.loc[(a, b), "median_correlation"] == pytest.approx(median(a, b), abs=1e-12)
    different = {
        round(median(f"C{i}", f"K{j}"), 12)
        for i, j in product(range(5), range(7))
        if (f"C{i}", f"K{j}") not in genes
    }
    drawn = null.loc[null["null"] == "standard", "median_correlation"].to_numpy()
    assert {round(value, 12) for value in drawn} == different, "all pairs of different genes, no other"
    few = len(different)
    level = 95 * (few + 1) / few
    for tail, limit in (("right", level), ("left", 100 - level)):
        threshold = np.percentile(drawn, limit)
        beyond = table["median_correlation"] > threshold
        if tail == "left":
            beyond = table["median_correlation"] < threshold
        assert (table[f"matches_{tail}"] == beyond).all()
        extreme = [
            (drawn >= value).mean() if tail == "right" else (drawn <= value).mean()
            for value in table["median_correlation"]
        ]
        p = (1 + few * np.array(extreme)) / (1 + few)
        np.testing.assert_allclose(table[f"p_value_{tail}"], p)
        np.testing.assert_allclose(table[f"q_value_{tail}"], false_discovery_control(p, method="by"))
        assert row[f"percent_matching_{tail}"] == pytest.approx(100 * beyond.mean())
    both = table["matches_right"] | table["matches_left"]
    assert row["percent_matching_both"] == pytest.approx(100 * both.mean())


def test_precision_of_matching_by_hand():
    # a compound at 0 degrees; its genes' guides at 10 (G0) and 60 (G1), others at 20 and 120
    rows = [("c", "A01", "C0", "G0|G1", None, 0), ("c", "A02", "C1", "G7", None, 200)]
    rows += [
        ("k", f"B{i:02d}", f"K{i}", gene, None, angle)
        for i, (gene, angle) in enumerate((("G0", 10), ("G1", 60), ("G8", 20), ("G9", 120)))
    ]
    joined = wells(rows)
    table, _ = rank_matches(joined, np.arange(6) < 2, within=False)
    assert table["perturbation"].tolist() == ["C0"], "a compound without a partner asks nothing"
    # ranks 1 and 3 of 4: (1/1 + 2/3) / 2
    assert table["average_precision"].tolist() == pytest.approx([(1 + 2 / 3) / 2])
    assert (table["n_pos_pairs"].iloc[0], table["n_total_pairs"].iloc[0]) == (2, 4)


def test_the_controls_of_the_config_are_the_negative_controls():
    (first,) = plates(20, 1, controls=10).values()
    asked = first.rename(columns={"Metadata_control_type": "Metadata_role"})
    asked["Metadata_role"] = asked["Metadata_role"].replace("negcon", "DMSO")
    asked["Metadata_broad_sample"] = asked["Metadata_broad_sample"].fillna("DMSO")
    found = mark_controls(asked, {"column": "role", "negcon": "DMSO"})
    assert (found["Metadata_control_type"] == "negcon").sum() == 10
    assert score_condition(join_plates({"a": found}), draws=100, repeats=1)[0]["perturbations"] == 20
    assert score_condition(join_plates({"a": asked}), draws=100, repeats=1)[0]["perturbations"] == 21
    assert mark_controls(asked, {"column": "nowhere", "negcon": "DMSO"}) is asked
    assert mark_controls(asked, None) is asked


def test_pairs_of_one_compound_with_two_identifiers_can_be_left_out():
    rows = [("c", "A01", "C0", "G0", None, 0), ("c", "A02", "C1", "G0", None, 10)]
    rows += [("c", "A03", "C2", "G0", None, 40), ("c", "A04", "C3", "G1", None, 20)]
    joined = wells(rows)
    joined.metadata["Metadata_pert_iname"] = ["same", "same", "other", "third"]
    everything = np.ones(4, dtype=bool)
    options = {"within": True, "different": "Metadata_pert_iname"}
    _, table, _ = score_comparison(joined, everything, draws=100, repeats=1, **options)
    pairs = table[["perturbation_a", "perturbation_b"]].to_numpy().tolist()
    assert pairs == [["C0", "C2"], ["C1", "C2"]]
    precision = rank_matches(joined, everything, **options)[0].set_index("perturbation")
    # C0 ranks C3 (20 degrees) before C2 (40), as does C1; C2 ranks C3 (20) before C1 (30) and C0 (40)
    assert precision["n_pos_pairs"].to_dict() == {"C0": 1, "C1": 1, "C2": 2}
    assert precision["average_precision"].to_dict() == pytest.approx(
        {"C0": 1 / 2, "C1": 1 / 2, "C2": (1 / 2 + 2 / 3) / 2}
    )
