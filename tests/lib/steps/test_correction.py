"""Well position and cell count: what is planted is removed, by hand and in simulated plates."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import InputError
from lib.steps.correction import correct_cell_count, correct_well_position
from lib.tables import get_features
from simulated_profiles import plates

pytestmark = pytest.mark.unit
GROUP = "Metadata_broad_sample"


def test_the_mean_of_a_position_by_hand():
    profiles = pd.DataFrame(
        {
            "Metadata_Plate": ["a", "b", "c", "a"],
            "Metadata_Well": ["A01", "A01", "A01", "A02"],
            GROUP: ["x", "y", "z", "x"],
            "Cells_X": [1.0, 2.0, 6.0, 5.0],
        }
    )
    out = correct_well_position(profiles, GROUP, fewest=1)
    assert out["Cells_X"].tolist() == [-2, -1, 3, 0]


def test_a_planted_position_effect_goes_where_layouts_differ():
    raw = pd.concat(
        plates(30, 8, effect=0, position_effect=3, features=5, shuffled=True).values(), ignore_index=True
    )
    out = correct_well_position(raw, GROUP)
    features = get_features(raw)

    def between_positions(table):
        return table.groupby("Metadata_Well")[features].mean().var().mean()

    assert between_positions(raw) > 5
    assert between_positions(out) < 1e-20
    assert out[features].var().mean() == pytest.approx(1, abs=0.2)


def test_replicates_at_one_position_are_refused():
    raw = pd.concat(plates(30, 4, effect=1, features=5).values(), ignore_index=True)
    with pytest.raises(InputError, match="30 of 30 positions hold fewer than 3 different perturbations"):
        correct_well_position(raw, GROUP)


def test_one_plate_has_no_position_effect_to_subtract():
    raw = next(iter(plates(6, 2, controls=2).values()))
    with pytest.raises(InputError, match="each position has one well"):
        correct_well_position(raw, GROUP, fewest=1)


def test_positions_of_controls_are_not_counted_and_few_others_are_named(caplog):
    tables = [
        table.assign(Metadata_broad_sample=table[GROUP].replace("nan", "DMSO"))
        for table in plates(40, 16, features=5, controls=30, shuffled=True).values()
    ]
    raw = pd.concat(tables, ignore_index=True)
    control = raw["Metadata_control_type"] == "negcon"
    # the controls are at other positions on every plate
    raw.loc[control, "Metadata_Well"] = [f"X{n:02d}" for n in range(30)] * 16
    out = correct_well_position(raw, GROUP, fewest=2)
    assert len(out) == len(raw)
    two = raw[GROUP].isin(["P0000", "P0001"])
    raw.loc[two, "Metadata_Well"] = raw.loc[two, GROUP]
    correct_well_position(raw, GROUP, fewest=2)
    assert "the signal of 2 positions with fewer than 2 perturbations is reduced: P0000, P0001" in caplog.text
    many = raw[GROUP].isin([f"P{n:04d}" for n in range(10)])
    raw.loc[many, "Metadata_Well"] = raw.loc[many, GROUP]
    with pytest.raises(InputError, match=r"1\d of \d+ positions hold fewer than 2"):
        correct_well_position(raw, GROUP, fewest=2)


def test_an_effect_of_the_cell_count_goes():
    rng = np.random.default_rng(1)
    count = rng.integers(50, 500, 300).astype(float)
    truth = rng.normal(size=300)
    truth -= np.polyval(np.polyfit(count, truth, 1), count)
    profiles = pd.DataFrame(
        {
            "Metadata_Count_Cells": count,
            "Cells_X": truth + 0.02 * count - 7,
            "Cells_Few": rng.integers(0, 5, 300) + 0.1 * (count > 200),
            "Cells_Gap": np.where(np.arange(300) == 4, np.nan, truth),
        }
    )
    out, dropped = correct_cell_count(profiles)
    np.testing.assert_allclose(out["Cells_X"], truth, atol=1e-10)
    pd.testing.assert_series_equal(out["Cells_Few"], profiles["Cells_Few"])
    assert dropped == {"Cells_Gap": "missing in a well"}


def test_a_well_without_a_count_is_excluded_or_keeps_its_values_as_in_the_recipe(caplog):
    wells = {"Metadata_Plate": "P", "Metadata_Well": ["A01", "A02", "A03", "A04"]}
    values = {"Metadata_Count_Cells": [1.0, 2, np.nan, 3], "Cells_X": [1.0, 2, 9, 3]}
    profiles = pd.DataFrame({**wells, **values})
    out, dropped = correct_cell_count(profiles, fewest=1)
    assert out["Metadata_Well"].tolist() == ["A01", "A02", "A04"]
    np.testing.assert_allclose(out["Cells_X"], [0, 0, 0], atol=1e-12)
    assert dropped == {"P A03": "no number of cells"}
    assert "1 well without a number of cells are excluded: P A03" in caplog.text
    out, dropped = correct_cell_count(profiles, fewest=1, keep_uncounted=True)
    np.testing.assert_allclose(out["Cells_X"], [0, 0, 9, 0], atol=1e-12)
    assert dropped == {}
    assert "keep their values, and those of the other wells are residuals: P A03" in caplog.text
    # what the excluded well lacks is not lost for the others
    out, dropped = correct_cell_count(profiles.assign(Cells_Y=[3.0, 1, np.nan, 2]), fewest=2)
    assert out["Cells_Y"].notna().all()
    assert dropped == {"P A03": "no number of cells"}
    with pytest.raises(InputError, match="no column Metadata_Count_Cells"):
        correct_cell_count(profiles.drop(columns="Metadata_Count_Cells"))
