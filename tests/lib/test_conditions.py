"""What matching perturbations share, in words."""

import pytest

from lib.conditions import get_relation

pytestmark = pytest.mark.unit


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
