"""Write crops of a plate's cells as a training set: shards in the format of webdataset, and an index.

Crops are cut as for deep-network features (`lib.crops`). Their pixels are those of the image files (`raw`),
corrected for illumination (`corrected`), or also rescaled from 0 to 1 image by image (`rescaled`, as a
network sees them). The index has one row per crop: the keys of the cell, the metadata of its well, the
position of the cell and of the crop in the image, and where the crop is.

Sites are read ahead by threads; only their crops are in memory.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.cell_quality import read_flagged_cells
from lib.crop_shards import INDEX, ShardWriter
from lib.crops import Cells, PlateImages, Settings, cut_crops, read_cells
from lib.files import write_whole_folder
from lib.logs import log_to
from lib.tables import get_provenance, get_provenance_metadata, read_metadata
from lib.working_ahead import work_ahead

logger = logging.getLogger("platewise")


def choose_cells(
    file: pq.ParquetFile, per_well: int | None, kept: np.ndarray | None, seed: int
) -> np.ndarray:
    """Choose the cells that are cropped.

    Parameters
    ----------
    file
        The single-cell table.
    per_well
        The number of cells per well, drawn at random; None for all of them.
    kept
        (cells,), the cells that may be chosen; None for all of them.
    seed
        Seed of the choice, which depends on it and on the well alone.

    Returns
    -------
    (cells,), whether each cell is chosen.
    """
    number = file.metadata.num_rows
    chosen = np.ones(number, dtype=bool) if kept is None else kept.copy()
    if per_well is None:
        return chosen
    wells = file.read(columns=["Metadata_Well"])["Metadata_Well"].combine_chunks().dictionary_encode()
    codes = wells.indices.to_numpy()
    for code, well in enumerate(wells.dictionary.to_pylist()):
        rows = np.flatnonzero((codes == code) & chosen)
        generator = np.random.default_rng([seed, *well.encode()])
        chosen[generator.permutation(rows)[per_well:]] = False
    return chosen


def select_cells(sites: Iterator[Cells], chosen: np.ndarray) -> Iterator[tuple[Cells, np.ndarray]]:
    """Yield each site with the positions of its chosen cells, without the sites that have none."""
    start = 0
    for site in sites:
        positions = np.flatnonzero(chosen[start : start + len(site)])
        start += len(site)
        if len(positions):
            yield site, positions


def describe_crop(site: Cells, at: int, plate: str, well: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a crop: the keys of its cell, those of its well, and positions in pixels.

    Parameters
    ----------
    site
        The cells of a site.
    at
        The cell's position among those of the site.
    plate
        The plate's name.
    well
        The metadata of the cell's well.
    """
    return {
        **well,
        "Metadata_Plate": plate,
        "Metadata_Well": site.well,
        "Metadata_Site": site.site,
        "Metadata_ImageNumber": site.image_number,
        "Metadata_ObjectNumber": int(site.numbers[at]),
        "center_x": float(site.center[at, 1]),
        "center_y": float(site.center[at, 0]),
        "left": int(site.left[at]),
        "top": int(site.top[at]),
        "side": int(site.side[at]),
    }


def write_crops(
    folder: Path,
    sites: Iterator[tuple[Cells, np.ndarray]],
    images: PlateImages,
    wells: Mapping[str, Mapping[str, Any]],
    plate: str,
    shard: int,
    threads: int,
) -> pd.DataFrame:
    """Write the crops to shards in a folder.

    Parameters
    ----------
    folder
        Where to write.
    sites
        The cells of each site, and the positions of the chosen ones.
    images
        The plate's images.
    wells
        The metadata of each well.
    plate
        The name of the plate.
    shard
        Number of crops per shard.
    threads
        Number of threads that read sites ahead.

    Returns
    -------
    The index: one row per crop.
    """

    def cut(item: tuple[Cells, np.ndarray]) -> np.ndarray:
        site, positions = item
        return cut_crops(*images.site(site), site, positions, images.settings.size)

    writer, rows = ShardWriter(folder, shard), []
    for (site, positions), crops in work_ahead(cut, sites, threads, threads + 1):
        for at, crop in zip(positions, crops, strict=True):
            about = describe_crop(site, at, plate, wells.get(site.well, {}))
            name, key = writer.add(crop, about)
            rows.append({**about, "shard": name, "key": key})
    writer.close()
    return pd.DataFrame(rows)


def main(inputs: Mapping[str, Any], output: str | Path, parameters: Mapping[str, Any], threads: int) -> None:
    """Write the training set of one plate.

    Parameters
    ----------
    inputs
        Paths of `cells` (the single-cell table), `profiles` (annotated), `load_data` (with illumination
        functions), `functions` (by channel; empty for raw pixels), `labels` (CellProfiler's folders, for
        masks), and `cell_flags` if flagged cells are left out.
    output
        The folder.
    parameters
        `plate`, `channels`, `settings` (of `lib.crops.Settings`), `pixels`, `per_well`, `shard`, `seed`.
    threads
        Number of threads.
    """
    plate = parameters["plate"]
    settings = Settings(channels=parameters["channels"], **parameters["settings"])
    functions = dict(zip(settings.channels, inputs["functions"], strict=False))
    images = PlateImages(inputs["load_data"], functions, settings, inputs["labels"], parameters["pixels"])
    metadata = read_metadata(inputs["profiles"])
    metadata = metadata.drop(columns=[name for name in metadata if "Metadata_Count_" in name])
    wells = {
        row["Metadata_Well"]: {name: value for name, value in row.items() if pd.notna(value)}
        for row in metadata.to_dict("records")
    }
    with pq.ParquetFile(inputs["cells"]) as file:
        kept = ~read_flagged_cells(inputs["cell_flags"], file) if inputs["cell_flags"] else None
        chosen = choose_cells(file, parameters["per_well"], kept, parameters["seed"])
    names = ("settings", "pixels", "per_well", "seed", "channels")
    made_by = get_provenance(
        {name: parameters[name] for name in names}, [inputs["cells"], *inputs["functions"]]
    )
    with write_whole_folder(Path(output)) as part:
        sites = select_cells(read_cells(inputs["cells"], settings), chosen)
        index = write_crops(part, sites, images, wells, plate, parameters["shard"], threads)
        table = pa.Table.from_pandas(index, preserve_index=False)
        pq.write_table(table.replace_schema_metadata(get_provenance_metadata(made_by)), part / INDEX)
    logger.info("plate %s: %d crops of %d channels", plate, len(index), len(settings.channels))


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            {
                **{name: snakemake.input[name] for name in ("cells", "profiles", "load_data")},
                **{name: list(snakemake.input[name]) for name in ("functions", "labels")},
                "cell_flags": snakemake.input.cell_flags or None,
            },
            snakemake.output.crops,
            {
                name: snakemake.params[name]
                for name in ("plate", "channels", "settings", "pixels", "per_well", "shard", "seed")
            },
            snakemake.threads,
        )
