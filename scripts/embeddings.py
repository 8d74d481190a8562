"""Compute the embeddings of a plate's cells: a deep network's features of each cell's crop, one row per cell.

The method is that of CPJUMP1: each channel of a crop of 224 x 224 pixels around each nucleus is passed
through an ImageNet network, whose penultimate layer gives 1,280 features per channel. The cells are those of
the plate's single-cell table, in the same order, so that both tables can be joined by their keys.

Sites are read while the network processes crops of earlier ones. The embeddings of a plate are never in
memory all at once; they are written one row group at a time. Batches do not depend on the number of threads,
so that on a CPU the same cells give the same bytes with any number.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lib.cells import KEYS
from lib.crops import CELL, Cells, PlateImages, Settings, cut_crops, read_cells
from lib.errors import InputError
from lib.files import write_whole
from lib.logs import log_to
from lib.networks import WEIGHTS, load_network, read_about
from lib.provenance import get_provenance, get_provenance_metadata
from lib.working_ahead import work_ahead

logger = logging.getLogger("platewise")

ROWS = 8192  # per row group, as in the single-cell table
REPORT = 10  # seconds between two progress messages
LIBRARIES = ("numpy", "onnxruntime", "pyarrow")
BY_TORCH = ("pandas", "timm", "torch")


def name_features(channels: Sequence[str], stacked: bool, features: int) -> list[str]:
    """Name the features: `Embedding_DNA_0001` etc., channel by channel, or `Embedding_Stacked_0001` etc."""
    return [
        f"Embedding_{channel}_{number:04d}"
        for channel in (["Stacked"] if stacked else channels)
        for number in range(1, features + 1)
    ]


def make_batches(
    images: PlateImages, cells: Iterator[Cells], number: int, threads: int
) -> Iterator[tuple[Cells, range, Any]]:
    """Yield `number` cells of a site at a time with the site's images, while further sites are read.

    Parameters
    ----------
    images : the plate's images.
    cells : the cells of one site at a time.
    number : most cells in a batch.
    threads : number of threads that read images.

    Returns
    -------
    The site's cells, the positions of the batch among them, and the site's images and labels.
    """
    for site, (image, labels) in work_ahead(images.site, cells, threads, threads + 1):
        for start in range(0, len(site), number):
            yield site, range(start, min(start + number, len(site))), (image, labels)


def embed(
    images: PlateImages, cells: Iterator[Cells], network: Any, number: int, threads: int
) -> Iterator[tuple[Cells, range, np.ndarray]]:
    """Yield some cells of a site at a time with their embeddings, in order.

    Parameters
    ----------
    images
        The plate's images.
    cells
        The plate's cells, site by site.
    network
        A function of crops that returns features.
    number
        Number of cells per batch.
    threads
        Number of threads.

    Yields
    ------
    The cells of a site, the positions of some of them, and their embeddings (cells, features).

    Raises
    ------
    InputError
        If a feature is not finite.
    """

    def work(batch: tuple[Cells, range, Any]) -> np.ndarray:
        site, chosen, (image, labels) = batch
        return network(cut_crops(image, labels, site, chosen, images.settings.size))

    waiting = 2 * threads
    batches = make_batches(images, cells, number, threads)
    for (site, chosen, _), embeddings in work_ahead(work, batches, threads, waiting):
        if not np.isfinite(embeddings).all():
            raise InputError(
                f"Well {site.well}, site {site.site}: the network's features are not finite "
                f"(precision {network.precision}). Check its weights, mean and std."
            )
        yield site, chosen, embeddings


def make_column(values: np.ndarray | Sequence[str]) -> pa.Array:
    """Create an Arrow column from numbers or texts, like `pa.array`, but without importing pandas."""
    if isinstance(values, np.ndarray):
        return pa.Array.from_buffers(
            pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)]
        )
    texts = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts)))


class Writer:
    """Writes embeddings to a Parquet file, with at most `ROWS` cells in memory."""

    def __init__(self, path: str | Path, plate: str, names: Sequence[str], dtype: str, made_by: Any):
        kinds = [pa.int64() if name.endswith("Number") else pa.string() for name in KEYS]
        fields = [pa.field(name, kind) for name, kind in zip(KEYS, kinds, strict=True)]
        value = {"float32": pa.float32(), "float16": pa.float16()}[dtype]
        self.schema = pa.schema([*fields, *(pa.field(name, value) for name in names)])
        self.plate, self.keys, self.rows = plate, [], 0
        self.values = np.empty((ROWS, len(names)), dtype=dtype)
        self.file = pq.ParquetWriter(
            path,
            self.schema.with_metadata(get_provenance_metadata(made_by)),
            compression="lz4",
            use_dictionary=list(KEYS[:3]),
            write_statistics=list(KEYS),
        )

    def add(self, cells: Cells, chosen: range, embeddings: np.ndarray) -> None:
        """Add the embeddings of some cells of a site."""
        for number in cells.numbers[chosen]:
            self.keys.append((self.plate, cells.well, cells.site, cells.image_number, int(number)))
        while len(embeddings):
            fitting, embeddings = np.split(embeddings, [ROWS - self.rows])
            self.values[self.rows : self.rows + len(fitting)] = fitting
            self.rows += len(fitting)
            if self.rows == ROWS:
                self.flush()

    def flush(self) -> None:
        """Write the cells that were added."""
        if self.rows:
            plates, wells, sites, *numbers = zip(*self.keys[: self.rows], strict=True)
            columns = [make_column(texts) for texts in (plates, wells, sites)]
            columns += [make_column(np.array(number, dtype=np.int64)) for number in numbers]
            for start in range(0, self.values.shape[1], 64):
                some = np.ascontiguousarray(self.values[: self.rows, start : start + 64].T)
                columns += [make_column(values) for values in some]
            self.file.write_table(pa.Table.from_arrays(columns, schema=self.schema))
            self.keys, self.rows = self.keys[self.rows :], 0

    def close(self) -> None:
        """Write the remaining cells and close the file."""
        self.flush()
        self.file.close()


class Progress:
    """Reports the number of cells per second from time to time, and how busy a GPU is."""

    def __init__(self, plate: str, sites: int, network: Any):
        self.plate, self.sites, self.network = plate, sites, network
        self.start = self.reported = time.monotonic()
        self.cells, self.site, self.key = 0, 0, None

    def count(self, site: Cells, cells: int) -> None:
        """Count some more cells of a site."""
        self.cells += cells
        if site.image_number != self.key:
            self.site, self.key = self.site + 1, site.image_number
        if time.monotonic() - self.reported >= REPORT:
            self.report(f"site {self.site} of {self.sites}")

    def report(self, state: str) -> None:
        """Write one line to the log and to the terminal."""
        self.reported = time.monotonic()
        seconds = max(self.reported - self.start, 1e-9)
        line = f"{self.plate}: {state}, {self.cells} cells, {self.cells / seconds:.1f} cells/s"
        if self.network.worked is not None:
            line += f", the GPU was busy {self.network.worked / seconds:.0%} of the time"
        logger.info("%s", line)
        print(line, file=sys.stderr, flush=True)


def main(options: argparse.Namespace) -> None:
    """Write the embeddings of one plate."""
    about = read_about(options.network)
    settings = Settings(
        channels=options.channels,
        size=options.size,
        box=options.box if options.box == CELL else int(options.box),
        center=options.center,
        percentiles=tuple(options.percentiles),
        fixed=tuple(options.fixed) if options.fixed else None,
        mask=bool(options.mask),
    )
    functions = dict(zip(options.channels, options.functions, strict=True))
    images = PlateImages(options.load_data, functions, settings, options.mask or ())
    network, number = load_network(options.network)
    number = options.batch or number
    # One batch in the GPU, one waiting for it, one being cut.
    threads = max(3, options.threads) if network.device == "cuda" else options.threads
    logger.info(
        "%s with %s, on %s in %s, %d cells per batch",
        about["model"],
        about["weights"],
        network.device,
        network.precision,
        number,
    )
    parameters = {
        "network": about,
        "device": network.device,
        "precision": network.precision,
        "dtype": options.dtype,
        "crops": vars(settings),
    }
    # A network in an ONNX file may run in an environment without torch.
    libraries = (*LIBRARIES, *(BY_TORCH if Path(options.network, WEIGHTS).exists() else ()))
    made_by = get_provenance(parameters, [options.cells, *options.functions], libraries)
    names = name_features(options.channels, about["stacked"], about["features"])
    progress = Progress(options.plate, len(images), network)
    with write_whole(options.output) as part:
        writer = Writer(part, options.plate, names, options.dtype, made_by)
        cells = read_cells(options.cells, settings)
        for site, chosen, embeddings in embed(images, cells, network, number, threads):
            writer.add(site, chosen, embeddings)
            progress.count(site, len(chosen))
        writer.close()
    progress.report("done")


def define_options() -> argparse.ArgumentParser:
    """Define the script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", required=True, help="folder that network.py wrote")
    parser.add_argument("--plate", required=True)
    parser.add_argument("--cells", required=True, help="the plate's single-cell table")
    parser.add_argument("--load-data", required=True, help="its image table with illumination functions")
    parser.add_argument("--channels", nargs="+", required=True)
    parser.add_argument("--functions", nargs="+", required=True, help="illumination function of each channel")
    parser.add_argument("--mask", nargs="*", help="CellProfiler's folders with label images, to mask cells")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--box", default="224", help="pixels, or cell")
    parser.add_argument("--center", default="Nuclei")
    parser.add_argument("--percentiles", type=float, nargs=2, default=(0.1, 99.9))
    parser.add_argument("--fixed", type=float, nargs=2)
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    parser.add_argument("--batch", type=int, help="cells in a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", required=True)
    parser.add_argument("--output", required=True)
    return parser


if __name__ == "__main__":
    arguments = define_options().parse_args()
    # Each thread computes its own batches; the libraries read these variables when they are imported.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    with log_to(arguments.log):
        main(arguments)
