"""The results folder as the page sees it: files are named relative to it, and may be missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from lib.errors import InputError

# The errors of reading a file that is truncated or has unexpected content.
CANNOT_BE_READ = (ValueError, TypeError, KeyError, OSError, pa.ArrowException, InputError)


@dataclass(frozen=True)
class Results:
    """The results folder: that of the experiment, or the local copy of a storage."""

    folder: Path

    def path(self, file: str) -> Path:
        """Return the path of a file of the results on this machine."""
        return self.folder / file

    def has(self, file: str) -> bool:
        """Return whether a file of the results exists."""
        return bool(file) and self.path(file).is_file()

    def existing(self, files: Iterable[str]) -> list[str]:
        """Return those of the files that exist."""
        return [file for file in files if self.has(file)]
