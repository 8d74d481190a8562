"""Check that no two plates start from the same images, CellProfiler tables or profiles."""

import filecmp
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lib.errors import InputError, join_names
from lib.experiment import Experiment
from lib.image_names import BY_METADATA, compile_pattern
from lib.image_table_columns import get_named_plates, read_columns
from lib.plate_columns import METADATA_PLATE_COLUMNS, list_plates
from lib.plates import Plate, find_name, get_number, is_address, is_image_table, source
from lib.profile_files import get_usual_name

COMPARED_BYTES = 65536  # bytes of files of one size that are compared before their entire content

# What several rows of the sample sheet start from: the column that names it, and its path or address.
Start = tuple[str, str]


def check_shared_inputs(experiment: Experiment) -> None:
    """Check that no two plates start from the same wells, which would be replicates of themselves.

    Plates may share a file that names the plate of each row (profiles, an image table, a microscope's index),
    and a folder of images from which the pattern takes those of a plate, but not the same plate in it. A link
    to a folder or file counts as that folder or file, and so does a copy of a file of profiles.

    Raises
    ------
    InputError
        Naming the plates, and their folder or file.
    """
    folder, pattern = experiment.config_file.parent, experiment.config["images"]["pattern"]
    plates: dict[Start, list[Plate]] = {}
    for plate in experiment.plates:
        start = source(plate)
        location = plate[start]
        place = location.rstrip("/") if is_address(location) else os.path.realpath(folder / location)
        plates.setdefault((start, place), []).append(plate)
    found = find_nested_folders(plates)
    for (start, place), rows in combine_copies(plates).items():
        kind = get_kind(start, rows[0][start], pattern)
        for same in find_same_plates(kind, place, rows) if kind else [rows]:
            if len(same) == 1:
                continue
            names = join_names((f"{row['plate']} (batch {row['batch']})" for row in same), 5)
            files = {row[start]: None for row in same} if kind == "profiles" else {}
            copies = f" ({join_names(files, 3)} have the same content)" if len(files) > 1 else ""
            found.append(f"{start}: {place}: {names}{copies}")
    if found:
        raise InputError(
            "Several plates start from the same wells, so that each well would be its own replicate:\n  "
            + "\n  ".join(found)
            + f"\nCorrect {folder / experiment.config['plates']}, which has one row per plate. If one folder "
            "holds the images of several plates, give images.pattern a group `plate`, or an image table with "
            "Metadata_Plate as `images`."
        )


def combine_copies(plates: Mapping[Start, list[Plate]]) -> dict[Start, list[Plate]]:
    """Return the rows of the sample sheet by what they start from; copies of a file of profiles are one."""
    sizes: dict[int, list[str]] = {}
    for start, place in plates:
        if start == "profiles" and Path(place).is_file():
            sizes.setdefault(Path(place).stat().st_size, []).append(place)
    originals: dict[str, str] = {}
    for places in (places for places in sizes.values() if len(places) > 1):
        beginnings: dict[bytes, list[str]] = {}
        for place in places:
            with Path(place).open("rb") as file:
                others = beginnings.setdefault(file.read(COMPARED_BYTES), [])
            copied = next((other for other in others if filecmp.cmp(other, place, shallow=False)), None)
            originals[place] = copied or place
            others += [] if copied else [place]
    combined: dict[Start, list[Plate]] = {}
    for (start, place), rows in plates.items():
        combined.setdefault((start, originals.get(place, place)), []).extend(rows)
    return combined


def get_kind(start: str, place: str, pattern: str) -> str:
    """Return which kind of file or folder may hold several plates: `profiles`, `table`, `index` or `names`.

    With `names`, the pattern reads the plate from the name of each image. Any other folder holds one plate:
    "".

    Parameters
    ----------
    start
        The column of the sample sheet that names the file or folder.
    place
        The file or folder.
    pattern
        The config's `images.pattern`.
    """
    if start != "images":
        return "profiles" if start == "profiles" else ""
    if is_image_table(place):
        return "table"
    if pattern in BY_METADATA:
        return "index" if pattern == "index" else ""
    return "names" if "plate" in compile_pattern(pattern).groupindex else ""


def find_same_plates(kind: str, place: str, rows: Sequence[Plate]) -> list[list[Plate]]:
    """Return the rows of the sample sheet that take the same plate of a file or folder, row by row.

    Barcodes are compared as they are found later: 00123 and 123 are one plate if the file has only one of
    them. The file is read only if that matters, and if it is on this machine.

    Parameters
    ----------
    kind
        See `get_kind`.
    place
        The file or folder.
    rows
        The rows of the sample sheet that start from it.
    """
    names = {row["plate"] for row in rows}
    numbers = [number for number in map(get_number, names) if number is not None]
    by_number = len(set(numbers)) < len(numbers)
    is_copied = len({row["profiles"] for row in rows}) > 1 if kind == "profiles" else False
    in_file = None
    if len(rows) > 1 and Path(place).exists() and (kind in ("table", "index") or by_number or is_copied):
        in_file = read_plates_of_file(kind, Path(place), names, by_number)
    groups: dict[str, list[Plate]] = {}
    for row in rows:
        meant = find_name(row["plate"], in_file or ())
        # A file that names no plate belongs to each row.
        groups.setdefault("" if in_file == [] else next(iter(meant), row["plate"]), []).append(row)
    return list(groups.values())


def read_plates_of_file(kind: str, path: Path, plates: Iterable[str], by_number: bool) -> list[str] | None:
    """Return the plates that a file names: none if it does not name any, None if this is not known.

    Parameters
    ----------
    kind
        See `get_kind`.
    path
        The file, or the folder with an index.
    plates
        The plates that the sample sheet takes from it.
    by_number
        Whether the names matter, and not only whether the file names any plate.
    """
    # Few experiments share a file: pandas is not loaded for the others.
    from lib.microscope_index import find_index
    from lib.published_profiles import choose_plate_column, read_any_format

    try:
        if kind == "profiles" and path.is_file():
            table = read_any_format(path).rename(columns=lambda name: get_usual_name(str(name)))
            column = next(filter(None, (choose_plate_column(table, plate) for plate in plates)), None)
            return [] if column is None else [str(name) for name in table[column].dropna().unique()]
        if kind == "table":
            return list_plates(get_named_plates(read_columns(path, METADATA_PLATE_COLUMNS)), plates)
        if kind == "index":
            # The index of a single plate serves that plate under any name, as if it did not name it.
            named = {image.plate for image in find_index(path, "").images}
            return sorted(named) if len(named) > 1 else []
    except InputError:  # the step that reads the file reports what is wrong with it
        pass
    return None


def find_nested_folders(plates: Iterable[Start]) -> list[str]:
    """Return the folders of CellProfiler tables inside another plate's, which would be read for both."""
    folders = {place for start, place in plates if start == "cellprofiler"}
    return [
        f"cellprofiler: {place} is inside {outer}, which is another plate's"
        for place in sorted(folders)
        for outer in map(str, Path(place).parents)
        if outer in folders
    ]
