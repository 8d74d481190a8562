"""Sphering by four methods: pycytominer's transform; epsilon as a number, the best of several, or shrunk."""

import numpy as np
import pandas as pd
import pytest
from pycytominer.operations import Spherize

from lib.errors import InputError
from lib.steps.whitening import METHODS, choose_epsilon, draw_epsilons, fit_whitening, sphere
from lib.tables import get_features
from simulated_profiles import plates

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("features", "controls"), [(6, 100), (50, 8), (9, 10)])
@pytest.mark.parametrize("epsilon", [1e-6, 0.3])
def test_the_transform_is_pycytominers(method, features, controls, epsilon):
    rng = np.random.default_rng(4)
    mixing = rng.normal(size=(features, features))
    reference, values = (rng.normal(size=(n, features)) @ mixing + 3 for n in (controls, 20))
    transform = Spherize(epsilon=epsilon, method=method, return_numpy=True).fit(pd.DataFrame(reference))
    expected = transform.transform(pd.DataFrame(values))
    mine = fit_whitening(reference, method).transform(values, epsilon)
    # PCA beyond what the controls span is any basis: those components are left out here
    np.testing.assert_allclose(mine, expected[:, : mine.shape[1]], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_controls_are_white(method):
    profiles = pd.concat(plates(20, 2, features=6, controls=60).values(), ignore_index=True)
    controls = (profiles["Metadata_control_type"] == "negcon").to_numpy()
    out = sphere(profiles, controls, method)
    np.testing.assert_allclose(np.cov(out.loc[controls, get_features(out)].T), np.eye(6), atol=1e-6)
    assert get_features(out)[0] == ("PC1" if method.startswith("PCA") else "Cells_F0")


def test_the_fewer_controls_the_more_is_shrunk():
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(20, 20))
    many, few = (fit_whitening(rng.normal(size=(n, 20)) @ mixing) for n in (2000, 25))
    assert few.shrinkage > 5 * many.shrinkage
    wells = rng.normal(size=(300, 20)) @ mixing
    tiny, shrunk = few.transform(wells, 1e-6), few.transform(wells, "shrink")
    # noise is amplified by the smallest singular values of few controls
    assert np.var(shrunk) < 0.7 * np.var(tiny)
    assert np.var(many.transform(wells, "shrink"), axis=0).mean() == pytest.approx(1, abs=0.3)


def test_the_recipes_draws():
    assert draw_epsilons(2) == pytest.approx([23.041509, 0.004266562105142593], rel=1e-6)


def test_the_best_epsilon_is_chosen():
    profiles = pd.concat(plates(12, 3, effect=1, features=8, controls=12).values(), ignore_index=True)
    kind = np.where(profiles["Metadata_control_type"] == "negcon", "negcon", "trt")
    epsilon, table = choose_epsilon(profiles, kind, "Metadata_broad_sample", 4)
    assert len(table) == 4
    assert epsilon == table.loc[table["score"].idxmax(), "epsilon"]


def test_what_cannot_be_sphered_is_answered():
    with pytest.raises(InputError, match="2 wells with values are in its reference"):
        fit_whitening(np.eye(2))
    with pytest.raises(InputError, match="does not vary"):
        fit_whitening(np.ones((5, 2)))
    with pytest.raises(InputError, match="`zca` is not one of"):
        fit_whitening(np.eye(5), "zca")


def test_rounding_adds_no_direction_to_those_that_few_controls_span():
    # Three wells span two directions once they are centered. With these values, the third singular value is
    # 1.3e-14, just above the limit of numpy's matrix_rank (1.26e-14).
    rng = np.random.default_rng(0)
    rng.integers(50, 300, 6)
    controls = (rng.normal(size=(6, 12)) * np.arange(1, 13) + 10)[:3]
    for method in METHODS:
        fit = fit_whitening(controls, method)
        assert fit.directions.shape == (2, 12)
        assert len(fit.singular) == 2


def test_equal_controls_are_refused_by_every_method():
    for method in METHODS:
        with pytest.raises(InputError, match="does not vary among the wells of its reference"):
            fit_whitening(np.full((5, 2), 3.0), method, ["Cells_A", "Cells_B"])
