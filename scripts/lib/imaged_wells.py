"""Find the wells of a plate that have images, from the names of its files, before anything runs.

This module uses only the standard library, since Snakemake's process imports it while planning.
"""

from collections.abc import Mapping
from pathlib import Path

from lib.errors import InputError
from lib.image_changes import list_images
from lib.image_names import compile_pattern
from lib.plates import find_name, is_address, is_image_table, read_table, source
from lib.text_files import is_parquet
from lib.wells import get_well_at, get_well_name


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
        wells = set()
        for name in list_images(images, pattern):
            match = expression.search(name if in_path else name.rpartition("/")[2])
            groups = match.groupdict() if match else {}
            if groups.get("plate", plate["plate"]) != plate["plate"]:
                continue
            is_named = bool(groups.get("well"))
            if is_named or groups.get("row"):
                wells.add(
                    get_well_name(groups["well"])
                    if is_named
                    else get_well_at(groups["row"], groups["column"])
                )
    except (InputError, OSError, KeyError, IndexError):
        return None
    return wells or None


def find_wells_in_table(table: Path, plate: str) -> set[str] | None:
    """Return the wells of a plate in a user's image table that is text; None for one in another format."""
    if is_parquet(table):  # reading it takes a moment
        return None
    columns, rows = read_table(table)
    names = [name.removeprefix("Image_") for name in columns]
    rows = [dict(zip(names, row.values(), strict=True)) for row in rows]
    plates = {row.get("Metadata_Plate", "") for row in rows} - {""}
    meant = find_name(plate, plates)
    rows = [row for row in rows if not plates or row.get("Metadata_Plate") in meant]
    named = [row["Metadata_Well"] for row in rows if row.get("Metadata_Well")]
    placed = [(row["Metadata_Row"], row["Metadata_Column"]) for row in rows if row.get("Metadata_Row")]
    return {get_well_name(well) for well in named} or {get_well_at(*where) for where in placed} or None
