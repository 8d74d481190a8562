"""Every method and operation of pycytominer on real plates: the values and the features are the same."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pycytominer import consensus as pycytominer_consensus
from pycytominer import feature_select, normalize

from chain_step import run_step
from consensus import compute_consensus
from lib.chain_options import STEPS
from lib.replicates import join_plates
from lib.steps.normalization import METHODS
from lib.steps.whitening import METHODS as SPHERING
from lib.tables import get_features, read_profiles

pytestmark = pytest.mark.data

OPERATIONS = (
    "variance_threshold",
    "frequency_threshold",
    "correlation_threshold",
    "drop_na_columns",
    "blocklist",
    "drop_outliers",
    "noise_removal",
)
GROUP = "Metadata_broad_sample"


@pytest.fixture(scope="module")
def u2os(shared: Path) -> pd.DataFrame:
    """The four plates of U2OS, 48 h."""
    files = sorted((shared / "cpjump1" / "profiles").glob("*.csv.gz"))
    assert len(files) == 4
    tables = [read_profiles(file).assign(Metadata_Batch="B") for file in files]
    table = pd.concat(tables, join="inner", ignore_index=True)
    return table.assign(**{GROUP: table[GROUP].fillna("DMSO")})


@pytest.fixture(scope="module")
def bbbc021(shared: Path) -> pd.DataFrame:
    """The wells of BBBC021's 55 plates."""
    table = read_profiles(next((shared / "bbbc021_profiles").glob("*per_well_mean.csv.gz")))
    # the content of the wells is in another file; wells at one position serve as a group
    return table.assign(**{GROUP: table["Metadata_Well"], "Metadata_Batch": "B", "Metadata_control_type": ""})


@pytest.fixture(params=["u2os", "bbbc021"])
def plates(request) -> pd.DataFrame:
    return request.getfixturevalue(request.param)


def settings(step: str, **options) -> dict:
    return {
        "step": step,
        "options": {"over": "experiment", **STEPS[step], **options},
        "first": False,
        "precision": "float64",
        "untreated_wells": True,
        "incomplete_wells": False,
        "image_features": True,
        "condition": [],
        "group": GROUP,
    }


@pytest.mark.parametrize("method", METHODS)
def test_normalize(plates, method):
    features = get_features(plates)
    mine, dropped, _ = run_step(plates, settings("normalize", over="plate", method=method, reference="all"))
    kept = [name for name in features if name not in dropped]
    assert len(kept) > 100
    for _, rows in plates.groupby("Metadata_Plate"):
        if len(rows) < 3:
            continue
        theirs = normalize(rows, features=kept, meta_features=["Metadata_Well"], method=method)
        np.testing.assert_allclose(mine.loc[rows.index, kept], theirs[kept], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_normalize_to_the_negative_controls(u2os, method):
    features = get_features(u2os)
    mine, dropped, _ = run_step(u2os, settings("normalize", over="plate", method=method))
    kept = [name for name in features if name not in dropped]
    assert len(kept) > 800
    for _, rows in u2os.groupby("Metadata_Plate"):
        theirs = normalize(
            rows,
            features=kept,
            meta_features=["Metadata_Well"],
            samples="Metadata_control_type == 'negcon'",
            method=method,
        )
        np.testing.assert_allclose(mine.loc[rows.index, kept], theirs[kept], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", SPHERING)
def test_spherize(u2os, method):
    # fewer features than controls, and more: pycytominer treats them differently
    for number in (60, 400):
        features = get_features(u2os)[:number]
        profiles = u2os[[name for name in u2os if name.startswith("Metadata_")] + features]
        chain = [
            ("feature_select", {"operations": ["correlation_threshold"]}),
            ("sphere", {"method": method}),
        ]
        for step, options in chain:
            before, (profiles, _, _) = profiles, run_step(profiles, settings(step, **options))
        theirs = normalize(
            before,
            features=get_features(before),
            meta_features=["Metadata_Well"],
            samples="Metadata_control_type == 'negcon'",
            method="spherize",
            spherize_method=method,
            spherize_epsilon=1e-6,
        )
        mine = profiles[get_features(profiles)].to_numpy()
        expected = theirs.drop(columns="Metadata_Well").to_numpy()
        if method.startswith("PCA"):  # the sign of a component is free, and so are those outside the span
            expected = expected[:, : mine.shape[1]]
            expected = expected * np.sign((mine * expected).sum(axis=0))
        np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("operation", "modz"),
    [
        ("median", None),
        ("mean", None),
        ("modz", {"method": "spearman"}),
        ("modz", {"method": "pearson", "min_weight": 0.05, "precision": 3}),
    ],
)
def test_consensus(u2os, operation, modz):
    treated = u2os[u2os["Metadata_control_type"] != "negcon"]
    features = get_features(treated)
    complete = treated[features].notna().all()
    features = [name for name in features if complete[name]][:150]
    profiles = treated[["Metadata_Plate", "Metadata_Well", GROUP, "Metadata_control_type", *features]]
    mine, _ = compute_consensus(join_plates({"all": profiles}), GROUP, operation, modz)
    theirs = pycytominer_consensus(
        profiles,
        replicate_columns=[GROUP],
        operation=operation,
        features=features,
        modz_args=modz or {"method": "spearman"},
    )
    assert mine["Metadata_perturbation"].tolist() == sorted(theirs[GROUP])
    theirs = theirs.set_index(GROUP).loc[mine["Metadata_perturbation"], features]
    np.testing.assert_allclose(mine[features], theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("operation", "method"),
    [*((operation, "pearson") for operation in OPERATIONS), ("correlation_threshold", "spearman")],
)
def test_feature_select(plates, operation, method):
    features = get_features(plates)
    theirs = feature_select(
        plates,
        features=features,
        operation=operation,
        corr_method=method,
        noise_removal_perturb_groups=GROUP,
        noise_removal_stdev_cutoff=0.8,
    )
    mine, dropped, _ = run_step(
        plates, settings("feature_select", operations=[operation], corr_method=method)
    )
    assert set(get_features(mine)) == set(features) & set(theirs.columns)
    assert set(dropped) == set(features) - set(theirs.columns)
