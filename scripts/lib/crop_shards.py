"""Training sets of crops in the format of webdataset: tar files (shards) with two files per crop.

`000000012.npy` is the crop (channels, height, width) and `000000012.json` its metadata. Needs only numpy, so
that it can be used in the environment of the deep networks, too.
"""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

INDEX = "index.parquet"


def name_shard(number: int) -> str:
    """Return the name of a shard, counted from 0."""
    return f"crops-{number:06d}.tar"


class ShardWriter:
    """Writes crops to shards of at most `size` crops. The same crops give the same bytes.

    Parameters
    ----------
    folder
        Where the shards are written.
    size
        Number of crops per shard.
    """

    def __init__(self, folder: str | Path, size: int):
        self.folder, self.size, self.number = Path(folder), size, 0
        self.file: tarfile.TarFile | None = None

    def add(self, crop: np.ndarray, about: Mapping[str, Any]) -> tuple[str, str]:
        """Add a crop with its metadata. Return the names of its shard and of its entry there."""
        shard = name_shard(self.number // self.size)
        if self.number % self.size == 0:
            self.close()
            # Not compressed: crops hardly compress, and readers look for entries.
            self.file = tarfile.open(self.folder / shard, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        key = f"{self.number:09d}"
        self.number += 1
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(crop), allow_pickle=False)
        text = json.dumps(dict(about), sort_keys=True, ensure_ascii=False).encode()
        for name, content in ((f"{key}.npy", buffer.getvalue()), (f"{key}.json", text)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            self.file.addfile(entry, io.BytesIO(content))
        return shard, key

    def close(self) -> None:
        """Close the shard that is open."""
        if self.file is not None:
            self.file.close()
            self.file = None


def read_shard(path: str | Path) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Yield each crop of a shard with its metadata, in the order in which they were written."""
    with tarfile.open(path) as file:
        crop = None
        for entry in file:
            content = file.extractfile(entry).read()
            if entry.name.endswith(".npy"):
                crop = np.load(io.BytesIO(content), allow_pickle=False)
            else:
                yield crop, json.loads(content)
