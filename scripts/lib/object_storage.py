"""Read complete objects of S3 storage: list, fetch, check, and retry when a connection breaks.

The Cell Painting Gallery is public and read without credentials; any other bucket is read with the
credentials in the environment (boto3's usual places), or without any. `AWS_ENDPOINT_URL` names a server other
than Amazon's.

This module uses only Python 3.8, its standard library and boto3, which CellProfiler also has, since
CellProfiler's LoadData imports it.
"""

import hashlib
import http.client
import io
import logging
import re
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from lib.errors import InputError, join_names

# Public buckets; they would reject credentials that belong elsewhere.
PUBLIC = {"cellpainting-gallery"}
ATTEMPTS = 5
# Seconds before the second attempt; doubled before each further one.
PAUSE = 1.0
# Seconds without a byte after which a connection counts as broken.
SILENCE = 60
ADDRESS = re.compile(r"s3:/+(?P<bucket>[^/]+)/(?P<key>.*)", re.DOTALL)
MD5 = re.compile(r"[0-9a-f]{32}")
GONE = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
REFUSED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}
REFUSED |= {"InvalidToken", "AllAccessDisabled"}


class BrokenTransferError(Exception):
    """An object that arrived differs from the server's description."""


def require_fetching(fetch, address):
    """Stops with a message unless the config says `fetch: true`."""
    if not fetch:
        raise InputError(
            f"{address} is not fetched: set fetch: true in the config, or add --config fetch=true."
        )


def split_address(address):
    """Return the bucket and the key of an s3:// address."""
    match = ADDRESS.fullmatch(address)
    if not match:
        raise InputError(f"{address} is not an address of S3 storage (s3://bucket/path).")
    return match["bucket"], match["key"]


@lru_cache(maxsize=32)
def get_client(bucket):
    """Return the connection to a bucket's server; threads share it."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    session = boto3.session.Session()
    signed = bucket not in PUBLIC and session.get_credentials() is not None
    return session.client(
        "s3",
        region_name=session.region_name or "us-east-1",
        config=Config(
            signature_version=None if signed else UNSIGNED,
            # Attempts are counted here, since botocore does not retry a transfer that breaks midway.
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=SILENCE,
            read_timeout=SILENCE,
            max_pool_connections=32,
        ),
    )


def retry_request(ask, address):
    """Return `ask()`, called up to ATTEMPTS times while connections break or the server is busy.

    Raises
    ------
    InputError
        Immediately if there is no such object or it may not be read, else after the last
        attempt; it names the address.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in GONE:
                raise InputError(
                    f"{address} does not exist (any more). Correct the address, or put the object back; an "
                    "image that is listed in the plate's load_data.csv and was taken away is left out after "
                    "`--forcerun load_data`."
                ) from error
            if code in REFUSED:
                raise InputError(
                    f"Access to {address} was denied ({code}). Set credentials for it (AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)."
                ) from error
            reason = error
        except (BrokenTransferError, BotoCoreError, HTTPError, http.client.HTTPException, OSError) as error:
            reason = error
        logging.getLogger("platewise").warning(
            "%s, attempt %d of %d: %s: %s", address, attempt, ATTEMPTS, type(reason).__name__, reason
        )
        if attempt < ATTEMPTS:
            time.sleep(PAUSE * 2 ** (attempt - 1))
    raise InputError(
        f"{address} could not be fetched in {ATTEMPTS} attempts; the last one: "
        f"{type(reason).__name__}: {reason}. Start again when the server responds; finished results are kept."
    ) from reason


def fetch_content(address):
    """Return an object's bytes, checked against its length and, if the server gives it, its MD5 digest."""
    bucket, key = split_address(address)

    def once():
        answer = get_client(bucket).get_object(Bucket=bucket, Key=key)
        with answer["Body"] as body:
            found = body.read()
        if len(found) != answer["ContentLength"]:
            raise BrokenTransferError(f"{len(found)} of {answer['ContentLength']} bytes were received")
        # An object that was uploaded in parts, or encrypted with its own key, has another kind of tag.
        tag = answer.get("ETag", "").strip('"')
        plain = (
            answer.get("ServerSideEncryption") in (None, "AES256") and "SSECustomerAlgorithm" not in answer
        )
        if plain and MD5.fullmatch(tag) and hashlib.md5(found).hexdigest() != tag:
            raise BrokenTransferError(f"the received bytes do not have the MD5 digest {tag}")
        return found

    return retry_request(once, address)


def open_image_file(path):
    """Return what opens an image file: its path, or its bytes as a file for an address (s3:/...)."""
    match = ADDRESS.fullmatch(str(path))
    if not match:
        return path
    file = io.BytesIO(fetch_content("s3://{bucket}/{key}".format(**match.groupdict())))
    # OME metadata say by its name which planes are in a file.
    file.name = match["key"].rpartition("/")[2]
    return file


def list_entries(address):
    """Return the objects below an s3:// folder, as {path below it: (bytes, tag)}, in the paths' order.

    The tag (ETag) changes with an object's content.
    """
    bucket, key = split_address(address)
    prefix = key.rstrip("/") + "/" if key else ""

    def once():
        pages = get_client(bucket).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = {
            entry["Key"][len(prefix) :]: (entry["Size"], entry.get("ETag", "").strip('"'))
            for page in pages
            for entry in page.get("Contents", [])
        }
        # Consoles mark folders with an empty object.
        return {name: found[name] for name in sorted(found) if name and not name.endswith("/")}

    return retry_request(once, address)


def list_objects(address):
    """Return the objects below an s3:// folder, as {path below it: size in bytes}, in the paths' order."""
    return {name: size for name, (size, _) in list_entries(address).items()}


def resolve_address(address):
    """Fill in the `*` (the instrument's time stamp in a folder's name) of an s3:// address.

    Raises
    ------
    InputError
        If no folder, or more than one, matches.
    """
    bucket, key = split_address(address)
    head, star, tail = key.partition("*")
    if not star:
        return address

    def once():
        pages = (
            get_client(bucket)
            .get_paginator("list_objects_v2")
            .paginate(Bucket=bucket, Prefix=head, Delimiter="/")
        )
        return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])]

    fitting = retry_request(once, address)
    if len(fitting) != 1:
        raise InputError(
            f"{address} matches {len(fitting)} folders ({join_names(fitting, 5) or 'none'}); write the full "
            "address of one in the sample sheet."
        )
    return f"s3://{bucket}/{fitting[0].rstrip('/')}{tail}"


def fetch_folder(address, folder, wanted, threads):
    """Copy the objects below an address into a folder.

    Parameters
    ----------
    address
        An s3:// address.
    folder
        The folder on disk.
    wanted
        A function of an object's path below the address, which returns whether to copy it.
    threads
        Number of objects that are copied at once.

    Returns
    -------
    int
        Number of copied objects.

    Raises
    ------
    InputError
        If there are none, or if a path would lead out of the folder.
    """
    folder = Path(folder).resolve()
    names = [name for name in list_objects(address) if wanted(name)]
    if not names:
        raise InputError(f"{address} contains none of the expected objects; check the address.")
    outside = [name for name in names if folder not in (folder / name).resolve().parents]
    if outside:
        raise InputError(f"{address}: {join_names(outside, 3)} would be written outside its folder.")

    def copy(name):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(fetch_content(f"{address.rstrip('/')}/{name}"))

    with ThreadPoolExecutor(threads) as pool:
        copies = [pool.submit(copy, name) for name in names]
        try:
            for done in copies:
                done.result()
        except BaseException:
            for waiting in copies:
                waiting.cancel()
            raise
    return len(names)


def fetch_web_content(address):
    """Return the complete content of an http(s):// address."""

    def once():
        try:
            with urllib.request.urlopen(address, timeout=SILENCE) as answer:
                found, length = answer.read(), answer.headers["Content-Length"]
        except urllib.error.HTTPError as error:
            if error.code in (401, 403, 404, 410):
                raise InputError(f"{address} cannot be read: {error}. Correct the address.") from error
            raise
        if length is not None and len(found) != int(length):
            raise BrokenTransferError(f"{len(found)} of {length} bytes were received")
        return found

    return retry_request(once, address)
