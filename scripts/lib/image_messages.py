"""Write the faults of a plate's images as a message, with what to do."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from lib.errors import join_names, number_of
from lib.image_checks import Fault, Found, lacks
from lib.image_files import remove_numbers
from lib.image_references import PROJECTIONS
from lib.plates import is_image_table

# Faults of one kind that a message lists; the log has all.
NAMED = 20


def describe_faults(plate: str, faults: Sequence[Fault], found: Sequence[Found], source: str) -> str:
    """Return the faults of a plate's images as a message.

    A fault that all images of a channel, or all sites, share is given once.

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
        return describe_missing_images(plate, faults, source, any(image.fields for image in found))
    per_channel = Counter(image.channel for image in found)
    sites = len({(image.well, image.site) for image in found})
    kinds: dict[tuple[str, str], list[Fault]] = defaultdict(list)
    for fault in faults:
        kinds[fault.channel, remove_numbers(re.sub(r"as \S+, the", "as the", fault.what))].append(fault)
    shared = {
        key: same
        for key, same in kinds.items()
        if len(same) > 2 and len(same) >= (per_channel[key[0]] if same[0].image else sites)
    }
    lines = [f"every site ({len(same):,}) {same[0].what}" for same in shared.values() if not same[0].image]
    for same in group_alike(same for same in shared.values() if same[0].image):
        channels = list(dict.fromkeys(fault.channel for fault in same))
        lines.append(
            f"every image of channel {join_names(channels)} ({len(same):,}) {same[0].what} "
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
        joined[remove_numbers(group[0].what)] += group
    return list(joined.values())


def all_are_missing(faults: Sequence[Fault], found: Sequence[Found]) -> bool:
    """Return whether none of a plate's images is at its path in the table."""
    return sum(fault.what == "does not exist" for fault in faults) == len(found)


def describe_missing_images(plate: str, missing: Sequence[Fault], source: str, in_index: bool) -> str:
    """Return the message if none of a plate's images is at its path.

    Parameters
    ----------
    plate
        The plate's name.
    missing
        The faults of the images.
    source
        The location of the images in the sample sheet.
    in_index
        Whether the microscope's index lists them.
    """
    missing = [fault for fault in missing if fault.what == "does not exist"]
    folders = Counter(str(Path(fault.image).parent) for fault in missing)
    where = join_names((f"{folder} ({count:,} images)" for folder, count in folders.most_common()), 3)
    if in_index:
        return (
            f"Plate {plate}: none of the {len(missing):,} images that the microscope's index lists exists. "
            f"They belong in {where}. Copy them there, or correct the column images of the sample sheet."
        )
    if not is_image_table(source):
        return (
            f"Plate {plate}: none of its {len(missing):,} images exists: their names are there, as links to "
            f"files that do not exist, in {where}. Correct the links, or copy the images there."
        )
    missing_folders = "folders that do" if len(folders) > 1 else "a folder that does"
    return (
        f"Plate {plate}: none of its {len(missing):,} images exists. {source} names {missing_folders} not "
        f"exist on this machine: {where}. Correct the columns PathName_... of the table; without these "
        "columns the images are looked for beside the table."
    )


def suggest_remedy(faults: Sequence[Fault], found: Sequence[Found], hint: str) -> str:
    """Return what to do about the faults of a plate's images."""
    sites = {(image.well, image.site) for image in found}
    if hint or all_are_missing(faults, found):
        return hint
    kinds: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for fault in faults:
        kinds[remove_numbers(fault.what)].add((fault.well, fault.site))
    if len(sites) > 2 and any(having >= sites for having in kinds.values()):
        missing = dict.fromkeys(fault.channel for fault in faults if fault.what == lacks(fault.channel))
        if missing and len(missing) == len({fault.channel for fault in faults}):
            return (
                f"\nIs the name of {join_names(missing)} in the file names right (assay.channels[].image)? "
                "If the plate has no such images, remove the channel from assay.channels."
            )
        return "\nAll sites are affected: correct the images or the config as described above."
    return "\nReplace these images, or set images.bad_sites to drop to leave their sites out."


def hint_at_planes(found: Sequence[Found], in_table: bool, in_index: bool) -> str:
    """Return what to do if half of the sites or more have several images of a channel.

    Parameters
    ----------
    found
        The images of the plate.
    in_table
        Whether an image table lists them.
    in_index
        Whether they are found by the microscope's index.
    """
    groups: dict[tuple[str, str, str], list[Found]] = defaultdict(list)
    for image in found:
        groups[image.well, image.site, image.channel].append(image)
    several = [images for images in groups.values() if len(images) > 1]
    sites = {(images[0].well, images[0].site) for images in several}
    if 2 * len(sites) < len({(image.well, image.site) for image in found}):
        return ""
    if all(len({image.plane for image in images}) == len(images) for images in several):
        return (
            "\nMost sites have several planes of a channel: set images.project in the config "
            f"({join_names(PROJECTIONS)}, or the number of a plane)."
        )
    if in_table:
        return (
            "\nMost sites have several images of a channel in the table: write the number of each row's site "
            "into Metadata_Site, and list each site once."
        )
    if in_index:
        return (
            "\nMost sites have several images of a channel with the same plane and time point in the "
            "microscope's index: they were measured several times (CellVoyager in several timelines or "
            "actions), or copied into several folders (MetaXpress). Set images.pattern to a regular "
            "expression of the file names that matches one of them, or remove the copies."
        )
    return (
        "\nMost sites have several images of a channel: planes of a stack, time points, or sites that the "
        "group `site` of images.pattern does not distinguish. For a stack, give images.pattern a group "
        "`plane` and set images.project in the config; config/README.md shows how."
    )
