"""Stored values of stock CellProfiler that tests compare with, because measuring them takes minutes.

    python tests/support/stock_values.py     measures them again, with the locked CellProfiler

They are those of the four CPJUMP1 fields with the assay of JUMP's production: the numbers of all images, and
of one object in four, each as float32 (a relative error of 6e-8, where values may differ by 1e-6).
`tests/stock/about.json` has the digest of CellProfiler's lock, so that a test fails if the lock has changed.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "scripts")]

from compare_cellprofiler import ABSOLUTE, NOT_MEASURED, RELATIVE
from workflow import PROJECT, TESTS, copy_of_config, snakemake

FOLDER = TESTS / "stock"
ABOUT = FOLDER / "about.json"
LOCK = PROJECT / "envs" / "cellprofiler.txt"
TABLES = ("Image", "Cells", "Cytoplasm", "Nuclei")
ONE_OBJECT_IN = 4


def get_digest_of_lock() -> str:
    """Return the digest of CellProfiler's lock."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def get_locked_version() -> str:
    """Return the version of CellProfiler in the lock."""
    (line,) = [line for line in LOCK.read_text().splitlines() if line.startswith("cellprofiler==")]
    return line.split()[0].partition("==")[2]


def get_keys(table: pl.DataFrame) -> list[str]:
    """Return the columns that identify a row: the image, and the object if the table has objects."""
    return [name for name in ("ImageNumber", "ObjectNumber") if name in table.columns]


def choose_numbers(table: pl.DataFrame) -> pl.DataFrame:
    """Choose what is compared: of one object in four, all numbers except those about the run."""
    keys = get_keys(table)
    if "ObjectNumber" in keys:
        table = table.filter(pl.col("ObjectNumber").cast(int) % ONE_OBJECT_IN == 1)
    kept = {}
    for name in table.columns:
        values = table[name].cast(pl.Float64, strict=False)
        # text that spells a number is one (a column of a CSV file may be read as text)
        if (
            not name.startswith((*NOT_MEASURED, "Metadata_"))
            and values.null_count() == table[name].null_count()
        ):
            kept[name] = values.fill_null(float("nan"))
    return pl.DataFrame(kept).sort(keys)


def count_differences(expected: pl.DataFrame, found: pl.DataFrame) -> dict[str, int]:
    """Count the values of each column that differ, or that only one table has.

    As in `compare_cellprofiler`, values differ if the difference exceeds both 1e-6 of the expected value
    and 1e-9.
    """
    alone = set(expected.columns) ^ set(found.columns)
    different = dict.fromkeys(sorted(alone), max(len(expected), 1))
    keys = get_keys(expected)
    if not expected.select(keys).equals(found.select(keys)):
        return {**different, "rows": max(len(expected), len(found))}
    for name in sorted(set(expected.columns) - alone):
        left, right = expected[name].to_numpy(), found[name].to_numpy()
        with np.errstate(invalid="ignore"):
            apart = np.abs(left - right)
            unequal = (apart > ABSOLUTE) & (apart > RELATIVE * np.abs(left))
        unequal |= np.isnan(left) != np.isnan(right)
        unequal |= np.isinf(left) != np.isinf(right)
        if unequal.any():
            different[name] = int(unequal.sum())
    return different


def write_stored(name: str, table: pl.DataFrame) -> None:
    """Store a table of numbers."""
    values = table.to_numpy().astype(np.float32)
    np.savez_compressed(FOLDER / f"{name}.npz", columns=np.array(table.columns), values=values)


def read_stored(name: str) -> pl.DataFrame:
    """Read a stored table of numbers."""
    with np.load(FOLDER / f"{name}.npz") as stored:
        return pl.DataFrame(stored["values"].astype(np.float64), schema=stored["columns"].tolist())


def measure(folder: Path) -> None:
    """Measure the fields with stock CellProfiler and its command line, and store the values."""
    config = copy_of_config("jump_production_fields", folder / "experiment")
    stock = ("--config", "cellprofiler={engine: stock, accelerate: false}")
    snakemake("--configfile", config, *stock, "--until", "features")
    chunks = sorted((config.parent / "results/workspace/analysis").glob("*/*/analysis/chunk_*"))
    FOLDER.mkdir(exist_ok=True)
    for name in TABLES:
        tables = [pl.read_csv(chunk / f"{name}.csv", infer_schema_length=None) for chunk in chunks]
        write_stored(name, choose_numbers(pl.concat(tables, how="vertical_relaxed")))
    about = {"cellprofiler": get_locked_version(), "lock": get_digest_of_lock()}
    ABOUT.write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        measure(Path(temporary))
