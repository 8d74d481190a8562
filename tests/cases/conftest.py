"""Fixtures that several modules of cases share."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cases.profiles import make_profiles, read


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a text table from rows of values; gives its path."""

    def written(name, *rows, separator="\t"):
        path = tmp_path / name
        path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows))
        return path

    return written


@pytest.fixture
def expected_profiles(tmp_path: Path) -> pd.DataFrame:
    """The small table of profiles as it is read from a plain CSV file."""
    make_profiles().to_csv(tmp_path / "expected.csv", index=False)
    return read(tmp_path / "expected.csv")
