"""Time the workflow's embeddings beside the plain way: one cell at a time, timm's model called once a cell.

    python tests/benchmarks/benchmark_embeddings.py --results RESULTS --batch BATCH --plate PLATE

RESULTS is the results folder of an experiment that was run with a block `embeddings` (per channel,
timm's weights, default crops). The plain way is timed twice: with the images of a cell read for that cell,
and with those of a site kept for its cells. All run in processes of their own on one thread, start-up
counted; values are compared. Where there is a GPU, the workflow is timed on it, too.
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

PROJECT = Path(__file__).resolve().parents[2]
PLAIN = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np, torch, embeddings_reference as plain
torch.set_num_threads(1)
found = plain.embed(*plain.load_model(plain.Path({network!r})), {cells!r}, {load_data!r}, {channels!r},
                    {functions!r}, range({number}), keep_images={keep})
np.save({output!r}, found)
"""
COMPARE = """
import sys
import numpy as np, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
names = [name for name in table.column_names if name.startswith("Embedding_")]
ours = np.stack([table[name].to_numpy() for name in names], axis=1)
print(np.abs(ours[: int(sys.argv[3])] - np.load(sys.argv[2])).max())
"""


def timed(name: str, number: int, command: list[str], **variables: str) -> float:
    """Run a command, print its CPU and wall seconds and peak memory; CPU seconds a cell."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **variables}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = after.ru_maxrss / 2**20
    print(
        f"{name:34s} {number:5d} cells  {cpu:7.1f} CPU s  {wall:7.1f} s  {number / cpu:6.1f} cells/CPU s"
        f"  (largest peak so far {peak:.2f} GiB)",
        flush=True,
    )
    return cpu / number


def main() -> None:
    """Time them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--batch", required=True)
    parser.add_argument("--plate", required=True)
    parser.add_argument("--cells", type=int, help="how many cells the plain way embeds (all)")
    options = parser.parse_args()
    results, batch, plate = options.results.resolve(), options.batch, options.plate
    (ready,) = (PROJECT / ".environments").glob("embeddings-*/complete.json")
    python = str(ready.parent / "bin" / "python")
    network = results / "workspace/network"
    cells = results / f"workspace/backend/{batch}/{plate}/{plate}.parquet"
    load_data = results / f"workspace/load_data_csv/{batch}/{plate}/load_data_with_illum.csv"
    embedded = results / f"workspace/embeddings/{batch}/{plate}/{plate}.parquet"
    ask = "import sys, pyarrow.parquet as pq; print(pq.read_metadata(sys.argv[1]).num_rows); "
    ask += "print(pq.read_schema(sys.argv[2]).metadata[b'platewise'].decode())"
    told = subprocess.check_output([python, "-c", ask, str(cells), str(embedded)], text=True).splitlines()
    total, channels = int(told[0]), json.loads(told[1])["parameters"]["crops"]["channels"]
    functions = [str(results / f"images/{batch}/illum/{plate}/{plate}_Illum{name}.npy") for name in channels]
    number = min(options.cells or total, total)
    with tempfile.TemporaryDirectory() as folder:
        ours = [python, str(PROJECT / "scripts" / "embeddings.py"), "--network", str(network)]
        ours += ["--plate", plate, "--cells", str(cells), "--load-data", str(load_data)]
        ours += ["--channels", *channels, "--functions", *functions, "--log", f"{folder}/log"]
        seconds = {}
        for name, keep in (
            ("plain, images read for each cell", False),
            ("plain, images kept for a site", True),
        ):
            code = PLAIN.format(
                tests=str(PROJECT / "tests"),
                network=str(network),
                cells=str(cells),
                load_data=str(load_data),
                channels=channels,
                functions=functions,
                number=number,
                keep=keep,
                output=f"{folder}/{keep}.npy",
            )
            seconds[name] = timed(name, number, [python, "-c", code])
        fast = timed("workflow", total, [*ours, "--output", f"{folder}/ours.parquet"])
        for name, slow in seconds.items():
            print(f"{slow / fast:.1f} times less CPU time than {name}")
        compare = [python, "-c", COMPARE, f"{folder}/ours.parquet", f"{folder}/True.npy", str(number)]
        print("largest difference of a feature:", subprocess.check_output(compare, text=True).strip())
        gpu = subprocess.run([python, "-c", "import torch, sys; sys.exit(not torch.cuda.is_available())"])
        if gpu.returncode == 0:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
            command = [*ours, "--threads", "4", "--output", f"{folder}/gpu.parquet"]
            timed("workflow on a GPU", total, command, CUDA_VISIBLE_DEVICES=visible)


if __name__ == "__main__":
    sys.exit(main())
