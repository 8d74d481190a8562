"""p-values of average precision: against enumeration, on noise, with few controls."""

from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import precision_nulls
from lib.average_precision import compute_replicate_precision, scale_rows_to_unit
from lib.precision_nulls import (
    Controls,
    Distribution,
    LabelTest,
    compute_replicate_p_value,
    get_distribution_of_query,
    get_distribution_of_replicates,
    score_sets,
)
from lib.replicates import Wells, join_plates
from mean_average_precision import rank_replicates, summarize
from simulated_profiles import plates

pytestmark = pytest.mark.unit


def precision(positive: list[float], negative: list[float]) -> float:
    """Average precision by its definition: the mean, over the positives, of the precision at their rank."""
    ranked = sorted([(-value, 0) for value in positive] + [(-value, 1) for value in negative])
    hits, total = 0, 0.0
    for rank, (_, kind) in enumerate(ranked, 1):
        if kind == 0:
            hits += 1
            total += hits / rank
    return total / hits


def score(similarity: np.ndarray, chosen: tuple[int, ...]) -> float:
    """The mean average precision of the wells `chosen` among all others."""
    others = [i for i in range(len(similarity)) if i not in chosen]
    return float(
        np.mean(
            [
                precision([similarity[i, j] for j in chosen if j != i], [similarity[i, j] for j in others])
                for i in chosen
            ]
        )
    )


def test_one_ranking_is_that_of_all_orders():
    null = get_distribution_of_query(2, 3, 1000, 0)
    every = [
        precision([-a, -b], [-x for x in range(5) if x not in (a, b)]) for a, b in combinations(range(5), 2)
    ]
    assert null.sampled == 0
    for value in every:
        assert null.p_value(value) == pytest.approx(np.mean([other >= value - 1e-12 for other in every]))
    # a single positive: rank r of N has the chance r / N to come as early
    assert [get_distribution_of_query(1, 9, 10, 0).p_value(1 / rank) for rank in (1, 2, 10)] == pytest.approx(
        [0.1, 0.2, 1]
    )


def test_many_orders_are_drawn_and_say_so():
    null = get_distribution_of_query(5, 500, 4000, 1)
    assert null.sampled == 4000
    assert null.p_value(1.0) == pytest.approx(1 / 4001)
    assert null.p_value(0.0) == 1


@pytest.mark.parametrize("controls", [1, 2])
def test_two_replicates_are_counted_over_all_orders_of_all_similarities(controls):
    # similarities: of the replicates to each other, of the first to the controls, of the second to them
    every = []
    for order in permutations(range(1 + 2 * controls)):
        first, second = order[1 : 1 + controls], order[1 + controls :]
        every.append((precision([order[0]], list(first)) + precision([order[0]], list(second))) / 2)
    null = get_distribution_of_replicates(2, controls, 10, 0)
    assert null.sampled == 0
    for value in set(every):
        assert null.p_value(value) == pytest.approx(np.mean([other >= value - 1e-12 for other in every]))
    assert null.smallest == pytest.approx(1 / (2 * controls + 1))


def test_more_replicates_are_sampled_from_all_orders():
    # three replicates and one control: six similarities, of which three are between replicates
    every = []
    for order in permutations(range(6)):
        between = {(0, 1): order[0], (0, 2): order[1], (1, 2): order[2]}
        scores = [
            precision([between[min(i, j), max(i, j)] for j in range(3) if j != i], [order[3 + i]])
            for i in range(3)
        ]
        every.append(np.mean(scores))
    null = get_distribution_of_replicates(3, 1, 40_000, 0)
    assert null.sampled == 40_000
    for value in set(every):
        share = np.mean([other >= value - 1e-9 for other in every])
        assert null.p_value(value) == pytest.approx(share, abs=5 * np.sqrt(share / 40_000) + 1e-4)


@settings(max_examples=20, deadline=None)
@given(
    layout=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=3).filter(
        lambda layout: sum(own for own, _ in layout) >= 2
    ),
    features=st.integers(2, 30),
    seed=st.integers(0, 10_000),
)
def test_labels_are_exchanged_on_each_plate(layout, features, seed):
    """All sets with as many wells per plate, scored by the definition among all other wells."""
    rng = np.random.default_rng(seed)
    own = [plate for plate, (number, _) in enumerate(layout) for _ in range(number)]
    other = [plate for plate, (_, number) in enumerate(layout) for _ in range(number)]
    rows = scale_rows_to_unit(rng.normal(size=(len(own) + len(other), features)))
    similarity = rows @ rows.T
    plate_of = np.array(own + other)
    choices = [
        list(combinations(np.flatnonzero(plate_of == plate), number))
        for plate, (number, _) in enumerate(layout)
    ]
    every = [score(similarity, sum(parts, ())) for parts in product(*choices)]
    observed = score(similarity, tuple(range(len(own))))

    test = LabelTest(Controls.of(rows[len(own) :], np.array(other), 0), 10_000, 0)
    null, found = test.null(rows[: len(own)], np.array(own))
    assert found == pytest.approx(observed, abs=1e-12)
    assert null.sampled == 0
    np.testing.assert_allclose(null.values, np.sort(every), atol=1e-12)
    p, smallest, drawn = compute_replicate_p_value(rows[: len(own)], own, observed, test, len(other))
    assert drawn == 0
    assert p >= np.mean(np.array(every) >= observed - 1e-9) - 1e-12
    assert smallest <= p


def test_a_plate_without_controls_exchanges_all_wells():
    rows = scale_rows_to_unit(np.random.default_rng(1).normal(size=(7, 5)))
    test = LabelTest(Controls.of(rows[2:], np.array(["a"] * 5), 0), 10_000, 0)
    null, _ = test.null(rows[:2], np.array(["a", "b"]))
    assert len(null.values) == 21


def test_drawn_sets_agree_with_all_sets():
    rows = scale_rows_to_unit(np.random.default_rng(2).normal(size=(23, 8)))
    where = np.array(["a"] * 23)
    controls = Controls.of(rows[3:], where[3:], 0)
    every, score_of = LabelTest(controls, 10_000, 0).null(rows[:3], where[:3])
    drawn, again = LabelTest(controls, 1_500, 0).null(rows[:3], where[:3])
    assert (every.sampled, drawn.sampled) == (0, 1500)
    assert score_of == again
    for value in np.quantile(every.values, [0.5, 0.9, 0.99]):
        assert drawn.p_value(value) == pytest.approx(every.p_value(value), abs=0.05)


def test_many_controls_are_represented_by_those_of_some_plates(monkeypatch):
    monkeypatch.setattr(precision_nulls, "MOST_CONTROLS", 60)
    rng = np.random.default_rng(3)
    values, where = rng.normal(size=(400, 20)), np.repeat([f"p{i}" for i in range(20)], 20)
    controls = Controls.of(values, where, 0)
    assert len(controls.rows) == 60
    assert len(set(controls.plates)) == 3
    test = LabelTest(controls, 2000, 0)
    p = []
    for seed in range(200):
        rows = scale_rows_to_unit(np.random.default_rng([5, seed]).normal(size=(3, 20)))
        own = compute_replicate_precision(rows, values, [np.arange(3)])[0].mean()
        found, smallest, drawn = compute_replicate_p_value(rows, ["x", "y", "z"], own, test, 400)
        assert drawn == 2000
        assert smallest == pytest.approx(1 / 2001)
        p.append(found)
    assert 0.005 <= np.mean(np.array(p) < 0.05) < 0.1


def test_of_many_replicates_some_are_tested():
    rng = np.random.default_rng(4)
    test = LabelTest(Controls.of(rng.normal(size=(30, 10)), np.array(["a"] * 30), 0), 500, 0)
    strong = scale_rows_to_unit(rng.normal(size=(60, 10)) * 0.1 + 3)
    assert compute_replicate_p_value(strong, ["a"] * 60, np.nan, test, 30)[0] == pytest.approx(1 / 501)


def noise(perturbations: int, replicates: int, controls: int, seed: int, plates_used: int) -> Wells:
    """Wells without any effect; replicates and controls are spread over the plates."""
    names = np.repeat([f"C{i:03d}" for i in range(perturbations)], replicates).tolist()
    number = len(names) + controls
    metadata = pd.DataFrame(
        {
            "Metadata_Plate": [f"P{i % plates_used}" for i in range(number)],
            "Metadata_Well": [f"W{i}" for i in range(number)],
            "Metadata_broad_sample": [*names, *[""] * controls],
            "Metadata_control_type": [*[""] * len(names), *["negcon"] * controls],
        }
    )
    values = np.random.default_rng(seed).normal(size=(number, 25))
    return Wells(metadata, values, [f"F{i}" for i in range(25)], {})


@pytest.mark.parametrize("controls", [3, 6, 16, 64])
@pytest.mark.parametrize(("replicates", "plates_used"), [(2, 1), (2, 2), (4, 4), (8, 2)])
def test_noise_is_hardly_ever_retrieved(replicates, plates_used, controls):
    """Of eight runs with 40 perturbations without effect at most one has a q-value below 0.05."""
    shares, runs = [], 0
    for seed in range(8):
        wells = noise(40, replicates, controls, seed, plates_used)
        row, table = summarize(rank_replicates(wells, draws=1000)[0], draws=1000)
        shares.append((table["p_value"] < 0.05).mean())
        runs += row["percent_retrieved"] > 0
    assert runs <= 1
    # 320 tests, but those of one run share their controls
    assert np.mean(shares) < 0.09


def test_too_few_controls_are_reported():
    wells = join_plates(plates(30, 2, effect=8, controls=4, seed=1))
    row, table = summarize(rank_replicates(wells)[0])
    assert np.isnan(row["percent_retrieved"])
    assert row["perturbations_testable"] == 0
    assert row["message"] == (
        "too few replicates or controls for q < 0.05 in 30 of 30 perturbations: the smallest p-value that "
        "they allow is 0.059"
    )
    assert table["average_precision"].eq(1).all()


def test_a_distribution_counts_ties():
    null = Distribution.of_outcomes(np.array([1.0, 0.5, 0.5, 0.25]))
    assert [null.p_value(value) for value in (1, 0.5, 0.4, 0.25)] == pytest.approx([0.25, 0.75, 0.75, 1])
    drawn = Distribution.of_sample(np.array([1.0, 0.5, 0.5, 0.25]))
    assert [drawn.p_value(value) for value in (2, 1, 0.5)] == pytest.approx([1 / 5, 2 / 5, 4 / 5])


@pytest.mark.parametrize("size", [2, 3, 4, 9, 10, 12])
def test_sets_are_scored_as_each_of_them_alone(size):
    rng = np.random.default_rng(size)
    above = rng.integers(50, size=(15, 15)).astype(np.int32)
    sets = np.array([rng.permutation(15)[:size] for _ in range(7)])
    expected = [
        np.mean(
            [
                np.arange(1, size) / (1 + np.sort([above[well, other] for other in chosen if other != well]))
                for well in chosen
            ]
        )
        for chosen in sets
    ]
    np.testing.assert_allclose(score_sets(above, sets), expected, rtol=0, atol=1e-15)
