"""Draw a stratified sample of an experiment's normalized cells, in one AnnData file for a notebook.

Every well of every plate gives the same number of cells, or all of them if it has fewer. Which cells of a
well are drawn depends only on that number, the seed, the batch, the plate and the well.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from export_cells import build_skeleton, read_observations
from lib.cell_stream import convert_to_matrix
from lib.errors import InputError, join_names
from lib.logs import log_to
from lib.tables import get_provenance, read_feature_names, write_whole

logger = logging.getLogger("platewise")


def get_share(numbers: np.ndarray, total: int) -> int:
    """Return how many cells each well gives at most, so that all of them give at most `total`, or 1 each."""
    low, high = 1, max(1, int(numbers.max(initial=1)))
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(numbers, middle).sum() <= total:
            low = middle
        else:
            high = middle - 1
    return low


def count_cells(path: str | Path) -> np.ndarray:
    """Count the cells of each well in a file of normalized cells.

    The file is closed at once: the list of its parts takes 1 kB of memory per well and feature.
    """
    with pq.ParquetFile(path) as file:
        return np.array([file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)])


def choose_rows(number: int, share: int, seed: int, name: str) -> np.ndarray:
    """Choose at most `share` of `number` rows, by the seed and the name of the well, in ascending order.

    Parameters
    ----------
    number
        The number of cells in the well.
    share
        How many of them are chosen at most.
    seed
        The seed.
    name
        The well's name.
    """
    generator = np.random.default_rng([seed, *name.encode()])
    return np.sort(generator.permutation(number)[:share])


def find_common_features(paths: Sequence[str | Path]) -> tuple[list[str], int]:
    """Return the features that every plate has, in the order of the first, and how many others there are.

    Raises
    ------
    InputError
        If there are none.
    """
    of_plates = [read_feature_names(path) for path in paths]
    common = set(of_plates[0]).intersection(*of_plates[1:])
    if not common:
        raise InputError(
            f"The normalized cells of {join_names(paths, 5)} have no feature in common. Set "
            "normalized_cells.features to a level whose features were selected over the batch, or to `all`."
        )
    every = {name for features in of_plates for name in features}
    return [name for name in of_plates[0] if name in common], len(every) - len(common)


def draw(paths: Sequence[str | Path], total: int, seed: int, channels: Sequence[str]) -> anndata.AnnData:
    """Return a sample of the cells of all plates.

    Parameters
    ----------
    paths
        The normalized cells of each plate, with one row group per well.
    total
        The number of cells, which is not exceeded unless there are more wells.
    seed
        Seed of the choice.
    channels
        The channels that may be in the features' names.
    """
    features, left_out = find_common_features(paths)
    numbers = [count_cells(path) for path in paths]
    share = get_share(np.concatenate(numbers), total)
    observations, matrices = [], []
    for path, of_wells in zip(paths, numbers, strict=True):
        obs, first = read_observations(path), 0
        with pq.ParquetFile(path) as file:
            for group, number in enumerate(of_wells):
                well = obs.iloc[first : first + number]
                name = ":".join(well.index[0].split(":")[:3])
                rows = choose_rows(number, share, seed, name)
                observations.append(well.iloc[rows])
                values = convert_to_matrix(file.read_row_group(group, columns=features), features)
                matrices.append(values[rows].astype(np.float32))
                first += number
    obs = pd.concat(observations)
    made_by = get_provenance({"sample": total, "seed": seed, "cells_per_well": share}, paths)
    sample = build_skeleton(obs, features, channels, made_by)
    sample.X = np.concatenate(matrices)
    sample.uns |= {"cells_per_well": share, "features_not_common": left_out}
    if left_out:
        logger.warning("%d features are not on every plate, and not in the sample", left_out)
    logger.info("%d cells of %d wells, at most %d of each", len(obs), len(observations), share)
    return sample


def main(cells: Sequence[str], sample: str, number: int, seed: int, channels: Sequence[str]) -> None:
    """Draw the sample and write it.

    Parameters
    ----------
    cells
        The tables of normalized cells, one per plate.
    sample
        The AnnData file to write.
    number
        Number of cells to draw.
    seed
        Seed of the drawing.
    channels
        Names of the channels.
    """
    drawn = draw(list(cells), number, seed, list(channels))
    with write_whole(sample) as part:
        drawn.write_h5ad(part)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            cells=snakemake.input.cells,
            sample=snakemake.output.sample,
            number=snakemake.params.cells,
            seed=snakemake.params.seed,
            channels=snakemake.params.channels,
        )
