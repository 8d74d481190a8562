"""Look into a folder of images of one or many plates: layout, plates, wells, sites, planes and channels.

The microscope's index is read where there is one, then the metadata of OME-Zarr plates, and else the files'
names.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lib.errors import InputError, join_names, number_of
from lib.folder_patterns import PathPattern, divide_by_folder, find_repeated, guess_pattern_of_paths
from lib.image_changes import walk_folders
from lib.image_formats import CONTAINERS, open_image
from lib.microscope_index import INDEX, find_indexes, get_images_of_plate, read_index
from lib.microscopes.index import Index
from lib.name_patterns import Key
from lib.ome_zarr import OME_ZARR, get_rows_and_columns, list_fields, open_multiscale
from lib.planes import find_sound_image, raise_as_input_error
from lib.plates import make_safe
from lib.wells import get_plate_format, get_well_place

# The endings of image files.
IMAGES = (".tif", ".tiff", ".png", ".stk", ".lsm", *CONTAINERS)
THUMBNAIL = re.compile(r"thumb|overview|preview|\bmap\b", re.IGNORECASE)
# Folders whose names do not name a plate.
GENERAL = re.compile(
    r"^(images?|raw|data|tiffs?|png|timepoint_?\d+|zstep_?\d+|projections?|assays?|exports?|hs)$", re.I
)
# What Harmony adds to the name of a plate's folder.
MEASUREMENT = re.compile(r"__\d{4}-\d{2}-\d{2}T.*$")
# Rows and columns of the plates that most screens use, from which the format of a plate is guessed.
USUAL_FORMATS = ((8, 12), (16, 24), (32, 48))

# Folders, and the names of the files in each.
Listing = Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True)
class Channel:
    """A channel as the files or the index call it: its label for the config, and its name if there is one."""

    label: str
    name: str = ""


@dataclass(frozen=True)
class SurveyedPlate:
    """A plate that was found: its name and folder, its wells, and the rows and columns of its format.

    The format is guessed if neither an index nor other metadata give it. `repeated` has the names of two
    files that are read as one image, if there are such files.
    """

    name: str
    folder: Path
    wells: Sequence[str]
    sites: int
    shape: tuple[int, int]
    is_guessed: bool = False
    repeated: Sequence[str] = ()


@dataclass(frozen=True)
class Survey:
    """What a folder contains.

    Attributes
    ----------
    pattern
        The value of `images.pattern`.
    how
        How the images were found, in words.
    plates, channels
        The plates, and the channels in their order.
    channels_in
        The value of `images.channels_in`.
    planes
        The largest number of planes of a site and channel.
    timepoints
        The time points.
    pixel_size
        Width of a pixel in micrometers, if known.
    ignored
        Names of files that are not images of these plates.
    lost
        Channels that the names of files tell, and the pattern does not read.
    """

    pattern: str
    how: str
    plates: Sequence[SurveyedPlate]
    channels: Sequence[Channel]
    channels_in: str = "names"
    planes: int = 1
    timepoints: Sequence[str] = ()
    pixel_size: float | None = None
    ignored: Sequence[str] = field(default_factory=tuple)
    lost: Sequence[str] = ()


def survey(folder: Path) -> Survey:
    """Look into a folder.

    Raises
    ------
    InputError
        If nothing is recognized, with the names that were seen.
    """
    if not folder.is_dir():
        raise InputError(f"images: the folder {folder} does not exist.")
    listed = list(walk_folders(folder))
    indexes = find_indexes(folder, listed)
    if indexes:
        found = survey_indexes([read_index(*each) for each in indexes])
        return replace(found, ignored=find_ignored(folder, listed, [path for _, path in indexes]))
    zarrs = find_zarrs(folder)
    if zarrs:
        return survey_zarrs(zarrs)
    return survey_names(folder, listed)


def find_ignored(folder: Path, listed: Listing, indexes: Sequence[Path]) -> list[str]:
    """Return the image files that are not below the folder of an index: those of a plate that lacks it."""
    folders = tuple(f"{path.parent}/" for path in indexes)
    return [
        f"{root}/{name}".removeprefix(f"{folder}/")
        for root, names in listed
        if not f"{root}/".startswith(folders)
        for name in sorted(names)
        if name.lower().endswith(IMAGES) and not name.startswith(".")
    ]


def get_plate_name(folder: Path) -> str:
    """Return the name of a plate from its folder: the last name that is not a general word."""
    names = [name for name in reversed(folder.parts) if not GENERAL.match(name)]
    name = MEASUREMENT.sub("", names[0] if names else "plate")
    name = re.sub(r"(\.ome)?\.zarr$", "", name)
    return make_safe(name)


def get_map_name(plate: SurveyedPlate) -> str:
    """Return the name of the plate map of a plate's format."""
    return f"plate_map_{plate.shape[0] * plate.shape[1]}_wells.tsv"


def find_format(wells: Sequence[str], known: tuple[int, int] = (0, 0)) -> tuple[tuple[int, int], bool]:
    """Find the format of a plate.

    Parameters
    ----------
    wells
        The wells with images.
    known
        Rows and columns of the plate as an index or other metadata give them; 0 where they do not.

    Returns
    -------
    (int, int)
        Rows and columns: the known ones, if all wells are within. Otherwise those of the smallest plate that
        is sold, if each of its wells has images, and else those of the smallest of the usual plates (96, 384
        or 1536 wells) with all these wells: a plate of which a part was imaged is more likely one of those.
    bool
        Whether the format is guessed.
    """
    places = [get_well_place(well) for well in wells]
    rows, columns = (max(numbers, default=1) for numbers in zip(*places, strict=True))
    if known[0] >= rows and known[1] >= columns:
        return known, False
    smallest = get_plate_format(wells)
    if len(set(wells)) == smallest[0] * smallest[1]:
        return smallest, True
    usual = (shape for shape in USUAL_FORMATS if shape[0] >= rows and shape[1] >= columns)
    return next(usual, smallest), True


def make_distinct(plates: Sequence[SurveyedPlate]) -> list[SurveyedPlate]:
    """Return the plates with distinct names: a second plate of a name is numbered."""
    seen: Counter[str] = Counter()
    distinct = []
    for plate in plates:
        seen[plate.name] += 1
        name = plate.name if seen[plate.name] == 1 else f"{plate.name}_{seen[plate.name]}"
        distinct.append(replace(plate, name=name))
    return share_guessed_format(distinct)


def share_guessed_format(plates: Sequence[SurveyedPlate]) -> list[SurveyedPlate]:
    """Return the plates with one guessed format, the largest: the plates of a screen are of one kind."""
    largest = max((plate.shape for plate in plates if plate.is_guessed), default=(0, 0))
    return [replace(plate, shape=largest) if plate.is_guessed else plate for plate in plates]


def count_planes(keys: Iterable[tuple[str, ...]]) -> int:
    """Return the largest number of planes of a site and channel; `keys` are those with the plane last."""
    counts = Counter(key[:-1] for key in set(keys))
    return max(counts.values(), default=1)


# --- indexes --------------------------------------------------------------------------------------


def survey_indexes(indexes: Sequence[Index]) -> Survey:
    """Return what the indexes of one or many plates say."""
    plates, channels, planes, times = [], {}, 1, set()
    for index in indexes:
        for name in index.plates:
            images = get_images_of_plate(index, name)
            keys = {(image.well, image.site) for image in images}
            wells = sorted({image.well for image in images})
            sites = max(Counter(well for well, _ in keys).values())
            shape = find_format(wells, index.formats.get(name, (0, 0)))
            folder = index.path if index.kind == "MetaXpress" else index.path.parent
            plates.append(SurveyedPlate(make_safe(name), folder, wells, sites, *shape))
            planes = max(
                planes, count_planes((i.well, i.site, i.channel, i.timepoint, i.plane) for i in images)
            )
            of_plate = {image.timepoint for image in images}
            # Harmony counts from 0 or from 1: plates with one time point each need no choice.
            times |= of_plate if len(of_plate) > 1 else set()
        channels |= {number: name for number, name in index.channels.items() if number not in channels}
    names = Counter(channels.values())
    labels = [Channel(n if names[n] == 1 and n else number, n) for number, n in sorted(channels.items())]
    how = f"the index of {indexes[0].kind} ({join_names(index.path.name for index in indexes[:1])})"
    size = next(filter(None, map(get_pixel_size, indexes)), None)
    return Survey(INDEX, how, make_distinct(plates), labels, "names", planes, sorted(times), size)


def get_pixel_size(index: Index) -> float | None:
    """Return the width of a pixel in micrometers from an index, or else from one of its images."""
    if index.pixel_size or index.kind != "MetaXpress":
        return index.pixel_size
    paths = [index.path.parent / image.file for image in index.images]
    try:
        with open_image(next(filter(Path.is_file, paths), paths[0])) as opened:
            return opened.pixel_size
    except Exception:
        # The check of the images reports what is wrong with it.
        return None


# --- OME-Zarr -------------------------------------------------------------------------------------


def find_zarrs(folder: Path) -> list[Path]:
    """Return the OME-Zarr plates that a folder is or contains."""
    if folder.suffix.lower() == ".zarr":
        return [folder]
    return sorted(
        path for depth in ("*", "*/*", "*/*/*") for path in folder.glob(f"{depth}.zarr") if path.is_dir()
    )


def survey_zarrs(folders: Sequence[Path]) -> Survey:
    """Return what the metadata of OME-Zarr plates say."""
    plates, first = [], None
    for folder in folders:
        fields = list_fields(str(folder))
        wells = sorted({each.well for each in fields})
        sites = max(Counter(each.well for each in fields).values())
        dimensions = get_rows_and_columns(str(folder))
        shape = find_format(wells, dimensions if dimensions in USUAL_FORMATS else (0, 0))
        plates.append(SurveyedPlate(get_plate_name(folder), folder, wells, sites, *shape))
        first = first or folder / fields[0].path
    image = open_multiscale(first)
    axes = image.axes.lower()
    number = image.array.shape[axes.index("c")] if "c" in axes else 1
    names = [*image.channels, *[""] * number][:number]
    channels = [Channel(name or str(at), name) for at, name in enumerate(names, start=1)]
    planes = image.array.shape[axes.index("z")] if "z" in axes else 1
    times = [str(n + 1) for n in range(image.array.shape[axes.index("t")])] if "t" in axes else []
    how = "the metadata of OME-Zarr plates"
    return Survey(
        OME_ZARR,
        how,
        make_distinct(plates),
        channels,
        "names",
        planes,
        times if len(times) > 1 else [],
        image.pixel_size,
    )


# --- file names -----------------------------------------------------------------------------------


def survey_names(folder: Path, listed: Listing) -> Survey:
    """Return what the names of the files in a folder say, and those of the folders in it."""
    files = [Path(root, name) for root, names in listed for name in sorted(names) if not name.startswith(".")]
    images = {
        path: str(path.relative_to(folder))
        for path in files
        if path.suffix.lower() in IMAGES and not THUMBNAIL.search(path.name)
    }
    found = guess_pattern_of_paths(list(images.values())) if images else None
    if found is None:
        raise InputError(describe_unknown_names(folder, images or files))
    keys = {path: found.keys[below] for path, below in images.items() if below in found.keys}
    known = list(keys)
    plates = make_distinct(divide_into_plates(folder, keys, found))
    first, channels_in = find_sound_image(known), "names"
    with raise_as_input_error(first), open_image(first) as opened:
        planes, pixel_size = opened.sizes["Z"], opened.pixel_size
        channels = [Channel(label) for label in found.channels if label]
        if not channels and (opened.sizes["C"] > 1 or first.suffix.lower() in CONTAINERS):
            channels_in = "files"
            names = [*opened.channels, *[""] * opened.sizes["C"]][: opened.sizes["C"]]
            channels = [Channel(name or str(at), name) for at, name in enumerate(names, start=1)]
        times = [str(n + 1) for n in range(opened.sizes["T"])] if opened.sizes["T"] > 1 else []
    above = found.folders
    planes = max(planes, count_planes((str(p.parents[above]), *k[:3], *k[4:], k[3]) for p, k in keys.items()))
    times = times or sorted({key[4] for key in keys.values()} - {""})
    return Survey(
        found.pattern,
        f"the names of {len(known):,} files, such as {first.name}",
        plates,
        channels or [Channel("1")],
        channels_in,
        planes,
        times if len(times) > 1 else [],
        pixel_size,
        [path.name for path in files if path not in keys],
        found.lost,
    )


def describe_unknown_names(folder: Path, files: Iterable[Path]) -> str:
    """Return the message about a folder whose images name no well."""
    names = [path.name for path in files]
    images = sum(name.lower().endswith(IMAGES) for name in names)
    seen = join_names(names[:8]) or "no file"
    if names and not images:
        return (
            f"{folder}: none of its {number_of(len(names), 'file')} is an image that can be read ({seen}). "
            f"Export the images as TIFF; the files that are read end with {join_names(IMAGES)}."
        )
    return (
        f"{folder}: the names of its {images:,} image files were not recognized ({seen}). A name, or that of "
        "the file's folder, has to tell the well, as in A01 or r01c01. Write images.pattern yourself, a "
        "regular expression with the groups `well`, `site` and `channel`; if positions have only numbers, "
        "write a table of the images with Metadata_Well and Metadata_Site. config/README.md describes both."
    )


def divide_into_plates(folder: Path, keys: Mapping[Path, Key], found: PathPattern) -> list[SurveyedPlate]:
    """Return the plates in a folder: by the name of the plate in the files' names, or by their folders.

    Parameters
    ----------
    folder
        The folder.
    keys
        What each image file is.
    found
        How the files are named.
    """
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path, key in keys.items():
        by_name[key[0]].append(path)
    if set(by_name) != {""}:
        return [
            describe_plate(make_safe(name), folder, paths, keys) for name, paths in sorted(by_name.items())
        ]
    divided = divide_by_folder(folder, list(keys), keys, found.folders)
    return [
        describe_plate(get_plate_name(place), place, paths, keys) for place, paths in sorted(divided.items())
    ]


def describe_plate(name: str, folder: Path, files: Sequence[Path], keys: Mapping[Path, Key]) -> SurveyedPlate:
    """Return a plate of files.

    Parameters
    ----------
    name
        The plate's name.
    folder
        The folder of the plate's images.
    files
        The files of the plate's images.
    keys
        What each image file is: with its well and site.
    """
    sites = {keys[path][1:3] for path in files}
    wells = sorted({well for well, _ in sites})
    most = max(Counter(well for well, _ in sites).values())
    return SurveyedPlate(name, folder, wells, most, *find_format(wells), find_repeated(files, keys))
