"""Compare the tables of two results folders: `python tests/support/compare_results.py BEFORE AFTER`.

For changes that must not change any result. Parquet and Arrow files are compared as tables (columns, types,
values, but not the provenance in the metadata), CSV files byte by byte, after decompression. The report, the
logs and Snakemake's measurements are not compared. The exit status is 1 if anything differs.
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
    """Return the files of a results folder that hold numbers, relative to it."""
    return {
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and file.name.endswith(KINDS) and file.name not in DIFFERENT
        if file.relative_to(folder).parts[0] not in LEFT_OUT
    }


def read_table(file: Path) -> pa.Table | None:
    """Return a table without its metadata; None for a file that is not a table."""
    if file.suffix == ".parquet":
        return pq.read_table(file).replace_schema_metadata(None)
    if file.suffix == ".arrow":
        return feather.read_table(file).replace_schema_metadata(None)
    return None


def read_bytes(file: Path) -> bytes:
    """Return the content of a file, decompressed if it is compressed."""
    content = file.read_bytes()
    return gzip.decompress(content) if file.suffix == ".gz" else content


def count_differences(before: pa.Table, after: pa.Table) -> tuple[int, int]:
    """Return the number of values of a table, and how many differ: all of them if the columns differ."""
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
    """Yield each file of both folders: its name, its number of values (or bytes), and how many differ.

    A file that is in one folder only counts as different.
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
    """Print the differences and the numbers of tables and values; return the number of files that differ."""
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
