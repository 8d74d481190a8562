"""The results folder as the page sees it: files are named relative to it, and may be missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Results:
    """The results folder: that of the experiment, or the local copy of a storage."""

    folder: Path

    def path(self, file: str) -> Path:
        """Where a file of the results is on this machine."""
        return self.folder / file

    def has(self, file: str) -> bool:
        """Whether a file of the results is there."""
        return bool(file) and self.path(file).is_file()

    def existing(self, files: Iterable[str]) -> list[str]:
        """Those of the files that are there."""
        return [file for file in files if self.has(file)]
