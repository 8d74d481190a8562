"""Write a plate's profiles as csv.gz under the name that the profiling recipe gives them.

The same rows, columns and values as the Parquet file beside it: floats are written with all their
digits, missing values as nothing. The same profiles give the same bytes.
"""

import gzip
from pathlib import Path

import pandas as pd

from lib.logs import logged
from lib.tables import read_profiles, whole


def export(profiles: pd.DataFrame, path: str | Path) -> None:
    """Write `profiles` (one row a well) to `path` as gzipped, comma-separated text."""
    # without a time in its header, a gzip file depends on its content alone
    with (
        whole(path) as part,
        part.open("wb") as file,
        gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed,
    ):
        profiles.to_csv(packed, index=False)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        export(read_profiles(snakemake.input.profiles), snakemake.output.exported)
