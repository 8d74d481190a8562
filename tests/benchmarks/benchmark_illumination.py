"""Time the illumination pipeline: stock CellProfiler, and the runner with the accelerated modules.

    python tests/benchmarks/benchmark_illumination.py --cellprofiler ENVIRONMENT/bin/cellprofiler \\
        --pipeline illumination.cppipe --load-data load_data.csv --sites 9 36 --output FOLDER

Both run over the same sites one after the other, on one core, start-up included; a plate of as many sites
as asked for is made of the image table's own by taking its rows again, each time with the images of
its channels passed on by one channel, so that no two sites are alike. Every function is compared. It prints
CPU seconds, seconds of the clock and peak memory, the CPU seconds of each module, and the largest difference.
"""

import argparse
import csv
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from compare_cellprofiler import time_run  # noqa: E402
from lib.cellprofiler import CellProfiler  # noqa: E402


def write_sites(load_data: Path, number: int, output: Path) -> None:
    """Write an image table of `number` sites made of the rows of `load_data`."""
    with load_data.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    channels = [name.removeprefix("FileName_") for name in header if name.startswith("FileName_")]
    sites = []
    for site in range(number):
        turn, at = divmod(site, len(rows))
        row = dict(zip(header, rows[at], strict=True))
        for kind in ("FileName", "PathName"):
            values = [row[f"{kind}_{channel}"] for channel in channels]
            for k, channel in enumerate(channels):
                row[f"{kind}_{channel}"] = values[(k + turn) % len(channels)]
        sites.append([*row.values()])
    with output.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *sites])


def timed(cellprofiler: CellProfiler, load_data: Path, output: Path, rows: int) -> dict:
    """One run: CPU seconds by module and peak memory in GiB (`time_run`), and seconds of the clock."""
    start = time.perf_counter()
    return {**time_run(cellprofiler, load_data, output, rows), "clock": time.perf_counter() - start}


def largest_difference(expected: Path, found: Path) -> tuple[int, float]:
    """Number of functions and the largest relative difference of any of their values."""
    files = sorted(expected.rglob("*.npy"))
    largest = 0.0
    for file in files:
        left, right = np.load(file), np.load(found / file.relative_to(expected))
        assert (left.shape, left.dtype) == (right.shape, right.dtype), file
        largest = max(largest, float(np.max(np.abs(left - right) / np.maximum(np.abs(left), 1e-9))))
    return len(files), largest


def main() -> None:
    """Read the options, stay on one core, run both, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cellprofiler", required=True)
    parser.add_argument("--pipeline", required=True, type=Path)
    parser.add_argument("--load-data", required=True, type=Path)
    parser.add_argument("--sites", type=int, nargs="+", default=[9])
    parser.add_argument("--only", choices=["builtin", "accelerated"], help="run one of the two")
    parser.add_argument("--core", type=int, default=0, help="the core to run on")
    parser.add_argument("--output", required=True, type=Path, help="a folder that is made")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    options.output.mkdir(parents=True)
    kinds = {"builtin": ("stock", None), "accelerated": ("platewise", SCRIPTS / "cellprofiler_plugins")}
    for number in options.sites:
        folder = options.output.resolve() / f"{number}_sites"
        folder.mkdir()
        load_data = folder / "load_data.csv"
        write_sites(options.load_data, number, load_data)
        for kind, how in kinds.items():
            if options.only in (None, kind):
                cellprofiler = CellProfiler(options.cellprofiler, options.pipeline, *how)
                with ProcessPoolExecutor(max_workers=1) as pool:
                    result = pool.submit(timed, cellprofiler, load_data, folder / kind, number).result()
                seconds = sum(result["modules"].values())
                modules = ", ".join(f"{name} {each:.2f}" for name, each in result["modules"].items())
                print(
                    f"{number} sites, {kind}: {seconds:.1f} CPU s, {result['clock']:.1f} s, "
                    f"{result['peak_gib']:.2f} GiB ({modules})",
                    flush=True,
                )
        if options.only is None:
            count, difference = largest_difference(folder / "builtin", folder / "accelerated")
            print(f"{number} sites: {count} functions, largest relative difference {difference:.2g}")


if __name__ == "__main__":
    main()
