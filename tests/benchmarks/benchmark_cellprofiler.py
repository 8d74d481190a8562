"""Time CellProfiler's own modules against the accelerated ones on the same sites, and compare the tables.

    python tests/benchmarks/benchmark_cellprofiler.py --cellprofiler ENVIRONMENT/bin/cellprofiler \\
        --pipeline analysis.cppipe --load-data load_data_with_illum.csv --sites 4 --output FOLDER

What the workflow's target `compare_cellprofiler` does, for any pipeline and image table: both runs one
after the other on one core, start-up included. FOLDER gets the tables of differences and of times, which
are printed, and with --keep both runs' own tables. With --dense each field is made of four sites at half
their size, so that it holds about four times as many cells.
"""

import csv
import os
import sys
from pathlib import Path

import numpy as np
import PIL.Image

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import compare_cellprofiler  # noqa: E402
from lib.cellprofiler_logs import open_log  # noqa: E402


def half_size(path: Path) -> np.ndarray:
    """An image's means of 2 x 2 pixels, in its own type."""
    with PIL.Image.open(path) as image:
        pixels = np.array(image)
    rows, columns = (length // 2 for length in pixels.shape)
    means = pixels[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean((1, 3))
    return np.rint(means).astype(pixels.dtype)


def write_dense(load_data: Path, folder: Path) -> Path:
    """Write fields of four sites each, mirrored into one another, and their image table; gives its path.

    Field k holds the sites k to k + 3 (from the first again after the last), at half their size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with load_data.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name.removeprefix("FileName_") for name in rows[0] if name.startswith("FileName_Orig")]
    dense = [dict(row) for row in rows]
    for name in names:
        halves = [half_size(Path(row[f"PathName_{name}"], row[f"FileName_{name}"])) for row in rows]
        for number, row in enumerate(dense):
            one, two, three, four = (halves[(number + step) % len(rows)] for step in range(4))
            field = np.block([[one, two[:, ::-1]], [three[::-1], four[::-1, ::-1]]])
            file = f"field_{number}_{name}.tiff"
            PIL.Image.fromarray(field).save(folder / file, compression="tiff_lzw")
            row[f"PathName_{name}"], row[f"FileName_{name}"] = str(folder.resolve()), file
    table = folder / "load_data.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dense[0]))
        writer.writeheader()
        writer.writerows(dense)
    return table


def main() -> None:
    """Read the options, stay on one core, run, print."""
    parser = compare_cellprofiler.define_options()
    for action in parser._actions:
        action.required = action.required and action.dest != "log"
    parser.add_argument("--core", type=int, default=0, help="the core to run on")
    parser.add_argument("--dense", action="store_true", help="make each field of four sites at half size")
    options = parser.parse_args()
    if options.dense:
        options.load_data = write_dense(Path(options.load_data), Path(options.output) / "dense")
    os.sched_setaffinity(0, {options.core})
    with open_log(options.log or Path(options.output) / "log") as log:
        differences, seconds = compare_cellprofiler.main(options, log)
    for table in (seconds, differences):
        print(*table[0], sep="\t")
        for row in table:
            print(*row.values(), sep="\t")
        print()


if __name__ == "__main__":
    main()
