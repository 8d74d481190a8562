"""Tables in the form of the Cell Painting Gallery: image tables with URLs, plate maps, and tables of each
site.

The form is that of the Gallery's documentation
(broadinstitute.github.io/cellpainting-gallery/data_structure.html).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd
import polars as pl

from lib.chunk_tables import read_arrow
from lib.errors import InputError, join_names
from lib.image_references import is_reference
from lib.layouts import read_plate_map_rows
from lib.object_storage import ADDRESS
from lib.plates import is_image_table
from lib.surveys import GENERAL


def get_full_name(images: Path, plate: str) -> tuple[Path, str]:
    """Return the folder of a plate's images that is uploaded, and its name there, in which the plate's name
    is.

    Parameters
    ----------
    images
        The plate's folder of images (`.../BR1__2024-05-06-Measurement 1/Images`).
    plate
        The plate's name.
    """
    folder = next((path for path in (images, *images.parents) if not GENERAL.match(path.name)), images)
    return (folder, folder.name) if plate in folder.name else (images, plate)


def add_urls(table: pd.DataFrame, images: Path, prefix: str, batch: str, plate: str) -> pd.DataFrame:
    """Return an image table whose files are named by the URL that they will have in the Gallery.

    Parameters
    ----------
    table
        The image table, with `FileName_` and `PathName_` columns.
    images
        The plate's folder of images.
    prefix
        The dataset's address, s3://bucket/project/source.
    batch, plate
        The plate.

    Returns
    -------
    pandas.DataFrame
        `URL_` columns, then the metadata.

    Raises
    ------
    InputError
        If an image is made of several planes, or is outside the plate's folder.
    """
    folder, name = get_full_name(images, plate)
    columns, outside = {}, []
    for column in table:
        if not column.startswith("PathName_"):
            continue
        channel = column.removeprefix("PathName_")
        files = table[f"FileName_{channel}"]
        if files.map(is_reference).any():
            raise InputError(
                f"Plate {plate}: its images are projected, or taken out of files with several channels, when "
                f"they are "
                "read; an image table of the Gallery names one file per image. Write them as single planes "
                "(the Gallery's folder `images_projected`) before the upload."
            )
        urls = []
        for place, file in zip(table[column], files, strict=True):
            address = ADDRESS.fullmatch(place)
            path = Path(place)
            if address:
                urls.append("s3://{bucket}/{key}".format(**address.groupdict()).rstrip("/") + f"/{file}")
            elif channel.startswith("Illum"):
                urls.append(f"{prefix}/images/{batch}/illum/{plate}/{file}")
            elif path.is_relative_to(folder.resolve()):
                below = (path / file).relative_to(folder.resolve()).as_posix()
                urls.append(f"{prefix}/images/{batch}/images/{name}/{below}")
            else:
                outside.append(f"{place}/{file}")
        columns[f"URL_{channel}"] = urls
    if outside:
        raise InputError(
            f"Plate {plate}: {len(outside)} images are not in the plate's folder {folder}: "
            f"{join_names(outside, 3)}. Move "
            "them there."
        )
    metadata = [column for column in table if column.startswith("Metadata_")]
    return pd.concat([pd.DataFrame(columns), table[metadata]], axis=1)


def find_images_folder(images: Path, table: pd.DataFrame) -> Path:
    """Return the folder of a plate's images; for a user's image table, the one that has all its files."""
    if not is_image_table(images.name):
        return images
    folders = [
        Path(place) for column in table if column.startswith("PathName_Orig") for place in set(table[column])
    ]
    folder = folders[0]
    while not all(other.is_relative_to(folder) for other in folders):
        folder = folder.parent
    return folder


def read_chunk_table(file: Path) -> pl.DataFrame:
    """Read a table of a chunk: Arrow, or CSV as it is written."""
    if file.suffix == ".arrow":
        return pl.DataFrame(read_arrow(file))
    return pl.read_csv(file, infer_schema=False)


def divide_by_site(chunk: Path) -> Iterator[tuple[str, str, dict[str, pl.DataFrame]]]:
    """Yield well, site and CellProfiler's tables of each site of a chunk, by their names."""
    files = {path.stem: path for path in sorted(chunk.iterdir()) if path.suffix in (".arrow", ".csv")}
    tables = {name: read_chunk_table(path) for name, path in files.items() if name != "Experiment"}
    images = tables.pop("Image")
    divided = {
        name: {str(key[0]): part for key, part in table.partition_by("ImageNumber", as_dict=True).items()}
        for name, table in tables.items()
    }
    for number, of_image in images.partition_by("ImageNumber", as_dict=True, maintain_order=True).items():
        well, site = of_image["Metadata_Well"][0], of_image["Metadata_Site"][0]
        parts = {name: parts.get(str(number[0]), tables[name].clear()) for name, parts in divided.items()}
        yield (
            str(well),
            f"{float(site):g}" if str(site).replace(".", "", 1).isdigit() else str(site),
            {
                "Image": of_image,
                **parts,
            },
        )


def get_map_names(plates: Sequence[Mapping[str, str]], maps: Sequence[Path]) -> list[str]:
    """Return the name of each plate's map: its file's, and the plate's if one file lists many plates."""
    names = []
    for plate, path in zip(plates, maps, strict=True):
        text = path.name.removesuffix(".gz").rpartition(".")[0]
        many = "Metadata_Plate" in path.open(errors="replace").readline() if path.suffix != ".gz" else True
        names.append(f"{text}_{plate['plate']}" if many else text)
    return names


def read_gallery_map(path: Path, name: str, plate: str) -> pd.DataFrame:
    """Return a plate map with the columns of the Gallery: `plate_map_name`, `well_position`, and its own."""
    columns, rows = read_plate_map_rows(path, plate)
    table = pd.DataFrame(rows, columns=columns).rename(columns={"well": "well_position"})
    table = table.drop(columns=[column for column in ("plate_map_name",) if column in table])
    table.insert(0, "plate_map_name", name)
    return table
