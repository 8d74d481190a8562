"""Sphering whitens the negative controls, all plates by one transform, with clear errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pycytominer.operations import Spherize

import sphering
import spherize
from lib.errors import InputError
from lib.replicates import join_plates
from lib.sphering import Sphering, fit_on_controls, fit_sphering, get_shrinkage
from lib.tables import get_features, read_profiles, read_provenance, write_profiles
from simulated_profiles import plates

pytestmark = pytest.mark.unit


def correlated(**options):
    """Plates whose features are mixed, on scales from 0.1 to 10 and far from 0."""
    rng = np.random.default_rng(8)
    mixing = rng.normal(size=(6, 6)) * np.geomspace(0.1, 10, 6)
    found = plates(20, 2, features=6, controls=100, **options)
    for plate in found.values():
        names = get_features(plate)
        plate[names] = plate[names].to_numpy() @ mixing + 5
    return found


def test_controls_become_white_and_keep_their_features():
    wells = join_plates(correlated())
    fit = fit_on_controls(wells)
    table = fit.of(wells)
    assert fit.left_out == {}
    assert list(table.columns) == [*wells.metadata.columns, *wells.features]
    controls = table.loc[table["Metadata_control_type"] == "negcon", wells.features]
    np.testing.assert_allclose(controls.mean(), 0, atol=1e-10)
    np.testing.assert_allclose(np.cov(controls.T), np.eye(6), atol=1e-6)


def test_zca_cor_keeps_each_feature_closest_to_itself():
    # the symmetric square root of the correlation matrix: a hand-made ZCA-cor
    wells = join_plates(correlated())
    table = fit_on_controls(wells).of(wells)
    controls = wells.values[(wells.metadata["Metadata_control_type"] == "negcon").to_numpy()]
    values, vectors = np.linalg.eigh(np.corrcoef(controls.T))
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    expected = (wells.values - controls.mean(axis=0)) / controls.std(axis=0, ddof=1) @ root
    np.testing.assert_allclose(table[wells.features], expected, rtol=1e-4, atol=1e-5)


def test_more_features_than_controls():
    wells = join_plates(plates(10, 2, features=50, controls=8))
    table = fit_on_controls(wells).of(wells)
    assert np.isfinite(table[wells.features].to_numpy()).all()


@pytest.mark.parametrize("method", ["ZCA-cor", "ZCA"])
@pytest.mark.parametrize(("features", "controls"), [(6, 100), (50, 8), (9, 10)])
def test_the_transform_is_pycytominers(method, features, controls):
    rng = np.random.default_rng(4)
    mixing = rng.normal(size=(features, features))
    reference, values = (rng.normal(size=(n, features)) @ mixing + 3 for n in (controls, 20))
    transform = Spherize(epsilon=1e-6, method=method, return_numpy=True).fit(pd.DataFrame(reference))
    expected = transform.transform(pd.DataFrame(values))
    fit = fit_sphering(reference, [f"F{number}" for number in range(features)], method, 1e-6, {})
    np.testing.assert_allclose(fit.whiten(values), expected, rtol=1e-8, atol=1e-8)


def test_constant_and_missing_features_are_left_out_with_their_reason():
    given_plates = correlated()
    for plate in given_plates.values():
        plate["Cells_F0"] = plate["Cells_F0"].where(plate["Metadata_control_type"] != "negcon", 3.0)
        plate.loc[plate.index[-1], "Cells_F1"] = np.nan
    wells = join_plates(given_plates)
    fit = fit_on_controls(wells)
    table = fit.of(wells)
    assert fit.left_out == {
        "Cells_F0": "constant in the negative controls",
        "Cells_F1": "missing in a well",
    }
    assert get_features(table) == ["Cells_F2", "Cells_F3", "Cells_F4", "Cells_F5"]
    assert table[get_features(table)].notna().all(axis=None)


def test_too_few_controls_and_dependent_features_are_answered():
    with pytest.raises(InputError, match="Pplate0, Pplate1 have 2 negative controls"):
        fit_on_controls(join_plates(plates(5, 2, controls=1)))
    given_plates = correlated()
    for plate in given_plates.values():
        plate["Cells_F5"] = plate["Cells_F0"] + plate["Cells_F1"]
    with pytest.raises(InputError, match="depend linearly on others"):
        fit_on_controls(join_plates(given_plates))


def test_the_plates_of_a_condition_are_sphered_by_one_fit(tmp_path):
    given_plates = correlated()
    sources = [str(tmp_path / name) for name in given_plates]
    for source, plate in zip(sources, given_plates.values(), strict=True):
        write_profiles(plate, source, {})
    options = {"method": "ZCA-cor", "epsilon": 1e-6}
    fit, target = str(tmp_path / "fit.npz"), str(tmp_path / "sphered.parquet")
    tables = {name: tmp_path / f"{name}.csv" for name in ("dropped", "incomplete")}
    sphering.main(sources, fit, options)
    spherize.main(sources[1], fit, {"profiles": target, **tables}, options)
    sphered = read_profiles(target)
    wells = join_plates(given_plates)
    expected = fit_on_controls(wells).of(wells)
    expected = expected[expected["Metadata_Plate"] == "Pplate1"].reset_index(drop=True)
    assert list(sphered.columns) == list(expected.columns)
    names = get_features(expected)
    np.testing.assert_allclose(sphered[names], expected[names], rtol=1e-12)
    assert sphered["Metadata_Well"].tolist() == expected["Metadata_Well"].tolist()
    made_by = read_provenance(target)
    assert made_by["parameters"]["method"] == "ZCA-cor"
    assert set(made_by["inputs"]) == {Path(sources[1]).name, "fit.npz"}


def test_a_fit_is_the_same_bytes_each_time(tmp_path):
    fit = fit_on_controls(join_plates(correlated()))
    for name in ("a.npz", "b.npz"):
        fit.write(tmp_path / name, {"parameters": {}})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(("controls", "features"), [(6, 4), (12, 40), (30, 30)])
def test_the_shrunk_covariance_is_scikit_learns(controls, features):
    """Its inverse square root, multiplied out as a matrix; OAS by scikit-learn."""
    from scipy.linalg import fractional_matrix_power
    from sklearn.covariance import oas

    generator = np.random.default_rng(features)
    reference = generator.normal(size=(controls, features)) * np.linspace(0.1, 3, features)
    values = generator.normal(size=(5, features))
    names = [f"F{number}" for number in range(features)]
    sphering = fit_sphering(reference, names, "ZCA", 1e-6, {}, shrink=True)
    centered = reference - reference.mean(axis=0)
    covariance, intensity = oas(centered, assume_centered=True)
    squares = np.linalg.svd(centered, compute_uv=False) ** 2
    assert get_shrinkage(squares, controls, features) == pytest.approx(intensity)
    # Sphering divides by number - 1, scikit-learn by number.
    inverse = fractional_matrix_power(covariance * controls / (controls - 1), -0.5).real
    expected = (values - reference.mean(axis=0)) @ inverse
    np.testing.assert_allclose(sphering.whiten(values), expected, rtol=1e-6, atol=1e-9)


def test_fewer_controls_shrink_more(tmp_path):
    generator = np.random.default_rng(0)
    shapes = [(10, 200), (40, 200), (2000, 200)]
    squares = [
        np.linalg.svd(generator.normal(size=s) * np.linspace(1, 9, 200), compute_uv=False) ** 2
        for s in shapes
    ]
    found = [get_shrinkage(some, *shape) for some, shape in zip(squares, shapes, strict=True)]
    assert 1 >= found[0] > found[1] > found[2] > 0
    assert get_shrinkage(np.zeros(3), 5, 3) == 1.0
    sphering = fit_sphering(
        generator.normal(size=(10, 20)), [f"F{n}" for n in range(20)], "ZCA", 1e-6, {}, True
    )
    sphering.write(tmp_path / "s.npz", {})
    assert Sphering.read(tmp_path / "s.npz").outside == sphering.outside < sphering.spread.min()


def test_profiles_that_are_centered_on_each_plate_are_sphered():
    """Two plates whose controls each sum to 0 span one dimension less than one plate of as many wells."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(2, 5, 30))
    values -= values.mean(axis=1, keepdims=True)
    features = [f"Embedding_DNA_{number:04d}" for number in range(30)]
    tables = []
    for number, some in enumerate(values):
        table = pd.DataFrame(some, columns=features)
        table.insert(0, "Metadata_control_type", "negcon")
        table.insert(0, "Metadata_Well", [f"A{well:02d}" for well in range(1, 6)])
        table.insert(0, "Metadata_Plate", f"P{number}")
        tables.append(table)
    wells = join_plates({f"P{number}": table for number, table in enumerate(tables)})
    for shrink in (False, True):
        assert len(fit_on_controls(wells, "ZCA", shrink=shrink).directions) == 8
