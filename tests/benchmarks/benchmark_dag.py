"""Measure how long Snakemake plans an experiment of many plates, and how much memory it takes.

    python tests/benchmarks/benchmark_dag.py                      10, 100, 500, 2,000 plates
    python tests/benchmarks/benchmark_dag.py --plates 10 100      a quick look
    python tests/benchmarks/benchmark_dag.py --starts profiles --chain jump_compound

Each experiment is only a sample sheet, with 100 plates per batch: plates of 384 wells and 9 sites that start
with images, with the config's default number of CellProfiler jobs per plate, or plates that start with
published profiles. Three dry runs are measured: one that lists all jobs, one that ends with the plan, as a
run has it before its first job (`--quiet rules progress`), and the plan of one plate (`--config only=`).
Images are not examined when a run is planned, so their folders are empty. CPU seconds and peak memory are
those of Snakemake's process.
"""

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CONFIG = """results: results
plates: plates.tsv
assay:
  channels:
    - {name: Mito, image: "1"}
    - {name: AGP, image: "2"}
    - {name: RNA, image: "3"}
    - {name: ER, image: "4"}
    - {name: DNA, image: "5"}
  nuclei: {channel: DNA}
  cells: {channel: RNA}
"""
BATCH = 100  # plates


OF_CHAIN = """chains: {{own: {chain}}}
benchmark: {{feature_sets: [own]}}
"""


def write_experiment(folder: Path, plates: int, start: str, chain: str = "") -> Path:
    """Write an experiment; gives its config file.

    Its plates start with `images` or `profiles`, and get the profiles of a preset `chain` if one is given.
    """
    (folder / "start").mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG + (OF_CHAIN.format(chain=chain) if chain else ""))
    (folder / "map.txt").write_text("well_position\tbroad_sample\nA01\tX\n")
    columns = ["batch", "plate", "plate_map", "perturbation", "cell_line", "timepoint", start, "level"]
    with (folder / "plates.tsv").open("w", newline="") as file:
        sheet = csv.writer(file, delimiter="\t")
        sheet.writerow(columns)
        for number in range(plates):
            name = f"P{number:05d}"
            path = folder / "start" / name
            if start == "images":
                path.mkdir()
            else:
                path = path.with_suffix(".parquet")
                path.touch()
            level = ("augmented" if chain else "normalized_negcon") if start == "profiles" else ""
            about = ["map.txt", "compound", "U2OS", "48"]
            sheet.writerow([f"B{number // BATCH:02d}", name, *about, f"start/{path.name}", level])
    return folder / "config.yaml"


# What is measured: Snakemake's arguments. Only the first prints the number of jobs.
DRY_RUNS = {
    "listed": ("--quiet", "all"),
    "planned": ("--quiet", "rules", "progress"),
    "one plate": ("--quiet", "rules", "progress", "--config", "only={plate}"),
}


def planned(config: Path, *arguments: str) -> dict[str, float | str]:
    """Plan an experiment; jobs, CPU seconds, wall seconds and peak memory (GiB) of the dry run."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--dry-run"]
    command += ["--configfile", str(config), *arguments]
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=subprocess.STDOUT)
        # The usage of this one process, which `subprocess` does not report.
        _, status, usage = os.wait4(process.pid, 0)
        log.seek(0)
        text = log.read()
    total = re.search(r"^total\s+(\d+)", text, re.M)
    if status:
        raise RuntimeError(text)
    return {
        "jobs": total[1] if total else "",
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": time.monotonic() - start,
        "memory": usage.ru_maxrss / 2**20,
    }


def main(numbers: list[int], starts: list[str], chain: str) -> None:
    """Print one line per dry run."""
    columns = ("start", "plates", "dry run", "jobs", "CPU s", "wall s", "GiB")
    print(*(f"{name:>9}" for name in columns))
    for start in starts:
        for plates in numbers:
            with tempfile.TemporaryDirectory() as folder:
                config = write_experiment(Path(folder) / "experiment", plates, start, chain)
                for what, arguments in DRY_RUNS.items():
                    found = planned(config, *(word.format(plate=f"P{plates // 2:05d}") for word in arguments))
                    print(
                        f"{start:>9} {plates:>9} {what:>9} {found['jobs']:>9} {found['cpu']:>9.1f} "
                        f"{found['wall']:>9.1f} {found['memory']:>9.2f}",
                        flush=True,
                    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=int, nargs="+", default=[10, 100, 500, 2000])
    parser.add_argument("--starts", nargs="+", default=["images", "profiles"])
    parser.add_argument("--chain", default="", help="a preset chain that every plate gets")
    given = parser.parse_args()
    main(given.plates, given.starts, given.chain)
