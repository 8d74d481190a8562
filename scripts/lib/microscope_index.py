"""Find the index file that a microscope writes beside a plate's images, and the images that it lists.

The files of Harmony (Opera Phenix, Operetta), MetaXpress (ImageXpress) and CellVoyager (Yokogawa) are read by
the modules of `lib.microscopes`.
"""

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from urllib.parse import unquote

from lib.errors import InputError, join_names
from lib.image_changes import walk_folders
from lib.image_files import TIFF
from lib.microscopes.cellvoyager import FILE as CELLVOYAGER
from lib.microscopes.cellvoyager import read_cellvoyager
from lib.microscopes.harmony import FILE as HARMONY
from lib.microscopes.harmony import read_harmony
from lib.microscopes.index import Index, IndexImage
from lib.microscopes.metaxpress import FILE as METAXPRESS
from lib.microscopes.metaxpress import FOLDERS as FOLDER_OF_IMAGES
from lib.microscopes.metaxpress import read_metaxpress
from lib.plates import find_name

# The value of `images.pattern` with which images are found by the microscope's index.
INDEX = "index"


class Vendor(NamedTuple):
    """How the index files of one kind are recognized by name, and read."""

    pattern: re.Pattern
    read: Callable[[Path], Index]


KINDS = {
    "Harmony": Vendor(HARMONY, read_harmony),
    "MetaXpress": Vendor(METAXPRESS, read_metaxpress),
    "CellVoyager": Vendor(CELLVOYAGER, read_cellvoyager),
}


def find_indexes(folder: Path, listed: Iterable[tuple[str, Sequence[str]]] = ()) -> list[tuple[str, Path]]:
    """Find the index files in a folder and its subfolders: the kind and path of each.

    Of two Harmony indexes in one folder, `Index.xml` (the newer kind) is taken. MetaXpress copies a plate's
    index into the folder of each time point and plane: the one above these folders is taken.

    Parameters
    ----------
    folder
        The folder.
    listed
        Its subfolders with the names of their files, if they were listed before.
    """
    found: dict[Path, tuple[str, Path]] = {}
    for root, names in listed or walk_folders(folder):
        for name in sorted(names):
            kind = next((kind for kind, (pattern, _) in KINDS.items() if pattern.search(name)), None)
            if kind and not name.startswith("."):
                place = Path(root) if kind != "MetaXpress" else Path(root, name)
                found[place] = (kind, Path(root, name))
    return [found[place] for place in sorted(found) if not is_a_copy(place, found)]


def is_a_copy(place: Path, found: Collection[Path]) -> bool:
    """Return whether an index lies in a time point's or a plane's folder of ImageXpress, below its original.

    Parameters
    ----------
    place
        The path of an index of MetaXpress, or the folder of another index.
    found
        The places of all indexes.
    """
    folder = place.parent
    while FOLDER_OF_IMAGES.fullmatch(folder.name):
        folder = folder.parent
        if folder / place.name in found:
            return True
    return False


def find_index(folder: Path, plate: str) -> Index:
    """Read the one index of a plate's folder.

    Raises
    ------
    InputError
        If there is no index, or if there are several (measurements of one plate, or several plates).
    """
    if folder.is_file():
        paths = [(kind, folder) for kind, (pattern, _) in KINDS.items() if pattern.search(folder.name)]
    elif folder.is_dir():
        paths = find_indexes(folder)
    else:
        raise InputError(f"Plate {plate}: the images folder {folder} does not exist.")
    if not paths:
        raise InputError(
            f"Plate {plate}: {folder} has no index of a microscope (Index.idx.xml or Index.xml of Harmony, "
            "ImageIndex.ColumbusIDX.xml of Columbus, .HTD of MetaXpress, MeasurementData.mlf of "
            "CellVoyager). Copy it there, or set images.pattern to how the files are named."
        )
    if len(paths) > 1:
        raise InputError(
            f"Plate {plate}: {folder} has {len(paths)} indexes of a microscope: "
            f"{join_names((path.relative_to(folder) for _, path in paths), 5)}. Name the folder of one "
            "measurement of the plate in the sample sheet."
        )
    return read_index(*paths[0])


def read_index(kind: str, path: Path) -> Index:
    """Read an index file.

    Raises
    ------
    InputError
        Naming the file and what is wrong with it.
    """
    try:
        return KINDS[kind].read(path)
    except ET.ParseError as error:
        raise InputError(f"{path} is not valid XML ({error}): copy the file again.") from error
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as an index of {kind} ({type(error).__name__}: {error})."
        ) from error


def get_images_of_plate(index: Index, plate: str) -> list[IndexImage]:
    """Return the images of one plate of an index; those of its only plate, whatever its name.

    Raises
    ------
    InputError
        If the index has several plates, and none of this name.
    """
    names = list(dict.fromkeys(image.plate for image in index.images))
    meant = find_name(plate, names)
    if len(names) > 1 and len(meant) != 1:
        raise InputError(
            f"{index.path} has no plate {plate}; it has {join_names(names, 5)}. Give the sample sheet's "
            "plate one of these names (with underscores for blanks and other characters)."
        )
    return [image for image in index.images if image.plate == meant[0]] if len(names) > 1 else index.images


def match_channels(images: Iterable[IndexImage], channels: Mapping[str, str], path: Path) -> dict[str, str]:
    """Match the channels of an assay with those of an index.

    Parameters
    ----------
    images
        The images of the plate.
    channels
        Names of the assay's channels by what the config says in `image`: a name in the index (capitals and
        blanks do not count), or a number.
    path
        The index, for messages.

    Returns
    -------
    dict
        The assay's channel by the number in the index; channels that the assay does not have are left out.

    Raises
    ------
    InputError
        Naming the channels of the assay that the index does not have, and those that it has.
    """
    # By number, the names of each channel (one, mostly) and the first image with this name.
    there: dict[str, dict[str, IndexImage]] = defaultdict(dict)
    for image in images:
        there[image.channel].setdefault(image.name, image)

    def short(name: str) -> str:
        return re.sub(r"\s+", "", unicodedata.normalize("NFKC", name)).casefold()

    matched, unknown = {}, []
    for image, channel in channels.items():
        alike = [number for number, names in there.items() if image in names]
        alike = alike or [
            number
            for number, names in there.items()
            if any(name and short(name) == short(image) for name in names)
        ]
        alike = alike or [
            number for number in there if number == image or number.lstrip("0") == image.lstrip("0")
        ]
        if len(alike) == 1:
            (number,) = alike
            refuse_several_names(number, there[number], path)
            if number in matched:
                raise InputError(
                    f"{path}: the channels {matched[number]} and {channel} of the config are both channel "
                    f"{number} ({join_names(there[number])}): correct `image` in assay.channels."
                )
            matched[number] = channel
        elif alike:
            unknown.append(f"`{image}` ({channel}; {len(alike)} channels have this name, so give its number)")
        else:
            unknown.append(f"`{image}` ({channel})")
    if unknown:
        has = join_names(
            f"{number} ({join_names(filter(None, names))})" if any(names) else number
            for number, names in there.items()
        )
        raise InputError(
            f"{path} does not have the channel {join_names(unknown)}. It has the channels {has}; write one "
            "of these numbers or names as `image` of the channel in the config."
        )
    return matched


def refuse_several_names(number: str, names: Mapping[str, IndexImage], path: Path) -> None:
    """Stop if a channel of an index has several names.

    Parameters
    ----------
    number
        The channel's number in the index.
    names
        An image by each of its names.
    path
        The index, for the message.
    """
    if len(names) == 1:
        return
    name, (other, image) = next(iter(names)), list(names.items())[1]
    raise InputError(
        f"{path}: channel {number} is called {name} in some images and {other} in others (well {image.well}, "
        f"site {image.site}), so that it is not one channel. Measure these wells as different plates, or set "
        "images.pattern to how the files are named, if the files tell the channels apart."
    )


def find_files(index: Index, images: Iterable[IndexImage]) -> dict[str, Path]:
    """Return the path of each file that an index names: below its folder, or in any of its subfolders.

    There, capitals do not count, nor does the ending if no file has the whole name (of a plate that was
    compressed as PNG). A file that is nowhere, or in several folders, has the path that the index gives.
    """
    folder = index.path.parent
    everywhere: dict[str, list[Path]] | None = None
    stems: dict[str, list[Path]] = defaultdict(list)
    found = {}
    for name in dict.fromkeys(image.file for image in images if image.file):
        path_in_index = PureWindowsPath(name) if "\\" in name else PurePosixPath(name)
        below = [part for part in path_in_index.parts if part not in ("..", path_in_index.anchor)]
        path = folder.joinpath(*below)
        if not path.is_file():
            if everywhere is None:
                everywhere = defaultdict(list)
                for root, names in walk_folders(folder):
                    for other in names:
                        everywhere[other.casefold()].append(Path(root, other))
                        if PurePosixPath(other).suffix.lower() in TIFF | {".png"}:
                            stems[PurePosixPath(other).stem.casefold()].append(Path(root, other))
            # An address has %20 for a blank.
            for other in (path_in_index, PurePosixPath(unquote(path_in_index.name))):
                others = everywhere.get(other.name.casefold(), []) or stems.get(other.stem.casefold(), [])
                if others:
                    path = others[0] if len(others) == 1 else path
                    break
        found[name] = path
    return found
