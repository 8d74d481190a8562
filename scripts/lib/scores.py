"""The layout of the benchmark's score tables."""

import pandas as pd

BOUNDARY = "feature_set"  # the last of the columns that say which condition a score belongs to


def condition_columns(table: pd.DataFrame) -> list[str]:
    """The columns that name a condition or comparison: those up to `feature_set`."""
    return list(table.columns[: table.columns.get_loc(BOUNDARY) + 1])
