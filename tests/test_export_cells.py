"""Normalized cells as AnnData, opened by scanpy."""

import json

import anndata
import numpy as np
import pyarrow.parquet as pq
import pytest
import scanpy

import export_cells
from cell_plate import CENTER, FEATURES, write_plate
from export_cells import get_chunk
from test_normalize_cells import NUMBERS, run

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A plate's cells as Parquet, h5ad and zarr."""
    folder = tmp_path_factory.mktemp("cells")
    paths = write_plate(folder, NUMBERS, features=(*CENTER, *FEATURES))
    cells, _ = run(paths, folder)
    for kind in ("h5ad", "zarr"):
        export_cells.main(cells, folder / f"cells.{kind}", ["DNA", "ER"])
    return folder, pq.read_table(cells).to_pandas()


@pytest.mark.parametrize(("kind", "read"), [("h5ad", scanpy.read_h5ad), ("zarr", anndata.read_zarr)])
def test_scanpy_opens_it(exported, kind, read):
    folder, cells = exported
    found = read(folder / f"cells.{kind}")
    np.testing.assert_array_equal(found.X, cells[list(FEATURES)])
    assert found.X.dtype == np.float32
    assert found.obs_names.is_unique
    assert found.obs_names[0] == "B:P:A01:1:1"
    assert found.obs["Metadata_Well"].tolist() == cells["Metadata_Well"].tolist()
    assert (
        found.obs["Metadata_control_type"].isna().tolist() == cells["Metadata_control_type"].isna().tolist()
    )
    assert found.var.loc[FEATURES[2]].tolist() == ["Cells", "Texture", "ER"]
    np.testing.assert_allclose(found.obsm["spatial"][:, 0], cells["Metadata_Position_X"])
    assert json.loads(found.uns["provenance"])["parameters"]["reference"] == "negcon"
    scanpy.pp.pca(found, n_comps=2)
    assert found.obsm["X_pca"].shape == (47, 2)


def test_part_of_an_h5ad_is_read_without_the_rest(exported):
    found = scanpy.read_h5ad(exported[0] / "cells.h5ad", backed="r")
    assert found[found.obs["Metadata_Well"] == "B01"].to_memory().shape == (20, 3)
    found.file.close()


def test_the_same_cells_give_the_same_file(exported, tmp_path):
    export_cells.main(exported[0] / "out.parquet", tmp_path / "again.h5ad", ["DNA", "ER"])
    assert (tmp_path / "again.h5ad").read_bytes() == (exported[0] / "cells.h5ad").read_bytes()


def test_chunks_are_whole_cells():
    assert get_chunk((10**6, 1000)) == (262, 1000)
    assert get_chunk((5, 10)) == (5, 10)
    assert get_chunk((5, 10**7)) == (1, 10**7)
