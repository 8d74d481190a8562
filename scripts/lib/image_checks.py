"""Check the images of a plate, as far as possible before anything is measured.

Each image's header is read, and the pixels of those whose type is ambiguous. A fault that all images of a
channel share is reported once.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from lib.errors import InputError, listed, number_of
from lib.image_changes import digest_of_file
from lib.image_files import PLAIN_TYPES, problem_of_values, properties, read_plane_and_scale, without_numbers

# An object this many times larger or smaller than most of its channel does not hold a similar image.
FAR_OFF = 10
# Images of a channel that are checked first: a channel without contrast has none in these.
SAMPLE = 8
# Faults of one kind that a message lists; the log has all.
NAMED = 20


class StoredImage(NamedTuple):
    """An image in object storage: its folder (s3://bucket/folder), its name, and its bytes there, if any."""

    folder: str
    name: str
    size: int | None

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


def fault_of(image: Found, what: str) -> Fault:
    """Return the fault of an image."""
    return Fault(image.well, image.site, what, image.channel, str(image.path))


# --- headers --------------------------------------------------------------------------------------


def image_faults(found: Sequence[Found], threads: int, maximum: float | None, decode: bool) -> list[Fault]:
    """Find images that do not open, differ from most in size or type, or are not intensities.

    Parameters
    ----------
    found
        The images of the plate.
    threads
        How many files are read at once.
    maximum
        The config's `images.maximum`: the value that stands for 1; None for the file type's largest.
    decode
        Whether the pixels of every image are read, and not only those with an ambiguous header.
    """
    found = [image for image in found if isinstance(image.path, Path)]
    with ThreadPoolExecutor(threads) as pool:
        read = list(pool.map(properties, [image.path for image in found]))
        sizes = Counter(value[0] for value in read if not isinstance(value, str)).most_common(1)
        # Each channel has its own camera: types may differ between channels.
        types: dict[str, Counter[str]] = defaultdict(Counter)
        for image, value in zip(found, read, strict=True):
            if not isinstance(value, str):
                types[image.channel][value[1]] += 1
        faults, sound = [], []
        for image, value in zip(found, read, strict=True):
            if isinstance(value, str):
                faults.append(fault_of(image, value))
                continue
            (shape, kind), usual = value, types[image.channel].most_common(1)[0][0]
            if shape != sizes[0][0]:
                faults.append(
                    fault_of(image, f"is {shape} {kind}; the plate's images are {sizes[0][0]} {usual}")
                )
            elif kind != usual:
                faults.append(
                    fault_of(image, f"is {shape} {kind}; the plate's images of {image.channel} are {usual}")
                )
            elif decode or maximum is not None or kind not in PLAIN_TYPES:
                sound.append((image, kind))
        problems = pool.map(lambda each: values_problem(each[0].path, each[1], maximum), sound)
        faults += [
            fault_of(image, problem) for (image, _), problem in zip(sound, problems, strict=True) if problem
        ]
    return faults


def values_problem(path: Path, kind: str, maximum: float | None) -> str | None:
    """Return why an image's pixels cannot be read or are not intensities; None if they are."""
    try:
        pixels, _ = read_plane_and_scale(path)
    except InputError as error:
        return "is corrupt: its pixels cannot be decoded" + str(error).partition("as an image")[2].rstrip(".")
    return problem_of_values(pixels, kind, maximum)


def stored_faults(found: Sequence[Found]) -> list[Fault]:
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
        faults.append(fault_of(image, what))
    return faults


def site_faults(found: Sequence[Found], channels: Iterable[str]) -> list[Fault]:
    """Find sites that lack a channel or have two images of one."""
    by_site: dict[tuple[str, str], dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for image in found:
        by_site[image.well, image.site][image.channel].append(image.path)
    faults = []
    for (well, site), images in by_site.items():
        for channel in channels:
            paths = images.get(channel, [])
            if not paths:
                faults.append(Fault(well, site, f"has no image of channel {channel}", channel))
            elif len(paths) > 1:
                names = [path.name for path in paths]
                names = names if len(set(names)) == len(names) else paths
                what = f"has {len(paths)} images of {channel}: {listed(names, 4)}"
                faults.append(Fault(well, site, what, channel))
    return faults


# --- duplicate images-----------------------------------------------------------------------------


def repeated_faults(found: Sequence[Found], threads: int) -> list[Fault]:
    """Find images that two channels, or two wells, share: one file, or two files with the same bytes.

    Only files of one size are compared, and only those whose first and last bytes are the same are read
    completely. Two sites of one well may have the same bytes, as may images of one value (black ones).
    """
    by_file: dict[str, list[Found]] = defaultdict(list)
    for image in found:
        by_file[str(image.path)].append(image)
    faults = [
        fault_of(image, f"is also the image of {place(next(o for o in same if o != image), image)}")
        for same in by_file.values()
        if len(set(same)) > 1
        for image in dict.fromkeys(same)
    ]
    single = [same[0] for same in by_file.values() if isinstance(same[0].path, Path)]
    groups = [single]
    for key in (size_of, ends_of, digest_of_file):
        with ThreadPoolExecutor(threads) as pool:
            groups = [smaller for group in groups for smaller in divided(group, key, pool)]
    for group in groups:
        if len({(image.well, image.channel) for image in group}) < 2 or has_one_value(group[0].path):
            continue
        for image in group:
            other = next(o for o in group if (o.well, o.channel) != (image.well, image.channel))
            faults.append(
                fault_of(
                    image, f"has the same bytes as {other.path.name}, the image of {place(other, image)}"
                )
            )
    return faults


def place(image: Found, seen_from: Found) -> str:
    """Return where an image belongs, as text, relative to another image."""
    if (image.well, image.site) == (seen_from.well, seen_from.site):
        return f"channel {image.channel} of the same site"
    return f"well {image.well}, site {image.site}, channel {image.channel}"


def divided(images: Sequence[Found], key: Any, pool: ThreadPoolExecutor) -> list[list[Found]]:
    """Return the groups of two or more images with the same key; None is not a key."""
    groups = defaultdict(list)
    for image, value in zip(images, pool.map(lambda image: key(image.path), images), strict=True):
        if value is not None:
            groups[value].append(image)
    return [group for group in groups.values() if len(group) > 1]


def size_of(path: Path) -> int | None:
    """Return the size of a file in bytes; None if it does not exist."""
    try:
        return path.stat().st_size or None
    except OSError:
        return None


def ends_of(path: Path) -> bytes | None:
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


# --- channels without contrast --------------------------------------------------------------------


def has_one_value(path: Path) -> bool:
    """Return whether all pixels of an image have the same value; False if it cannot be read."""
    try:
        pixels = read_plane_and_scale(path)[0]
    except InputError:
        return False
    return bool(pixels.size) and bool((pixels == pixels.flat[0]).all())


def refuse_dead_channels(found: Sequence[Found], plate: str, threads: int) -> None:
    """Raise an InputError for a channel whose images all hold one value; warn if many of them do.

    A few images of a channel are checked, and all of them only if most of these hold one value.
    """
    channels: dict[str, list[Found]] = defaultdict(list)
    for image in found:
        if isinstance(image.path, Path):
            channels[image.channel].append(image)
    dead = []
    for channel, images in channels.items():
        at = np.unique(np.linspace(0, len(images) - 1, SAMPLE).astype(int))
        with ThreadPoolExecutor(threads) as pool:
            if 2 * sum(pool.map(has_one_value, [images[position].path for position in at])) <= len(at):
                continue
            flat = list(pool.map(has_one_value, [image.path for image in images]))
        if all(flat):
            dead.append((channel, images))
            continue
        wells = dict.fromkeys(image.well for image, one in zip(images, flat, strict=True) if one)
        logging.warning(
            "plate %s: %d of %s of channel %s hold one value only (black, or without contrast), in wells %s",
            plate,
            sum(flat),
            number_of(len(images), "image"),
            channel,
            listed(wells),
        )
    if dead:
        raise InputError(
            f"Plate {plate}: nothing can be measured in images without contrast, and illumination functions "
            "of them are zero.\n  "
            + "\n  ".join(dead_channel_in_words(channel, images) for channel, images in dead)
            + "\nReplace these images; or take the channel out of assay.channels in the config, or the plate "
            "out of the sample sheet."
        )


def dead_channel_in_words(channel: str, images: Sequence[Found]) -> str:
    """Return the message about a channel whose images hold one value each."""
    values = sorted({float(read_plane_and_scale(image.path)[0].flat[0]) for image in images[:SAMPLE]})
    shown = listed((f"{value:g}" for value in values), 4)
    shade = "are black (0 everywhere)" if values == [0] else f"hold one value only ({shown})"
    return f"channel {channel}: all {number_of(len(images), 'image')} {shade}; {images[0].path} for one"


# --- messages -------------------------------------------------------------------------------------


def faults_in_words(plate: str, faults: Sequence[Fault], found: Sequence[Found], source: str) -> str:
    """Return the faults of a plate's images as a message.

    A fault that all images of a channel share is given once.

    Parameters
    ----------
    plate
        The plate's name.
    faults
        The faults.
    found
        The images of the plate.
    source
        The location of the images in the sample sheet.

    Returns
    -------
    str
        The message.
    """
    if all_are_missing(faults, found):
        return none_exists(plate, faults, source)
    per_channel = Counter(image.channel for image in found)
    kinds: dict[tuple[str, str], list[Fault]] = defaultdict(list)
    for fault in faults:
        kinds[fault.channel, without_numbers(re.sub(r"as \S+, the", "as the", fault.what))].append(fault)
    shared = {
        key: same
        for key, same in kinds.items()
        if len(same) > 2 and len(same) >= per_channel[key[0]] and same[0].image
    }
    lines = []
    for same in group_alike(shared.values()):
        channels = list(dict.fromkeys(fault.channel for fault in same))
        lines.append(
            f"every image of channel {listed(channels)} ({len(same):,}) {same[0].what} "
            f"({Path(same[0].image).name} for one)"
        )
    rest = [fault for key, same in kinds.items() if key not in shared for fault in same]
    order = {id(fault): at for at, fault in enumerate(faults)}
    rest.sort(key=lambda fault: order[id(fault)])
    lines += [f"well {fault.well}, site {fault.site}: {fault.reason}" for fault in rest[:NAMED]]
    if len(rest) > NAMED:
        lines.append(f"and {len(rest) - NAMED:,} more, in the log")
    return f"Plate {plate}: {number_of(len(faults), 'fault')} in its images:\n  " + "\n  ".join(lines)


def group_alike(groups: Iterable[Sequence[Fault]]) -> list[list[Fault]]:
    """Join groups of faults that are the same fault in different channels."""
    joined: dict[str, list[Fault]] = defaultdict(list)
    for group in groups:
        joined[without_numbers(group[0].what)] += group
    return list(joined.values())


def all_are_missing(faults: Sequence[Fault], found: Sequence[Found]) -> bool:
    """Return whether none of a plate's images is at its path in the table."""
    return sum(fault.what == "does not exist" for fault in faults) == len(found)


def none_exists(plate: str, missing: Sequence[Fault], source: str) -> str:
    """Return the message if none of a plate's images is at its path in the table."""
    missing = [fault for fault in missing if fault.what == "does not exist"]
    folders = Counter(str(Path(fault.image).parent) for fault in missing)
    where = listed((f"{folder} ({count:,} images)" for folder, count in folders.most_common()), 3)
    return (
        f"Plate {plate}: none of its {len(missing):,} images exists. {source} names the folder {where}, "
        "which is not on this machine, or not under this name. Correct the columns PathName_... of the "
        "table; without these columns the images are looked for beside the table."
    )


def remedy_of(faults: Sequence[Fault], found: Sequence[Found], hint: str) -> str:
    """Return what to do about the faults of a plate's images."""
    sites = {(image.well, image.site) for image in found}
    if hint or all_are_missing(faults, found):
        return hint
    kinds: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for fault in faults:
        kinds[without_numbers(fault.what)].add((fault.well, fault.site))
    if len(sites) > 2 and any(having >= sites for having in kinds.values()):
        return "\nNo site is without it: mend the images, or the config, as it says above."
    return "\nReplace these images, or set images.bad_sites to drop to leave their sites out."
