"""Fetch one file of the experiment from the address in the sample sheet or the config."""

from lib.errors import InputError
from lib.logs import log_to
from lib.object_storage import fetch_content, fetch_web_content, require_fetching
from lib.tables import write_whole


def fetch_address(address: str) -> bytes:
    """Return the content of an s3:// or http(s):// address."""
    scheme = address.partition("://")[0]
    if scheme == "s3":
        return fetch_content(address)
    if scheme in ("http", "https"):
        return fetch_web_content(address)
    raise InputError(f"{address} cannot be fetched: addresses begin with s3://, https:// or http://.")


def main(address: str, output: str, fetch: bool) -> None:
    """Write the file, complete or not at all; `fetch` is the key of the config that allows it."""
    require_fetching(fetch, address)
    with write_whole(output) as part:
        part.write_bytes(fetch_address(address))


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(snakemake.params.address, snakemake.output.fetched, snakemake.params.fetch)
