"""Fetch one file of the experiment from the address in the sample sheet or the config."""

from lib.errors import InputError
from lib.logs import logged
from lib.object_storage import content, fetching_is_allowed, web_content
from lib.tables import whole


def fetched(address: str) -> bytes:
    """Return the content of an s3:// or http(s):// address."""
    scheme = address.partition("://")[0]
    if scheme == "s3":
        return content(address)
    if scheme in ("http", "https"):
        return web_content(address)
    raise InputError(f"{address} cannot be fetched: addresses begin with s3://, https:// or http://.")


def main() -> None:
    """Write the file, complete or not at all."""
    address = snakemake.params.address
    fetching_is_allowed(snakemake.params.fetch, address)
    with whole(snakemake.output.fetched) as part:
        part.write_bytes(fetched(address))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
