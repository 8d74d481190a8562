"""Time CellProfiler's own modules against the accelerated ones on the same sites, and compare the tables.

    python tests/benchmarks/benchmark_cellprofiler.py --cellprofiler ENVIRONMENT \\
        --pipeline analysis.cppipe --load-data load_data_with_illum.csv --sites 4 --output FOLDER

Both run one after the other on one core over the first sites of the image table, start-up included;
the compiled code is in its cache (a first run over one site sees to that). FOLDER gets both
runs' tables and logs and `benchmark.json`; the tables of times and differences are printed.
"""

import argparse
import json
import os
import re
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

PLUGINS = Path(__file__).resolve().parents[2] / "scripts" / "cellprofiler_plugins"
MODULE_TIME = re.compile(r"Image # (\d+), module (\w+) # \d+: CPU_time = ([\d.]+) secs")
RELATIVE, ABSOLUTE = 1e-6, 1e-9
NOT_MEASURED = ("ExecutionTime_", "PathName_", "URL_")


def run(options: argparse.Namespace, output: Path, plugins: Path | None, sites: int) -> dict:
    """One CellProfiler run on one core: CPU and wall seconds, peak memory (GiB), seconds by module."""
    output.mkdir(parents=True, exist_ok=True)
    command = [options.cellprofiler / "bin" / "cellprofiler", "-c", "-r", "-p", options.pipeline]
    command += ["--data-file", options.load_data, "-o", output, "-f", "1", "-l", str(sites)]
    command += ["-d", output / "done"]
    if plugins:
        command += ["--plugins-directory", plugins]
    start = time.monotonic()
    with (output / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            preexec_fn=lambda: os.sched_setaffinity(0, {options.core}),
        )
        _, _, usage = os.wait4(process.pid, 0)
    if (output / "done").read_text().strip() != "Complete":
        raise SystemExit(f"CellProfiler failed; see {output / 'log'}")
    modules = defaultdict(float)
    for _, module, seconds in MODULE_TIME.findall((output / "log").read_text()):
        modules[module] += float(seconds)
    cpu = usage.ru_utime + usage.ru_stime
    modules["start-up and export"] = cpu - sum(modules.values())
    return {
        "cpu_s": cpu,
        "wall_s": time.monotonic() - start,
        "peak_gib": usage.ru_maxrss / 2**20,
        "modules": dict(modules),
    }


def compare(expected: Path, found: Path) -> pd.DataFrame:
    """One row a table: values compared, values that differ, largest relative difference, columns equal."""
    rows = []
    for path in sorted(expected.glob("*.csv")):
        left, right = pd.read_csv(path), pd.read_csv(found / path.name)
        names = [name for name in left if not name.startswith(NOT_MEASURED)]
        numbers = left[names].select_dtypes("number").columns
        a, b = left[numbers].to_numpy(float), right[numbers].to_numpy(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = np.abs(a - b)
            near = (apart <= np.maximum(RELATIVE * np.abs(a), ABSOLUTE)) | (np.isnan(a) & np.isnan(b))
            largest = np.nanmax(np.where(apart > ABSOLUTE, apart / np.abs(a), 0), initial=0)
        text = [name for name in names if name not in numbers]
        rows.append(
            {
                "table": path.stem,
                "columns equal": list(left) == list(right),
                "text equal": left[text].equals(right[text]),
                "values": a.size,
                "different": int((~near).sum()),
                "largest relative difference": largest,
            }
        )
    return pd.DataFrame(rows)


def main(options: argparse.Namespace) -> None:
    """Warm the compile cache, run both, print and write the comparison."""
    run(options, options.output / "first", PLUGINS, 1)
    stock = run(options, options.output / "stock", None, options.sites)
    fast = run(options, options.output / "accelerated", PLUGINS, options.sites)
    tables = compare(options.output / "stock", options.output / "accelerated")
    names = list(stock["modules"])
    times = pd.DataFrame({"stock": stock["modules"], "accelerated": fast["modules"]}).loc[names]
    times.loc["total"] = times.sum()
    times["times faster"] = times["stock"] / times["accelerated"].clip(lower=0.01)
    print(f"CPU seconds of {options.sites} sites on one core")
    print(times.round(2).to_string())
    print(f"peak memory: {stock['peak_gib']:.2f} GiB stock, {fast['peak_gib']:.2f} GiB accelerated\n")
    print(tables.to_string(index=False))
    report = {"stock": stock, "accelerated": fast, "tables": tables.to_dict("records")}
    (options.output / "benchmark.json").write_text(json.dumps(report, indent=1) + "\n")


def command_line() -> argparse.ArgumentParser:
    """The script's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cellprofiler", required=True, type=Path, help="CellProfiler's environment")
    parser.add_argument("--pipeline", required=True, type=Path, help="analysis.cppipe")
    parser.add_argument("--load-data", required=True, type=Path, help="the plate's image table")
    parser.add_argument("--sites", type=int, default=4, help="how many of its first rows")
    parser.add_argument("--core", type=int, default=0, help="the core to run on")
    parser.add_argument("--output", required=True, type=Path, help="a new folder")
    return parser


if __name__ == "__main__":
    main(command_line().parse_args())
