"""Wells of a condition: how plates are joined, which wells count, and correlations by hand."""

import numpy as np
import pandas as pd
import pytest

from lib import replicates
from lib.errors import InputError
from lib.replicates import (
    compute_medians_between,
    compute_medians_within,
    correlate,
    join_plates,
    mark_controls,
    read_wells,
)
from lib.tables import write_profiles
from simulated_profiles import compute_median_directly, plates

pytestmark = pytest.mark.unit


def test_median_of_a_hand_computed_group():
    # r(a, b) = 1, r(a, c) = -1, r(b, c) = -1, and with d = (1, 0, 1): r(a, d) = 0
    rows = np.array([[1.0, 2, 3], [2, 4, 6], [3, 2, 1], [1, 0, 1]])
    assert compute_medians_within(correlate(rows), np.array([[0, 1, 2]]))[0] == pytest.approx(-1)
    assert compute_medians_within(correlate(rows), np.array([[0, 1, 3]]))[0] == pytest.approx(0, abs=1e-15)
    assert compute_medians_within(correlate(rows), np.array([[0, 1, 2, 3]]))[0] == pytest.approx(0, abs=1e-15)


def test_all_ways_to_compute_correlations_agree(monkeypatch):
    """All at once, only those that are requested, and block by block for a large set."""
    values = np.random.default_rng(0).normal(size=(60, 7))
    sets = np.array([np.random.default_rng(i).permutation(60)[:40] for i in range(5)])
    expected = [compute_median_directly(values[rows]) for rows in sets]
    whole, asked = correlate(values), correlate(values, pairs=10)
    assert asked.matrix is None
    for correlations in (whole, asked):
        np.testing.assert_allclose(compute_medians_within(correlations, sets), expected, atol=1e-12)
        pairs = compute_medians_between(correlations, sets[:, :3], sets[:, 3:7])
        direct = [np.median(np.corrcoef(values[rows[:7]])[:3, 3:]) for rows in sets]
        np.testing.assert_allclose(pairs, direct, atol=1e-12)
    monkeypatch.setattr(replicates, "LARGE_SET", 30)
    monkeypatch.setattr(replicates, "BLOCK_ROWS", 7)
    np.testing.assert_allclose(compute_medians_within(asked, sets), expected, atol=1e-12)


def test_plates_are_read_for_their_common_features_alone(tmp_path):
    first, second = plates(5, 2, features=6).values()
    second = second.drop(columns="Cells_F2").assign(Cells_other=1.0)
    second = second[[*reversed(second.columns)]]
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for file, plate in zip(files, (first, second), strict=True):
        write_profiles(plate, file, {})
    read, joined = read_wells(files), join_plates({"a.parquet": first, "b.parquet": second})
    pd.testing.assert_frame_equal(read.metadata[joined.metadata.columns], joined.metadata)
    assert read.features == joined.features
    assert read.dropped == joined.dropped == {"features_not_common": 2}
    assert (read.values == joined.values).all()
    assert read.values.dtype == float


def test_single_precision_stays_single_in_memory(tmp_path, monkeypatch):
    files = []
    for name, plate in plates(5, 2, features=6).items():
        files.append(tmp_path / name)
        features = [column for column in plate if column.startswith("Cells")]
        write_profiles(plate.astype(dict.fromkeys(features, "float32")), files[-1], {})
    assert read_wells(files).values.dtype == np.float32
    double = [tmp_path / f"double_{name}" for name in plates(5, 2)]
    for file, plate in zip(double, plates(5, 2).values(), strict=True):
        write_profiles(plate, file, {})
    monkeypatch.setattr(replicates, "MOST_DOUBLES", 10)
    assert read_wells(double).values.dtype == np.float32


def test_controls_as_other_projects_mark_them():
    """`trt` is a treatment, and a column of names marks only the negative controls."""
    controls = {"column": "pert_type", "negcon": "DMSO"}
    table = pd.DataFrame({"Metadata_pert_type": ["DMSO", "trt", "poscon", "", None]})
    found = mark_controls(table, controls)["Metadata_control_type"].fillna("").tolist()
    assert found == ["negcon", "", "poscon", "", ""]
    names = pd.DataFrame({"Metadata_pert_type": ["DMSO", *(f"compound {n}" for n in range(9))]})
    assert mark_controls(names, controls)["Metadata_control_type"].fillna("").tolist() == [
        "negcon",
        *[""] * 9,
    ]


def test_no_common_feature_names_the_plates():
    a, b = plates(5, 2, features=3).values()
    b = b.rename(columns={f"Cells_F{i}": f"Other_F{i}" for i in range(3)})
    with pytest.raises(InputError, match=r"no feature in common.*a\.csv \(3\), b\.csv \(3\)"):
        join_plates({"x/a.csv": a, "x/b.csv": b})


def test_a_well_twice_is_named():
    (plate,) = plates(5, 1).values()
    with pytest.raises(InputError, match="Pplate0 W00000"):
        join_plates({"a.csv": plate, "b.csv": plate})
