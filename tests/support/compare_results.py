"""Compare the tables of two results folders: `python tests/support/compare_results.py BEFORE AFTER`.

For a change that may change no result. Parquet files and Arrow files are compared as tables (their columns,
types and values; what made them is in the metadata, which may differ), csv files byte by byte, also packed
ones. The report, the logs and what Snakemake measured are left out. Status 1 where anything differs.
"""

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

KINDS = (".parquet", ".arrow", ".csv", ".csv.gz", ".npy", ".npz", ".cppipe")
LEFT_OUT = ("report", "logs", "benchmarks", ".snakemake")
# Tables of times, or of paths of the machine.
DIFFERENT = ("times.csv", "resources.csv", "Experiment.csv")


def find_files(folder: Path) -> set[str]:
    """The files of a results folder that hold numbers, relative to it."""
    return {
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and file.name.endswith(KINDS) and file.name not in DIFFERENT
        if file.relative_to(folder).parts[0] not in LEFT_OUT
    }


def read_table(file: Path) -> pa.Table | None:
    """A table without its metadata; None for a file that is no table."""
    if file.suffix == ".parquet":
        return pq.read_table(file).replace_schema_metadata(None)
    if file.suffix == ".arrow":
        return feather.read_table(file).replace_schema_metadata(None)
    return None


def read_bytes(file: Path) -> bytes:
    """The content of a file; of a packed one, what is in it."""
    content = file.read_bytes()
    return gzip.decompress(content) if file.suffix == ".gz" else content


def count_differences(before: pa.Table, after: pa.Table) -> tuple[int, int]:
    """How many values a table has, and how many of them differ; all of them where its columns differ."""
    values = before.num_rows * before.num_columns
    if before.schema != after.schema or before.num_rows != after.num_rows:
        return values, max(values, 1)
    differing = 0
    for name in before.column_names:
        a, b = before[name].combine_chunks(), after[name].combine_chunks()
        if not a.equals(b):
            differing += sum(
                left != right and not (left != left and right != right)
                for left, right in zip(a.to_pylist(), b.to_pylist(), strict=True)
            )
    return values, differing


def compare(before: Path, after: Path) -> Iterator[tuple[str, int, int]]:
    """Each file of both folders: its name, its number of values (of bytes), and how many differ.

    A file that only one folder has is one that differs.
    """
    first, second = find_files(before), find_files(after)
    for name in sorted(first | second):
        if name not in first or name not in second:
            yield f"{name} (only {'before' if name in first else 'after'})", 0, 1
            continue
        a, b = read_table(before / name), read_table(after / name)
        if a is None or b is None:
            old, new = read_bytes(before / name), read_bytes(after / name)
            yield name, len(old), int(old != new)
        else:
            yield name, *count_differences(a, b)


def main(before: Path, after: Path) -> int:
    """Print what differs, and the numbers of tables and values; the number of files that differ."""
    files = list(compare(before, after))
    different = [(name, count) for name, _, count in files if count]
    for name, count in different:
        print(f"{name}: {count} differ")
    tables = [values for name, values, _ in files if name.endswith((".parquet", ".arrow"))]
    print(
        f"{len(files)} files, of which {len(tables)} tables with {sum(tables):,} values; "
        f"{len(different)} files differ"
    )
    return len(different)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])) > 0)
