"""Batch mixing: by hand, and against scib-metrics' own numbers."""

import numpy as np
import pytest
from scipy.stats import chi2

from lib.mixing import (
    find_mixed,
    find_neighbors,
    get_batch_silhouettes,
    get_connectivity,
    get_lisi,
    get_number,
    get_silhouettes,
    scale_lisi,
)

pytestmark = pytest.mark.unit

LABELS, BATCHES = np.repeat(np.arange(12), 20), np.tile(np.arange(4), 60)
GROUPS = {str(label): np.flatnonzero(label == LABELS) for label in range(12)}
# scib-metrics 0.5.10 (with jax 0.10.2, float32) on `simulate`: silhouette_label, silhouette_batch, ilisi_knn
# with 60 neighbors, kbet with 50 and graph_connectivity with 15, on the exact nearest neighbors and the well
# itself.
OF_SCIB_METRICS = {
    (0, 1): (0.5475003123, 0.8832091689, 0.7275215983, 0.975, 0.9291666667),
    (0.5, 1): (0.5290948749, 0.8832489848, 0.5637931228, 0.3958333333, 0.8791666667),
    (2, 0.5): (0.4598267674, 0.4950470030, 0.0003394286, 0.0, 0.1875),
}


def simulate(of_batch: float, of_label: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(240, 8)) + of_batch * rng.normal(size=(4, 8))[BATCHES]
    return values + of_label * rng.normal(size=(12, 8))[LABELS]


@pytest.mark.parametrize("effects", OF_SCIB_METRICS, ids=str)
def test_the_measures_are_those_of_scib_metrics(effects):
    values = simulate(*effects)
    neighbors = find_neighbors(values, 60)
    mine = (
        get_silhouettes(values, LABELS).mean(),
        np.mean(list(get_batch_silhouettes(values, BATCHES, GROUPS).values())),
        scale_lisi(np.median(get_lisi(neighbors, BATCHES)), 4),
        find_mixed(neighbors.nearest(50), BATCHES).mean(),
        np.mean(list(get_connectivity(neighbors.nearest(15), GROUPS).values())),
    )
    np.testing.assert_allclose(mine, OF_SCIB_METRICS[effects], atol=3e-7)


def test_four_wells_on_a_line_by_hand():
    values = np.array([[0.0], [1.0], [10.0], [11.0]])
    pairs, alternating = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    # a = 1, b = 10.5 and 9.5 for the outer and the inner well
    expected = [(1 - 1 / 10.5 + 1) / 2, (1 - 1 / 9.5 + 1) / 2]
    np.testing.assert_allclose(get_silhouettes(values, pairs), [*expected, *expected[::-1]])
    groups = {"all": np.arange(4)}
    # outer: a = 10, b = (1 + 11) / 2 = 6; inner: a = 10, b = (1 + 9) / 2 = 5
    expected_batch = 1 - (4 / 10 + 5 / 10) / 2
    assert get_batch_silhouettes(values, alternating, groups)["all"] == pytest.approx(expected_batch)
    assert get_batch_silhouettes(values, np.arange(4), groups) == {}  # each well its own batch
    assert get_batch_silhouettes(values, np.zeros(4, dtype=int), groups) == {}


def test_connectivity_follows_directed_edges_within_a_label():
    values = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0], [100.0], [101.0]])
    neighbors = find_neighbors(values, 3).nearest(3)
    assert neighbors.rows.shape == (8, 3)
    # the first two groups of three are connected, and one label holds one well of each
    groups = {"near": np.array([0, 1, 2]), "split": np.array([3, 4, 6])}
    found = get_connectivity(neighbors, groups)
    assert found["near"] == 1
    assert found["split"] == pytest.approx(2 / 3)


def test_kbet_is_a_chi_squared_test_of_each_neighborhood():
    values = np.concatenate([np.arange(10), 100 + np.arange(10)])[:, None].astype(float)
    apart, mixed = np.repeat([0, 1], 10), np.tile([0, 1], 10)
    neighbors = find_neighbors(values, 5)
    # all five of one batch where 2.5 of each are expected: 5 > 3.84
    assert chi2.sf(5.0, 1) < 0.05
    assert not find_mixed(neighbors, apart).any()
    assert find_mixed(neighbors, mixed).all()


def test_lisi_counts_the_batches_around_a_well():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 3))
    batches = rng.integers(2, size=400)
    mixed = get_lisi(find_neighbors(values, 90), batches)
    assert 1.8 < np.median(mixed) <= 2
    apart = get_lisi(find_neighbors(values + 100 * batches[:, None], 90), batches)
    np.testing.assert_allclose(apart, 1)
    # any unit of the features
    scaled = get_lisi(find_neighbors(1e6 * values, 90), batches)
    np.testing.assert_allclose(scaled, mixed, rtol=1e-3)


def test_few_and_equal_wells():
    assert get_number(1536, 90) == 90
    assert get_number(40, 90) == 10
    assert get_number(5, 90) == 4
    equal = np.zeros((20, 3))
    lisi = get_lisi(find_neighbors(equal), np.tile([0, 1], 10))
    assert np.isfinite(lisi).all()
    assert np.isnan(get_silhouettes(np.zeros((3, 2)), np.arange(3))).all()
    assert np.isnan(get_silhouettes(np.zeros((3, 2)), np.zeros(3))).all()
