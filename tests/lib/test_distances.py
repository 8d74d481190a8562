"""Mahalanobis distances to the solvent wells, by hand and against scipy."""

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from lib.distances import ALL_FEATURES, get_distances, get_responses

pytestmark = pytest.mark.unit


def simulate(seed=0):
    rng = np.random.default_rng(seed)
    treatment = np.array(["", *"ABCD"] * 12)
    plates = np.repeat(["p", "q"], 30)
    values = rng.normal(size=(60, 8)) @ rng.normal(size=(8, 8)) + 3 * (treatment == "A")[:, None]
    return values, treatment, plates, treatment == ""


def test_distances_are_scipys():
    values, treatment, plates, solvent = simulate()
    found, components = get_distances(values, treatment, plates, solvent)
    scores = PCA(0.95, svd_solver="full").fit_transform(StandardScaler().fit_transform(values))
    assert components == scores.shape[1]
    residuals = scores.copy()
    for name in np.unique(treatment):
        residuals[treatment == name] -= scores[treatment == name].mean(axis=0)
    inverse = np.linalg.inv(residuals.T @ residuals / (60 - 5))
    for row in (1, 2, 31, 59):
        center = scores[solvent & (plates == plates[row])].mean(axis=0)
        assert found[row] == pytest.approx(mahalanobis(scores[row], center, inverse))
    row = int(np.flatnonzero(solvent & (plates == "q"))[0])
    others = solvent & (plates == "q") & (np.arange(60) != row)
    assert found[row] == pytest.approx(mahalanobis(scores[row], scores[others].mean(axis=0), inverse))


def test_a_strong_treatment_is_far_and_others_are_as_near_as_the_solvent():
    values, treatment, plates, solvent = simulate()
    found, _ = get_distances(values, treatment, plates, solvent)
    assert found[treatment == "A"].min() > np.median(found[solvent])
    assert np.median(found[treatment == "B"]) < 1.5 * np.median(found[solvent])


def test_more_features_than_wells_leave_a_covariance_with_an_inverse():
    rng = np.random.default_rng(0)
    treatment = np.array(["", "", "", "", "A", "B", "C", "D"])
    found, components = get_distances(rng.normal(size=(8, 50)), treatment, np.full(8, "p"), treatment == "")
    assert np.isfinite(found).all()
    assert components == 1, "three degrees of freedom"


def test_a_plate_without_solvent_and_residuals_without_freedom_have_no_distance():
    values, treatment, plates, solvent = simulate()
    found, _ = get_distances(values, treatment, plates, solvent & (plates == "p"))
    assert np.isfinite(found[plates == "p"]).all()
    assert np.isnan(found[plates == "q"]).all()
    found, components = get_distances(values[:5], treatment[:5], plates[:5], solvent[:5])
    assert np.isnan(found).all()
    assert components == 0


def test_groups_are_compartments_with_channels_and_families():
    groups = {
        ("Cells", "Texture", "ER"): np.array([0, 1, 2]),
        ("Cells", "Intensity", "ER"): np.array([3]),
        ("Nuclei", "AreaShape", "–"): np.array([4, 5, 6, 7]),
    }
    found = get_responses([f"f{i}" for i in range(8)], groups)
    assert {name: columns.tolist() for name, columns in found.items()} == {
        ALL_FEATURES: list(range(8)),
        "AreaShape": [4, 5, 6, 7],
        "Cells ER": [0, 1, 2, 3],
        "Nuclei without channel": [4, 5, 6, 7],
        "Texture": [0, 1, 2],
    }
