"""Read a user's image table (`load_data.csv`): a plate's images with their wells, sites and channels."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow.parquet as pq

from lib.errors import InputError, join_names
from lib.image_checks import Found, StoredImage
from lib.object_storage import list_entries
from lib.plates import find_name, is_address, read_table
from lib.profile_columns import convert_to_text
from lib.profile_files import PLATE_NAMES, read_start, refuse_twice
from lib.published_profiles import UNREADABLE, keep_index
from lib.sites import get_site_name
from lib.text_files import is_parquet
from lib.values import is_nothing, plain_text
from lib.wells import get_well_at, get_well_name

PLATE_COLUMNS = [name for name in PLATE_NAMES if name.startswith("Metadata_")]
# Other names of columns that say where an image is from.
USUAL_NAMES = {
    "Metadata_Well": ("Metadata_well", "Metadata_Well_Position", "Metadata_well_position"),
    "Metadata_Column": ("Metadata_Col",),
    "Metadata_Site": (
        *("Metadata_site", "Metadata_Field", "Metadata_field", "Metadata_FieldID", "Metadata_FOV"),
        "Metadata_fov",
    ),
}


def read_image_columns(path: Path) -> list[str]:
    """Return the columns of an image table without reading its rows."""
    try:
        columns = pq.read_schema(path).names if is_parquet(path) else read_start(path).header
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as an image table: {error}.") from error
    return [plain_text(name).removeprefix("Image_") for name in columns]


def read_image_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and rows of an image table (text or Parquet, like the Gallery's) as text."""
    try:
        if not is_parquet(path):
            columns, rows = read_table(path)
        else:
            table = keep_index(pq.read_table(path).to_pandas(integer_object_nulls=True))
            columns = [plain_text(str(name)) for name in table]
            texts = zip(*(convert_to_text(table[name]) for name in table), strict=True)
            rows = [dict(zip(columns, row, strict=True)) for row in texts]
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as an image table: {error}.") from error
    names = use_usual_names(columns)
    refuse_twice(names, path)
    return split_urls(
        names,
        [
            {
                name: "" if is_nothing(value) else value
                for name, value in zip(names, row.values(), strict=True)
            }
            for row in rows
        ],
    )


def use_usual_names(columns: Sequence[str]) -> list[str]:
    """Return the columns of an image table with the usual names of those of the well and the site.

    Some of CellProfiler's tables call an image's columns Image_FileName_..., Image_Metadata_....
    """
    names = [name.removeprefix("Image_") for name in columns]
    for usual, others in USUAL_NAMES.items():
        other = next((name for name in others if name in names), None)
        if usual not in names and other is not None:
            names[names.index(other)] = usual
    return names


def get_image_columns(columns: Iterable[str], image: str, channel: str) -> tuple[str, str | None]:
    """Return the columns of a channel's file name and, if there is one, of its folder."""
    for name in (f"Orig{channel}", channel, image):
        if f"FileName_{name}" in columns:
            return f"FileName_{name}", f"PathName_{name}" if f"PathName_{name}" in columns else None
    return f"FileName_Orig{channel}", None


def read_load_data(path: Path, channels: Mapping[str, str], plate: str) -> list[Found]:
    """Return the images that the user's load_data.csv lists.

    A channel's file is in `FileName_Orig` and its name, `FileName_` and its name, or the column in `image`;
    its folder is in the same with `PathName_`, or is the table's own. Without `Metadata_Well`, `Metadata_Row`
    and `Metadata_Column` are used; without `Metadata_Site`, a well has one site.
    """
    columns, rows = read_image_table(path)
    where = {channel: get_image_columns(columns, image, channel) for image, channel in channels.items()}
    placed = {"Metadata_Row", "Metadata_Column"} <= set(columns)
    needed = [*([] if placed else ["Metadata_Well"]), *(file for file, _ in where.values())]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(
            f"{path} (plate {plate}) lacks the column {join_names(missing)}; it has {join_names(columns)}. A "
            "channel's file is FileName_ and what the config calls it (channels[].name), or its `image`."
        )
    rows = take_rows_of_plate(path, columns, rows, plate)
    try:
        wells = [get_well_of_row(row) for row in rows]
    except InputError as error:
        raise InputError(f"{path} (plate {plate}): {error}") from error
    empty = [
        f"{well} site {get_site_name(row.get('Metadata_Site'))}"
        for well, row in zip(wells, rows, strict=True)
        if not any(row[file] for file, _ in where.values())
    ]
    if empty:
        raise InputError(
            f"{path} (plate {plate}) has rows without a file name: well {join_names(empty, 5)}. Write the "
            "names of their images into them, or take the rows out."
        )
    folders = {row[folder] for row in rows for _, folder in where.values() if folder}
    stored = {folder: list_entries(folder) for folder in sorted(folders) if is_address(folder)}

    def image(folder: str, name: str) -> Path | StoredImage:
        if folder in stored:
            return StoredImage(folder.rstrip("/"), name, *stored[folder].get(name, (None, "")))
        return path.parent / folder / name

    return [
        Found(
            well,
            get_site_name(row.get("Metadata_Site")),
            channel,
            image(row[folder] if folder else "", row[file]),
        )
        for well, row in zip(wells, rows, strict=True)
        for channel, (file, folder) in where.items()
        if row[file]
    ]


def get_well_of_row(row: Mapping[str, str]) -> str:
    """Return the well of an image table's row, given by its name or by row and column."""
    if row.get("Metadata_Well"):
        return get_well_name(row["Metadata_Well"])
    return get_well_at(row.get("Metadata_Row", ""), row.get("Metadata_Column", ""))


def find_plate_column(columns: Sequence[str], rows: Sequence[Mapping[str, str]], plate: str) -> str | None:
    """Find the column that names the plate of each image; None if no column does.

    A column with another name than `Metadata_Plate` counts if it names the plate, or several plates.
    """
    for name in (name for name in PLATE_COLUMNS if name in columns):
        named = {row[name] for row in rows} - {""}
        if name == "Metadata_Plate" or len(named) > 1 or find_name(plate, named):
            return name
    return None


def take_rows_of_plate(
    path: Path, columns: Sequence[str], rows: list[dict[str, str]], plate: str
) -> list[dict[str, str]]:
    """Return the rows of a plate in an image table.

    Parameters
    ----------
    path
        The image table, for messages.
    columns
        The table's columns.
    rows
        The table's rows.
    plate
        The plate's name; if the table has no column of plates, all rows are of this plate.

    Raises
    ------
    InputError
        If the table has no row, or no row of the plate, or a row without its plate or well.
    """

    def has_well(row: Mapping[str, str]) -> bool:
        return bool(row.get("Metadata_Well") or (row.get("Metadata_Row") and row.get("Metadata_Column")))

    column = find_plate_column(columns, rows, plate)
    lacking = {
        "well": [at for at, row in enumerate(rows, start=2) if not has_well(row)],
        "plate": [at for at, row in enumerate(rows, start=2) if column and not row[column]],
    }
    for what, numbers in lacking.items():
        if numbers:
            raise InputError(
                f"{path} has rows without a {what}: {join_names(numbers, 5)} (the header is row 1). Write it "
                "into them, or take them out."
            )
    if not rows:
        raise InputError(f"{path} has no row.")
    if column is None:
        return rows
    plates = {row[column] for row in rows}
    meant = find_name(plate, plates)
    if len(meant) > 1:
        raise InputError(
            f"{path} has no plate {plate}, and {join_names(meant)} are the same number: write one of these "
            "names into the sample sheet."
        )
    if not meant:
        raise InputError(f"{path} has no row of plate {plate}; it has {join_names(sorted(plates), 5)}.")
    if meant != [plate]:
        logging.info("%s: plate %s is called %s there; its rows are used", path, plate, meant[0])
    return [row for row in rows if row[column] == meant[0]]


def split_urls(columns: list[str], rows: list[dict[str, str]]) -> tuple[list[str], list[dict[str, str]]]:
    """Return an image table with file names and folders in place of the Gallery's columns `URL_OrigDNA`."""
    images = [name.removeprefix("URL_") for name in columns if name.startswith("URL_")]
    images = [name for name in images if f"FileName_{name}" not in columns]
    for row in rows:
        for name in images:
            url = row[f"URL_{name}"]
            folder, _, file = (unquote(url[len("file:") :]) if url.startswith("file:") else url).rpartition(
                "/"
            )
            row |= {f"FileName_{name}": file, f"PathName_{name}": folder}
    more = [f"{kind}_{name}" for name in images for kind in ("FileName", "PathName")]
    return [*columns, *more], rows
