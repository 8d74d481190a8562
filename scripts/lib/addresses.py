"""Addresses in public object storage whose folder names hold a part that is not known beforehand."""

from functools import cache

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from lib.errors import InputError, listed


@cache
def folders(bucket: str, parent: str) -> list[str]:
    """The folders directly below `parent` in a public bucket; one listing serves all plates."""
    client = boto3.client("s3", region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=parent, Delimiter="/")
    return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])]


def resolved_address(address: str) -> str:
    """An s3:// address whose `*` (the instrument's time stamp in a folder name) is filled in.

    Raises:
        InputError: when no folder, or more than one, fits.
    """
    bucket, key = address.removeprefix("s3://").split("/", 1)
    head, star, tail = key.partition("*")
    if not star:
        return address
    fitting = [name for name in folders(bucket, head[: head.rindex("/") + 1]) if name.startswith(head)]
    if len(fitting) != 1:
        raise InputError(
            f"{address} fits {len(fitting)} folders ({listed(fitting, 5) or 'none'}); write the full "
            "address of one in the sample sheet."
        )
    return f"s3://{bucket}/{fitting[0].rstrip('/')}{tail}"
