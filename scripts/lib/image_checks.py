"""Check the images of a plate, as far as possible before anything is measured.

Each image's header is read, and the pixels of those whose type is ambiguous. A fault that all images of a
channel share is reported once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from lib.errors import InputError, join_names
from lib.image_changes import digest_of_file
from lib.image_files import (
    PLAIN_TYPES,
    describe_values_problem,
    properties,
    read_plane_and_scale,
    remove_numbers,
)
from lib.image_references import PARTS, get_first_file, read_reference

# An object this many times larger or smaller than most of its channel does not hold a similar image.
FAR_OFF = 10
# Images of a channel in object storage that are fetched and checked before anything is measured.
FETCHED = 3


class StoredImage(NamedTuple):
    """An image in object storage: its folder (s3://bucket/folder), name, size there (if any) and tag."""

    folder: str
    name: str
    size: int | None
    tag: str = ""

    def __str__(self) -> str:
        return f"{self.folder}/{self.name}"


class Found(NamedTuple):
    """One image file and the information in its name.

    `plane` and `timepoint` are empty if a site has one; `fields` is what the microscope's index says.
    """

    well: str
    site: str
    channel: str
    path: Path | StoredImage
    plane: str = ""
    timepoint: str = ""
    fields: tuple[tuple[str, str], ...] = ()


class Fault(NamedTuple):
    """Why a site cannot be used; `image` is the faulty file, `channel` its channel."""

    well: str
    site: str
    what: str
    channel: str = ""
    image: str = ""

    @property
    def reason(self) -> str:
        """Return the fault as text."""
        return f"{self.image} {self.what}".strip()


def get_location_of_image(image: Found) -> Path | str:
    """Return where an image is read from: its path, or its address."""
    return image.path if isinstance(image.path, Path) else str(image.path)


def sample_stored(found: Sequence[Found], number: int = FETCHED) -> list[Found]:
    """Return a few images in object storage of each channel, from the whole plate, which are fetched."""
    channels: dict[str, list[Found]] = defaultdict(list)
    for image in found:
        if isinstance(image.path, StoredImage) and image.path.size:
            channels[image.channel].append(image)
    return [
        images[at]
        for images in channels.values()
        for at in np.unique(np.linspace(0, len(images) - 1, number).astype(int))
    ]


def make_fault(image: Found, what: str) -> Fault:
    """Return the fault of an image."""
    return Fault(image.well, image.site, what, image.channel, str(image.path))


# --- headers --------------------------------------------------------------------------------------


def find_file_faults(
    found: Sequence[Found], threads: int, maximum: float | None, decode: bool
) -> list[Fault]:
    """Find faults of files: those that the listing of an object storage shows, and `find_image_faults`.

    Parameters
    ----------
    found
        The images of the plate.
    threads
        How many files are read at once.
    maximum
        The config's `images.maximum`: the value that stands for 1; None for the file type's largest.
    decode
        Whether the pixels of every image are read.
    """
    of_listing = find_stored_faults(found)
    bad = {fault.image for fault in of_listing}
    to_read = [image for image in found if str(image.path) not in bad]
    return of_listing + find_image_faults(to_read, threads, maximum, decode)


def find_image_faults(
    found: Sequence[Found], threads: int, maximum: float | None, decode: bool
) -> list[Fault]:
    """Find images that do not open, differ from most in size or type, or are not intensities.

    Parameters
    ----------
    found
        The images of the plate; of those in object storage, a few.
    threads
        How many files are read at once.
    maximum
        The config's `images.maximum`: the value that stands for 1; None for the file type's largest.
    decode
        Whether the pixels of every image are read, and not only those with an ambiguous header.
    """
    every, stored = found, sample_stored(found)
    found = [*(image for image in found if isinstance(image.path, Path)), *stored]
    with ThreadPoolExecutor(threads) as pool:
        read = list(pool.map(properties, [get_location_of_image(image) for image in found]))
        sizes = Counter(value[0] for value in read if not isinstance(value, str)).most_common(1)
        # Each channel has its own camera: types may differ between channels.
        types: dict[str, Counter[str]] = defaultdict(Counter)
        of_channel: dict[str, set[tuple[int, int]]] = defaultdict(set)  # the sizes of a channel
        for image, value in zip(found, read, strict=True):
            if not isinstance(value, str):
                types[image.channel][value[1]] += 1
                of_channel[image.channel].add(value[0])
        faults, sound = [], []
        for image, value in zip(found, read, strict=True):
            if isinstance(value, str):
                faults.append(make_fault(image, value))
                continue
            (shape, kind), usual = value, types[image.channel].most_common(1)[0][0]
            if shape != sizes[0][0]:
                remedy = suggest_scale(shape, sizes[0][0]) if of_channel[image.channel] == {shape} else ""
                what = f"is {shape} {kind}; the plate's images are {sizes[0][0]} {usual}{remedy}"
                faults.append(make_fault(image, what))
            elif kind != usual:
                faults.append(
                    make_fault(image, f"is {shape} {kind}; the plate's images of {image.channel} are {usual}")
                )
            elif decode or maximum is not None or kind not in PLAIN_TYPES:
                sound.append((image, kind))
        problems = pool.map(
            lambda each: find_values_problem(get_location_of_image(each[0]), each[1], maximum), sound
        )
        faults += [
            make_fault(image, problem) for (image, _), problem in zip(sound, problems, strict=True) if problem
        ]
    return faults + find_shared_faults(faults, stored, every)


def suggest_scale(shape: tuple[int, int], usual: tuple[int, int]) -> str:
    """Return, for a message, by which factor a channel's images become as large as the others.

    Parameters
    ----------
    shape
        Rows and columns of all images of the channel.
    usual
        Rows and columns of the other channels' images.

    Returns
    -------
    str
        "" if rows and columns would need different factors: then these are not images of one area.
    """
    factor = usual[0] / shape[0]
    if tuple(round(length * factor) for length in shape) != usual:
        return ""
    remedy = f"set scale: {factor:g} for the channel in assay.channels"
    return f" (if its camera has more or fewer pixels, {remedy})"


def find_shared_faults(
    faults: Sequence[Fault], fetched: Sequence[Found], found: Sequence[Found]
) -> list[Fault]:
    """Return the faults of images in object storage that were not fetched, like those of the fetched ones.

    A fault of one kind in all fetched images of a channel is taken to be in every image of the channel.

    Parameters
    ----------
    faults
        The faults that were found.
    fetched
        The images in object storage that were fetched.
    found
        All images of the plate.
    """
    shared = []
    for channel in dict.fromkeys(image.channel for image in fetched):
        names = {str(image.path) for image in fetched if image.channel == channel}
        whats = [fault.what for fault in faults if fault.image in names]
        if len(whats) == len(names) and len(set(map(remove_numbers, whats))) == 1:
            shared += [
                make_fault(image, whats[0])
                for image in found
                if image.channel == channel and isinstance(image.path, StoredImage)
                if str(image.path) not in names
            ]
    return shared


def find_values_problem(path: Path | str, kind: str, maximum: float | None) -> str | None:
    """Return why an image's pixels cannot be read or are not intensities; None if they are."""
    try:
        pixels, _ = read_plane_and_scale(path)
    except InputError as error:
        return "is corrupt: its pixels cannot be decoded" + str(error).partition("as an image")[2].rstrip(".")
    return describe_values_problem(pixels, kind, maximum)


def find_stored_faults(found: Sequence[Found]) -> list[Fault]:
    """Find images in object storage that are missing, empty, or far larger or smaller than most."""
    stored = [image for image in found if isinstance(image.path, StoredImage)]
    sizes = defaultdict(list)
    for image in stored:
        sizes[image.channel].append(image.path.size or 0)
    usual = {channel: median(every) for channel, every in sizes.items()}
    faults = []
    for image in stored:
        size, most = image.path.size, usual[image.channel]
        if size is None:
            what = "does not exist"
        elif size == 0:
            what = "is empty (0 bytes)"
        elif not most / FAR_OFF <= size <= most * FAR_OFF:
            what = f"has {size} bytes; half of the plate's images of {image.channel} have {most:.0f} or more"
        else:
            continue
        faults.append(make_fault(image, what))
    return faults


def lacks(channel: str) -> str:
    """Return the fault of a site without an image of a channel."""
    return f"has no image of channel {channel}"


def find_site_faults(found: Sequence[Found], channels: Iterable[str]) -> list[Fault]:
    """Find sites that lack a channel or have two images of one."""
    by_site: dict[tuple[str, str], dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for image in found:
        by_site[image.well, image.site][image.channel].append(image.path)
    faults = []
    for (well, site), images in by_site.items():
        for channel in channels:
            paths = images.get(channel, [])
            if not paths:
                faults.append(Fault(well, site, lacks(channel), channel))
            elif len(paths) > 1:
                names = [path.name for path in paths]
                names = names if len(set(names)) == len(names) else paths
                what = f"has {len(paths)} images of {channel}: {join_names(names, 4)}"
                faults.append(Fault(well, site, what, channel))
    return faults


# --- duplicate images-----------------------------------------------------------------------------


def find_repeated_faults(found: Sequence[Found], threads: int) -> list[Fault]:
    """Find images that two channels, or two wells, share: one file, or two files with the same bytes.

    Only files of one size are compared, and only those whose first and last bytes are the same are read
    completely. Two sites of one well may have the same bytes, as may images of one value (black ones).
    """
    by_file: dict[str, list[Found]] = defaultdict(list)
    for image in found:
        by_file[str(image.path)].append(image)
    faults = [
        make_fault(image, f"is also the image of {place(next(o for o in same if o != image), image)}")
        for same in by_file.values()
        if len(set(same)) > 1
        for image in dict.fromkeys(same)
    ]
    single = [same[0] for same in by_file.values()]
    groups = group_by_part([image for image in single if isinstance(image.path, Path)])
    stored = group_by_part([image for image in single if isinstance(image.path, StoredImage)])
    with ThreadPoolExecutor(threads) as pool:
        # The channels and scenes of a file share what is read of it.
        for key in map(cache, (get_size, read_ends, digest_of_file)):
            groups = [smaller for group in groups for smaller in find_groups_by(group, key, pool)]
        groups += [same for part in stored for same in find_groups_by(part, get_tag, pool)]
    for group in groups:
        several = len({(image.well, image.channel) for image in group}) > 1
        if not several or has_one_value(get_location_of_image(group[0])):
            continue
        for image in group:
            other = next(o for o in group if (o.well, o.channel) != (image.well, image.channel))
            faults.append(
                make_fault(
                    image, f"has the same bytes as {other.path.name}, the image of {place(other, image)}"
                )
            )
    return faults


def group_by_part(images: Sequence[Found]) -> list[list[Found]]:
    """Return the images by which part of a file they are: only the same channel of two files can be equal."""
    groups = defaultdict(list)
    for image in images:
        options = read_reference(image.path.name)[1]
        groups[tuple(options.get(key) for key in PARTS)].append(image)
    return list(groups.values())


def place(image: Found, seen_from: Found) -> str:
    """Return where an image belongs, as text, relative to another image."""
    if (image.well, image.site) == (seen_from.well, seen_from.site):
        return f"channel {image.channel} of the same site"
    return f"well {image.well}, site {image.site}, channel {image.channel}"


def find_groups_by(images: Sequence[Found], key: Any, pool: ThreadPoolExecutor) -> list[list[Found]]:
    """Return the groups of two or more images with the same key; None is not a key."""
    groups = defaultdict(list)
    for image, value in zip(
        images, pool.map(lambda image: key(get_first_file(image.path)), images), strict=True
    ):
        if value is not None:
            groups[value].append(image)
    return [group for group in groups.values() if len(group) > 1]


def get_tag(image: StoredImage) -> tuple[int, str] | None:
    """Return size and tag of an image in object storage; None if they do not identify its content."""
    return (image.size, image.tag) if image.size and image.tag else None


def get_size(path: Path) -> int | None:
    """Return the size of a file in bytes; None if it does not exist."""
    try:
        return path.stat().st_size or None
    except OSError:
        return None


def read_ends(path: Path) -> bytes | None:
    """Return some bytes of the middle and the end of a file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(size // 2)
            middle = file.read(4096)
            file.seek(max(0, size - 4096))
            return middle + file.read(4096)
    except OSError:
        return None


def has_one_value(path: Path | str) -> bool:
    """Return whether all pixels of an image have the same value; False if it cannot be read."""
    try:
        pixels = read_plane_and_scale(path)[0]
    except InputError:
        return False
    return bool(pixels.size) and bool((pixels == pixels.flat[0]).all())
