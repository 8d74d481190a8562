"""Fetch a plate's published CellProfiler output: the tables that its single cells are joined from."""

import logging
from pathlib import Path, PurePosixPath
from typing import Any

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


def main(params: Any, outputs: Any, plate: str) -> None:
    """Copy the tables into a folder beside the output; it is renamed to the output when all have arrived."""
    address = params.address
    require_fetching(params.fetch, address)
    names = {"Image", *params.compartments}
    with write_whole_folder(Path(outputs.tables)) as part:
        try:
            address = resolve_address(address)
            number = fetch_folder(address, part, lambda path: is_table(path, names), params.connections)
        except InputError as error:
            raise InputError(f"Plate {plate}: {error}") from error
        logger.info("%s: %d tables", address, number)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(snakemake.params, snakemake.output, snakemake.wildcards.plate)
