"""Time published pipelines on CPJUMP1 fields: with stock CellProfiler, and as the workflow runs them.

    python tests/benchmarks/benchmark_published.py --cellprofiler ENVIRONMENT/bin/cellprofiler \\
        --images FOLDER --output FOLDER PIPELINE.cppipe [PIPELINE.cppipe ...]

`--images`: fields named as an Opera Phenix names them (r01c21f05p01-ch1sk1fk1fl1.tiff). Each pipeline is
copied as the workflow copies a user's own, and the copy runs twice on the same sites, one core, start-up
included. The output folder gets a folder for each pipeline, with the tables of differences and of times, and
`pipelines.tsv`, one row per pipeline.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import compare_cellprofiler  # noqa: E402
from lib.cellprofiler_logs import open_log  # noqa: E402
from lib.pipeline_files import read_pipeline  # noqa: E402

# The camera's channel for what published pipelines call their images.
CHANNELS = {
    **dict.fromkeys(("DNA", "DAPI", "Hoechst"), 5),
    **dict.fromkeys(("ER", "GFP", "BODIPY"), 4),
    **dict.fromkeys(("RNA", "Tubulin"), 3),
    **dict.fromkeys(("AGP", "RFP", "Actin"), 2),
    **dict.fromkeys(("Mito", "CY5"), 1),
    "Brightfield": 8,
    "BrightfieldH": 6,
    "BrightfieldL": 7,
    "BrightfieldExtra": 7,
}
IMAGE = re.compile(r"r(?P<row>\d\d)c(?P<column>\d\d)f(?P<field>\d\d)p01-ch(?P<channel>\d)sk1fk1fl1\.tiff")
ILLUMINATION = {
    "downsample": 5,
    "calculate": "Regular",
    "block_size": 60,
    "rescale": "Minimum",
    "smoothing": "Median Filter",
    "filter_size": 20,
}


def names_in(pipeline: Path) -> list[str]:
    """The channels that a pipeline's settings name."""
    values = [value for module in read_pipeline(pipeline) for _, value in module.settings]
    # Older files have each character's code in its place, in two bytes.
    text = "\n".join(
        value.encode().decode("unicode_escape").replace("\0", "") if "\\x" in value else value
        for value in values
    ).replace("_", "")
    return [name for name in CHANNELS if re.search(rf"\b(Orig|Illum)?{name}\b", text)]


def write_table(images: Path, names: list[str], functions: Path | None, path: Path) -> None:
    """Write the image table of the fields in a folder, with illumination functions if there are any."""
    sites: dict[tuple[str, str], dict[str, str]] = {}
    for file in sorted(images.iterdir()):
        found = IMAGE.fullmatch(file.name)
        if found:
            well = f"{chr(64 + int(found['row']))}{found['column']}"
            sites.setdefault((well, found["field"]), {})[found["channel"]] = file.name
    header = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
    rows = [["FIELDS", well, str(int(site))] for well, site in sites]
    for name in names:
        header += [f"FileName_Orig{name}", f"PathName_Orig{name}"]
        for row, files in zip(rows, sites.values(), strict=True):
            row += [files[str(CHANNELS[name])], str(images.resolve())]
        if functions:
            header += [f"FileName_Illum{name}", f"PathName_Illum{name}"]
            for row in rows:
                row += [f"Illum{CHANNELS[name]}.npy", str(functions.resolve())]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def calculate_functions(options: argparse.Namespace, folder: Path) -> Path:
    """The illumination functions of the fields, one for each of the camera's channels."""
    functions = folder / "functions"
    functions.mkdir(parents=True, exist_ok=True)
    names = {CHANNELS[name]: name for name in CHANNELS}
    missing = {
        number: name for number, name in names.items() if not (functions / f"Illum{number}.npy").exists()
    }
    if missing:
        table, pipeline = folder / "load_data.csv", folder / "illumination.cppipe"
        write_table(options.images, list(missing.values()), None, table)
        assay = {
            "channels": [{"name": name, "measure": True} for name in missing.values()],
            "illumination": ILLUMINATION,
        }
        common = ["--cellprofiler", options.cellprofiler, "--log", folder / "illumination.log"]
        script = [sys.executable, SCRIPTS / "pipelines.py", "illumination", "--assay", json.dumps(assay)]
        subprocess.run([*script, *common, "--output", pipeline], check=True)
        script = [
            sys.executable,
            SCRIPTS / "illumination.py",
            "--plate",
            "FIELDS",
            "--channels",
            *missing.values(),
        ]
        script += ["--pipeline", pipeline, "--load-data", table, "--engine", "platewise"]
        script += ["--plugins", SCRIPTS / "cellprofiler_plugins"]
        subprocess.run([*script, *common, "--output", functions], check=True)
        for number, name in missing.items():
            (functions / f"FIELDS_Illum{name}.npy").rename(functions / f"Illum{number}.npy")
    return functions


def compare(pipeline: Path, options: argparse.Namespace, functions: Path) -> dict[str, object]:
    """Both runs of one pipeline; gives its row of the table."""
    folder = options.output / "_".join(pipeline.with_suffix("").parts[-2:])
    folder.mkdir(parents=True, exist_ok=True)
    names = names_in(pipeline)
    write_table(options.images, names, functions, folder / "load_data.csv")
    copy, log = folder / "analysis.cppipe", folder / "log"
    assay = json.dumps({"channels": [{"name": name, "measure": True} for name in names]})
    command = [sys.executable, SCRIPTS / "pipelines.py", "analysis", "--own", pipeline, "--assay", assay]
    command += ["--cellprofiler", options.cellprofiler, "--log", folder / "copy.log", "--output", copy]
    subprocess.run(command, check=True)
    arguments = ["--cellprofiler", options.cellprofiler, "--pipeline", copy, "--sites", options.sites]
    arguments += ["--load-data", folder / "load_data.csv", "--log", log, "--output", folder / "comparison"]
    arguments += ["--keep"] if options.keep else []
    arguments = compare_cellprofiler.define_options().parse_args([str(argument) for argument in arguments])
    with open_log(log) as file:
        differences, times = compare_cellprofiler.main(arguments, file)
    print(*times[0], sep="\t")
    for row in times:
        print(*row.values(), sep="\t")
    total = next(row for row in times if row["module"] == "total")
    return {
        "pipeline": folder.name,
        "stock_cpu_s": total["builtin_cpu_s"],
        "fast_cpu_s": total["accelerated_cpu_s"],
        "times_less": total["times_faster"],
        "values": sum(row["values"] for row in differences),
        "different": sum(row["different"] for row in differences),
        "largest_relative_difference": max(row["largest_relative_difference"] for row in differences),
    }


def main() -> None:
    """Read the options, stay on one core, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipelines", nargs="+", type=Path, metavar="PIPELINE.cppipe")
    parser.add_argument("--cellprofiler", required=True)
    parser.add_argument("--images", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--sites", type=int, default=4)
    parser.add_argument("--core", type=int, default=0, help="the core to run on")
    parser.add_argument("--keep", action="store_true", help="keep the tables of both runs")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    functions = calculate_functions(options, options.output)
    rows = [compare(pipeline, options, functions) for pipeline in options.pipelines]
    with (options.output / "pipelines.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print((options.output / "pipelines.tsv").read_text())


if __name__ == "__main__":
    main()
