"""Planted batch effects are removed, and so is the profile of a chromosome arm."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import InputError
from lib.steps.batches import correct_arms, normalize_typical_variation, project
from lib.tables import get_features
from simulated_profiles import plates

pytestmark = pytest.mark.unit


def with_batch_effect() -> pd.DataFrame:
    """Three plates, each scaled and shifted its own way."""
    rng = np.random.default_rng(6)
    found = plates(20, 3, effect=1, features=6, controls=40)
    for plate in found.values():
        names = get_features(plate)
        plate[names] = plate[names] * rng.uniform(0.5, 2, 6) + rng.normal(scale=4, size=6)
    return pd.concat(found.values(), ignore_index=True)


def between_plates(profiles: pd.DataFrame) -> float:
    controls = profiles[profiles["Metadata_control_type"] == "negcon"]
    names = get_features(profiles)
    return float((controls.groupby("Metadata_Plate")[names].mean().var() / controls[names].var()).mean())


def test_typical_variation_takes_the_shift_and_most_of_the_scale():
    raw = with_batch_effect()
    controls = (raw["Metadata_control_type"] == "negcon").to_numpy()
    out = normalize_typical_variation(raw, controls)
    assert between_plates(raw) > 0.5
    assert between_plates(out) < 1e-12
    spread = out[controls].groupby("Metadata_Plate")[get_features(out)].std()
    before = raw[controls].groupby("Metadata_Plate")[get_features(raw)].std()
    assert (spread.max() / spread.min()).mean() < (before.max() / before.min()).mean()
    with pytest.raises(InputError, match="has 0 negative controls"):
        normalize_typical_variation(raw, controls & (raw["Metadata_Plate"] != "Pplate1").to_numpy())


def test_components_hold_the_variance():
    raw = with_batch_effect()
    out = project(raw, 0.9)
    share = out[get_features(out)].var().sum() / raw[get_features(raw)].var().sum()
    assert 0.9 <= share <= 1
    assert get_features(out) == [f"PC{n + 1}" for n in range(len(get_features(out)))]


def test_the_arms_own_profile_is_subtracted():
    genes = 30
    profiles = pd.DataFrame(
        {
            "Metadata_gene": [f"G{n}" for n in range(2 * genes)],
            "Metadata_arm": ["1p"] * genes + ["2q"] * genes,
            "Metadata_zfpkm": ["-5"] * 25 + ["1"] * 5 + ["-5"] * 20 + ["1"] * 10,
            "Cells_X": [2.0] * 25 + [3.0] * 5 + [7.0] * genes,
        }
    )
    out = correct_arms(profiles)
    # 1p has 25 unexpressed genes, 2q has 20, which are too few
    assert out["Cells_X"].tolist() == [0.0] * 25 + [1.0] * 5 + [7.0] * genes
    with pytest.raises(InputError, match="no column Metadata_arm"):
        correct_arms(profiles.drop(columns="Metadata_arm"))


def test_typical_variation_without_reference_wells():
    profiles = pd.DataFrame({"Metadata_Plate": ["P", "P"], "Cells_F": [1.0, 2]})
    with pytest.raises(InputError, match=r"tvn: 0 wells are in its reference, and it needs 2"):
        normalize_typical_variation(profiles, np.zeros(2, dtype=bool))
