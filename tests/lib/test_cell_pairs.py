"""Objects that are one cell, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.cell_pairs import Objects, find_linking_compartment, pair_objects, refuse_lost_children
from lib.errors import InputError
from lib.object_tables import SiteError

pytestmark = pytest.mark.unit


def test_the_linking_compartment_names_its_partner_in_all_others():
    headers = {"Nuclei": [], "Cells": ["Parent_Nuclei"], "Cytoplasm": ["Parent_Nuclei", "Parent_Cells"]}
    assert find_linking_compartment(headers) == "Cytoplasm"
    assert find_linking_compartment({name: headers[name] for name in ("Nuclei", "Cells")}) == "Cells"
    assert find_linking_compartment({"Nuclei": []}) == "Nuclei"
    with pytest.raises(InputError, match="No table among Nuclei, Cells has the parent columns"):
        find_linking_compartment({"Nuclei": [], "Cells": []})


def test_objects_are_paired_by_their_parents_in_any_order():
    objects = {"Cells": np.array([3, 1, 2]), "Nuclei": np.array([2, 1, 4])}
    positions, alone = pair_objects(objects, "Cells", {"Nuclei": np.array([1, 4, 0])})
    # cell 3 has nucleus 1, cell 1 has nucleus 4, cell 2 has none
    assert positions["Cells"].tolist() == [0, 1]
    assert positions["Nuclei"].tolist() == [1, 2]
    assert alone == {"Cells": [2], "Nuclei": [2]}


def test_no_objects_no_cells():
    empty = np.array([], int)
    positions, alone = pair_objects({"Cells": empty, "Nuclei": empty}, "Cells", {"Nuclei": empty})
    assert [at.tolist() for at in positions.values()] == [[], []]
    assert alone == {"Cells": [], "Nuclei": []}


@pytest.mark.parametrize(
    ("cells", "nuclei", "parents", "words"),
    [
        ([1, 1], [1, 2], [1, 2], "Cells has the object numbers 1 twice"),
        ([1, 2], [1, 2], [1, 3], "Cells names Nuclei 3, and the table lacks them"),
        ([1, 2], [1, 2], [1, 1], "Nuclei 1 belong to two Cells each"),
        ([1], [], [1], "Cells names Nuclei 1, and the table lacks them"),
    ],
)
def test_tables_that_contradict_each_other_are_refused(cells, nuclei, parents, words):
    objects = {"Cells": np.array(cells), "Nuclei": np.array(nuclei, int)}
    with pytest.raises(SiteError, match=words):
        pair_objects(objects, "Cells", {"Nuclei": np.array(parents)})


def test_a_child_that_the_table_does_not_hold_is_named():
    objects = Objects({"Nuclei": np.array([1, 2])}, {"Nuclei": np.array([1])}, {"Nuclei": np.array([1, 1])})
    with pytest.raises(SiteError, match="Cells lacks the objects that belong to Nuclei 2"):
        refuse_lost_children(objects, "Cells")


def test_in_label_images_the_partner_has_the_same_number():
    objects = {"Cytoplasm": np.array([1, 2, 3]), "Nuclei": np.array([1, 2]), "Cells": np.array([1, 2, 3])}
    parents = {"Nuclei": np.array([1, 2, 2]), "Cells": np.array([1, 2, 3])}
    with pytest.raises(SiteError, match="Nuclei 2 belong to two Cytoplasm each"):
        pair_objects(objects, "Cytoplasm", parents)
    positions, alone = pair_objects(objects, "Cytoplasm", parents, same_number=True)
    assert positions["Cytoplasm"].tolist() == positions["Nuclei"].tolist() == [0, 1]
    assert alone == {"Cytoplasm": [3], "Nuclei": [], "Cells": [3]}


@given(st.data())
@settings(deadline=None)
def test_pairing_neither_loses_nor_invents(data):
    numbers = st.lists(st.integers(1, 30), unique=True, max_size=20)
    cells, nuclei, cytoplasm = (data.draw(numbers) for _ in range(3))
    parents = {}
    for name, others in (("Cells", cells), ("Nuclei", nuclei)):
        choices = data.draw(st.permutations(others + [0] * len(cytoplasm)))
        parents[name] = np.array(choices[: len(cytoplasm)], dtype=int)
    objects = {
        name: np.array(values, dtype=int)
        for name, values in (("Cytoplasm", cytoplasm), ("Cells", cells), ("Nuclei", nuclei))
    }
    positions, alone = pair_objects(objects, "Cytoplasm", parents)
    found = {
        (objects["Cytoplasm"][y], objects["Cells"][c], objects["Nuclei"][n])
        for y, c, n in zip(*(positions[name] for name in ("Cytoplasm", "Cells", "Nuclei")), strict=True)
    }
    expected = {
        (y, c, n) for y, c, n in zip(cytoplasm, parents["Cells"], parents["Nuclei"], strict=True) if c and n
    }
    assert found == expected
    for name, values in objects.items():
        in_cells = values[positions[name]].tolist()
        assert sorted(in_cells + alone[name]) == sorted(values.tolist())


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.lists(st.integers(1, 5), unique=True))
def test_pairing_refuses_what_is_not_one_to_one(named, cells):
    objects = {"Cytoplasm": np.arange(1, len(named) + 1), "Cells": np.array(cells, dtype=int)}
    parents = {"Cells": np.array(named)}
    if len(set(named)) == len(named) and set(named) <= set(cells):
        assert len(pair_objects(objects, "Cytoplasm", parents)[0]["Cells"]) == len(named)
    else:
        with pytest.raises(SiteError):
            pair_objects(objects, "Cytoplasm", parents)
