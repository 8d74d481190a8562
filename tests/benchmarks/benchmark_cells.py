"""Peak memory of normalizing and exporting the cells of a plate, for plates of more and more sites.

    python tests/benchmarks/benchmark_cells.py [SITES ...]

A synthetic plate has 100 wells, 16 of them negative controls, with more and more sites, 150 cells per site
and 600 features. Each number is the largest resident memory of a process of its own, and its CPU time. What
may grow with the sites is one number per cell for its well, and the keys of the cells in the AnnData files.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "scripts")]

CELLS, WELLS, FEATURES, ROWS = 150, 100, 600, 8192
PARAMETERS = {
    "plate": "P",
    "method": "mad_robustize",
    "reference": "negcon",
    "column": "control_type",
    "negcon": "negcon",
    "exclude_features": [],
    "unwanted": [],
    "exclude_flagged_cells": False,
}


def write_plate(folder: Path, sites: int) -> None:
    """Write the single cells and the annotated profiles of a plate."""
    from lib.tables import write_profiles

    generator = np.random.default_rng(0)
    wells = [f"{chr(65 + at // 24)}{at % 24 + 1:02d}" for at in range(WELLS)]
    names = [f"Cells_Intensity_F{at}" for at in range(FEATURES)]
    # The sites of a well lie together, as in the table of a plate.
    keys = [(wells[site * WELLS // sites], str(site), site + 1) for site in range(sites)]
    writer = None
    for start in range(0, sites, ROWS // CELLS):
        some = np.repeat(np.arange(start, min(start + ROWS // CELLS, sites)), CELLS)
        table = pa.table(
            {
                "Metadata_Plate": ["P"] * len(some),
                "Metadata_Well": [keys[site][0] for site in some],
                "Metadata_Site": [keys[site][1] for site in some],
                "Metadata_ImageNumber": [keys[site][2] for site in some],
                "Metadata_ObjectNumber": np.arange(len(some)) % CELLS + 1,
                **{name: generator.normal(size=len(some)).astype(np.float32) for name in names},
            }
        )
        writer = writer or pq.ParquetWriter(folder / "cells.parquet", table.schema, compression="lz4")
        writer.write_table(table)
    writer.close()
    profiles = pd.DataFrame(generator.normal(size=(len(wells), FEATURES)), columns=names)
    profiles.insert(0, "Metadata_Batch", "B")
    profiles.insert(1, "Metadata_Plate", "P")
    profiles.insert(2, "Metadata_Well", wells)
    profiles.insert(3, "Metadata_control_type", ["negcon"] * 16 + ["trt"] * (len(wells) - 16))
    write_profiles(profiles, folder / "profiles.parquet", {})


def run_step(folder: Path, step: str) -> None:
    """Run one step and print its peak memory (MB) and CPU seconds, beyond those of the imports."""
    import export_cells
    import normalize_cells

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.process_time()
    if step == "normalize":
        inputs = {"cells": folder / "cells.parquet", "profiles": folder / "profiles.parquet"}
        inputs |= {"selected": None, "flags": None, "cell_flags": None}
        outputs = {"cells": folder / "normalized.parquet", "dropped": folder / "dropped.csv"}
        normalize_cells.main(inputs, outputs, PARAMETERS)
    else:
        export_cells.main(folder / "normalized.parquet", folder / f"cells.{step}", [])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{before:.0f} {peak:.0f} {time.process_time() - start:.1f}")


def main(numbers: list[int]) -> None:
    """Print a row per number of sites and step."""
    print("| sites | cells | table | step | imports | peak | CPU |")
    print("|---|---|---|---|---|---|---|")
    for sites in numbers:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_plate(folder, sites)
            size = (folder / "cells.parquet").stat().st_size / 2**20
            for step in ("normalize", "h5ad", "zarr"):
                command = [sys.executable, __file__, "--step", step, name]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                before, peak, seconds = done.stdout.split()[-3:]
                row = f"{sites} | {sites * CELLS:,} | {size:,.0f} MB | {step}"
                print(f"| {row} | {before} MB | {peak} MB | {seconds} s |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        run_step(Path(sys.argv[3]), sys.argv[2])
    else:
        main([int(word) for word in sys.argv[1:]] or [100, 400])
