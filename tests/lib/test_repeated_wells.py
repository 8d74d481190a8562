"""Wells that are copies of others."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import InputError
from lib.repeated_wells import describe_repeated, tell_plates_apart
from lib.replicates import join_plates
from lib.summary import COPIED
from percent_replicating import score_condition

pytestmark = pytest.mark.unit


def test_copies_are_named_and_others_are_not():
    values = np.random.default_rng(1).normal(size=(8, 20))
    metadata = pd.DataFrame({"Metadata_Plate": ["P1"] * 4 + ["P2"] * 4, "Metadata_Well": list("ABCD") * 2})
    assert describe_repeated(metadata, values) == []
    values[6] = values[1]
    message = "2 wells have exactly the values of another well, as if one was copied: P1 B = P2 C"
    assert describe_repeated(metadata, values) == [message]
    assert COPIED.match(message)[0] == "2 wells have exactly the values of another well"
    # The same sum in another order is not the same profile; wells of one value are reported elsewhere.
    values[6] = values[1][::-1]
    values[[0, 7]] = 3.0
    assert describe_repeated(metadata, values) == []
    assert describe_repeated(metadata, np.zeros((8, 3))) == []


def test_single_precision_and_no_wells():
    values = np.random.default_rng(1).normal(size=(4, 12)).astype(np.float32)
    values[3] = values[0]
    metadata = pd.DataFrame({"Metadata_Plate": "P", "Metadata_Well": list("ABCD")})
    assert "P A = P D" in describe_repeated(metadata, values)[0]
    assert describe_repeated(metadata[:0], values[:0]) == []


def test_plates_of_one_name_in_two_batches_are_told_apart():
    wells = pd.DataFrame(
        {"Metadata_Batch": ["b1", "b1", "b2", "b2"], "Metadata_Plate": ["12", "3", "12", "4"]}
    )
    expected = ["12 (batch b1)", "3", "12 (batch b2)", "4"]
    assert tell_plates_apart(wells)["Metadata_Plate"].tolist() == expected
    assert tell_plates_apart(wells[:2])["Metadata_Plate"].tolist() == ["12", "3"]


def test_one_barcode_in_two_batches_is_two_plates_of_a_condition():
    def make_plate(batch: str, seed: int) -> pd.DataFrame:
        values = np.random.default_rng(seed).normal(size=(6, 5))
        features = pd.DataFrame(values, columns=[f"Cells_F{at}" for at in range(5)])
        wells = {"Metadata_Well": [f"A0{at}" for at in range(1, 7)], "Metadata_broad_sample": list("uvwxyz")}
        return pd.DataFrame({"Metadata_Batch": batch, "Metadata_Plate": "12", **wells}).join(features)

    wells = join_plates({"one": make_plate("b1", 1), "two": make_plate("b2", 2)})
    row, perturbations, _ = score_condition(wells, draws=1000, repeats=10)
    assert (row["plates"], row["wells"], row["perturbations_with_replicates"]) == (2, 12, 6)
    # the two replicates of u are the first wells of the two plates
    expected = np.corrcoef(wells.values[0], wells.values[6])[0, 1]
    assert perturbations.set_index("perturbation")["median_correlation"]["u"] == pytest.approx(expected)
    with pytest.raises(InputError, match="Duplicate wells: 12 A01"):
        join_plates({"one": make_plate("b1", 1), "two": make_plate("b1", 2)})
