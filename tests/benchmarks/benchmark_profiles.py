"""Time and memory from CellProfiler's tables to normalized profiles, beside pycytominer.

Makes a synthetic plate of chunks (Cells, Cytoplasm and Nuclei tables), then runs, each in a process of
its own:

* streamed: join the chunks into one single-cell Parquet file, mean per well, mad_robustize to all wells;
* SingleCells: pycytominer's single-cell path, `SingleCells.aggregate_profiles` on a SQLite file and
  `normalize`. Writing the same tables into the SQLite file is timed as a step of its own;
* pandas: read and merge the same chunks in pandas, all in memory, `aggregate`, `normalize`;
* pandas from the joined table: the same, from the Parquet file of the first.

Prints seconds (by the clock and of the processor) and peak memory of each, and the largest difference
of the normalized values:

    python tests/benchmarks/benchmark_profiles.py                            # a plate: 384 x 200 x 5,800
    python tests/benchmarks/benchmark_profiles.py --wells 16 --features 300  # a quick look
"""

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
COMPARTMENTS = ("Cells", "Cytoplasm", "Nuclei")
SITES_A_CHUNK = 16


def make_plate(folder: Path, wells: int, cells: int, features: int, table_format: str) -> list[Path]:
    """Write the chunks of one plate: one site per well, `cells` cells per site, no value missing.

    Wells differ from each other about as much as a feature's mean from 0, so that rounding to float32
    stays below 1e-6 of a normalized value.
    """
    generator = np.random.default_rng(0)
    share = [len(part) for part in np.array_split(np.arange(features), len(COMPARTMENTS))]
    chunks = []
    for first in range(0, wells, SITES_A_CHUNK):
        numbers = np.arange(first, min(first + SITES_A_CHUNK, wells))
        chunk = folder / f"chunk_{len(chunks):04d}"
        chunk.mkdir(parents=True)
        names = [f"{chr(65 + number // 24)}{number % 24 + 1:02d}" for number in numbers]
        image = {"ImageNumber": numbers + 1, "Metadata_Plate": "P", "Metadata_Well": names}
        write(pd.DataFrame({**image, "Metadata_Site": "1"}), chunk / "Image", table_format)
        ids = np.tile(np.arange(1, cells + 1), len(numbers))
        keys = {"ImageNumber": np.repeat(numbers + 1, cells), "ObjectNumber": ids}
        for compartment, count in zip(COMPARTMENTS, share, strict=True):
            effect = generator.standard_normal((len(numbers), count), dtype=np.float32)
            values = generator.standard_normal((len(ids), count), dtype=np.float32)
            values += np.repeat(effect, cells, axis=0)
            table = pd.DataFrame(values, columns=[f"F_{at:04d}" for at in range(count)])
            parents = {"Parent_Cells": ids, "Parent_Nuclei": ids} if compartment == "Cytoplasm" else {}
            table = pd.concat([pd.DataFrame({**keys, **parents}), table], axis=1)
            write(table, chunk / compartment, table_format)
        chunks.append(chunk)
    return chunks


def write(table: pd.DataFrame, path: Path, table_format: str) -> None:
    """Write one table as CellProfiler's command line (csv) or the runner (arrow) does."""
    singles = table.columns[table.dtypes == np.float32]
    table = pa.Table.from_pandas(table.astype(dict.fromkeys(singles, float)))
    if table_format == "csv":
        pl.from_arrow(table).write_csv(f"{path}.csv")
        return
    with pa.OSFile(f"{path}.arrow", "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)


def streamed(folder: Path, threads: int) -> dict[str, float]:
    """The workflow's own steps; gives the seconds of each."""
    from lib.cells import use_threads

    use_threads(threads)
    import aggregate
    import single_cells
    from lib.cellprofiler_output import find_chunk_folders
    from normalize import mad_robustize

    outputs = {name: str(folder / f"{name}.parquet") for name in ("cells", "image")}
    outputs["sites"] = str(folder / "sites.csv")
    parameters = {
        "plate": "P",
        "batch": "B",
        "compartments": list(COMPARTMENTS),
        "site_pattern": None,
        "bad_sites": "error",
    }
    clock = Clock()
    chunks = find_chunk_folders(sorted(folder.glob("chunk_*")), COMPARTMENTS)
    single_cells.main(chunks, outputs, parameters)
    clock.note("join")
    wells = aggregate.aggregate(outputs["cells"], outputs["image"], "mean", ["^Parent_"])
    clock.note("aggregate")
    features = [name for name in wells if not name.startswith("Metadata_")]
    values, _ = mad_robustize(wells[features].to_numpy(), wells[features].to_numpy())
    clock.note("normalize")
    pd.DataFrame(values, columns=features).to_parquet(folder / "streamed.parquet")
    return clock.noted


def read(chunk: Path, name: str) -> pd.DataFrame:
    """A chunk's table."""
    file = chunk / f"{name}.arrow"
    return pd.read_feather(file) if file.exists() else pd.read_csv(chunk / f"{name}.csv")


def merged(chunk: Path) -> pd.DataFrame:
    """A chunk's tables merged in pandas, as pycytominer's `SingleCells.merge_single_cells` does."""
    table = read(chunk, "Cytoplasm").add_prefix("Cytoplasm_")
    for name in ("Cells", "Nuclei"):
        table = table.merge(
            read(chunk, name).add_prefix(f"{name}_"),
            left_on=["Cytoplasm_ImageNumber", f"Cytoplasm_Parent_{name}"],
            right_on=[f"{name}_ImageNumber", f"{name}_ObjectNumber"],
        )
    return read(chunk, "Image").merge(table, left_on="ImageNumber", right_on="Cytoplasm_ImageNumber")


def write_database(chunks: Sequence[Path], path: Path) -> None:
    """Write the chunks' tables into a SQLite file, as cytominer-database does, with an index."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA synchronous = OFF")
        for name in ("Image", *COMPARTMENTS):
            for number, chunk in enumerate(chunks):
                table = read(chunk, name)
                keys = [column for column in table if column in ("ImageNumber", "ObjectNumber")]
                if name != "Image":
                    renamed = {column: f"{name}_{column}" for column in table if column not in keys}
                    table = table.rename(columns=renamed)
                table.insert(0, "TableNumber", "1")
                if not number:
                    kinds = {"i": "INTEGER", "f": "REAL"}
                    columns = [
                        f'"{key}" {kinds.get(kind.kind, "TEXT")}' for key, kind in table.dtypes.items()
                    ]
                    database.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
                marks = ", ".join("?" * table.shape[1])
                rows = zip(*(table[column].tolist() for column in table), strict=True)
                database.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
            if name != "Image":
                database.execute(f"CREATE INDEX of_{name} ON {name} (TableNumber, ImageNumber)")


def with_single_cells(folder: Path, threads: int) -> dict[str, float]:
    """pycytominer's SingleCells from a SQLite file of the chunks' tables; seconds of each step."""
    from pycytominer import normalize
    from pycytominer.cyto_utils.cells import SingleCells

    pa.set_cpu_count(threads)
    clock = Clock()
    database = folder / "cells.sqlite"
    write_database(sorted(folder.glob("chunk_*")), database)
    clock.note("database")
    cells = SingleCells(f"sqlite:///{database}", aggregation_operation="mean", image_table_name="Image")
    wells = cells.aggregate_profiles()
    clock.note("aggregate")
    features = [name for name in wells if "_F_" in name]
    keys = ["Metadata_Plate", "Metadata_Well"]
    result = normalize(wells, features=features, meta_features=keys, samples="all", method="mad_robustize")
    clock.note("normalize")
    result[features].to_parquet(folder / "SingleCells.parquet")
    database.unlink()
    return clock.noted


def with_pandas(folder: Path, threads: int, joined: bool) -> dict[str, float]:
    """pycytominer with all cells in memory, from the chunks or the `joined` table; seconds per step."""
    from pycytominer import aggregate, normalize

    pa.set_cpu_count(threads)
    clock = Clock()
    if joined:
        cells = pd.read_parquet(folder / "cells.parquet")
    else:
        chunks = [merged(chunk) for chunk in sorted(folder.glob("chunk_*"))]
        cells = pd.concat(chunks, ignore_index=True)
        del chunks
    clock.note("read" if joined else "join")
    features = [name for name in cells if "_F_" in name]
    keys = ["Metadata_Plate", "Metadata_Well"]
    wells = aggregate(cells, strata=keys, features=features, operation="mean")
    clock.note("aggregate")
    result = normalize(wells, features=features, meta_features=keys, samples="all", method="mad_robustize")
    clock.note("normalize")
    result[features].to_parquet(folder / "pandas.parquet")
    return clock.noted


class Clock:
    """Seconds by the clock, and of the processor, of one step after the other."""

    def __init__(self) -> None:
        self.last = time.perf_counter(), time.process_time()
        self.noted: dict[str, float] = {}

    def note(self, step: str) -> None:
        """Note what went by since the last step."""
        now = time.perf_counter(), time.process_time()
        for name, seconds in zip((step, f"{step}_cpu"), np.subtract(now, self.last), strict=True):
            self.noted[name] = float(seconds)
        self.last = now


STEPS = {
    "streamed": streamed,
    "SingleCells": with_single_cells,
    "pandas": lambda folder, threads: with_pandas(folder, threads, joined=False),
    "pandas from the joined table": lambda folder, threads: with_pandas(folder, threads, joined=True),
}


def in_a_process(step: str, folder: Path, threads: int) -> dict[str, float]:
    """Run one step in a fresh process with `threads` threads; give its seconds and peak memory."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    command = [sys.executable, __file__, "--step", step, str(folder), "--threads", str(threads)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: Path, threads: int, ways: Sequence[str]) -> dict[str, dict[str, float]]:
    """The ways side by side: `streamed` first, how often it goes into each other, and differences."""
    results = {step: in_a_process(step, folder, threads) for step in ways}
    ours = pd.read_parquet(folder / "streamed.parquet")
    for way in ways[1:]:
        without = ("join",) if way == "pandas from the joined table" else ()
        compared = {}
        for kind in ("", "_cpu"):
            both = [
                sum(
                    results[name].get(step + kind, 0)
                    for step in ("join", "read", "aggregate", "normalize")
                    if step not in without
                )
                for name in (way, "streamed")
            ]
            compared[f"times faster{kind}"] = both[0] / both[1]
        theirs = folder / f"{way}.parquet"
        if theirs.exists():
            expected = pd.read_parquet(theirs)[ours.columns].to_numpy()
            difference = np.abs(ours.to_numpy() - expected) / np.maximum(1, np.abs(expected))
            compared["largest_difference"] = float(difference.max())
        results[f"streamed against {way}"] = compared
    return results


def main() -> None:
    """Read the sizes, make the plate, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=384)
    parser.add_argument("--cells", type=int, default=200, help="cells per well")
    parser.add_argument("--features", type=int, default=5800)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--format", choices=("arrow", "csv"), default="arrow")
    parser.add_argument("--ways", nargs="*", choices=list(STEPS)[1:], default=list(STEPS)[1:])
    parser.add_argument("--step", nargs=2, metavar=("STEP", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step, folder = arguments.step
        result = STEPS[step](Path(folder), arguments.threads)
        kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({**result, "peak_gib": kibibytes / 2**20}))
        return
    with tempfile.TemporaryDirectory() as name:
        size = (arguments.wells, arguments.cells, arguments.features)
        make_plate(Path(name), *size, arguments.format)
        for what, numbers in compare(Path(name), arguments.threads, ["streamed", *arguments.ways]).items():
            print(f"{what}: " + ", ".join(f"{key} {value:.4g}" for key, value in numbers.items()))


if __name__ == "__main__":
    main()
