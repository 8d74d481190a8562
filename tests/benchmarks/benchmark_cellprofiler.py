"""Time CellProfiler's own modules against the accelerated ones on the same sites, and compare the tables.

    python tests/benchmarks/benchmark_cellprofiler.py --cellprofiler ENVIRONMENT/bin/cellprofiler \\
        --pipeline analysis.cppipe --load-data load_data_with_illum.csv --sites 4 --output FOLDER

What the workflow's target `compare_cellprofiler` does, for any pipeline and image table: both runs one
after the other on one core, start-up included. FOLDER gets the tables of differences and of times, which
are printed, and with --keep both runs' own tables.
"""

import os
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import compare_cellprofiler  # noqa: E402
from lib.cellprofiler import logged_to  # noqa: E402


def main() -> None:
    """Read the options, stay on one core, run, print."""
    parser = compare_cellprofiler.command_line()
    for action in parser._actions:
        action.required = action.required and action.dest != "log"
    parser.add_argument("--core", type=int, default=0, help="the core to run on")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    with logged_to(options.log or Path(options.output) / "log") as log:
        differences, seconds = compare_cellprofiler.main(options, log)
    for table in (seconds, differences):
        print(*table[0], sep="\t")
        for row in table:
            print(*row.values(), sep="\t")
        print()


if __name__ == "__main__":
    main()
