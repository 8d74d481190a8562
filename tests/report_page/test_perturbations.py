"""The data of a condition in the page."""

import pandas as pd
import pytest

from lib.repeated_wells import tell_plates_apart
from report_page.perturbations import name_plates

pytestmark = pytest.mark.unit


def test_plates_of_one_name_in_two_batches_are_found_by_the_names_in_the_tables():
    keys = [("b1", "12"), ("b2", "12"), ("b1", "3")]
    ids = {key: f"plate-{number}" for number, key in enumerate(keys)}
    wells = pd.DataFrame(keys, columns=["Metadata_Batch", "Metadata_Plate"])
    in_tables = tell_plates_apart(wells)["Metadata_Plate"]
    assert in_tables.map(name_plates(keys, ids)).tolist() == ["plate-0", "plate-1", "plate-2"]
