"""Neighbors, shared genes and clusters by hand."""

import numpy as np
import pytest

from lib.clusters import cluster_profiles, find_neighbors, measure_enrichment, measure_sharing

pytestmark = pytest.mark.unit


def at(*degrees):
    """Profiles at these angles: the cosine of two is that of the difference."""
    radians = np.radians(degrees)
    return np.column_stack([np.cos(radians), np.sin(radians)])


def genes(*names):
    return [frozenset(name.split("|")) - {""} for name in names]


def test_neighbors_are_ordered_by_cosine():
    near, cosines = find_neighbors(at(0, 10, 40, 100), 2)
    assert near.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert cosines[0] == pytest.approx(np.cos(np.radians([10, 40])))


@pytest.mark.parametrize("number", [0, 1])
def test_one_profile_has_no_neighbor(number):
    near, _ = find_neighbors(at(*range(number)).reshape(number, 2), 3)
    assert near.shape == (number, 0)


def test_sharing_is_the_chance_of_as_good_ranks():
    # of 0, the partner at 10 degrees is the first of three others; of 10, the partner at 0 is first as well;
    # 40 and 100 have no partner
    profiles = at(0, 10, 40, 100)
    near, _ = find_neighbors(profiles, 2)
    table = measure_sharing(genes("A", "A|B", "C", ""), profiles, near, 1000, 0)
    assert table["partners"].tolist() == [1, 1, 0, 0]
    assert table["neighbors_sharing"].tolist() == [1, 1, 0, 0]
    assert table["sharing_p_value"].tolist()[:2] == pytest.approx([1 / 3, 1 / 3])
    assert table["sharing_p_value"].isna().tolist() == [False, False, True, True]


def test_shared_genes_of_noise_are_calibrated():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(20):
        profiles = rng.normal(size=(60, 10))
        near, _ = find_neighbors(profiles, 5)
        table = measure_sharing(genes(*(f"G{i % 20}" for i in range(60))), profiles, near, 1000, 0)
        found += table["sharing_p_value"].tolist()
    assert 0.02 < (np.array(found) < 0.05).mean() < 0.08


def test_groups_far_apart_are_clusters_with_their_class_enriched():
    rng = np.random.default_rng(1)
    centers = 3 * rng.normal(size=(3, 20))
    sizes = (15, 20, 25)
    profiles = np.vstack(
        [center + rng.normal(size=(n, 20)) for center, n in zip(centers, sizes, strict=True)]
    )
    cluster = cluster_profiles(profiles, seed=1)
    assert [len(set(cluster[part])) for part in np.split(np.arange(60), [15, 35])] == [1, 1, 1]
    assert cluster[-1] == 1, "the largest is the first"
    known = genes(*np.repeat(["X", "Y", "Z"], sizes))
    table = measure_enrichment([str(i) for i in range(60)], known, cluster)
    of_z = table.set_index("class").loc["Z"]
    assert (of_z["in_cluster"], of_z["in_condition"]) == (25, 25)
    assert of_z["fold"] == pytest.approx(60 / 25)
    assert (table["q_value"] < 1e-9).all()


def test_many_small_groups_are_as_many_clusters():
    """Plain modularity would merge them: a graph of any size has few communities."""
    rng = np.random.default_rng(2)
    centers = 3 * rng.normal(size=(40, 30))
    profiles = np.repeat(centers, 11, axis=0) + rng.normal(size=(440, 30))
    cluster = cluster_profiles(profiles, seed=1).reshape(40, 11)
    assert len(np.unique(cluster)) == 40
    assert (cluster == cluster[:, :1]).all()


def test_few_profiles_and_no_annotation_have_empty_tables():
    assert cluster_profiles(at(0, 1, 2), seed=0).tolist() == [0, 0, 0]
    assert not len(measure_enrichment([], [], np.empty(0)))
    table = measure_enrichment(["a", "b", "c"], genes("", "", ""), np.array([1, 1, 2]))
    assert table["class"].isna().all()
    assert table["perturbations"].tolist() == [2, 1]


def test_doses_of_a_compound_count_once():
    # cluster 1: three doses of compound a (class X) and b (class X); cluster 2: c (X) and d, e (Y)
    cluster = np.array([1, 1, 1, 1, 2, 2, 2])
    compounds = ["a", "a", "a", "b", "c", "d", "e"]
    table = measure_enrichment(list("1234567"), genes(*"XXXXXYY"), cluster, compounds)
    first = table[(table["cluster"] == 1) & (table["class"] == "X")].iloc[0]
    assert first[["perturbations", "with_annotation", "in_cluster", "in_condition"]].tolist() == [4, 2, 2, 3]
    # of five compounds, two are in the cluster, and both are of the three with X: 3 of 10 pairs
    assert first["p_value"] == pytest.approx(0.3)
    alone = measure_enrichment(list("123"), genes(*"XXY"), np.array([1, 1, 1]), ["a", "a", "b"])
    assert alone["class"].isna().all()


def test_other_doses_of_a_compound_are_not_partners():
    # 0 and 10 degrees are doses of one compound with the gene A, which also 100 has
    profiles = at(0, 10, 40, 100)
    near, _ = find_neighbors(profiles, 2)
    table = measure_sharing(genes("A", "A", "C", "A"), profiles, near, 1000, 0, ["a", "a", "b", "c"])
    assert table["partners"].tolist() == [1, 1, 0, 2]
    assert table["neighbors_sharing"].tolist() == [0, 0, 0, 1]
    # of 0, the only partner is the last of two others; of 100, both partners are after 40 of three others
    assert table["sharing_p_value"].tolist()[:2] == pytest.approx([1, 1])
    assert table["sharing_average_precision"].iloc[0] == pytest.approx(1 / 2)
    assert table["sharing_average_precision"].iloc[3] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_profiles_of_zeros_do_not_stop_anything():
    profiles = np.zeros((6, 3))
    near, _ = find_neighbors(profiles, 2)
    table = measure_sharing(genes(*"AABBCC"), profiles, near, 100, 0)
    assert table["sharing_p_value"].isna().all()
    assert len(cluster_profiles(profiles, 0)) == 6
