"""Profiles in AnnData files: dense and sparse, single precision, with layers, and what is refused."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from export import convert_to_anndata
from lib.errors import InputError
from lib.tables import read_profiles

pytestmark = pytest.mark.unit

VALUES = np.array([[0.5, 0], [0, 1.25], [3, 0.1]], np.float32)
OBS = pd.DataFrame(
    {
        "Metadata_Plate": ["P"] * 3,
        "well": ["a1", "A2", "A03"],
        "broad_sample": pd.Categorical(["DMSO", "x", "DMSO"]),
        "Metadata_Count_Cells": [5, 6, 7],
    },
    index=["P_A01", "P_A02", "P_A03"],
)
FEATURES = ["Cells_A", "Nuclei_B"]


@pytest.fixture(autouse=True)
def write_strings_of_pandas():
    with anndata.settings.override(allow_write_nullable_strings=True):
        yield


def make(values=VALUES, names=FEATURES, **more) -> anndata.AnnData:
    return anndata.AnnData(values, obs=OBS, var=pd.DataFrame(index=names), **more)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_matrix])
def test_dense_and_sparse_matrices_are_the_same_profiles(tmp_path, form):
    make(form(VALUES)).write_h5ad(tmp_path / "P.h5ad")
    profiles = read_profiles(tmp_path / "P.h5ad")
    assert profiles["Metadata_Well"].tolist() == ["A01", "A02", "A03"]
    assert profiles["Metadata_broad_sample"].tolist() == ["DMSO", "x", "DMSO"]
    assert profiles["Metadata_Count_Cells"].tolist() == [5, 6, 7]
    np.testing.assert_array_equal(profiles[FEATURES].astype(np.float32), VALUES)


def test_layers_are_not_read_and_reported(tmp_path, caplog):
    make(layers={"raw_counts": VALUES * 2}).write_h5ad(tmp_path / "P.h5ad")
    np.testing.assert_array_equal(read_profiles(tmp_path / "P.h5ad")[FEATURES].astype(np.float32), VALUES)
    assert "X is read, and not raw_counts" in caplog.text


def test_what_is_not_a_table_of_profiles_is_refused(tmp_path):
    make(None, layers={"raw_counts": VALUES}).write_h5ad(tmp_path / "empty.h5ad")
    with pytest.raises(InputError, match=r"has no X \(it has the layers raw_counts\)"):
        read_profiles(tmp_path / "empty.h5ad")
    make(names=["Cells_A", "Cells_A"]).write_h5ad(tmp_path / "twice.h5ad")
    with pytest.raises(InputError, match="Cells_A"):
        read_profiles(tmp_path / "twice.h5ad")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["numbers"] = VALUES
    with pytest.raises(InputError, match=r"other\.h5"):
        read_profiles(tmp_path / "other.h5")


def test_an_export_is_read_back(tmp_path):
    make().write_h5ad(tmp_path / "P.h5ad")
    profiles = read_profiles(tmp_path / "P.h5ad")
    convert_to_anndata(profiles, {}, "augmented").write_h5ad(tmp_path / "again.h5ad")
    again = read_profiles(tmp_path / "again.h5ad")
    pd.testing.assert_frame_equal(again[profiles.columns], profiles, check_dtype=False)
