"""What the page has of a large experiment: which perturbations, and how the conditions share the page."""

import pandas as pd
import pytest

from report_page.chosen import (
    Choice,
    choose_names,
    count_rows_of,
    describe_choice,
    find_named,
    order_evenly,
    share_out,
)
from report_page.results import Results

pytestmark = pytest.mark.unit


def make_hits(number: int, active=(), toxic=()) -> pd.DataFrame:
    names = [f"p{i}" for i in range(number)]
    calls = {"active": [i in active for i in range(number)], "toxic": [i in toxic for i in range(number)]}
    return pd.DataFrame({"name": names, **calls})


@pytest.mark.parametrize(
    ("sizes", "most", "expected"),
    [
        ([], 10, []),
        ([7], 10, [7]),
        ([12], 10, [10]),
        ([5, 5], 10, [5, 5]),
        ([5, 6], 10, [5, 5]),
        # 2 and 1 leave 7 of 10 to the others, in two halves; what cannot be halved goes to the last
        ([2, 100, 1, 100], 10, [2, 3, 1, 4]),
        ([0, 0, 3], 2, [0, 0, 2]),
        ([4, 4], 0, [0, 0]),
    ],
)
def test_what_a_small_part_does_not_need_is_left_to_the_large_ones(sizes, most, expected):
    assert share_out(sizes, most) == expected


@pytest.mark.parametrize("number", [0, 1, 2, 3, 8, 11])
def test_every_number_comes_once_and_each_beginning_is_spread(number):
    order = list(order_evenly(number))
    assert sorted(order) == list(range(number))
    if number == 8:
        assert order == [0, 4, 2, 6, 1, 5, 3, 7]


def test_nothing_is_chosen_while_there_is_room_for_all():
    assert choose_names(make_hits(8), [f"p{i}" for i in range(8)], ["p7"], 8) == Choice(None, 8)
    assert choose_names(make_hits(8), [], [], 7).names is not None


def test_named_then_active_then_toxic_then_the_order_of_the_table_then_a_sample():
    hits = make_hits(40, active=(10, 20), toxic=(20, 30))
    found = choose_names(hits, [], ["p39", "p39", "not there"], 12)
    assert (found.total, found.sampled, len(found.names)) == (40, 3, 12)
    first = {"p39", "p10", "p20", "p30", "p0", "p1", "p2", "p3", "p4"}
    assert first < found.names
    assert found == choose_names(hits, [], ["p39"], 12)
    sentence = describe_choice(found, hits)
    assert sentence == (
        "12 of 40 perturbations are on this page: 2 of 2 active ones, 2 of 2 toxic ones, those that figures "
        "name, the next in the order of the table and 3 of the others, drawn at random"
    )


def test_active_ones_that_do_not_fit_are_counted():
    hits = make_hits(40, active=range(30))
    found = choose_names(hits, [], [], 8)
    assert {f"p{i}" for i in range(6)} < found.names
    shown = sum(name in found.names for name in (f"p{i}" for i in range(30)))
    assert describe_choice(found, hits).startswith(
        f"8 of 40 perturbations are on this page: {shown} of 30 active ones, those"
    )


def test_without_hits_the_best_scores_come_first():
    scored = [f"s{i}" for i in range(20)]
    for hits in (pd.DataFrame(), pd.DataFrame({"name": []}), pd.DataFrame({"name": [], "active": []})):
        found = choose_names(hits, scored, [], 8)
        assert {f"s{i}" for i in range(6)} < found.names
        assert "active" not in describe_choice(found, hits)


def test_hits_without_calls_come_in_their_order():
    hits = pd.DataFrame({"name": [f"p{i}" for i in range(20)], "active_rule": "too few"})
    assert {f"p{i}" for i in range(6)} < choose_names(hits, ["p19", "p18"], [], 8).names
    unknown = hits.assign(active=[None] * 20, toxic=[None] * 20)
    assert choose_names(unknown, [], [], 8) == choose_names(hits, [], [], 8)


def test_a_name_that_is_there_twice_counts_once():
    hits = pd.DataFrame({"name": ["a", "a", "b", "c"], "active": [True, True, False, False]})
    assert choose_names(hits, ["b", "b", "d"], [], 4) == Choice(None, 4)
    found = choose_names(hits, ["b", "b", "d"], [], 3)
    assert (len(found.names), found.total) == (3, 4)
    assert describe_choice(found, hits).startswith(
        "3 of 4 perturbations are on this page: 1 of 1 active ones"
    )


def test_perturbations_of_figures_are_always_there():
    found = choose_names(make_hits(20), [], ["p18", "p19"], 0)
    assert found == Choice(frozenset({"p18", "p19"}), 20)
    assert choose_names(make_hits(20), [], [], -5) == Choice(frozenset(), 20)


def test_figures_name_the_best_the_replicating_and_the_most_changed(tmp_path):
    names = [f"p{i}" for i in range(200)]
    scores = pd.DataFrame({"perturbation": names, "replicating": [i >= 120 for i in range(200)]})
    rows = [(name, "Cells", 1.0) for name in ("NA", "007", "p199", "p198") for _ in range(3)]
    table = pd.DataFrame(rows, columns=["perturbation", "compartment", "median_absolute_z"])
    table.to_csv(tmp_path / "changes.csv", index=False)
    found = find_named(Results(tmp_path), {"changes": "changes.csv"}, scores, 3)
    assert found == [*names[:50], *names[120:170], "NA", "007", "p199"]
    assert find_named(Results(tmp_path), {"changes": "none.csv"}, pd.DataFrame(), 3) == []


def test_rows_of_tables_are_counted(tmp_path):
    frame = pd.DataFrame({"name": ["NA", "", "b"], "other": 1})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    files = ("a.csv", "a.parquet", "none.csv", "")
    assert [count_rows_of(Results(tmp_path), file, "name") for file in files] == [3, 3, 0, 0]
