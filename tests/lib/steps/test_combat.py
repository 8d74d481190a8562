"""ComBat: against scanpy's numbers, and on planted effects."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import InputError
from lib.steps.combat import adjust, correct_batches

pytestmark = pytest.mark.unit

BATCHES = np.repeat([0, 1, 2], 30)
# Rows 0, 30, 60 and 89 of the first three features by scanpy.pp.combat 1.11.5 for the values of `simulate`.
OF_SCANPY = [
    [0.5427689624605967, -0.10693877027125731, 1.0453705778679807],
    [0.05242705107927659, -0.8938072217641696, 1.2794538701802645],
    [-1.5707101114842696, 2.973505657166216, 1.5340867345544789],
    [1.5764573067727685, -0.29027477047049555, -1.8174599617198255],
]


def simulate() -> np.ndarray:
    """90 wells of 6 features; the second batch has twice the scale, the first is shifted by 1."""
    values = np.random.default_rng(0).normal(size=(90, 6))
    return values * np.where(BATCHES == 1, 2, 1)[:, None] + (BATCHES == 0)[:, None]


def test_values_are_those_of_scanpy():
    # scanpy stops iterating at relative changes below 1e-4
    np.testing.assert_allclose(adjust(simulate(), BATCHES)[[0, 30, 60, 89]][:, :3], OF_SCANPY, atol=1e-5)


def test_planted_shifts_and_scales_are_removed():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(6000, 40))
    batches = np.tile(np.arange(3), 2000)
    shift, scale = rng.normal(size=(3, 40)), rng.uniform(0.5, 2, size=(3, 40))
    found = adjust(truth * scale[batches] + shift[batches], batches)
    for batch in range(3):
        part = found[batches == batch]
        np.testing.assert_allclose(part.mean(axis=0), found.mean(axis=0), atol=0.05)
        ratio = part.std(axis=0) / found[batches == 0].std(axis=0)
        np.testing.assert_allclose(ratio, 1, atol=0.05)
    correlation = [np.corrcoef(found[:, at], truth[:, at])[0, 1] for at in range(40)]
    assert min(correlation) > 0.99


def test_what_does_not_vary_is_left_as_it_is():
    values = simulate()
    values[:, 0] = 7.0
    values[:, 1] = BATCHES
    found = adjust(values, BATCHES)
    assert (found[:, 0] == 7).all()
    assert (found[:, 1] == BATCHES).all()
    assert np.isfinite(found).all()


def test_the_order_of_wells_and_the_names_of_batches_do_not_matter():
    values = simulate()
    order = np.random.default_rng(2).permutation(90)
    expected = adjust(values, BATCHES)[order]
    np.testing.assert_allclose(adjust(values[order], (2 - BATCHES)[order]), expected, atol=1e-9)


def test_one_batch_and_batches_of_one_well():
    profiles = pd.DataFrame(simulate(), columns=[f"Cells_F{at}" for at in range(6)])
    profiles.insert(0, "Metadata_Plate", BATCHES.astype(str))
    same = profiles.assign(Metadata_Plate="P")
    pd.testing.assert_frame_equal(correct_batches(same), same)
    with pytest.raises(InputError, match=r"Metadata_Plate 9 has one well"):
        correct_batches(profiles.assign(Metadata_Plate=[*profiles["Metadata_Plate"][:-1], "9"]))
    with pytest.raises(InputError, match="no column Metadata_lot"):
        correct_batches(profiles, "Metadata_lot")
