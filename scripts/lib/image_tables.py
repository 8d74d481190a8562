"""Read a user's image table (`load_data.csv`): a plate's images with their wells, sites and channels."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from operator import sub
from pathlib import Path

import pyarrow.parquet as pq

from lib.errors import InputError, find_nearest_name, join_names
from lib.image_checks import Found, StoredImage
from lib.image_table_columns import (
    get_named_plates,
    get_path_of_url,
    get_table_names,
    get_well_of_row,
    split_url,
)
from lib.object_storage import list_entries
from lib.plate_columns import METADATA_PLATE_COLUMNS, find_plate_column
from lib.plates import NUMBERED, find_name, is_address, read_table
from lib.profile_columns import convert_to_text
from lib.published_profiles import UNREADABLE, keep_index
from lib.sites import get_site_name
from lib.text_files import is_parquet
from lib.values import is_nothing, plain_text
from lib.wells import find_well_name, get_well_name, get_well_place


def read_image_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns and rows of an image table (text or Parquet, like the Gallery's) as text."""
    try:
        if not is_parquet(path):
            columns, rows = read_table(path)
        else:
            with pq.ParquetFile(path) as file:
                get_table_names([plain_text(name) for name in file.schema_arrow.names], path)
                table = keep_index(file.read().to_pandas(integer_object_nulls=True))
            table = table.loc[:, [not NUMBERED.fullmatch(str(name)) for name in table]]
            columns = [plain_text(str(name)) for name in table]
            texts = zip(*(convert_to_text(table[name]) for name in table), strict=True)
            rows = [dict(zip(columns, row, strict=True)) for row in texts]
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as an image table: {error}.") from error
    names = get_table_names(columns, path)
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
        near = {name: find_nearest_name(name, set(columns) - set(needed), 0.85) for name in missing}
        is_it = "".join(f" Is {other} meant to be {name}?" for name, other in near.items() if other)
        raise InputError(
            f"{path} (plate {plate}) lacks the column {join_names(missing)}; it has {join_names(columns)}."
            f"{is_it} The column with a channel's files is FileName_ followed by the channel's name in the "
            "config (channels[].name), or by its `image`."
        )
    rows = take_rows_of_plate(path, columns, rows, plate)
    try:
        wells = [get_well_name(get_well_of_row(row)) for row in rows]
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
            "names of their images into them, or remove these rows."
        )
    if note := describe_other_wells(rows, wells):
        logging.warning("%s (plate %s): %s", path, plate, note)
    rows = [
        {**row, **{folder: get_path_of_url(row[folder]) for _, folder in where.values() if folder}}
        for row in rows
    ]
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


def describe_other_wells(rows: Sequence[Mapping[str, str]], wells: Sequence[str]) -> str:
    """Return the sentence on rows whose row and column are not those of their well; "" if none is.

    Parameters
    ----------
    rows
        The rows of an image table.
    wells
        The well of each row.
    """
    others, offsets = [], set()
    for well, row in zip(wells, rows, strict=True):
        place = row.get("Metadata_Row", ""), row.get("Metadata_Column", "")
        other = find_well_name(*place) if all(place) else well
        if other is None:
            return ""
        offsets.add(tuple(map(sub, get_well_place(well), get_well_place(other))))
        others += [f"{well} is at {other}"] if other != well else []
    # Rows and columns may be counted from 0, or within a part of the plate.
    if len(offsets) == 1:
        return ""
    return (
        f"the wells are read from Metadata_Well; in {len(others)} of {len(rows)} rows, Metadata_Row and "
        f"Metadata_Column are of another well ({join_names(dict.fromkeys(others), 3)})"
    )


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

    named = get_named_plates(
        {name: [row[name] for row in rows] for name in METADATA_PLATE_COLUMNS if name in columns}
    )
    column = find_plate_column(named, plate)
    lacking = {
        "well": [at for at, row in enumerate(rows, start=2) if not has_well(row)],
        "plate": [at for at, row in enumerate(rows, start=2) if column and not row[column]],
    }
    for what, numbers in lacking.items():
        if numbers:
            raise InputError(
                f"{path} has rows without a {what}: {join_names(numbers, 5)} (the header is row 1). Write it "
                "into them, or remove these rows."
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
            folder, file = split_url(row[f"URL_{name}"])
            row |= {f"FileName_{name}": file, f"PathName_{name}": folder}
    more = [f"{kind}_{name}" for name in images for kind in ("FileName", "PathName")]
    return [*columns, *more], rows
