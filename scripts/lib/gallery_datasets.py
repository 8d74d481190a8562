"""Find the plates of a dataset in the form of the Cell Painting Gallery, on disk or in object storage.

`barcode_platemap.csv` of each batch lists its plates and their plate maps; the plates' image tables name the
channels, and the images where they have URLs.
"""

import csv
import gzip
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from lib.errors import InputError, join_names
from lib.image_names import LAYOUTS
from lib.object_storage import fetch_content, list_objects
from lib.plates import is_address, make_safe
from lib.surveys import Channel

MAPS = "workspace/metadata/platemaps"
TABLES = "workspace/load_data_csv"
REAGENTS = "workspace/metadata/external_metadata"
# The image tables of a plate, in the order in which one is chosen.
NAMES = tuple(
    f"{name}.{ending}"
    for name in ("load_data", "load_data_with_illum")
    for ending in ("csv", "csv.gz", "parquet")
)
COLUMNS = ("Assay_Plate_Barcode", "Plate_Map_Name")
NAMED = re.compile(r"^(?:URL|FileName)_Orig(?P<channel>[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*)$")
PERTURBATIONS = ("crispr", "orf", "compound")


@dataclass(frozen=True)
class Dataset:
    """What a dataset contains.

    Attributes
    ----------
    prefix
        Its folder or address.
    rows
        The rows of the sample sheet.
    channels
        The channels, by their labels.
    pattern
        The value of `images.pattern`.
    without_map
        Plates, with the name of the plate map that does not exist; they have no row.
    reagents
        The tables of reagents, relative to the dataset.
    """

    prefix: str
    rows: list[dict[str, str]]
    channels: list[Channel]
    pattern: str
    without_map: list[str]
    reagents: list[str]


def is_dataset(place: str) -> bool:
    """Return whether a folder or an address is a dataset in the Gallery's form."""
    return is_address(place) or (Path(place) / MAPS).is_dir()


def list_files(prefix: str, folder: str) -> list[str]:
    """Return the paths of a dataset's files below one of its folders, relative to the dataset."""
    if is_address(prefix):
        return [f"{folder}/{name}" for name in list_objects(f"{prefix}/{folder}")]
    return sorted(p.relative_to(prefix).as_posix() for p in Path(prefix, folder).rglob("*") if p.is_file())


def read_bytes(prefix: str, path: str) -> bytes:
    """Return the content of one of a dataset's files."""
    return fetch_content(f"{prefix}/{path}") if is_address(prefix) else Path(prefix, path).read_bytes()


def read_rows(prefix: str, path: str) -> list[dict[str, str]]:
    """Return the rows of one of a dataset's tables: CSV, compressed or not, or Parquet."""
    data = read_bytes(prefix, path)
    if path.endswith(".parquet"):
        table = pq.read_table(io.BytesIO(data))
        return [{name: str(value) for name, value in row.items()} for row in table.to_pylist()]
    data = gzip.decompress(data) if path.endswith(".gz") else data
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def choose_tables(files: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return the image table of each plate, by its batch and the name of its folder."""
    chosen: dict[tuple[str, str], str] = {}
    for name in reversed(NAMES):
        for path in files:
            parts = path.split("/")
            if parts[-1] == name and len(parts) >= 3:
                chosen[parts[-3], parts[-2]] = path
    return chosen


def read_barcodes(prefix: str, path: str) -> list[tuple[str, str]]:
    """Return the plates of a batch with the names of their plate maps, each plate once.

    Raises
    ------
    InputError
        If `barcode_platemap.csv` lacks a column, or gives a plate two plate maps.
    """
    rows = [
        {(name or "").strip(): (value or "").strip() for name, value in row.items() if isinstance(value, str)}
        for row in read_rows(prefix, path)
    ]
    maps: dict[str, str] = {}
    for row in rows:
        if not set(COLUMNS) <= set(row):
            raise InputError(
                f"{prefix}/{path} lacks the columns {join_names(COLUMNS)}; it has {join_names(row)}."
            )
        plate, name = (row[column] for column in COLUMNS)
        if maps.get(plate, name) != name:
            raise InputError(
                f"{prefix}/{path} gives the plate {plate} two plate maps, {maps[plate]} and {name}."
            )
        if plate:
            maps[plate] = name
    return list(maps.items())


def find_dataset(prefix: str, batch: str | None = None) -> Dataset:
    """Find the plates of a dataset.

    Parameters
    ----------
    prefix
        The dataset's folder, or its address (s3://cellpainting-gallery/PROJECT/SOURCE).
    batch
        Only this batch; None for all.

    Raises
    ------
    InputError
        If there is no `barcode_platemap.csv`, or none of the plate maps that it names exists.
    """
    prefix = prefix.rstrip("/")
    files = list_files(prefix, MAPS)
    barcodes = [path for path in files if path.endswith("/barcode_platemap.csv")]
    if batch:
        barcodes = [path for path in barcodes if path.split("/")[-2] == batch]
    if not barcodes:
        raise InputError(
            f"{prefix}/{MAPS} has no {batch or 'BATCH'}/barcode_platemap.csv: it is not a dataset in the "
            "form of the Cell Painting Gallery, or the batch has another name."
        )
    tables = choose_tables(list_files(prefix, TABLES))
    of_batches = {path.split("/")[-2] for path in barcodes}
    first = next((path for (name, _), path in sorted(tables.items()) if name in of_batches), None)
    row = (read_rows(prefix, first) or [{}])[0] if first else {}
    channels, pattern = read_channels(row)
    has_urls = any(key.startswith("URL_Orig") for key in row)
    # With names of a known layout, images on disk are found; else a channel's label is its name.
    has_layout = any(channel.label != channel.name for channel in channels)
    rows, missing = [], []
    for barcode in barcodes:
        folder, of_batch = barcode.rpartition("/")[0], barcode.split("/")[-2]
        maps = {Path(path).name: path for path in files if path.startswith(f"{folder}/platemap/")}
        maps |= {name.removesuffix(".gz").rpartition(".")[0]: path for name, path in maps.items()}
        for plate, name in read_barcodes(prefix, barcode):
            if name not in maps:
                missing.append(f"{plate} ({name})")
                continue
            kind = next((kind for kind in PERTURBATIONS if kind in name.lower()), "compound")
            place = {
                "batch": make_safe(of_batch),
                "plate": make_safe(plate),
                "plate_map": f"{prefix}/{maps[name]}",
            }
            table = tables.get((of_batch, plate)) if has_urls else None
            images = choose_images(prefix, of_batch, plate, table, has_layout)
            rows.append({**place, "perturbation": kind, "cell_line": "", "timepoint": "", "images": images})
    if not rows:
        raise InputError(
            f"{prefix}/{MAPS}: none of the plates has its plate map: {join_names(missing, 5) or 'no plate'}."
        )
    return Dataset(prefix, rows, channels, pattern, missing, list_files(prefix, REAGENTS))


def choose_images(prefix: str, batch: str, plate: str, table: str | None, has_layout: bool) -> str:
    """Return where a plate's images are: its image table if that has URLs, else its folder.

    Parameters
    ----------
    prefix
        The dataset's folder or address.
    batch, plate
        The plate; in the names of folders, a longer name may begin with the plate's.
    table
        The plate's image table, if it names images by their addresses.
    has_layout
        Whether images are found by their names. They are then taken from the disk if they are there.
    """
    folder = find_images(prefix, batch, plate)
    is_there = has_layout and not is_address(prefix) and Path(folder).is_dir()
    return folder if table is None or is_there else f"{prefix}/{table}"


def find_images(prefix: str, batch: str, plate: str) -> str:
    """Return where a plate's images are: its folder, which has the plate's name, or begins with it."""
    place = f"images/{batch}/images"
    if is_address(prefix):
        return f"{prefix}/{place}/{plate}*"
    folders = [path for path in sorted(Path(prefix, place).glob("*")) if path.is_dir()]
    found = [path for path in folders if path.name == plate]
    found = found or [path for path in folders if re.match(rf"{re.escape(plate)}(?![A-Za-z0-9])", path.name)]
    return str(found[0]) if len(found) == 1 else f"{prefix}/{place}/{plate}"


def read_channels(row: Mapping[str, str]) -> tuple[list[Channel], str]:
    """Return the channels that a row of an image table names, and the layout of its files.

    The label of a channel is what its file's name says; without a known layout, the channel's name.
    """
    files = {match["channel"]: row[name].rpartition("/")[2] for name in row if (match := NAMED.match(name))}
    for layout, expression in LAYOUTS.items():
        found = {channel: re.search(expression, file) for channel, file in files.items()}
        if found and all(found.values()):
            labels = {
                channel: match.groupdict().get("channel") or channel
                for channel, match in found.items()
                if match
            }
            return [Channel(label, channel) for channel, label in labels.items()], layout
    return [Channel(channel, channel) for channel in files], "phenix"
