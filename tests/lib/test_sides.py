"""The two sides of a comparison, by hand."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import InputError
from lib.replicates import Wells
from lib.sides import Side, collect_side, get_identities, pair_by_gene

pytestmark = pytest.mark.unit


def wells(rows):
    table = pd.DataFrame(rows, columns=["perturbation", "Metadata_gene"])
    return table.assign(Metadata_Well=[f"A{n:02d}" for n in range(1, len(table) + 1)])


def test_perturbations_with_genes_and_enough_replicates_are_kept():
    found = collect_side(
        wells([("a", "X"), ("a", "X"), ("b", ""), ("b", None), ("c", "Y|Z")]), "Metadata_gene", 2
    )
    assert found.names.tolist() == ["a"]
    assert found.genes == [{"X"}]
    assert found.wells[0].tolist() == [0, 1]
    assert found.without_gene == 1  # b
    assert found.sizes.tolist() == [2]


def test_a_missing_column_is_named_with_those_that_are_there():
    with pytest.raises(InputError, match=r"have no column Metadata_target.*Metadata_gene"):
        collect_side(wells([("a", "X")]), "Metadata_target", 1)


def parts(*genes):
    return Side([str(at) for at in range(len(genes))], [frozenset(g) for g in genes], [], [], 0)


def test_pairs_share_a_gene_and_come_once():
    a, b = parts("X", "XY", ""), parts("Y", "XY", "Z")
    assert pair_by_gene(a, b).tolist() == [[0, 1], [1, 0], [1, 1]]
    assert pair_by_gene(parts(), b).shape == (0, 2)


def test_perturbations_without_a_value_to_differ_in_differ_from_all_others():
    rows = [("a", "X"), ("b", "X"), ("c", None), ("d", ""), ("e", "Y")]
    metadata = pd.DataFrame(rows, columns=["perturbation", "Metadata_compound"])
    part = Side(np.array([name for name, _ in rows], dtype=object), [], list(np.arange(5)[:, None]), [], 0)
    values = Wells(metadata, np.zeros((5, 1)), ["F"], {})
    assert get_identities(values, part, "Metadata_compound").tolist() == ["X", "X", "c", "d", "Y"]
    assert get_identities(values, part, None).tolist() == list("abcde")
