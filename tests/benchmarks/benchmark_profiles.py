"""Time and memory from CellProfiler's tables to normalized profiles, beside pycytominer.

Makes a synthetic plate of chunks (Cells, Cytoplasm and Nuclei tables), then runs, each in a process of
its own:

* streamed: join the chunks into one single-cell Parquet file, mean per well, mad_robustize to all wells;
* pycytominer: read and merge the same chunks in pandas, `aggregate`, `normalize`;
* pycytominer from the joined table: the same, from the Parquet file of the first.

Prints seconds (by the clock and of the processor) and peak memory of both, and the largest difference
of the normalized values:

    python tests/benchmarks/benchmark_profiles.py                            # a plate: 384 x 200 x 5,800
    python tests/benchmarks/benchmark_profiles.py --wells 16 --features 300  # a quick look
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
COMPARTMENTS = ("Cells", "Cytoplasm", "Nuclei")
SITES_A_CHUNK = 16


def make_plate(folder: Path, wells: int, cells: int, features: int, table_format: str) -> list[Path]:
    """Write the chunks of one plate: a site a well, `cells` cells a site, no value missing.

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
    """Write one table as CellProfiler (csv) or the columnar runner (parquet) does."""
    if table_format == "csv":
        table.to_csv(f"{path}.csv", index=False)
    else:
        table.to_parquet(f"{path}.parquet", index=False)


def streamed(folder: Path, threads: int) -> dict[str, float]:
    """The workflow's own steps; gives the seconds of each."""
    from lib.cells import use_threads

    use_threads(threads)
    import aggregate
    import single_cells
    from lib.cellprofiler_output import chunk_folders
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
    chunks = chunk_folders(sorted(folder.glob("chunk_*")), COMPARTMENTS)
    single_cells.main(chunks, outputs, parameters)
    clock.note("join")
    wells = aggregate.aggregate(outputs["cells"], outputs["image"], "mean", ["^Parent_"])
    clock.note("aggregate")
    features = [name for name in wells if not name.startswith("Metadata_")]
    values, _ = mad_robustize(wells[features].to_numpy(), wells[features].to_numpy())
    clock.note("normalize")
    pd.DataFrame(values, columns=features).to_parquet(folder / "streamed.parquet")
    return clock.noted


def merged(chunk: Path) -> pd.DataFrame:
    """A chunk's tables merged in pandas, as pycytominer's `SingleCells.merge_single_cells` does."""

    def read(name: str) -> pd.DataFrame:
        file = chunk / f"{name}.parquet"
        return pd.read_parquet(file) if file.exists() else pd.read_csv(chunk / f"{name}.csv")

    table = read("Cytoplasm").add_prefix("Cytoplasm_")
    for name in ("Cells", "Nuclei"):
        table = table.merge(
            read(name).add_prefix(f"{name}_"),
            left_on=["Cytoplasm_ImageNumber", f"Cytoplasm_Parent_{name}"],
            right_on=[f"{name}_ImageNumber", f"{name}_ObjectNumber"],
        )
    return read("Image").merge(table, left_on="ImageNumber", right_on="Cytoplasm_ImageNumber")


def with_pycytominer(folder: Path, threads: int, joined: bool) -> dict[str, float]:
    """pycytominer's single-cell path from the chunks, or from the `joined` table; seconds a step."""
    import pyarrow as pa
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
    result[features].to_parquet(folder / "pycytominer.parquet")
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
    "pycytominer": lambda folder, threads: with_pycytominer(folder, threads, joined=False),
    "pycytominer from the joined table": lambda folder, threads: with_pycytominer(
        folder, threads, joined=True
    ),
}


def in_a_process(step: str, folder: Path, threads: int) -> dict[str, float]:
    """Run one step in a fresh process with `threads` threads; give its seconds and peak memory."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    command = [sys.executable, __file__, "--step", step, str(folder), "--threads", str(threads)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: Path, threads: int) -> dict[str, dict[str, float]]:
    """Both ways side by side, and the largest difference of the normalized values."""
    results = {step: in_a_process(step, folder, threads) for step in STEPS}
    ours, theirs = (pd.read_parquet(folder / f"{name}.parquet") for name in ("streamed", "pycytominer"))
    difference = np.abs(ours.to_numpy() - theirs[ours.columns].to_numpy())
    scale = np.maximum(1, np.abs(theirs[ours.columns].to_numpy()))

    def total(way: str, kind: str, *without: str) -> float:
        steps = [name for name in ("join", "read", "aggregate", "normalize") if name not in without]
        return sum(results[way].get(name + kind, 0) for name in steps)

    compared = {}
    for kind in ("", "_cpu"):
        compared[f"times faster{kind}"] = total("pycytominer", kind) / total("streamed", kind)
        compared[f"times faster from the joined table{kind}"] = total(
            "pycytominer from the joined table", kind
        ) / total("streamed", kind, "join")
    compared["largest_difference"] = float((difference / scale).max())
    return {**results, "comparison": compared}


def main() -> None:
    """Read the sizes, make the plate, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=384)
    parser.add_argument("--cells", type=int, default=200, help="cells a well")
    parser.add_argument("--features", type=int, default=5800)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
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
        for what, numbers in compare(Path(name), arguments.threads).items():
            print(f"{what}: " + ", ".join(f"{key} {value:.4g}" for key, value in numbers.items()))


if __name__ == "__main__":
    main()
