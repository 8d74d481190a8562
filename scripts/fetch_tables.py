"""Fetch a plate's published CellProfiler output: the tables that its single cells are joined from."""

import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lib.cellprofiler_output import ENDINGS
from lib.errors import InputError
from lib.files import write_whole_folder
from lib.logs import log_to
from lib.object_storage import fetch_folder, require_fetching, resolve_address

logger = logging.getLogger("platewise")


def is_table(path: str, names: set[str]) -> bool:
    """Return whether an object is one of the named tables, with or without a prefix."""
    last = PurePosixPath(path).name
    wanted = [f"{name}{ending}" for name in names for ending in ENDINGS]
    return any(last == file or last.endswith((f"_{file}", f"-{file}")) for file in wanted)


def main(
    address: str, output: str, plate: str, compartments: Sequence[str], connections: int, fetch: bool
) -> None:
    """Copy the tables into a folder beside the output; it is renamed to the output when all have arrived.

    Parameters
    ----------
    address
        The folder of the plate's tables in object storage.
    output
        The folder to write.
    plate
        The plate's name, for messages.
    compartments
        Names of the tables beside Image.
    connections
        How many files are fetched at once.
    fetch
        The key of the config that allows it.
    """
    require_fetching(fetch, address)
    names = {"Image", *compartments}
    with write_whole_folder(Path(output)) as part:
        try:
            address = resolve_address(address)
            number = fetch_folder(address, part, lambda path: is_table(path, names), connections)
        except InputError as error:
            raise InputError(f"Plate {plate}: {error}") from error
        logger.info("%s: %d tables", address, number)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            snakemake.params.address,
            snakemake.output.tables,
            snakemake.wildcards.plate,
            snakemake.params.compartments,
            snakemake.params.connections,
            snakemake.params.fetch,
        )
