"""Write a plate's deep-network features as the Cell Painting Gallery stores them, below `workspace_dl`."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from lib.files import write_whole_folder
from lib.logs import log_to


def write_embeddings(cells: Path, folder: Path) -> None:
    """Write the cells of each site, as `{well}-{site}/embedding.parquet`."""
    table = pl.read_parquet(cells)
    keys = ["Metadata_Well", "Metadata_Site"]
    with write_whole_folder(folder) as part:
        for (well, site), of_site in table.partition_by(keys, as_dict=True, maintain_order=True).items():
            place = part / f"{well}-{site}"
            place.mkdir()
            of_site.write_parquet(place / "embedding.parquet")


def write_profiles(profiles: Sequence[Path], folder: Path) -> None:
    """Copy the profiles of every level: Parquet, as they are."""
    with write_whole_folder(folder) as part:
        for path in profiles:
            shutil.copy(path, part)


def main(cells: str, profiles: Sequence[str], outputs: Mapping[str, str]) -> None:
    """Write the plate's folders: `embeddings` (its single cells) and `profiles`."""
    write_embeddings(Path(cells), Path(outputs["embeddings"]))
    write_profiles([Path(path) for path in profiles], Path(outputs["profiles"]))


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            snakemake.input.cells,
            list(snakemake.input.profiles),
            {name: snakemake.output[name] for name in ("embeddings", "profiles")},
        )
