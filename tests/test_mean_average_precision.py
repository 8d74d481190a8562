"""Mean average precision: by hand, against copairs itself, on known effects."""

import numpy as np
import pandas as pd
import pytest
from copairs import map as copairs_map
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.average_precision import TIE, compute_precision_from_counts
from lib.replicates import join_plates
from lib.sphering import fit_on_controls
from lib.tables import write_profiles
from mean_average_precision import main, rank_matches, rank_replicates, summarize
from simulated_profiles import plates

pytestmark = pytest.mark.unit


def average_precision(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Return each query's average precision from similarities: positive (queries, m), negative (queries, n).

    The best value is 1. Among equal similarities a positive ranks first, as in copairs.
    """
    above = np.array([(negative > limit[:, None] + TIE).sum(axis=1) for limit in positive.T]).T
    return compute_precision_from_counts(above)


def test_average_precision_by_hand():
    # ranks of the positives: 1 and 3 of 4, so (1/1 + 2/3) / 2
    positive, negative = np.array([[0.9, 0.5]]), np.array([[0.7, 0.1]])
    assert average_precision(positive, negative)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([[0.9]]), np.array([[0.1, 0.2]]))[0] == 1
    assert average_precision(np.array([[0.0]]), np.array([[0.1, 0.2]]))[0] == pytest.approx(1 / 3)


@settings(max_examples=10, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 5), min_size=3, max_size=8),
    controls=st.integers(2, 6),
    effect=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_replicability_agrees_with_copairs(sizes, controls, effect, seed):
    wells = join_plates(plates(len(sizes), sizes, effect=effect, controls=controls, seed=seed))
    found, _ = rank_replicates(wells)
    metadata = wells.metadata.assign(
        kind=np.where(wells.metadata["Metadata_control_type"] == "negcon", "control", "treated"),
        name=wells.metadata["Metadata_broad_sample"].fillna("negcon"),
    )
    # copairs also pairs the controls with each other; those rows are not needed
    oracle = copairs_map.average_precision(
        metadata[["Metadata_Plate", "Metadata_Well", "kind", "name"]],
        wells.values,
        pos_sameby=["name"],
        pos_diffby=[],
        neg_sameby=[],
        neg_diffby=["kind"],
        progress_bar=False,
    )
    oracle = oracle[oracle["kind"] == "treated"].set_index(["Metadata_Plate", "Metadata_Well"])
    found = found.set_index(["plate", "well"])
    expected = oracle.loc[found.index]
    np.testing.assert_allclose(found["average_precision"], expected["average_precision"], atol=1e-6)
    assert (found["n_pos_pairs"] == expected["n_pos_pairs"]).all()
    assert (found["n_total_pairs"] == expected["n_total_pairs"]).all()


def test_noise_is_random_and_effects_are_retrieved():
    def row(effect):
        wells = join_plates(plates(60, 4, effect=effect, controls=50, seed=4))
        return summarize(rank_replicates(wells)[0], draws=2000)[0]

    noise, strong = row(0), row(3)
    assert abs(noise["mean_average_precision_normalized"]) < 0.03
    assert noise["percent_retrieved"] < 5
    assert strong["mean_average_precision_raw"] == pytest.approx(1)
    assert strong["percent_retrieved"] == 100
    assert strong["random_baseline"] == pytest.approx(3 / 203)
    assert strong["mean_average_precision"] == pytest.approx(1 - 3 / 203)


def test_sphered_replicates_get_no_score_since_noise_would_be_retrieved(tmp_path):
    wells = join_plates(plates(60, 4, controls=40, features=300, seed=5))
    sphered = fit_on_controls(wells).of(wells)
    precision, _ = rank_replicates(join_plates({"sphered": sphered}))
    assert summarize(precision, draws=1000)[0]["percent_retrieved"] > 30, "why no score is given"
    write_profiles(sphered, tmp_path / "sphered.parquet", {})
    outputs = {"score": tmp_path / "score.csv", "perturbations": tmp_path / "p.parquet"}
    main(
        {"profiles": [str(tmp_path / "sphered.parquet")]},
        {},
        "spherized",
        outputs,
        {"draws": 500},
        controls_fitted=True,
    )
    row = pd.read_csv(outputs["score"]).iloc[0]
    assert np.isnan(row["mean_average_precision"])
    assert row["message"].startswith("no score: sphering made the negative controls")
    assert len(pd.read_parquet(outputs["perturbations"])) == 0


def test_single_replicates_are_left_out():
    wells = join_plates(plates(10, [1] * 4 + [3] * 6, controls=5))
    assert rank_replicates(wells)[0]["perturbation"].nunique() == 6
    empty, _ = rank_replicates(join_plates(plates(5, 1, controls=5)))
    row, table = summarize(empty)
    assert np.isnan(row["mean_average_precision"])
    assert row["message"]
    assert len(table) == 0


def test_without_negative_controls_there_is_no_score_and_the_row_says_why():
    row, table = summarize(rank_replicates(join_plates(plates(5, 2)))[0])
    assert np.isnan(row["mean_average_precision"])
    assert "replicates need negative controls (`negcon` in control_type)" in row["message"]
    assert len(table) == 0


def test_matching_retrieves_the_gene_of_the_other_side():
    a = plates(30, 3, genes=30, effect=2, prefix="C")
    b = plates(60, 3, genes=30, effect=2, prefix="K", seed=1)
    wells = join_plates({**a, **b})
    of_a = wells.metadata["Metadata_Plate"].str.startswith("C").to_numpy()
    row, table = summarize(rank_matches(wells, of_a, within=False)[0], draws=1000)
    assert len(table) == 30
    assert (table["positives"] == 2).all()
    assert row["mean_average_precision_raw"] == pytest.approx(1)
    within, _ = rank_matches(wells, np.ones(len(wells), dtype=bool), within=True)
    assert len(within) == 90
    assert (within["n_total_pairs"] == 89).all()


@pytest.mark.parametrize("comparison", [False, True])
def test_main_writes_both_tables(tmp_path, comparison):
    files = {}
    for prefix, key in (("C", "a"), ("K", "b")):
        files[key] = []
        for name, plate in plates(20, 2, prefix=prefix, effect=1, controls=5).items():
            files[key].append(str(tmp_path / name))
            write_profiles(plate, files[key][-1], {})
    profiles = files if comparison else {"profiles": files["a"]}
    outputs = {"score": tmp_path / "score.csv", "perturbations": tmp_path / "p.parquet"}
    main(profiles, {"cell_line": "U2OS"}, "selected", outputs, {"draws": 500, "seed": 1})
    row, table = pd.read_csv(outputs["score"]).iloc[0], pd.read_parquet(outputs["perturbations"])
    assert row["mean_average_precision"] == pytest.approx(table["average_precision_above_random"].mean())
    assert row["perturbations"] == len(table) == 20
