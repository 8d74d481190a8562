"""Average precision of queries with their own positives: together as one by one, and with themselves."""

import numpy as np
import pytest

from lib import query_ranking, symmetric_counting
from lib.average_precision import compute_precision_from_counts, scale_rows_to_unit
from lib.query_ranking import rank_queries

pytestmark = pytest.mark.unit


def test_queries_with_other_numbers_of_positives_are_ranked_as_one_by_one():
    rng = np.random.default_rng(5)
    profiles = rng.normal(size=(40, 12))
    rows = [3, 7, 8, 30]
    positives = [np.array(part) for part in ([1], [2, 9, 11], [0, 4], np.arange(10, 20))]
    aside = [np.union1d(part, [row]) for row, part in zip(rows, positives, strict=True)]
    found = rank_queries(profiles, profiles, rows, positives, aside, threads=2)
    similarity = scale_rows_to_unit(profiles) @ scale_rows_to_unit(profiles).T
    for row, chosen, others, precision in zip(rows, positives, aside, found, strict=True):
        negatives = similarity[row, np.setdiff1d(np.arange(40), others)]
        above = (negatives[None, :] > similarity[row, chosen][:, None]).sum(axis=1)
        assert precision == pytest.approx(compute_precision_from_counts(above[None])[0])
    assert len(rank_queries(profiles, profiles, [], [], [])) == 0


def test_a_comparison_with_itself_ranks_as_before(monkeypatch):
    """Many positives, few positives, and profiles that are no query."""
    rng = np.random.default_rng(3)
    profiles = rng.normal(size=(90, 20))
    rows = [row for row in range(90) if row % 5]
    sizes = [1 + row % 3 if row % 11 else 40 for row in rows]
    others = [np.setdiff1d(np.arange(90), row) for row in rows]
    positives = [
        np.sort(rng.choice(part, size, replace=False)) for part, size in zip(others, sizes, strict=True)
    ]
    aside = [np.union1d(part, row) for part, row in zip(positives, rows, strict=True)]
    expected = rank_queries(profiles, profiles.copy(), rows, positives, aside)
    monkeypatch.setattr(query_ranking, "MANY", 0)
    monkeypatch.setattr(symmetric_counting, "QUERIES", 32)
    found = rank_queries(profiles, profiles, rows, positives, aside, threads=2)
    np.testing.assert_allclose(found, expected, atol=1e-12)
