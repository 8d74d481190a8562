"""Read OME-Zarr plates (NGFF 0.1 to 0.5, Zarr 2 and 3), on disk and in object storage.

Plate, wells and fields are found by the plate's metadata, channels by the image's.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.sync import sync

from lib.errors import InputError, join_names
from lib.image_damage import ZERO_ELSEWHERE
from lib.image_references import read_reference
from lib.object_storage import ADDRESS, GONE, get_client, retry_request
from lib.sites import get_site_name
from lib.wells import find_well_name, get_well_at

# The value of `images.pattern` with which images are found by the metadata of an OME-Zarr plate.
OME_ZARR = "ome-zarr"
ENDING = re.compile(r"\.zarr$", re.IGNORECASE)


@dataclass(frozen=True)
class Multiscale:
    """An image in full resolution: array, letters of its axes, names of its channels, pixel size (µm)."""

    array: Any
    axes: str
    channels: Sequence[str]
    pixel_size: float | None


@dataclass(frozen=True)
class ZarrImage:
    """One field of a plate: its well, its site, and its place below the plate."""

    well: str
    site: str
    path: str


class StoredZarr(Store):
    """A read-only Zarr store over objects of S3 storage."""

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, address: str) -> None:
        super().__init__(read_only=True)
        self.address = address.rstrip("/")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredZarr) and other.address == self.address

    def __str__(self) -> str:
        return self.address

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return an object's bytes, or a part of them; None if there is no such object."""
        found = get_object(f"{self.address}/{key}", byte_range)
        return None if found is None else prototype.buffer.from_bytes(found)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of several objects."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Return whether there is an object."""
        return get_object(f"{self.address}/{key}", RangeByteRequest(0, 1)) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse to write."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        raise NotImplementedError

    async def list(self) -> AsyncIterator[str]:
        """List nothing: the metadata say what there is."""
        return
        yield ""

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """List nothing."""
        return
        yield ""

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List nothing."""
        return
        yield ""


def get_object(address: str, part: ByteRequest | None = None) -> bytes | None:
    """Return the bytes of an object, or a part of them; None if it does not exist."""
    from botocore.exceptions import ClientError

    place = ADDRESS.fullmatch(address)
    if place is None:
        raise InputError(f"{address} is not an address of S3 storage (s3://bucket/path).")
    request = {}
    if isinstance(part, RangeByteRequest):
        request["Range"] = f"bytes={part.start}-{part.end - 1}"
    elif isinstance(part, OffsetByteRequest):
        request["Range"] = f"bytes={part.offset}-"
    elif isinstance(part, SuffixByteRequest):
        request["Range"] = f"bytes=-{part.suffix}"

    def once() -> bytes | None:
        try:
            return (
                get_client(place["bucket"])
                .get_object(Bucket=place["bucket"], Key=place["key"], **request)["Body"]
                .read()
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return None
            raise

    return retry_request(once, address)


def is_in_zarr(path: Path | str) -> bool:
    """Return whether a path leads into an OME-Zarr folder."""
    return any(ENDING.search(part) for part in Path(path).parts)


def open_group(place: str) -> zarr.Group:
    """Open a group of a Zarr folder, or of one in object storage.

    Raises
    ------
    InputError
        If there is none.
    """
    address = ADDRESS.fullmatch(place)
    store = StoredZarr("s3://{bucket}/{key}".format(**address.groupdict())) if address else place
    try:
        return zarr.open_group(store, mode="r")
    except (FileNotFoundError, KeyError, ValueError, json.JSONDecodeError) as error:
        raise InputError(
            f"{place} cannot be opened as OME-Zarr ({type(error).__name__}: {error})."
        ) from error


def get_metadata(group: zarr.Group) -> dict[str, Any]:
    """Return a group's OME metadata: below `ome` since version 0.5, before at the top."""
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes)


def open_multiscale(path: Path | str) -> Multiscale:
    """Open an image of a plate in full resolution.

    Raises
    ------
    InputError
        If there is no image with the metadata of OME-Zarr.
    """
    files, _ = read_reference(str(path))
    group = open_group(files[0])
    metadata = get_metadata(group)
    if not metadata.get("multiscales"):
        raise InputError(f"{files[0]} is not an image of OME-Zarr: its metadata have no `multiscales`.")
    multiscale = metadata["multiscales"][0]
    dataset = multiscale["datasets"][0]
    array = group[dataset["path"]]
    axes = [axis["name"] if isinstance(axis, dict) else axis for axis in multiscale.get("axes", [])]
    letters = "".join(axes) if axes else "tczyx"[-array.ndim :]
    channels = [
        str(channel.get("label", "")) for channel in (metadata.get("omero") or {}).get("channels", [])
    ]
    return Multiscale(array, letters.lower(), channels, get_pixel_size(multiscale, dataset))


def get_chunk_shape(array: zarr.Array) -> tuple[int, ...]:
    """Return the shape of what a file of an array holds: a shard, or a chunk of an array without shards."""
    return array.shards or array.chunks


def is_cut_off(pixels: np.ndarray, array: zarr.Array) -> bool:
    """Return whether blocks of a plane look as if their chunks were missing.

    These blocks have the fill value alone (mostly 0), and elsewhere the plane hardly has it. A plane that is
    often 0, such as one whose background was subtracted, may have such blocks of its own.
    """
    rows, columns = get_chunk_shape(array)[-2:]
    is_fill = pixels == array.fill_value
    blocks = [
        is_fill[row : row + rows, column : column + columns]
        for row in range(0, pixels.shape[0], rows)
        for column in range(0, pixels.shape[1], columns)
    ]
    others = [block for block in blocks if not block.all()]
    elsewhere = sum(int(block.sum()) for block in others)
    return len(others) < len(blocks) and elsewhere <= ZERO_ELSEWHERE * sum(block.size for block in others)


def find_missing_chunks(array: zarr.Array, place: tuple[int, ...]) -> str:
    """Return, as text, which part of a plane of an array was not written, or not copied; "" if none is.

    Zarr gives such a part the fill value (mostly 0) and does not report it.

    Parameters
    ----------
    array
        The array, whose last axes are rows and columns.
    place
        The plane's indexes along the other axes.
    """
    shape = get_chunk_shape(array)
    before = tuple(at // length for at, length in zip(place, shape, strict=False))
    rows, columns = (
        -(-length // of_chunk) for length, of_chunk in zip(array.shape[-2:], shape[-2:], strict=True)
    )
    keys = [
        array.metadata.encode_chunk_key((*before, row, column))
        for row in range(rows)
        for column in range(columns)
    ]

    async def list_there() -> list[bool]:
        return await asyncio.gather(*((array.store_path / key).exists() for key in keys))

    # One call for all chunks: each takes its turn in the thread that does zarr's work.
    missing = [key for key, is_there in zip(keys, sync(list_there()), strict=True) if not is_there]
    if not missing:
        return ""
    return (
        f"lacks {len(missing)} of the {len(keys)} chunks of a plane ({missing[0]} for one): it was not "
        "written or copied to its end (if its pixels there are meant to be 0, write the empty chunks, too)"
    )


def list_labels(labels: Path) -> list[str]:
    """Return the names of the label images of an image; none if it has none.

    `labels`: the group `labels` within the image.
    """
    try:
        return [str(name) for name in get_metadata(open_group(str(labels))).get("labels", [])]
    except InputError:
        return []


def read_labels(path: Path) -> np.ndarray:
    """Read a label image in full resolution.

    Raises
    ------
    ValueError
        If it has several planes, channels or time points.
    """
    array = open_multiscale(path).array
    if any(length > 1 for length in array.shape[:-2]):
        raise ValueError(f"its shape is {array.shape}, where one plane is expected")
    return np.asarray(array[(0,) * (array.ndim - 2)])


def get_pixel_size(multiscale: dict[str, Any], dataset: dict[str, Any]) -> float | None:
    """Return the width of a pixel in micrometers, if the metadata say so."""
    axes = multiscale.get("axes") or [{}]
    if not isinstance(axes[-1], dict) or axes[-1].get("unit") != "micrometer":
        return None
    width = 1.0
    for change in [
        *dataset.get("coordinateTransformations", []),
        *multiscale.get("coordinateTransformations", []),
    ]:
        if change.get("type") == "scale" and "scale" in change:
            width *= float(change["scale"][-1])
    return width


def get_rows_and_columns(place: str) -> tuple[int, int]:
    """Return how many rows and columns the metadata of a plate list; these may be only those with images."""
    plate = get_metadata(open_group(place)).get("plate", {})
    return len(plate.get("rows", [])), len(plate.get("columns", []))


def list_fields(place: str) -> list[ZarrImage]:
    """List the fields of a plate.

    Parameters
    ----------
    place
        The plate's Zarr folder, or its s3:// address.

    Raises
    ------
    InputError
        If it is not a plate, or lists no field.
    """
    plate = get_metadata(open_group(place)).get("plate")
    if not plate:
        raise InputError(
            f"{place} is not a plate of OME-Zarr: its metadata have no `plate`. Name the plate's folder "
            f"(.zarr) in "
            "the sample sheet."
        )
    rows, columns = ([each["name"] for each in plate.get(key, [])] for key in ("rows", "columns"))
    fields = []
    for well in plate.get("wells", []):
        parts = PurePosixPath(well["path"]).parts
        row = rows[well["rowIndex"]] if "rowIndex" in well else parts[0]
        column = columns[well["columnIndex"]] if "columnIndex" in well else parts[1]
        named = find_well_name(*parts) if len(parts) == 2 else None
        if named not in (None, find_well_name(str(row), str(column))):
            raise InputError(
                f"{place}: the metadata of the plate contradict themselves: the well {well['path']} has the "
                f"row {row} and the column {column} by its rowIndex and columnIndex. Write the plate again."
            )
        group = open_group(f"{place.rstrip('/')}/{well['path']}")
        metadata = get_metadata(group).get("well", {})
        images = metadata.get("images", [])
        acquisitions = {image.get("acquisition") for image in images}
        if len(acquisitions) > 1:
            raise InputError(
                f"{place}: well {well['path']} has images of {len(acquisitions)} acquisitions, "
                f"{join_names(sorted(map(str, acquisitions)))}: a plate is measured once; write each "
                f"acquisition as a plate "
                "of its own."
            )
        fields += [
            ZarrImage(
                get_well_at(str(row), str(column)),
                get_site_name(image["path"]),
                f"{well['path']}/{image['path']}",
            )
            for image in images
        ]
    if not fields:
        raise InputError(f"{place} lists no image in the metadata of its wells.")
    return fields
