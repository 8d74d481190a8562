"""Find the plates of a dataset in the form of the Cell Painting Gallery, on disk or in object storage.

`barcode_platemap.csv` of each batch lists its plates and their plate maps; the plates' image tables name the
channels, and the images where they have URLs.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.errors import InputError, join_names
from lib.image_names import LAYOUTS
from lib.object_storage import fetch_content, list_objects
from lib.plates import is_address
from lib.surveys import Channel

MAPS = "workspace/metadata/platemaps"
TABLES = "workspace/load_data_csv"
NAMED = re.compile(r"^(?:URL|FileName)_Orig(?P<channel>[A-Za-z0-9]+)$")
PERTURBATIONS = ("crispr", "orf", "compound")


@dataclass(frozen=True)
class Dataset:
    """The plates of a dataset: rows of the sample sheet; its channels, and the value of `images.pattern`."""

    prefix: str
    rows: list[dict[str, str]]
    channels: list[Channel]
    pattern: str


def is_dataset(place: str) -> bool:
    """Return whether a folder or an address is a dataset in the Gallery's form."""
    return is_address(place) or (Path(place) / MAPS).is_dir()


def list_files(prefix: str, folder: str) -> list[str]:
    """Return the paths of a dataset's files below one of its folders, relative to the dataset."""
    if is_address(prefix):
        return [f"{folder}/{name}" for name in list_objects(f"{prefix}/{folder}")]
    return sorted(p.relative_to(prefix).as_posix() for p in Path(prefix, folder).rglob("*") if p.is_file())


def read_rows(prefix: str, path: str) -> list[dict[str, str]]:
    """Return the rows of one of a dataset's CSV files."""
    data = fetch_content(f"{prefix}/{path}") if is_address(prefix) else Path(prefix, path).read_bytes()
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


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
        If there is no `barcode_platemap.csv`, or a plate map that it names does not exist.
    """
    prefix = prefix.rstrip("/")
    files = list_files(prefix, MAPS)
    barcodes = [path for path in files if path.endswith("/barcode_platemap.csv")]
    if batch:
        barcodes = [path for path in barcodes if path.split("/")[-2] == batch]
    if not barcodes:
        raise InputError(
            f"{prefix}/{MAPS} has no {batch or 'BATCH'}/barcode_platemap.csv: it is not a dataset in the "
            f"form of the Cell "
            "Painting Gallery, or the batch has another name."
        )
    tables = [path for path in list_files(prefix, TABLES) if path.endswith("/load_data.csv")]
    first = read_rows(prefix, tables[0])[:1] if tables else []
    has_urls = bool(first) and any(name.startswith("URL_Orig") for name in first[0])
    channels, pattern = read_channels(first[0] if first else {})
    rows, missing = [], []
    for barcode in barcodes:
        folder, of_batch = barcode.rpartition("/")[0], barcode.split("/")[-2]
        maps = {
            Path(path).name.rpartition(".")[0]: path
            for path in files
            if path.startswith(f"{folder}/platemap/")
        }
        for row in read_rows(prefix, barcode):
            plate, name = row["Assay_Plate_Barcode"], row["Plate_Map_Name"]
            if name not in maps:
                missing.append(f"{name} (plate {plate})")
                continue
            table = f"{TABLES}/{of_batch}/{plate}/load_data.csv"
            images = (
                f"{prefix}/{table}" if has_urls and table in tables else find_images(prefix, of_batch, plate)
            )
            kind = next((kind for kind in PERTURBATIONS if kind in name.lower()), "compound")
            place = {"batch": of_batch, "plate": plate, "plate_map": f"{prefix}/{maps[name]}"}
            rows.append({**place, "perturbation": kind, "cell_line": "", "timepoint": "", "images": images})
    if missing:
        raise InputError(f"{prefix}/{MAPS}: these plate maps do not exist: {join_names(missing, 5)}.")
    return Dataset(prefix, rows, channels, pattern)


def find_images(prefix: str, batch: str, plate: str) -> str:
    """Return where a plate's images are: its folder, whose name begins with the plate's."""
    if is_address(prefix):
        return f"{prefix}/images/{batch}/images/{plate}*"
    found = sorted(Path(prefix, "images", batch, "images").glob(f"{plate}*"))
    return str(found[0]) if len(found) == 1 else f"{prefix}/images/{batch}/images/{plate}"


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
