"""Find a plate's images where their file names do not say everything.

The microscope's index, the metadata of an OME-Zarr plate, or files with several channels say which images
there are. Planes and scenes become one reference per site and channel (`lib.image_references`).
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lib.errors import InputError, join_names
from lib.image_checks import Fault, Found, StoredImage
from lib.image_files import COMPRESSED
from lib.image_formats import CONTAINERS, open_image
from lib.image_references import PROJECTIONS, read_reference, write_reference
from lib.microscope_index import find_files, find_index, get_images_of_plate, match_channels
from lib.microscopes.index import IndexImage
from lib.object_storage import resolve_address
from lib.ome_zarr import list_fields

# What an index says about an image that is written to the image table.
FIELDS = (
    *("Row", "Col", "FieldID", "PlaneID", "ChannelID", "ChannelName"),
    *(
        "ImageResolutionX",
        "ImageResolutionY",
        "ImageSizeX",
        "ImageSizeY",
        "BinningX",
        "BinningY",
        "MaxIntensity",
    ),
    *("PositionX", "PositionY", "PositionZ", "AbsPositionZ", "AbsTime"),
    *("MainExcitationWavelength", "MainEmissionWavelength", "ObjectiveMagnification", "ObjectiveNA"),
    *("ExposureTime", "X", "Y", "Z", "HorizontalPixelDimension", "VerticalPixelDimension", "InputBitDepth"),
)

# Files whose headers are read at once.
THREADS = 4


@dataclass(frozen=True)
class Reading:
    """How images are read from files: the keys of `images` and of the channels in the config.

    Attributes
    ----------
    project
        How the planes of a stack become one image: one of `PROJECTIONS`, a plane's number, or None.
    timepoint
        The time point that is measured; None if there is one.
    channels_in
        Whether the `names` of files tell the channel, or `files` hold several.
    scales
        Factor by which the images of a channel are resized, by the channel's name.
    decoding
        Whether Snakemake's Python decodes what CellProfiler cannot; in its container, it does not.
    """

    project: str | int | None = None
    timepoint: int | None = None
    channels_in: str = "names"
    scales: Mapping[str, float] = field(default_factory=dict)
    decoding: bool = True

    @property
    def is_plain(self) -> bool:
        """Return whether each image is a file with one plane, as in stock CellProfiler."""
        resized = any(factor != 1 for factor in self.scales.values())
        return self.project is None and self.channels_in == "names" and not resized


def join(path: Path | StoredImage, name: str) -> Path | StoredImage:
    """Return the path of another name in the folder of an image."""
    return path._replace(name=name) if isinstance(path, StoredImage) else path.with_name(name)


# --- an index ------------------------------------------------------------------------------------


def find_in_index(folder: Path | str, channels: Mapping[str, str], plate: str) -> list[Found]:
    """Find the images of a plate in the index that the microscope wrote.

    Parameters
    ----------
    folder
        The plate's folder, with the index anywhere in it.
    channels
        Names of the assay's channels by the index's name or number.
    plate
        The plate's name.

    Raises
    ------
    InputError
        If there is not one index, or it lacks the plate or a channel.
    """
    if isinstance(folder, str):
        raise InputError(
            f"Plate {plate}: images.pattern is `index`, and {folder} is in object storage, where an index is "
            f"not read. "
            "Copy the plate, or set images.pattern to how the files are named."
        )
    index = find_index(folder, plate)
    images = get_images_of_plate(index, plate)
    numbers = match_channels(images, channels, index.path)
    images = [image for image in images if image.channel in numbers]
    files = find_files(index, images)
    failed = [image for image in images if not image.file]
    if failed:
        logging.warning("%s: %d images failed, according to the index", index.path, len(failed))
    found = [
        convert_index_image(image, numbers[image.channel], files[image.file])
        for image in images
        if image.file
    ]
    logging.info("%s (%s): %d images", index.path, index.kind, len(found))
    return found


def convert_index_image(image: IndexImage, channel: str, path: Path) -> Found:
    """Return an image of an index as a found one."""
    fields = tuple((name, image.fields[name]) for name in FIELDS if name in image.fields)
    path = join(path, write_reference([path.name], pages=image.page))
    return Found(image.well, image.site, channel, path, image.plane, image.timepoint, fields)


def get_index_columns(found: Iterable[Found], table: pd.DataFrame) -> dict[str, list[str]]:
    """Return what an index says about the images of each site, as columns of the image table.

    What all channels of each site share is one column (`Metadata_Row`); else there is one per channel
    (`Metadata_ExposureTime_OrigDNA`).
    """
    fields = {(image.well, image.site, image.channel): dict(image.fields) for image in found}
    sites = list(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True))
    channels = [name.removeprefix("FileName_Orig") for name in table if name.startswith("FileName_Orig")]
    columns: dict[str, list[str]] = {}
    for name in FIELDS:
        values = {
            channel: [fields.get((*site, channel), {}).get(name, "") for site in sites]
            for channel in channels
        }
        if not any(any(of_channel) for of_channel in values.values()):
            continue
        first = values[channels[0]]
        if all(of_channel == first for of_channel in values.values()):
            columns[f"Metadata_{name}"] = first
        else:
            columns |= {f"Metadata_{name}_Orig{channel}": values[channel] for channel in channels}
    return columns


# --- OME-Zarr ------------------------------------------------------------------------------------


def find_in_zarr(folder: Path | str, channels: Mapping[str, str], plate: str) -> list[Found]:
    """Find the images of an OME-Zarr plate: each field of each well has all channels.

    Parameters
    ----------
    folder
        The plate's Zarr folder, a folder that contains it, or its s3:// address.
    channels
        Names of the assay's channels by the plate's name or the number (from 1) of a channel.
    plate
        The plate's name.
    """
    place = (
        resolve_address(folder).rstrip("/")
        if isinstance(folder, str)
        else str(get_zarr_folder(folder, plate))
    )
    fields = list_fields(place)
    logging.info("%s: %d fields", place, len(fields))
    found = []
    for each in fields:
        within, _, last = f"{place}/{each.path}".rpartition("/")
        for image, channel in channels.items():
            name = write_reference([last], channel=image)
            path = StoredImage(within, name, 1) if isinstance(folder, str) else Path(within, name)
            found.append(Found(each.well, each.site, channel, path))
    return found


def get_zarr_folder(folder: Path, plate: str) -> Path:
    """Return the one OME-Zarr plate that is a folder, or in a folder.

    Raises
    ------
    InputError
        If there is none, or more than one.
    """
    if not folder.is_dir():
        raise InputError(f"Plate {plate}: the images folder {folder} does not exist.")
    if any((folder / name).is_file() for name in (".zgroup", "zarr.json")):
        return folder
    inside = sorted(path for path in folder.glob("*.zarr") if path.is_dir())
    if len(inside) != 1:
        raise InputError(
            f"Plate {plate}: {folder} contains {len(inside)} OME-Zarr plates"
            f" ({join_names(path.name for path in inside) or 'no folder *.zarr'}); name one in the "
            "sample sheet."
        )
    return inside[0]


# --- files with several channels -------------------------------------------------------------------


def divide_files(found: Sequence[Found], channels: Mapping[str, str]) -> list[Found]:
    """Return an image per channel and scene of files that hold several.

    Parameters
    ----------
    found
        The files, one entry for each.
    channels
        Names of the assay's channels by their name or number (from 1) in the files.
    """

    def list_scenes(image: Found) -> list[str]:
        if not isinstance(image.path, Path) or image.path.suffix.lower() not in (
            *CONTAINERS,
            ".tif",
            ".tiff",
        ):
            return [""]
        try:
            with open_image(image.path, "C") as opened:
                return list(opened.scenes)
        except Exception:
            # The file's check, which opens it as well, reports what is wrong with it.
            return [""]

    with ThreadPoolExecutor(THREADS) as pool:
        scenes = list(pool.map(list_scenes, found))
    divided = []
    for image, names in zip(found, scenes, strict=True):
        for number in range(1, len(names) + 1):
            several = len(names) > 1
            site = (f"{image.site}-{number}" if image.site != "1" else str(number)) if several else image.site
            for label, channel in channels.items():
                name = write_reference([image.path.name], channel=label, scene=number if several else None)
                divided.append(image._replace(site=site, channel=channel, path=join(image.path, name)))
    return divided


# --- planes --------------------------------------------------------------------------------------


def combine_planes(found: Sequence[Found], reading: Reading) -> tuple[list[Found], list[Fault]]:
    """Return one image per site and channel, and the sites that lack planes which others have.

    Raises
    ------
    InputError
        If the images are of several time points and the config chooses none, or one that there is not.
    """
    found = choose_timepoint(found, reading.timepoint)
    groups: dict[tuple[str, str, str], list[Found]] = defaultdict(list)
    for image in found:
        groups[image.well, image.site, image.channel].append(image)
    depths: dict[str, Counter[int]] = defaultdict(Counter)
    for (_, _, channel), images in groups.items():
        depths[channel][len(images)] += 1
    how, combined, faults = reading.project, [], []
    for (well, site, channel), images in groups.items():
        in_files = any(image.plane for image in images)
        if how is None or not in_files or len({image.plane for image in images}) < len(images):
            # Not planes: find_site_faults reports several images of a channel.
            combined += [add_options(image, reading) for image in images]
        elif how in PROJECTIONS:
            usual = depths[channel].most_common(1)[0][0]
            if len(images) != usual:
                what = f"has {len(images)} planes of {channel}; most sites have {usual}"
                faults.append(Fault(well, site, what, channel))
            combined.append(add_options(stack(images), reading))
        else:
            chosen = [image for image in images if parse_plane_number(image.plane) == int(how)]
            if not chosen:
                planes = join_names(sorted(image.plane for image in images))
                faults.append(Fault(well, site, f"has no plane {how} of {channel}; it has {planes}", channel))
                chosen = images[:1]
            combined += [add_options(image, reading, is_chosen=True) for image in chosen]
    return combined, faults


def parse_plane_number(plane: str) -> int | None:
    """Return a plane's number; None for a name."""
    return int(plane) if plane.isdecimal() else None


def choose_timepoint(found: Sequence[Found], timepoint: int | None) -> list[Found]:
    """Return the images of one time point.

    Raises
    ------
    InputError
        If there are several and none is chosen, or the chosen one is not there.
    """
    there = sorted({image.timepoint for image in found}, key=lambda name: (len(name), name))
    if timepoint is not None and there != [""]:
        chosen = [image for image in found if parse_plane_number(image.timepoint) == timepoint]
        if not chosen:
            raise InputError(
                f"images.timepoint is {timepoint}; the images are of the time points {join_names(there)}."
            )
        return chosen
    if len(there) > 1:
        raise InputError(
            f"The images are of {len(there)} time points, {join_names(there)}: set images.timepoint in the "
            "config to one of them. To measure several, list each as a separate plate in the sample sheet, "
            "with images in a folder of its own."
        )
    return list(found)


def stack(images: Sequence[Found]) -> Found:
    """Return one image of the planes of a site and channel, in their order; `fields` are what they share.

    Raises
    ------
    InputError
        If the planes are in several folders of object storage.
    """
    images = sorted(images, key=lambda image: (parse_plane_number(image.plane) or 0, image.plane))
    first = images[0]
    fields = tuple(pair for pair in first.fields if all(pair in image.fields for image in images))
    if isinstance(first.path, StoredImage):
        if len({image.path.folder for image in images}) > 1:
            raise InputError(
                f"{first.path}: the planes of a site are in several folders of object storage, from which no "
                f"stack is "
                "read. Copy the plate."
            )
        names = [image.path.name for image in images]
        return first._replace(path=first.path._replace(name=write_reference(names)), fields=fields)
    folder = first.path.parent
    while not all(folder in image.path.parents for image in images):
        folder = folder.parent
    parts = [read_reference(image.path.name) for image in images]
    names = [
        join(image.path, files[0]).relative_to(folder).as_posix()
        for image, (files, _) in zip(images, parts, strict=True)
    ]
    pages = [options.get("pages", "") for _, options in parts]
    name = write_reference(names, pages=",".join(pages) if any(pages) else None)
    return first._replace(path=folder / name, fields=fields)


def add_options(image: Found, reading: Reading, is_chosen: bool = False) -> Found:
    """Return an image with the reference to how it is read; a plane that `is_chosen` is not projected."""
    files, options = read_reference(image.path.name)
    factor = reading.scales.get(image.channel, 1)
    more = {
        "project": None if is_chosen else reading.project,
        "timepoint": None if image.timepoint else reading.timepoint,
        "scale": None if factor == 1 else f"{factor:g}",
    }
    more = {key: value for key, value in more.items() if value is not None}
    return image._replace(path=join(image.path, write_reference(files, **{**options, **more})))


def decode_compressed(found: Sequence[Found], faults: Sequence[Fault]) -> list[Found]:
    """Return the images, of which those that CellProfiler cannot decode are read by Snakemake's Python."""
    compressed = {fault.image for fault in faults if fault.what.startswith(COMPRESSED)}

    def decoded(image: Found) -> Found:
        if not isinstance(image.path, Path) or str(image.path) not in compressed:
            return image
        return image._replace(path=join(image.path, write_reference([image.path.name], project="1")))

    return [decoded(image) for image in found]
