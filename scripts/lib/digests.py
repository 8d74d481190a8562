"""Digests of an experiment's input files: their content decides what runs again, not their time.

A corrected plate map from `cp -p`, unzip or rsync is older than the results, and a file that was only
copied is newer. Each file is read once: its digest is stored with its size and times, and it is read
again if these have changed. The time of the last change of a file (`ctime`) cannot be set back, as the time
of its content can, so that a file of the same size and time is not mistaken for the old one.
"""

import hashlib
import json
from pathlib import Path

from lib.files import write_whole


class Digests:
    """The digests of files, kept in a file between runs."""

    def __init__(self, kept: str | Path, folder: str | Path) -> None:
        """Read the digests of earlier runs from `kept`; paths are relative to `folder`."""
        self.kept, self.folder = Path(kept), Path(folder)
        try:
            self.known: dict[str, list] = json.loads(self.kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.known = {}
        self.changed = False

    def get(self, path: str) -> str:
        """Return the digest of a file; for a missing file, its last one, since its results may stay."""
        try:
            status = (self.folder / path).stat()
        except OSError:
            return self.known[path][0] if path in self.known else ""
        about = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        if self.known.get(path, [""])[1:] != about:
            digest = read_digest(self.folder / path)
            self.known[path] = [digest, *about]
            self.changed = True
        return self.known[path][0]

    def write(self) -> None:
        """Keep the digests for the next run."""
        if self.changed and self.kept.parent.is_dir():
            with write_whole(self.kept) as part:
                part.write_text(json.dumps(self.known), encoding="utf-8")
            self.changed = False


def read_digest(path: Path) -> str:
    """Return the digest of a file's content; empty for a folder and for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError:
        return ""
