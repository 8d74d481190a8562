"""Estimate the CPU time of a plate of many wells and sites, stage by stage, from images to profiles.

    python tests/benchmarks/benchmark_plate.py --images FIELDS --output FOLDER

`--images`: fields named as an Opera Phenix names them (r01c21f05p01-ch1sk1fk1fl1.tiff), with CPJUMP1's eight
channels. The fields are repeated, each copy with its own noise. The stages of the workflow run one after the
other, each in a run of Snakemake. The CPU time of all processes of that run, less that of a run with nothing
to do, is the time of the stage:

* stages that read images run on two small plates of 8 and 40 sites. The difference gives the time per site,
  the rest is what a job takes in any case. A chunk of a large plate reads a longer image table, measured
  with one site of a table of full length;
* all others run on a plate with all wells and some of the sites (`--table-sites` per well), whose tables are
  the measured ones, repeated and varied by 1 %. The two stages that read all cells are multiplied to
  the full number of sites, their start included.

Steps over several plates, embeddings and the report are not part of a plate.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa

PROJECT = Path(__file__).resolve().parents[2]
IMAGE = re.compile(r"(?P<position>r\d\dc\d\df\d\d)p01-(?P<channel>ch\d)sk1fk1fl1\.tiff")
CHANNELS = {
    "DNA": 5,
    "ER": 4,
    "RNA": 3,
    "AGP": 2,
    "Mito": 1,
    "Brightfield": 8,
    "LowZBF": 7,
    "HighZBF": 6,
}
OF_IMAGES = (
    "load_data",
    "illumination",
    "features",
    "plot_illumination",
    "plot_montages",
    "plot_thumbnails",
)
OF_CELLS = ("single_cells", "aggregate")
OF_WELLS = ("annotate", "normalize", "dropped_features", "feature_select", "quality", "plot_heatmaps")
# Before the pictures that need profiles.
ON_THE_WAY = ("single_cells", "aggregate", "annotate", "normalize", "quality")
SMALL = 8  # wells, of one site
# Of which plot_illumination takes the mean.
MOST_SITES = 192
NOT_VARIED = re.compile(r"ImageNumber|ObjectNumber|Number_|Parent_|Children_|Location_|Count_|Metadata_")


def get_well(number: int, columns: int = 24) -> str:
    """Return the name of a well, counted row by row from 0."""
    return f"{chr(65 + number // columns)}{number % columns + 1:02d}"


def write_copies(images: Path, folder: Path, sites: int, seed: int) -> None:
    """Write a plate of a number of wells of one site: the fields in turn, with noise of two gray levels."""
    fields: dict[str, dict[str, np.ndarray]] = {}
    for file in sorted(images.iterdir()):
        if found := IMAGE.fullmatch(file.name):
            fields.setdefault(found["position"], {})[found["channel"]] = np.array(PIL.Image.open(file))
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for site in range(sites):
        row, column = divmod(site, 24)
        position = f"r{row + 1:02d}c{column + 1:02d}f01"
        for channel, pixels in list(fields.values())[site % len(fields)].items():
            noisy = np.clip(np.rint(pixels + random.normal(0, 2, pixels.shape)), 0, 65535).astype(np.uint16)
            PIL.Image.fromarray(noisy).save(
                folder / f"{position}p01-{channel}sk1fk1fl1.tiff", compression="tiff_lzw"
            )


def write_experiment(
    folder: Path, plates: dict[str, Path], start: str, wells: int, channels: list[str]
) -> Path:
    """Write the config, the sample sheet and the plate map of plates that start with `start`."""
    assay = [{"name": name, "image": str(CHANNELS[name])} for name in channels]
    config = {
        "results": "results",
        "plates": "plates.tsv",
        "cellprofiler": {"chunks": 1},
        "assay": {"channels": assay, "nuclei": {"channel": "DNA"}, "cells": {"channel": "RNA"}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(json.dumps(config))
    with (folder / "map.txt").open("w") as file:
        print("well_position", "broad_sample", "control_type", sep="\t", file=file)
        for number in range(wells):
            control = number % 3 == 0
            print(
                get_well(number),
                "DMSO" if control else f"C{number // 2}",
                "negcon" if control else "",
                sep="\t",
                file=file,
            )
    with (folder / "plates.tsv").open("w") as file:
        print(
            "batch",
            "plate",
            "plate_map",
            "perturbation",
            "cell_line",
            "timepoint",
            start,
            sep="\t",
            file=file,
        )
        for name, place in plates.items():
            print("B", name, "map.txt", "compound", "U2OS", "48", place.resolve(), sep="\t", file=file)
    return folder / "config.yaml"


def time_command(command: list[object], core: int, log: Path) -> float:
    """Run a command on one core; return the CPU seconds of all its processes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("a") as file:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            cwd=PROJECT,
            stdout=file,
            stderr=file,
            env=environment,
        )
        # The usage of this process with all children that it waited for, which `subprocess` does not report.
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} failed; see {log}")
    return usage.ru_utime + usage.ru_stime


def time_stages(config: Path, plate: str, stages: tuple[str, ...], core: int) -> dict[str, float]:
    """Run the stages of a plate in order; return the CPU seconds of each without Snakemake's start."""
    log = config.with_name(f"{plate}.log")

    def run(stage: str) -> float:
        command = [sys.executable, "-m", "snakemake", "--cores", 1, "--configfile", config, "--quiet", "all"]
        return time_command([*command, "--config", f"only={plate}", "--until", stage], core, log)

    run("compiled_kernels")
    idle = min(run("compiled_kernels") for _ in range(2))
    return {stage: max(0.0, run(stage) - idle) for stage in stages}


def time_long_table(results: Path, plate: str, rows: int, core: int) -> float:
    """Return the CPU seconds that a chunk takes longer if the plate's image table has `rows` rows."""
    load_data = results / f"workspace/load_data_csv/B/{plate}/load_data_with_illum.csv"
    with load_data.open(newline="") as file:
        header, *table = list(csv.reader(file))
    well, site = header.index("Metadata_Well"), header.index("Metadata_Site")
    long = results / "long.csv"
    with long.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number in range(rows):
            row = list(table[number % len(table)])
            row[well], row[site] = get_well(number // 9), str(number % 9 + 1)
            writer.writerow(row)
    python = next((PROJECT / ".environments").glob("cellprofiler-*/bin/python"))
    times = {}
    for name, data in (("short", load_data), ("long", long), ("short", load_data), ("long", long)):
        output = results / f"run_{name}"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        command = [python, PROJECT / "scripts/run_cellprofiler.py", "--data-file", data, "--last", 1]
        command += ["--pipeline", results / "workspace/pipelines/analysis.cppipe", "--output", output]
        command += ["--temporary", output, "--plugins", PROJECT / "scripts/cellprofiler_plugins"]
        command += ["--done", output / "done"]
        used = time_command(["env", "PYTHONHASHSEED=0", *command], core, results / "long.log")
        times[name] = min(used, times.get(name, used))
    return max(0.0, times["long"] - times["short"])


def repeat_tables(chunk: Path, folder: Path, wells: int, sites: int) -> int:
    """Write the tables of a plate of `wells` x `sites` from those of a measured chunk; return the cells."""
    tables = {path.stem: pa.ipc.open_file(path).read_all() for path in sorted(chunk.glob("*.arrow"))}
    measured = tables["Image"]["ImageNumber"].to_pylist()
    random = np.random.default_rng(0)
    cells = 0
    for first in range(0, wells * sites, len(measured)):
        numbers = np.arange(first, min(first + len(measured), wells * sites))
        new = {old: int(number) for old, number in zip(measured, numbers, strict=False)}
        part = folder / f"chunk_{first:04d}"
        part.mkdir(parents=True)
        for name, table in tables.items():
            old = table["ImageNumber"].to_numpy()
            kept = table.filter(pa.array(np.isin(old, list(new))))
            image = np.array([new[number] for number in kept["ImageNumber"].to_pylist()], dtype=np.int64)
            cells += len(image) if name == "Cells" else 0
            columns = []
            for column in kept.column_names:
                values = kept[column]
                if column == "ImageNumber":
                    values = pa.array(image + 1)
                elif column == "Metadata_Well":
                    values = pa.array([get_well(number // sites) for number in image])
                elif column == "Metadata_Plate":
                    values = pa.array(["FULL"] * len(image))
                elif column == "Metadata_Site":
                    values = pa.array([str(number % sites + 1) for number in image])
                elif pa.types.is_floating(values.type) and not NOT_VARIED.search(column):
                    values = pa.array(values.to_numpy() * random.normal(1, 0.01, len(image)))
                columns.append(values)
            varied = pa.table(dict(zip(kept.column_names, columns, strict=True)))
            with pa.ipc.new_file(part / f"{name}.arrow", varied.schema) as writer:
                writer.write_table(varied)
    return cells


def main(options: argparse.Namespace) -> None:
    """Make the plates, time the stages, print the table."""
    options.output.mkdir(parents=True)
    sizes = {"SMALL": SMALL, "LARGE": options.fields}
    places = {name: options.output / "images" / name for name in sizes}
    for seed, (name, sites) in enumerate(sizes.items()):
        write_copies(options.images, places[name], sites, seed)
    config = write_experiment(options.output / "images", places, "images", options.fields, options.channels)
    order = (*OF_IMAGES[:3], *ON_THE_WAY, *OF_IMAGES[3:])
    taken = {name: time_stages(config, name, order, options.core) for name in sizes}
    sites = options.wells * options.sites
    results = config.with_name("results")
    long = time_long_table(results, "LARGE", sites, options.core)

    rows = []
    for stage in OF_IMAGES:
        per_site = max(0.0, (taken["LARGE"][stage] - taken["SMALL"][stage]) / (options.fields - SMALL))
        per_job = max(0.0, taken["SMALL"][stage] - SMALL * per_site)
        jobs = options.chunks if stage == "features" else 1
        units = sites
        # One site of each well.
        if stage == "plot_thumbnails":
            units = options.wells
        # Of a few wells, or of a sample of the sites, whatever the size of the plate.
        if stage == "plot_montages":
            units = options.fields
        if stage == "plot_illumination":
            units = min(sites, MOST_SITES)
        if stage == "features":
            per_job += long
        rows.append((stage, per_site, per_job, jobs, units * per_site + jobs * per_job))

    chunk = results / "workspace/analysis/B/LARGE/analysis/chunk_0"
    cells = repeat_tables(chunk, options.output / "tables" / "plate", options.wells, options.table_sites)
    config = write_experiment(
        options.output / "tables",
        {"FULL": options.output / "tables" / "plate"},
        "cellprofiler",
        options.wells,
        options.channels,
    )
    full = time_stages(config, "FULL", (*OF_CELLS, *OF_WELLS), options.core)
    for stage, seconds in full.items():
        times = options.sites / options.table_sites if stage in OF_CELLS else 1
        rows.append((stage, "", seconds, 1, seconds * times))
    total = sum(row[-1] for row in rows)
    print(f"{options.wells} wells, {options.sites} sites each, {len(options.channels)} channels;", end=" ")
    print(f"{cells / options.wells / options.table_sites:.0f} cells per site")
    print("stage", "CPU s per site", "CPU s per job", "jobs", "CPU minutes", "share", sep="\t")
    for stage, per_site, per_job, jobs, seconds in sorted(rows, key=lambda row: -row[-1]):
        per_site = f"{per_site:.4f}" if per_site != "" else ""
        print(
            stage,
            per_site,
            f"{per_job:.1f}",
            jobs,
            f"{seconds / 60:.1f}",
            f"{100 * seconds / total:.1f} %",
            sep="\t",
        )
    print(f"all\t\t\t\t{total / 60:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path, help="a new folder")
    parser.add_argument("--channels", nargs="+", choices=CHANNELS, default=list(CHANNELS))
    parser.add_argument("--fields", type=int, default=40, help="sites of the larger of the small plates")
    parser.add_argument("--wells", type=int, default=384)
    parser.add_argument("--sites", type=int, default=9, help="per well")
    parser.add_argument("--chunks", type=int, default=24)
    parser.add_argument("--table-sites", type=int, default=2, help="sites per well of the plate of tables")
    parser.add_argument("--core", type=int, default=0)
    main(parser.parse_args())
