"""Write the normalized cells of a plate as AnnData, in an h5ad file or a zarr folder, which scanpy opens.

Observations are cells, with their keys, the plate map and the position in the image in pixels (also as
`obsm["spatial"]`); variables are features with compartment, family and channel. The matrix is written well by
well, in the format that AnnData specifies for dense arrays, so that it is never in memory.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import zarr

from export import describe_features, make_categories
from lib.cell_positions import POSITION
from lib.cell_stream import convert_to_matrix
from lib.files import write_whole, write_whole_folder
from lib.logs import log_to
from lib.tables import read_feature_names, read_provenance

SPATIAL = "spatial"
# How AnnData marks a dense array on disk.
DENSE = {"encoding-type": "array", "encoding-version": "0.2.0"}
CHUNK_BYTES = 2**20


def read_observations(path: str | Path) -> pd.DataFrame:
    """Return the metadata of the cells in a file of normalized cells, indexed by a name that is unique.

    The name is `batch:plate:well:site:object number`.
    """
    names = [name for name in pq.read_schema(path).names if name.startswith("Metadata_")]
    obs = pq.read_table(path, columns=names).to_pandas()
    keys = ("Batch", "Plate", "Well", "Site", "ObjectNumber")
    columns = [obs[f"Metadata_{key}"].to_numpy(dtype=object) for key in keys]
    return obs.set_axis([":".join(map(str, values)) for values in zip(*columns, strict=True)])


def sort_categories(values: pd.Series) -> pd.Series:
    """Return a column as AnnData files hold it; categories are sorted without a copy of their values."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return make_categories(values)
    there = values.cat.remove_unused_categories()
    return there.cat.set_categories(pd.Index(sorted(there.cat.categories), dtype=object))


def build_skeleton(
    obs: pd.DataFrame, features: Sequence[str], channels: Sequence[str], made_by: Any
) -> anndata.AnnData:
    """Return an AnnData object without its matrix.

    Parameters
    ----------
    obs
        The cells, from `read_observations`.
    features
        The names of the features.
    channels
        The channels that may be in the features' names.
    made_by
        The provenance, which `uns` holds as JSON.
    """
    obs = pd.DataFrame({name: sort_categories(obs[name]) for name in obs}, index=obs.index)
    obs.index, obs.columns = (pd.Index(list(names), dtype=object) for names in (obs.index, obs.columns))
    var = describe_features(features, channels).apply(make_categories)
    var = var.set_axis(pd.Index(list(features), dtype=object))
    var.columns = pd.Index(var.columns, dtype=object)
    obsm = {SPATIAL: obs[list(POSITION)].to_numpy(float)} if set(POSITION) <= set(obs) else {}
    uns = {"provenance": json.dumps(made_by, sort_keys=True, default=str)}
    return anndata.AnnData(obs=obs, var=var, obsm=obsm, uns=uns)


def get_chunk(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the shape of a chunk of the matrix: whole cells, about a megabyte."""
    return max(1, min(shape[0], CHUNK_BYTES // (4 * max(1, shape[1])))), max(1, shape[1])


def fill(matrix: Any, path: str | Path, features: Sequence[str]) -> None:
    """Write the features of all cells into a matrix on disk, one row group at a time."""
    first = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            values = convert_to_matrix(file.read_row_group(group, columns=list(features)), features)
            matrix[first : first + len(values)] = values.astype(np.float32)
            first += len(values)


def write_h5ad(skeleton: anndata.AnnData, cells: str | Path, path: Path) -> None:
    """Write the cells as an h5ad file."""
    skeleton.write_h5ad(path)
    with h5py.File(path, "a") as file:
        matrix = file.create_dataset("X", skeleton.shape, "float32", chunks=get_chunk(skeleton.shape))
        matrix.attrs.update(DENSE)
        fill(matrix, cells, skeleton.var_names)


def write_zarr(skeleton: anndata.AnnData, cells: str | Path, path: Path) -> None:
    """Write the cells as a zarr folder."""
    with anndata.settings.override(zarr_write_format=3, auto_shard_zarr_v3=False):
        skeleton.write_zarr(path)
    group = zarr.open_group(path, mode="a", use_consolidated=False)
    matrix = group.create_array(
        "X", shape=skeleton.shape, chunks=get_chunk(skeleton.shape), dtype="float32", attributes=DENSE
    )
    fill(matrix, cells, skeleton.var_names)
    zarr.consolidate_metadata(path, zarr_format=3)


def main(cells: str | Path, exported: str | Path, channels: Sequence[str]) -> None:
    """Write a plate's normalized cells in the format that the name of `exported` ends in."""
    skeleton = build_skeleton(
        read_observations(cells), read_feature_names(cells), channels, read_provenance(cells)
    )
    if str(exported).endswith(".zarr"):
        with write_whole_folder(Path(exported)) as part:
            write_zarr(skeleton, cells, part)
    else:
        with write_whole(exported) as part:
            write_h5ad(skeleton, cells, part)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(snakemake.input.cells, snakemake.output.exported, list(snakemake.params.channels))
