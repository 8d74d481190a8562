"""The names of perturbations: those that people know, and each only once."""

import numpy as np
import pandas as pd
import pytest

from lib.perturbation_names import name_content, name_perturbations

pytestmark = pytest.mark.unit


def test_a_well_without_a_name_is_called_by_its_identifier_and_gene():
    assert (
        name_content({"Metadata_pert_iname": "aloxistatin", "gene": "CTSB", "broad_sample": "BRD-1"})
        == "aloxistatin"
    )
    assert name_content({"pert_iname": np.nan, "gene": "CTSB", "broad_sample": "BRD-1"}) == "BRD-1, CTSB"
    assert name_content({"Metadata_broad_sample": "DMSO", "Metadata_gene": "nan"}) == "DMSO"
    assert name_content({"Metadata_broad_sample": "PTEN", "Metadata_gene": "PTEN"}) == "PTEN"
    assert name_content({}) == ""


def test_perturbations_have_the_names_that_people_know():
    table = pd.DataFrame(
        {
            "perturbation": ["BRD-1", "BRD-2", "BRD-3", "GUIDE-1", "BRD-4|10", "BRD-5", None],
            "Metadata_pert_iname": ["aspirin", "twice", "twice", None, "aspirin", np.nan, "x"],
            "Metadata_gene": ["PTGS1", None, None, "SIMA", None, "nan", None],
        }
    )
    assert name_perturbations(table) == {
        "BRD-1": "aspirin",
        "BRD-2": "twice (BRD-2)",
        "BRD-3": "twice (BRD-3)",
        "GUIDE-1": "GUIDE-1, SIMA",
        "BRD-4|10": "BRD-4|10",
        "BRD-5": "BRD-5",
    }


def test_a_perturbation_of_several_columns_has_the_name_of_its_compound():
    table = pd.DataFrame(
        {
            "perturbation": ["BRD-1|10 uM", "5|BRD-2", "BRD-3|1"],
            "Metadata_broad_sample": ["BRD-1", "BRD-2", "BRD-3"],
            "Metadata_pert_iname": ["aspirin", "taxol", None],
        }
    )
    assert list(name_perturbations(table).values()) == ["aspirin|10 uM", "5|taxol", "BRD-3|1"]
