"""Time the workflow's embeddings against the simplest way: one call of timm's model per cell.

    python tests/benchmarks/benchmark_embeddings.py --results RESULTS --batch BATCH --plate PLATE

RESULTS is the results folder of an experiment that was run with a block `embeddings` (per channel,
timm's weights, default crops). The plain way is timed twice: with the images of a cell read for that cell,
and with those of a site kept for its cells. All run in processes of their own, first on one thread, then
on several (wall-clock time then counts); a run on the first cell alone says what start-up takes. Values are
compared. Where there is a GPU, the workflow is timed on it, too, and says how much of the time it worked.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
PLAIN = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np, torch, embeddings_reference as plain
torch.set_num_threads({threads})
found = plain.embed(*plain.load_model(plain.Path({network!r})), {cells!r}, {load_data!r}, {channels!r},
                    {functions!r}, range({number}), keep_images={keep})
np.save({output!r}, found)
"""
LOOK = """
import sys, pyarrow.parquet as pq
cells, embedded, first, chosen, number = sys.argv[1:]
table = pq.read_table(cells)
table = table.slice(0, int(number) or table.num_rows)
pq.write_table(table.slice(0, 1), first)
pq.write_table(table, chosen)
print(table.num_rows)
print(pq.read_schema(embedded).metadata[b"platewise"].decode())
"""
COMPARE = """
import sys
import numpy as np, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
names = [name for name in table.column_names if name.startswith("Embedding_")]
ours = np.stack([table[name].to_numpy() for name in names], axis=1)
print(np.abs(ours[: int(sys.argv[3])] - np.load(sys.argv[2])).max())
"""


class Seconds(NamedTuple):
    """What a run took."""

    cpu: float
    wall: float


def timed(command: list[str], threads: int, **variables: str) -> Seconds:
    """Run a command."""
    # Each thread of the workflow computes cells of its own; torch's threads share a cell.
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": "", **variables}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Seconds(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def measured(
    name: str, number: int, command: Callable[[int, int], list[str]], threads: int, **variables: str
) -> float:
    """Time `command(cells, threads)` on one cell and on all; prints both; cells per CPU second of all."""
    one, all_ = (timed(command(cells, threads), threads, **variables) for cells in (1, number))
    speeds = [number / all_.cpu, number / all_.wall]
    speeds += [(number - 1) / (whole - start) for whole, start in zip(all_, one, strict=True)]
    print(
        f"{name:32s} {threads} threads  {number} cells  {all_.cpu:6.1f} CPU s {all_.wall:6.1f} s"
        f"  start-up {one.cpu:4.1f} CPU s {one.wall:4.1f} s  cells/CPU s {speeds[0]:6.1f}, without start-up"
        f" {speeds[2]:6.1f}  cells/s {speeds[1]:6.1f}, without start-up {speeds[3]:6.1f}",
        flush=True,
    )
    return speeds[0]


def main() -> None:
    """Time them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--batch", required=True)
    parser.add_argument("--plate", required=True)
    parser.add_argument("--cells", type=int, default=0, help="only the first so many (all)")
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1), help="the rule's: 4")
    options = parser.parse_args()
    results, batch, plate = options.results.resolve(), options.batch, options.plate
    (ready,) = (PROJECT / ".environments").glob("embeddings-*/complete.json")
    python = str(ready.parent / "bin" / "python")
    network = str(results / "workspace/network")
    cells = str(results / f"workspace/backend/{batch}/{plate}/{plate}.parquet")
    load_data = str(results / f"workspace/load_data_csv/{batch}/{plate}/load_data_with_illum.csv")
    embedded = str(results / f"workspace/embeddings/{batch}/{plate}/{plate}.parquet")
    with tempfile.TemporaryDirectory() as folder:
        first, chosen = f"{folder}/first.parquet", f"{folder}/chosen.parquet"
        look = [python, "-c", LOOK, cells, embedded, first, chosen, str(options.cells)]
        lines = subprocess.check_output(look, text=True).splitlines()
        total, channels = int(lines[0]), json.loads(lines[1])["parameters"]["crops"]["channels"]
        functions = [str(results / f"images/{batch}/illum/{plate}/{plate}_Illum{n}.npy") for n in channels]

        def plain(keep: bool) -> Callable[[int, int], list[str]]:
            def command(number: int, threads: int) -> list[str]:
                code = PLAIN.format(
                    tests=str(PROJECT / "tests" / "support"),
                    threads=threads,
                    network=network,
                    cells=cells,
                    load_data=load_data,
                    channels=channels,
                    functions=functions,
                    number=number,
                    keep=keep,
                    output=f"{folder}/{keep}.npy",
                )
                return [python, "-c", code]

            return command

        def ours(number: int, threads: int) -> list[str]:
            table = chosen if number == total else first
            command = [python, str(PROJECT / "scripts" / "embeddings.py"), "--network", network]
            command += ["--plate", plate, "--cells", table, "--load-data", load_data]
            command += ["--channels", *channels, "--functions", *functions, "--threads", str(threads)]
            return [*command, "--log", f"{folder}/log", "--output", f"{folder}/ours.parquet"]

        ways = {
            "plain, images read for each cell": plain(False),
            "plain, images kept for a site": plain(True),
            "workflow": ours,
        }
        speeds = {name: measured(name, total, command, 1) for name, command in ways.items()}
        fast = speeds.pop("workflow")
        for name, slow in speeds.items():
            print(f"{fast / slow:.2f} times more cells a CPU second than {name}, start-up counted")
        compare = [python, "-c", COMPARE, f"{folder}/ours.parquet", f"{folder}/True.npy", str(total)]
        print("largest difference of a feature:", subprocess.check_output(compare, text=True).strip())
        if options.threads > 1:
            for name, command in list(ways.items())[1:]:
                measured(name, total, command, options.threads)
        gpu = subprocess.run([python, "-c", "import torch, sys; sys.exit(not torch.cuda.is_available())"])
        if gpu.returncode == 0:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
            measured("workflow on a GPU", total, ours, 4, CUDA_VISIBLE_DEVICES=visible)
            print(Path(folder, "log").read_text().splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
