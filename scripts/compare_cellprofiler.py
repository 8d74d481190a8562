"""Run stock CellProfiler and the workflow's CellProfiler on the same sites, and compare their results.

A sample of a plate's sites, evenly over its image table, goes through the same pipeline twice: once with
CellProfiler's command line and built-in modules, and once with the runner (run_cellprofiler.py) and the
accelerated modules of scripts/cellprofiler_plugins. There are two result tables: `differences.csv`, with one
row per table of CellProfiler, and `times.csv`, with one row per module. The compiled code is in its cache
before times are measured (a first run over one site ensures this); start-up counts for both.

The script uses only Python 3.8 and its standard library, since it also runs in CellProfiler's container. The
runner's packages are missing there, and only the modules are compared.
"""

import csv
import math
import re
import resource
import shutil
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from lib.cellprofiler import CellProfiler, add_folders, define_run_options, write_table_with_functions
from lib.cellprofiler_logs import open_log
from lib.chunk_tables import read_arrow
from lib.errors import InputError
from lib.files import write_whole
from lib.pipeline_files import read_pipeline

MODULE_TIME = re.compile(r"Image # \d+, module (\w+) # \d+: CPU_time = ([\d.]+) secs")
RELATIVE, ABSOLUTE = 1e-6, 1e-9
# The table Experiment holds the text of the pipeline in one field.
csv.field_size_limit(2**31 - 1)
# Columns, and rows of the table Experiment, that describe the run and not the images.
NOT_MEASURED = ("ExecutionTime_", "PathName_", "URL_", "Run_Timestamp", "Modification_Timestamp")
STARTING = "start-up and export"
MAXIMUM = "Metadata_ImageMaximum"
PLUGINS = Path(__file__).resolve().with_name("cellprofiler_plugins")
# The built-in modules with additions: images in object storage, `images.maximum` of the config, and
# ExportToDatabase without MySQL's client.
FETCHING = Path(__file__).resolve().with_name("cellprofiler_fetching")


def pick_evenly(number, of):
    """Return `number` of `of` rows, from 0, evenly spaced and each once: the middles of equal segments."""
    number = min(number, of)
    return [(2 * part + 1) * of // (2 * number) for part in range(number)]


def write_sample(load_data, number, output):
    """Write the sampled rows of an image table to `output`; return their number."""
    with Path(load_data).open(newline="") as file:
        header, *rows = list(csv.reader(file))
    if not rows:
        raise InputError(f"{load_data} lists no site: there is nothing to compare.")
    chosen = [rows[at] for at in pick_evenly(number, len(rows))]
    with Path(output).open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *chosen])
    return len(chosen)


def time_run(cellprofiler, load_data, output, rows):
    """Run CellProfiler over the first rows of an image table, and measure what it takes.

    Parameters
    ----------
    cellprofiler
        The CellProfiler to run, with its pipeline.
    load_data
        The image table.
    output
        The folder of the results, which must not exist yet.
    rows
        How many rows are processed.

    Returns
    -------
    dict
        `modules` has CPU seconds by module and `peak_gib` the largest memory in GiB.
    """
    output = Path(output)
    output.mkdir()
    run_log = output.with_suffix(".log")
    with run_log.open("w", buffering=1) as log:
        cellprofiler.run(load_data, output, log, f"The comparison's {output.name} run", (1, rows))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    modules = defaultdict(float)
    for module, seconds in MODULE_TIME.findall(run_log.read_text(errors="replace")):
        modules[module] += float(seconds)
    modules[STARTING] = usage.ru_utime + usage.ru_stime - sum(modules.values())
    return {"modules": dict(modules), "peak_gib": usage.ru_maxrss / 2**20}


def time_run_in_process(*arguments):
    """Call `time_run` in a separate process, whose children are only that run."""
    with ProcessPoolExecutor(max_workers=1) as pool:
        return pool.submit(time_run, *arguments).result()


def parse_number(text):
    """Return a value as a number, NaN for a missing one; None for text."""
    try:
        return float("nan" if text in ("", None) else text)
    except ValueError:
        return None


def measure_difference(left, right):
    """Return the (relative, absolute) difference of two values: (0, 0) if equal, inf if not comparable."""
    if left == right:
        return 0.0, 0.0
    a, b = parse_number(left), parse_number(right)
    if a is None or b is None or math.isnan(a) != math.isnan(b):
        return math.inf, math.inf
    if math.isnan(a) or a == b:
        return 0.0, 0.0
    absolute = abs(a - b)
    return (absolute / abs(a) if a else math.inf), absolute


def read_rows(file):
    """Return the rows of a table, the names of its columns first; the values of a CSV table are text."""
    if Path(file).suffix == ".arrow":
        table = read_arrow(file)
        yield table.column_names
        yield from (list(row.values()) for row in table.to_pylist())
        return
    with Path(file).open(newline="") as lines:
        yield from csv.reader(lines)


def compare_table(expected, found):
    """Return the row of `differences.csv` for one table; each value of a missing row or column counts.

    Values differ if the difference exceeds both 1e-6 of the built-in module's value and 1e-9.
    """
    left, right = read_rows(expected), read_rows(found)
    names, others = next(left, []), next(right, [])
    places = {name: at for at, name in enumerate(others)}
    pairs = [
        (at, places[name])
        for at, name in enumerate(names)
        if name in places and not name.startswith(NOT_MEASURED)
    ]
    rows, different = 0, defaultdict(int)
    relative, absolute = (0.0, ""), (0.0, "")
    for row in left:
        other = next(right, None)
        if str(row[0]).startswith(NOT_MEASURED):
            continue
        rows += 1
        for at, there in pairs:
            of_value = measure_difference(row[at], other[there]) if other else (math.inf, math.inf)
            if of_value[1] > absolute[0]:
                absolute = of_value[1], names[at]
            if of_value[1] > ABSOLUTE:
                if of_value[0] > relative[0]:
                    relative = of_value[0], names[at]
                if of_value[0] > RELATIVE:
                    different[names[at]] += 1
    surplus = sum(1 for _ in right)
    if surplus:
        different["(rows of the accelerated modules only)"] = surplus * len(pairs)
    return {
        "table": Path(expected).stem,
        "rows": rows,
        "columns": len(pairs),
        "columns_of_one_only": len(set(names) ^ set(others)),
        "values": rows * len(pairs),
        "different": sum(different.values()),
        "different_features": len(different),
        "largest_relative_difference": relative[0],
        "largest_relative_feature": relative[1],
        "largest_absolute_difference": absolute[0],
        "largest_absolute_feature": absolute[1],
    }


def compare(expected, found):
    """Return one row per table of the built-in modules; raise InputError for a table of only one run."""
    tables = {
        side: {path.stem: path for path in Path(side).iterdir() if path.suffix in (".csv", ".arrow")}
        for side in (expected, found)
    }
    # Where each site is skipped (FlagImage), only the runner writes the objects' tables, without a row.
    alone = [
        name
        for name in sorted(set(tables[expected]) ^ set(tables[found]))
        if name in tables[expected] or has_rows(tables[found][name])
    ]
    if alone or not tables[expected]:
        raise InputError(f"The pipeline does not write the same tables twice: {alone or 'none'}.")
    both = sorted(set(tables[expected]) & set(tables[found]))
    return [compare_table(tables[expected][name], tables[found][name]) for name in both]


def has_rows(file):
    """Return whether a table has a row beside the names of its columns."""
    rows = read_rows(file)
    next(rows, None)
    return next(rows, None) is not None


def tabulate_times(stock, fast):
    """Return the rows of `times.csv`: CPU seconds per module, in order, then the total and memory."""
    rows = [(name, seconds, fast["modules"].get(name, 0.0)) for name, seconds in stock["modules"].items()]
    rows.append(("total", sum(stock["modules"].values()), sum(fast["modules"].values())))
    return [
        {
            "module": name,
            "builtin_cpu_s": round(builtin, 2),
            "accelerated_cpu_s": round(accelerated, 2),
            # CellProfiler rounds to hundredths of a second: no ratio for less than ten of them.
            "times_faster": round(builtin / max(accelerated, 0.01), 1) if builtin >= 0.1 else "",
        }
        for name, builtin, accelerated in rows
    ] + [
        {
            "module": "peak memory (GiB)",
            "builtin_cpu_s": round(stock["peak_gib"], 2),
            "accelerated_cpu_s": round(fast["peak_gib"], 2),
            "times_faster": "",
        }
    ]


def write_table(rows, path):
    """Write rows as CSV, complete or not at all."""
    with write_whole(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(arguments, log):
    """Sample, warm the cache of compiled code, run both, compare; return (differences, times)."""
    output = Path(arguments.output).resolve()
    runs = output / "runs"
    shutil.rmtree(runs, ignore_errors=True)
    runs.mkdir(parents=True)
    sample = runs / "load_data.csv"
    with write_table_with_functions(arguments.load_data, arguments.functions, arguments.labels) as load_data:
        number = write_sample(load_data, arguments.sites, sample)
    accelerated = CellProfiler.of(arguments)
    extends_builtin = any(word in sample.read_text() for word in ("s3://", ">,", MAXIMUM))
    extends_builtin |= any(
        module.name == "ExportToDatabase" for module in read_pipeline(accelerated.pipeline)
    )
    builtin = replace(accelerated, engine="stock", plugins=FETCHING if extends_builtin else None)

    def run(name, cellprofiler, rows):
        log.write(f"{name}: {rows} sites\n")
        return time_run_in_process(cellprofiler, sample, runs / name, rows)

    try:
        run("first", accelerated, 1)
        stock = run("builtin", builtin, number)
        fast = run("accelerated", accelerated, number)
        differences = compare(runs / "builtin", runs / "accelerated")
    finally:
        for folder in runs.iterdir():
            if folder.is_dir() and not arguments.keep:
                shutil.rmtree(folder)
    seconds = tabulate_times(stock, fast)
    write_table(differences, output / "differences.csv")
    write_table(seconds, output / "times.csv")
    for row in (*differences, *seconds):
        log.write(", ".join(f"{name} {value}" for name, value in row.items()) + "\n")
    return differences, seconds


def describe_outcome(differences, seconds):
    """Return the outcome of a comparison as two sentences."""
    values, different = (sum(row[name] for row in differences) for name in ("values", "different"))
    total = next(row for row in seconds if row["module"] == "total")
    builtin, accelerated = total["builtin_cpu_s"], total["accelerated_cpu_s"]
    return (
        f"{different or 'None'} of {values:,} values differ by more than {RELATIVE:g} relative and "
        f"{ABSOLUTE:g} absolute. Stock CellProfiler took {builtin:.1f} CPU seconds; the workflow took "
        f"{accelerated:.1f}, which is {builtin / max(accelerated, 0.01):.1f} times less."
    )


def define_options():
    """Define the script's options."""
    parser = define_run_options(__doc__)
    add_folders(parser)
    parser.add_argument("--sites", type=int, default=4, help="how many rows of the image table")
    parser.add_argument("--keep", action="store_true", help="keep the tables of both runs")
    parser.set_defaults(engine="platewise", plugins=PLUGINS)
    return parser


if __name__ == "__main__":
    options = define_options().parse_args()
    with open_log(options.log) as log_file:
        summary = describe_outcome(*main(options, log_file))
        log_file.write(f"{summary}\n")
        print(
            f"{summary}\nBy table and by module: differences.csv and times.csv in {options.output}",
            flush=True,
        )
