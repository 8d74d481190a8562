"""Gather the one-row score files of the benchmark into one table, sorted by condition.

The table appears complete or not at all; the condition's columns come first, as in the score files.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lib.errors import InputError
from lib.logs import log_to
from lib.scores import BOUNDARY, get_condition_columns
from lib.tables import write_whole


def gather(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return the rows of all score files (strings, as written), sorted by their condition's columns."""
    rows = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths]
    if not rows:
        raise InputError(
            "There are no scores to combine: the benchmark needs at least one condition with two plates "
            "or two wells of one perturbation (percent_replicating), or two conditions of one cell "
            "line (percent_matching)."
        )
    table = pd.concat(rows, ignore_index=True)
    if BOUNDARY not in table:
        raise InputError(f"{paths[0]} is not a score of the benchmark: it has no column {BOUNDARY}.")
    condition = get_condition_columns(table)
    columns = [*condition, *(name for name in table if name not in condition)]
    key = [BOUNDARY, *(name for name in condition if name != BOUNDARY)]
    return table[columns].sort_values(key, key=get_sort_key, kind="stable", ignore_index=True)


def get_sort_key(column: pd.Series) -> pd.Series:
    """Sort a column of numbers by value, any other as text."""
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if numbers.notna().all() else column


def main(scores: Sequence[str], table: str) -> None:
    """Write the rows of `scores` to `table`."""
    gathered = gather(scores)
    with write_whole(table) as part:
        gathered.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(list(snakemake.input), snakemake.output[0])
