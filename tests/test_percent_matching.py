"""Percent Matching: against its definition, on noise, on known effects, on awkward input."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import replicates
from lib.errors import InputError
from lib.replicates import compute_medians_between, correlate, join_plates
from lib.sides import collect_side, read_sides
from lib.tables import write_profiles
from percent_matching import main, score_comparison
from simulated_profiles import plates

pytestmark = pytest.mark.unit

QUICK = {"draws": 1000, "repeats": 10}


def two_sides(a: dict, b: dict):
    """Join the plates of two conditions: the wells, and which are of the first."""
    wells = join_plates({**a, **b})
    return wells, np.arange(len(wells)) < sum(len(plate) for plate in a.values())


def both_types(perturbations=60, guides=2, replicates=3, seed=0, **options):
    """Compounds, and for each gene `guides` guides, of the same simulated genes."""
    compounds = plates(perturbations, replicates, genes=perturbations, prefix="C", seed=seed, **options)
    reagents = plates(
        perturbations * guides, replicates, genes=perturbations, prefix="K", seed=seed + 1000, **options
    )
    return two_sides(compounds, reagents)


def direct_block(a: np.ndarray, b: np.ndarray) -> float:
    """The definition: the median of the correlations of every row of `a` with every row of `b`."""
    return float(np.median([np.corrcoef(x, y)[0, 1] for x, y in product(a, b)]))


def test_median_of_a_hand_computed_block():
    a = np.array([[1.0, 2, 3], [3, 2, 1]])
    b = np.array([[2.0, 4, 6], [1, 0, 1]])
    # r = 1, 0, -1, 0
    block = compute_medians_between(correlate(a, b), np.array([[0, 1], [0, 0]]), np.array([[0, 1], [0, 1]]))
    assert block == pytest.approx([0, 0.5], abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    sizes_a=st.lists(st.integers(1, 4), min_size=6, max_size=10),
    sizes_b=st.lists(st.integers(1, 4), min_size=6, max_size=10),
    genes=st.integers(2, 6),
    effect=st.floats(0, 2),
    seed=st.integers(0, 10_000),
)
def test_agrees_with_the_slow_definition(sizes_a, sizes_b, genes, effect, seed):
    a = plates(len(sizes_a), sizes_a, genes=genes, effect=effect, prefix="C", seed=seed)
    b = plates(len(sizes_b), sizes_b, genes=genes, effect=effect, prefix="K", seed=seed + 1)
    wells, of_a = two_sides(a, b)
    row, table, null = score_comparison(wells, of_a, seed=seed, draws=200, repeats=2)

    perturbation = wells.metadata["Metadata_broad_sample"]
    gene = dict(zip(perturbation, wells.metadata["Metadata_gene"], strict=True))
    values = {name: wells.values[rows] for name, rows in perturbation.groupby(perturbation).indices.items()}
    expected = {
        (x, y): direct_block(values[x], values[y])
        for x in sorted(set(perturbation[of_a]))
        for y in sorted(set(perturbation[~of_a]))
    }
    same = {pair: value for pair, value in expected.items() if gene[pair[0]] == gene[pair[1]]}
    found = table.set_index(["perturbation_a", "perturbation_b"])["median_correlation"].to_dict()
    assert found.keys() == same.keys()
    for pair, value in same.items():
        assert found[pair] == pytest.approx(value, abs=1e-12)
    # where no replicate is left out, every draw of the null is a block of two different genes
    if len(set(sizes_a)) == 1 == len(set(sizes_b)):
        different = np.array(sorted(set(expected.values()) - set(same.values())))
        drawn = null.loc[null["null"] == "standard", "median_correlation"].to_numpy()
        if len(drawn):
            assert np.abs(drawn[:, None] - different[None, :]).min(axis=1).max() < 1e-12
            threshold = np.percentile(drawn, 95) if len(different) > 200 else table["threshold_right"].iloc[0]
            share = np.mean([value > threshold for value in same.values()])
            assert row["percent_matching_right"] == pytest.approx(100 * share)


@pytest.mark.parametrize("replicates", [2, 3, 4, 8, "unequal"])
def test_five_percent_of_pure_noise_matches(replicates):
    rows = []
    for seed in range(4):
        counts = replicates
        if replicates == "unequal":
            counts = np.random.default_rng(seed).integers(1, 6, 100).tolist()
        a = plates(100, counts, genes=50, prefix="C", seed=seed, shuffled=True)
        b = plates(100, counts, genes=50, prefix="K", seed=seed + 500)
        rows.append(score_comparison(*two_sides(a, b), draws=4000, repeats=2, seed=seed)[0])
    # 800 pairs: a standard error of 0.77 points
    for score, chance in (
        ("percent_matching_right", 5),
        ("percent_matching_left", 5),
        ("percent_matching_both", 10),
    ):
        assert abs(np.mean([row[score] for row in rows]) - chance) < 2.5
        assert abs(np.mean([row[f"position_aware_{score}"] for row in rows]) - chance) < 3


def test_power_rises_to_one():
    curve = [
        score_comparison(*both_types(effect=effect), **QUICK)[0]["percent_matching_right"]
        for effect in (0, 0.3, 0.8, 2)
    ]
    assert curve[0] < 12
    assert curve == sorted(curve)
    assert 20 < curve[1] < 100
    assert curve[-1] == 100


def test_opposite_effects_are_in_the_left_tail():
    wells, of_a = both_types(effect=2)
    wells.values[of_a] *= -1
    row, _, _ = score_comparison(wells, of_a, **QUICK)
    assert row["percent_matching_left"] == 100
    assert row["percent_matching_right"] == 0
    assert row["percent_matching_both"] == 100


def test_guides_are_kept_apart_and_pairs_counted():
    wells, of_a = both_types(perturbations=30, guides=2)
    row, table, _ = score_comparison(wells, of_a, **QUICK)
    assert (row["pairs"], row["genes"], row["perturbations_a"], row["perturbations_b"]) == (60, 30, 30, 60)
    assert table.groupby("perturbation_a").size().eq(2).all()


def test_within_a_condition_each_pair_once_and_none_with_itself():
    wells = join_plates(plates(40, 3, genes=20, effect=2, prefix="K"))
    row, table, _ = score_comparison(wells, np.ones(len(wells), dtype=bool), within=True, **QUICK)
    assert row["pairs"] == 20
    assert row["percent_matching_right"] == 100
    assert (table["perturbation_a"] < table["perturbation_b"]).all()


@pytest.mark.parametrize("replicates", [2, 3, 8, "unequal"])
def test_within_a_condition_noise_matches_five_percent(replicates):
    shares = []
    for seed in range(4):
        counts = replicates
        if replicates == "unequal":
            counts = np.random.default_rng(seed).integers(1, 6, 200).tolist()
        wells = join_plates(plates(200, counts, genes=50, seed=seed))
        row, _, _ = score_comparison(wells, np.ones(len(wells), dtype=bool), within=True, **QUICK)
        assert row["pairs"] == 300
        shares.append(row["percent_matching_right"])
    assert abs(np.mean(shares) - 5) < 2.5


def test_q_values_of_noise_are_rarely_low_in_either_tail():
    """40 runs without any effect: in at most 5 % of them a pair may have a q-value below 0.05."""
    called = 0
    for seed in range(40):
        wells = join_plates(plates(24, 3, genes=12, seed=7000 + seed))
        _, table, _ = score_comparison(wells, np.ones(len(wells), dtype=bool), within=True, **QUICK)
        called += bool((table[["q_value_right", "q_value_left"]] < 0.05).to_numpy().any())
    assert called <= 2


def test_pairs_may_have_to_differ_in_another_column():
    wells = join_plates(plates(40, 3, genes=10, prefix="K"))
    wells.metadata["Metadata_compound"] = wells.metadata["Metadata_broad_sample"].str[-1]
    everything = np.ones(len(wells), dtype=bool)
    row, _, _ = score_comparison(wells, everything, within=True, different="Metadata_compound", **QUICK)
    # 40 perturbations of 10 genes: those of a gene are 10 apart and end in the same digit
    assert row["pairs"] == 0
    row, _, _ = score_comparison(wells, everything, within=True, **QUICK)
    assert row["pairs"] == 60


def test_several_targets_make_one_pair_that_names_the_shared_genes():
    a = plates(30, 2, genes=30, prefix="C")
    for plate in a.values():
        plate["Metadata_gene"] = plate["Metadata_gene"].where(plate.index != 0, "G0000|G0001| G0002")
    b = plates(30, 2, genes=30, prefix="K")
    for plate in b.values():
        plate["Metadata_gene"] = plate["Metadata_gene"].where(plate.index != 0, "G0002|G0001")
    _, table, _ = score_comparison(*two_sides(a, b), **QUICK)
    many = table[table["perturbation_a"] == "C0000"].set_index("perturbation_b")["genes"].to_dict()
    assert many == {"K0000": "G0001|G0002", "K0001": "G0001", "K0002": "G0002"}


def test_a_column_of_genes_for_each_side():
    a = {
        name: plate.rename(columns={"Metadata_gene": "Metadata_target"})
        for name, plate in plates(30, 2, prefix="C", effect=2).items()
    }
    b = plates(30, 2, prefix="K", effect=2)
    row, _, _ = score_comparison(*two_sides(a, b), gene=("Metadata_target", "Metadata_gene"), **QUICK)
    assert row["pairs"] == 30
    with pytest.raises(InputError, match="no column Metadata_moa"):
        score_comparison(*two_sides(a, b), gene="Metadata_moa", **QUICK)


def test_positions_shared_by_a_pair_are_taken_into_account():
    def same_layout(seed):
        # both sides lie at the same positions, and a position does to a well what it does
        drift = np.random.default_rng(5).normal(size=(80, 40)) * 2
        sides = []
        for prefix, offset in (("C", 0), ("K", 1)):
            side = plates(80, 3, genes=20, prefix=prefix, seed=seed + offset)
            for plate in side.values():
                plate[[f"Cells_F{i}" for i in range(40)]] += drift
            sides.append(side)
        return two_sides(*sides)

    row, table, _ = score_comparison(*same_layout(3), **QUICK)
    alone = table[table["shared_positions"] == 9]
    assert len(alone) == 80
    assert alone["matches_right"].all()
    # the pairs of one position are all of one gene here: no null shares positions as they do
    assert not alone["position_aware_matches_right"].any()
    assert "position-aware null not available for 80 pairs" in row["message"]


def test_no_pair_is_a_row_with_a_message():
    a = plates(10, 2, prefix="C")
    b = {name: plate.assign(Metadata_gene="OTHER") for name, plate in plates(10, 2, prefix="K").items()}
    row, table, null = score_comparison(*two_sides(a, b), **QUICK)
    assert np.isnan(row["percent_matching_right"])
    assert row["pairs"] == 0
    assert "no pair of perturbations shares a gene" in row["message"]
    assert len(table) == len(null) == 0
    wells, of_a = two_sides(
        *({name: plate.assign(Metadata_target=pd.NA) for name, plate in each.items()} for each in (a, b))
    )
    row, _, _ = score_comparison(wells, of_a, gene="Metadata_target", **QUICK)
    assert "no pair of perturbations shares a target (0 and 0 perturbations with a target)" in row["message"]


def test_too_few_different_pairs_for_a_null():
    a, b = plates(3, 2, prefix="C"), plates(3, 2, prefix="K")
    row, _, _ = score_comparison(*two_sides(a, b), **QUICK)
    assert np.isnan(row["percent_matching_right"])
    assert "standard null not available for 3 pairs" in row["message"]
    assert np.isnan(row["percent_at_q_5_right"]), "nothing could be tested"


def test_the_same_plate_on_both_sides_is_refused(tmp_path):
    files = []
    for name, plate in plates(5, 3).items():
        files.append(str(tmp_path / name))
        write_profiles(plate, files[-1], {})
    assert read_sides(files, files)[2]
    assert read_sides(files, [])[2]
    with pytest.raises(InputError, match="on both sides"):
        read_sides(files[:2], files[1:])


def test_both_sides_are_read_for_their_common_features_alone(tmp_path, monkeypatch):
    a, b = plates(5, 2, features=6, prefix="C"), plates(5, 3, features=7, prefix="K")
    files = []
    for side_name, sides in (("a", a), ("b", b)):
        for name, plate in sides.items():
            files.append(str(tmp_path / f"{side_name}_{name}.parquet"))
            write_profiles(plate.assign(Metadata_Plate=f"{side_name}{name}"), files[-1], {})
    wells, of_a, within = read_sides(files[:2], files[2:])
    assert not within
    assert of_a.tolist() == [True] * sum(map(len, a.values())) + [False] * sum(map(len, b.values()))
    assert len(wells.features) == 6
    assert wells.dropped["features_not_common"] == 1
    expected = np.vstack([plate[wells.features].to_numpy() for plate in (*a.values(), *b.values())])
    assert (wells.values == expected).all()
    monkeypatch.setattr(replicates, "MOST_DOUBLES", 10)
    assert read_sides(files[:2], files[2:])[0].values.dtype == np.float32


def test_main_writes_the_three_tables(tmp_path):
    sides = []
    for seed, prefix in enumerate("CK"):
        side = []
        given_plates = plates(40, 2, prefix=prefix, effect=1, shuffled=True, seed=seed)
        for name, plate in given_plates.items():
            side.append(str(tmp_path / name))
            write_profiles(plate, side[-1], {})
        sides.append(side)
    names = {"score": "score.csv", "pairs": "pairs.parquet", "null": "null.parquet"}
    outputs = {name: str(tmp_path / file) for name, file in names.items()}
    condition = {"perturbation_a": "compound", "perturbation_b": "crispr"}
    main(tuple(sides), condition, "selected", outputs, QUICK)
    row = pd.read_csv(outputs["score"]).iloc[0]
    pairs = pd.read_parquet(outputs["pairs"])
    assert row["percent_matching_right"] == pytest.approx(100 * pairs["matches_right"].mean())
    assert row["pairs"] == len(pairs) == 40
    assert set(pd.read_parquet(outputs["null"])["null"]) == {"standard", "position_aware"}


def test_a_gene_column_that_the_profiles_lack_is_named():
    metadata = pd.DataFrame({"Metadata_Well": ["A01"], "Metadata_target": ["TP53"], "perturbation": ["x"]})
    with pytest.raises(InputError, match=r"no column Metadata_gene.* benchmark\.gene .*Metadata_target"):
        collect_side(metadata, "Metadata_gene", 2)
