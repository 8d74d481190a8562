"""Conditions, comparisons and the plates of splits, by hand."""

import pytest

from lib.conditions import get_comparisons, get_conditions, get_plates_of_split, get_relation
from lib.errors import InputError

pytestmark = pytest.mark.unit


def plate(name, perturbation="compound", cell_line="U2OS", timepoint="48", **more):
    return {
        "plate": name, "perturbation": perturbation, "cell_line": cell_line, "timepoint": timepoint, **more,
    }  # fmt: skip


def config(**changes):
    benchmark = {
        "condition": ["perturbation", "cell_line", "timepoint"],
        "where": {},
        "matching": [["compound", "crispr"], ["compound", "compound"]],
        "matching_same": ["cell_line"],
    }
    return {"benchmark": benchmark | changes}


PLATES = [plate("P2"), plate("P1"), plate("P3", "crispr"), plate("P4", cell_line="A549")]


def test_a_condition_has_its_plates_in_the_order_of_the_sheet():
    found = get_conditions(PLATES, config())
    assert {name: [p["plate"] for p in plates] for name, plates in found.items()} == {
        "compound_A549_48": ["P4"],
        "compound_U2OS_48": ["P2", "P1"],
        "crispr_U2OS_48": ["P3"],
    }


def test_where_leaves_plates_out_and_compares_numbers_as_numbers():
    found = get_conditions(
        [plate("P1", timepoint="48.0"), plate("P2", timepoint="24")], config(where={"timepoint": "48"})
    )
    assert [p["plate"] for plates in found.values() for p in plates] == ["P1"]


def test_without_columns_all_plates_are_one_condition():
    assert list(get_conditions(PLATES, config(condition=[]))) == ["all"]


@pytest.mark.parametrize(
    ("plates", "changes", "words"),
    [
        (PLATES, {"condition": ["density"]}, "the sample sheet has no column density"),
        (PLATES, {"where": {"timepoint": "24"}}, "no plate of the sample sheet has timepoint `24`"),
        ([plate("P1", cell_line="U2OS wt")], {}, "cell_line `U2OS wt` of plate P1"),
        (
            [plate("P1", cell_line="a", timepoint=""), plate("P2", cell_line="", timepoint="a")],
            {},
            "give two conditions the same name",
        ),
    ],
)
def test_what_names_no_condition_is_answered(plates, changes, words):
    with pytest.raises(InputError, match=words):
        get_conditions(plates, config(**changes))


def test_a_date_that_yaml_reads_as_a_number_is_recognized():
    plates = [plate("P1", batch="2020_11_04")]
    with pytest.raises(InputError, match='quote it, as in batch: "2020_11_04"'):
        get_conditions(plates, config(where={"batch": "20201104"}))


def test_comparisons_share_what_they_must():
    conditions = get_conditions(PLATES, config())
    assert get_comparisons(conditions, config()) == {
        "compound_A549_48__compound_A549_48": ("compound_A549_48",) * 2,
        "compound_U2OS_48__compound_U2OS_48": ("compound_U2OS_48",) * 2,
        "compound_U2OS_48__crispr_U2OS_48": ("compound_U2OS_48", "crispr_U2OS_48"),
    }
    assert get_comparisons(conditions, config(matching=[])) == {}


def split(**changes):
    return config() | {"splits": {"lines": {"where": {}, "column": "cell_line"} | changes}}


def test_a_split_divides_the_plates_of_its_where():
    found = get_plates_of_split("lines", PLATES, split(where={"perturbation": "compound"}))
    assert [p["plate"] for p in found] == ["P2", "P1", "P4"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"where": {"density": "80"}}, r"splits.lines.where: the sample sheet has no column density"),
        ({"where": {"timepoint": "24"}}, "splits.lines.where: no plate"),
        ({"test": ["HeLa"]}, "splits.lines.test: no plate .* cell_line `HeLa`"),
        (
            {"train": ["U2OS"], "test": ["A549", "U2OS"]},
            "splits.lines: U2OS is in train and in test. A well belongs",
        ),
        ({"train": ["1.0"], "validate": ["1"]}, "splits.lines: 1.0 is in train and in validate"),
    ],
)
def test_a_split_that_cannot_be_made_is_answered(changes, words):
    with pytest.raises(InputError, match=words):
        get_plates_of_split("lines", PLATES, split(**changes))


@pytest.mark.parametrize(
    ("columns", "relation"),
    [
        (["Metadata_gene", "Metadata_gene"], "gene"),
        (["Metadata_target", "Metadata_gene"], "target or gene"),
        (["Metadata_mechanism_of_action"], "mechanism of action"),
        ([], "gene"),
    ],
)
def test_the_relation_is_what_its_columns_are_called(columns, relation):
    assert get_relation(columns) == relation
