"""Find the wells of a plate that have images, and wrong names of images, before anything runs.

This module uses only the standard library, since Snakemake's process imports it while planning.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lib.errors import InputError, join_names
from lib.image_changes import list_images, walk_folders
from lib.image_names import BY_METADATA, compile_pattern
from lib.image_table_columns import get_named_plates, get_well_of_row, read_columns
from lib.plate_columns import find_plate_column
from lib.plates import WRITE_ONE, find_name, find_spelling, is_address, is_image_table, source
from lib.wells import get_well_name, get_well_of_groups


def find_wells_with_images(plate: Mapping[str, str], folder: Path, pattern: str) -> set[str] | None:
    """Return the wells of a plate that have images; None if that cannot be known here.

    Nothing is known of images in object storage, of images that an earlier step still has to write, and of
    names that cannot be read, which the step load_data reports.
    """
    location = plate.get("images", "")
    if source(plate) != "images" or is_address(location):
        return None
    images = folder / location
    try:
        if is_image_table(location):
            return find_wells_in_table(images, plate["plate"])
        expression = compile_pattern(pattern)
        in_path = "/" in expression.pattern
        names = (name if in_path else name.rpartition("/")[2] for name in list_images(images, pattern))
        groups = [group for group in ("plate", "well", "row", "column") if group in expression.groupindex]
        # The images of a well have the same groups, which are read once.
        distinct = {match.group(0, *groups)[1:] for match in map(expression.search, names) if match}
        found = [dict(zip(groups, values, strict=True)) for values in distinct]
        meant = find_spelling(plate["plate"], {each["plate"] for each in found if each.get("plate")})
        wells = {
            get_well_of_groups(each)
            for each in found
            if "plate" not in each or each["plate"] in meant
            if each.get("well") or each.get("row")
        }
    except (InputError, OSError, KeyError, IndexError):
        return None
    return wells or None


def find_wells_in_table(table: Path, plate: str) -> set[str] | None:
    """Return the wells of a plate in a user's image table; None if it names none."""
    columns = read_columns(table, "Metadata_")
    named = get_named_plates(columns)
    column = find_plate_column(named, plate)
    meant = find_name(plate, named[column]) if column else []
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    wells = {get_well_of_row(row) for row in rows if column is None or row[column] in meant} - {""}
    return {get_well_name(well) for well in wells} or None


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder, also behind a link; a link in a circle is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def has_match(folder: Path, expression: re.Pattern[str]) -> bool:
    """Return whether a name in a folder or its subfolders matches; the names after it are not listed.

    Subfolders that cannot be listed are left out, as in the list of all images.
    """
    in_path = "/" in expression.pattern
    folders, seen = [(str(folder), "")], set()
    while folders:
        place, below = folders.pop()
        if (real := os.path.realpath(place)) in seen:
            continue
        seen.add(real)
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if is_folder(entry):
                    folders.append((entry.path, f"{below}{entry.name}/"))
                elif expression.search(f"{below}{entry.name}" if in_path else entry.name):
                    return True
    return False


def lacks_images(plate: Mapping[str, str], folder: Path, pattern: str) -> bool:
    """Return whether no name of a plate's images fits the pattern.

    It stops at the first name that fits, where `find_name_problem` reads the names of all images.
    """
    location = plate.get("images", "")
    images = folder / location
    if source(plate) != "images" or is_address(location) or pattern in BY_METADATA or not images.is_dir():
        return False
    return not has_match(images, compile_pattern(pattern))


def find_name_problem(
    plate: Mapping[str, str], folder: Path, pattern: str, channels: Mapping[str, str]
) -> str:
    """Return why the names of a plate's images will be refused; "" if they will not, or if it is not known.

    Nothing is known of an image table, of images in object storage, of plates that an index describes, and of
    images that an earlier step still has to write.

    Parameters
    ----------
    plate
        The plate's row of the sample sheet.
    folder
        The folder of the config.
    pattern
        The config's `images.pattern`.
    channels
        Names of the channels by what the names of files call them; empty if files have several channels.
    """
    location = plate.get("images", "")
    images = folder / location
    if source(plate) != "images" or is_address(location) or pattern in BY_METADATA or not images.is_dir():
        return ""
    expression = compile_pattern(pattern)
    in_path = "/" in expression.pattern
    names = [name if in_path else name.rpartition("/")[2] for name in list_images(images, pattern)]
    if not names:
        files = sorted(name for _, names in walk_folders(images) for name in names)
        if not files:
            return ""
        return f"images.pattern matches none of the names in {location}, which has {join_names(files, 3)}."
    groups = [match.groupdict() for match in map(expression.search, names) if match]
    if "plate" in expression.groupindex:
        named = {group["plate"] for group in groups} - {None}
        meant = find_spelling(plate["plate"], named)
        if named and len(meant) != 1:
            return (
                f"the names of the images in {location} are of plate {join_names(sorted(named), 5)}. "
                f"{WRITE_ONE}"
            )
        groups = [group for group in groups if group["plate"] in (*meant, None)]
    if "channel" in expression.groupindex:
        labels = {group["channel"] for group in groups}
        # The name of an image of the only channel need not have it.
        there = labels - {None} if len(channels) > 1 or None not in labels else set()
        known = there | {label.lstrip("0") for label in there}
        lacking = [f"{label} ({name})" for label, name in channels.items() if label not in known]
        if there and lacking:
            return (
                f"no image in {location} is of channel {join_names(lacking)}; the names have "
                f"{join_names(sorted(there), 10)}. Correct `image` of the channel in the config."
            )
    return ""
