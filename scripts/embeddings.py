"""Embed the cells of a plate: a deep network's features of each cell's crop, one row a cell.

The method is CPJUMP1's: a crop of 224 x 224 pixels around each nucleus, each channel by itself into an
ImageNet network, whose last layer but one gives 1,280 features a channel. The cells are those of the
plate's single-cell table, in its order, so that both tables can be joined by their keys.

Sites are read while crops of earlier ones are in the network; a plate's embeddings are never in memory:
they are written a row group at a time. Batches do not depend on the number of threads, so that on a CPU
the same cells give the same bytes with any number.
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
from lib.crops import CELL, Cells, PlateImages, Settings, ahead, crops, read_cells
from lib.errors import InputError
from lib.files import whole
from lib.logs import logged
from lib.networks import load_network, read_about
from lib.provenance import provenance, provenance_metadata

logger = logging.getLogger("platewise")

ROWS = 8192  # of a row group, as in the single-cell table
REPORT = 10  # seconds between two lines on how far it is
LIBRARIES = ("numpy", "onnxruntime", "pandas", "pyarrow", "timm", "torch")


def feature_names(channels: Sequence[str], stacked: bool, features: int) -> list[str]:
    """`Embedding_DNA_0001` and so on, channel by channel; `Embedding_Stacked_0001` of stacked channels."""
    return [
        f"Embedding_{channel}_{number:04d}"
        for channel in (["Stacked"] if stacked else channels)
        for number in range(1, features + 1)
    ]


def batches(
    images: PlateImages, cells: Iterator[Cells], number: int, threads: int
) -> Iterator[tuple[Cells, range, Any]]:
    """Each `number` cells of each site, with the site's images; further sites are read meanwhile."""
    for site, (image, labels) in ahead(images.site, cells, threads, threads + 1):
        for start in range(0, len(site), number):
            yield site, range(start, min(start + number, len(site))), (image, labels)


def embed(
    images: PlateImages, cells: Iterator[Cells], network: Any, number: int, threads: int
) -> Iterator[tuple[Cells, range, np.ndarray]]:
    """Some cells of a site at a time, with their embeddings (cells x features), in order.

    Raises:
        InputError: when a feature is no finite number.
    """

    def work(batch: tuple[Cells, range, Any]) -> np.ndarray:
        site, chosen, (image, labels) = batch
        return network(crops(image, labels, site, chosen, images.settings.size))

    waiting = 2 * threads
    for (site, chosen, _), found in ahead(work, batches(images, cells, number, threads), threads, waiting):
        if not np.isfinite(found).all():
            raise InputError(
                f"Well {site.well}, site {site.site}: the network's features are no finite numbers "
                f"(precision {network.precision}). Check its weights, mean and std."
            )
        yield site, chosen, found


def arrow(values: np.ndarray | Sequence[str]) -> pa.Array:
    """Numbers or texts as a column of Arrow, as `pa.array` gives it, which would import pandas."""
    if isinstance(values, np.ndarray):
        return pa.Array.from_buffers(
            pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)]
        )
    texts = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts)))


class Writer:
    """Writes embeddings to Parquet, `ROWS` cells at a time; no more are kept."""

    def __init__(self, path: str | Path, plate: str, names: Sequence[str], dtype: str, made_by: Any):
        kinds = [pa.int64() if name.endswith("Number") else pa.string() for name in KEYS]
        fields = [pa.field(name, kind) for name, kind in zip(KEYS, kinds, strict=True)]
        value = {"float32": pa.float32(), "float16": pa.float16()}[dtype]
        self.schema = pa.schema([*fields, *(pa.field(name, value) for name in names)])
        self.plate, self.keys, self.rows = plate, [], 0
        self.values = np.empty((ROWS, len(names)), dtype=dtype)
        self.file = pq.ParquetWriter(
            path,
            self.schema.with_metadata(provenance_metadata(made_by)),
            compression="lz4",
            use_dictionary=list(KEYS[:3]),
            write_statistics=list(KEYS),
        )

    def add(self, cells: Cells, chosen: range, embeddings: np.ndarray) -> None:
        """Take the embeddings of some cells of a site."""
        for number in cells.numbers[chosen]:
            self.keys.append((self.plate, cells.well, cells.site, cells.image_number, int(number)))
        while len(embeddings):
            fitting, embeddings = np.split(embeddings, [ROWS - self.rows])
            self.values[self.rows : self.rows + len(fitting)] = fitting
            self.rows += len(fitting)
            if self.rows == ROWS:
                self.flush()

    def flush(self) -> None:
        """Write the cells that were taken."""
        if self.rows:
            plates, wells, sites, *numbers = zip(*self.keys[: self.rows], strict=True)
            columns = [arrow(texts) for texts in (plates, wells, sites)]
            columns += [arrow(np.array(number, dtype=np.int64)) for number in numbers]
            for start in range(0, self.values.shape[1], 64):
                some = np.ascontiguousarray(self.values[: self.rows, start : start + 64].T)
                columns += [arrow(values) for values in some]
            self.file.write_table(pa.Table.from_arrays(columns, schema=self.schema))
            self.keys, self.rows = self.keys[self.rows :], 0

    def close(self) -> None:
        """Write the rest and end the file."""
        self.flush()
        self.file.close()


class Progress:
    """Says now and then how many cells a second are embedded, and how busy a GPU is."""

    def __init__(self, plate: str, sites: int, network: Any):
        self.plate, self.sites, self.network = plate, sites, network
        self.start = self.said = time.monotonic()
        self.cells, self.site, self.key = 0, 0, None

    def count(self, site: Cells, cells: int) -> None:
        """Count some more cells of a site."""
        self.cells += cells
        if site.image_number != self.key:
            self.site, self.key = self.site + 1, site.image_number
        if time.monotonic() - self.said >= REPORT:
            self.say(f"site {self.site} of {self.sites}")

    def say(self, how_far: str) -> None:
        """One line, in the log and on the terminal."""
        self.said = time.monotonic()
        seconds = max(self.said - self.start, 1e-9)
        line = f"{self.plate}: {how_far}, {self.cells} cells, {self.cells / seconds:.1f} cells/s"
        if self.network.worked is not None:
            line += f", the GPU worked {self.network.worked / seconds:.0%} of the time"
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
    # A batch in the GPU, one that waits for it, one that is being cut.
    threads = max(3, options.threads) if network.device == "cuda" else options.threads
    logger.info(
        "%s with %s, on %s in %s, %d cells a batch",
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
    made_by = provenance(parameters, [options.cells, *options.functions], LIBRARIES)
    names = feature_names(options.channels, about["stacked"], about["features"])
    progress = Progress(options.plate, len(images), network)
    with whole(options.output) as part:
        writer = Writer(part, options.plate, names, options.dtype, made_by)
        cells = read_cells(options.cells, settings)
        for site, chosen, found in embed(images, cells, network, number, threads):
            writer.add(site, chosen, found)
            progress.count(site, len(chosen))
        writer.close()
    progress.say("done")


def command_line() -> argparse.ArgumentParser:
    """The script's options."""
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
    arguments = command_line().parse_args()
    # Each thread computes its own batches; read when the libraries are loaded.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    with logged(arguments.log):
        main(arguments)
