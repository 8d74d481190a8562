"""Find the planes of an OME-TIFF file that are in the file itself, by its metadata (OME-XML).

The metadata of a file may describe other files, too: every position of a plate (Micro-Manager), or the files
of the other channels and planes of a site. Each file is read on its own here, so that an image of another
position is never taken for one of this file.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import tifffile

from lib.errors import join_names
from lib.image_files import MAX_SAMPLE_VALUE
from lib.open_image import AXES, OpenImage, UnsuitableImageError, find_differing

# The width of an image in micrometers, in the XML of BioTek's Gen5.
GEN5_WIDTH = re.compile(r"<ImageWidthMicrons>\s*([\d.]+)\s*</ImageWidthMicrons>")
# A time point, a channel and a plane, from 0.
Place = tuple[int, int, int]


@dataclass(frozen=True)
class OmeImage:
    """What a file holds of an image: the image's name, its channels' names, and the page of each plane.

    `pages` has the number of a page (from 0) by the plane's place in the image.
    """

    name: str
    channels: list[str]
    pages: dict[Place, int]


def remove_namespace(element: ET.Element) -> str:
    """Return the name of an XML element without its namespace."""
    return element.tag.rpartition("}")[2]


def find_children(element: ET.Element, name: str) -> list[ET.Element]:
    """Return the children of an XML element that have a name."""
    return [child for child in element if remove_namespace(child) == name]


def read_metadata(file: tifffile.TiffFile) -> ET.Element | None:
    """Return the OME metadata of an open file, which may be in a file beside it; None if it has none.

    Raises
    ------
    UnsuitableImageError
        If they are in another file that is not there, and the file has several pages.
    """
    if not file.ome_metadata:
        return None
    root = ET.fromstring(file.ome_metadata)
    for element in find_children(root, "BinaryOnly"):
        folder = file.filehandle.dirname
        companion = Path(folder, Path(element.get("MetadataFile", "")).name)
        # An image in object storage, whose bytes are open, has no folder.
        if folder and companion.is_file():
            own = root.get("UUID") or element.get("UUID") or ""
            state = companion.stat()
            others = read_companion(companion, state.st_mtime_ns, state.st_size)
            root = ET.Element(others.tag, {**others.attrib, "UUID": own})
            root.extend(others)
        elif len(file.pages) > 1:
            remedy = "is not beside it: copy it there" if folder else "is only read on disk: copy the plate"
            raise UnsuitableImageError(
                f"has {len(file.pages)} pages, and which channels and planes these are is written in "
                f"{companion.name}, which {remedy}"
            )
    return root


@lru_cache(maxsize=4)
def read_companion(path: Path, changed: int, size: int) -> ET.Element:
    """Return the metadata in a file that all images of a plate share.

    Parameters
    ----------
    path
        The file.
    changed, size
        Its time and its size, with which it is read again after a change.

    Raises
    ------
    UnsuitableImageError
        If it is not valid XML.
    """
    try:
        return ET.fromstring(path.read_bytes())
    except ET.ParseError as error:
        raise UnsuitableImageError(
            f"has its metadata in {path.name}, which is not valid XML ({error}): copy that file again"
        ) from error


def get_names(root: ET.Element) -> tuple[list[str], list[list[str]], float | None]:
    """Return the names of images and of their channels, and the pixel size in micrometers."""
    images, channels, size = [], [], None
    for image in find_children(root, "Image"):
        pixels = find_children(image, "Pixels")[0]
        images.append(image.get("Name") or "")
        channels.append([get_channel_name(channel) for channel in find_children(pixels, "Channel")])
        if size is None and pixels.get("PhysicalSizeX") and pixels.get("PhysicalSizeXUnit", "µm") == "µm":
            size = float(pixels.get("PhysicalSizeX", "0")) or None
    return images, channels, size


def get_channel_name(channel: ET.Element) -> str:
    """Return the name of a channel, or its dye; "" if it has neither."""
    return channel.get("Name") or channel.get("Fluor") or ""


def get_file_of_planes(data: ET.Element) -> tuple[str, str] | None:
    """Return the name and the identifier of the file that planes are in; None if the metadata do not say."""
    for uuid in find_children(data, "UUID"):
        return uuid.get("FileName", ""), (uuid.text or "").strip()
    return None


def is_own(data: ET.Element, name: str, identifier: str) -> bool:
    """Return whether planes are in the file that has this name or this identifier."""
    place = get_file_of_planes(data)
    return place is None or place[0].casefold() == name.casefold() or (place[1] == identifier != "")


def list_other_files(root: ET.Element, name: str) -> list[str]:
    """Return the names of the other files that the metadata of a file describe."""
    identifier = root.get("UUID", "")
    found: dict[str, None] = {}
    for data in root.iter():
        if remove_namespace(data) == "TiffData" and not is_own(data, name, identifier):
            found[(get_file_of_planes(data) or ("", ""))[0]] = None
    return list(found)


def list_places(pixels: ET.Element, data: ET.Element) -> Iterator[tuple[Place, int]]:
    """Yield the planes that a `TiffData` element describes, and the page of each."""
    order = [axis for axis in pixels.get("DimensionOrder", "XYCZT") if axis in AXES]
    sizes = {axis: int(pixels.get(f"Size{axis}", 1)) for axis in order}
    sizes["C"] = max(1, len(find_children(pixels, "Channel")) or sizes["C"])
    at = {axis: int(data.get(f"First{axis}", 0)) for axis in order}
    page = int(data.get("IFD", 0))
    count = int(data.get("PlaneCount", data.get("NumPlanes", 1 if "IFD" in data.attrib else 0)))
    every = sizes["T"] * sizes["C"] * sizes["Z"]
    for number in range(count or every):
        if any(at[axis] >= sizes[axis] for axis in order):
            return
        yield (at["T"], at["C"], at["Z"]), page + number
        for axis in order:
            at[axis] += 1
            if at[axis] < sizes[axis] or axis == order[-1]:
                break
            at[axis] = 0


def list_images_in_file(root: ET.Element, name: str) -> list[OmeImage]:
    """Return the images of which a file has at least one plane.

    Parameters
    ----------
    root
        The metadata.
    name
        The file's name.
    """
    identifier = root.get("UUID", "")
    images = []
    for image in find_children(root, "Image"):
        pixels = find_children(image, "Pixels")[0]
        own = [data for data in find_children(pixels, "TiffData") if is_own(data, name, identifier)]
        pages = dict(place for data in own for place in list_places(pixels, data))
        if pages:
            channels = [get_channel_name(channel) for channel in find_children(pixels, "Channel")]
            images.append(OmeImage(image.get("Name") or "", channels, pages))
    return images


def get_tagged_scale(file: tifffile.TiffFile) -> float | None:
    """Return the number that stands for 1 in a TIFF file, if its tag says so."""
    tags = file.pages[0].tags
    scale = tags[MAX_SAMPLE_VALUE].value if MAX_SAMPLE_VALUE in tags else None
    return float(scale) if isinstance(scale, int | float) else None


def get_pixel_size_of_vendor(file: tifffile.TiffFile) -> float | None:
    """Return the width of a pixel in micrometers, if MetaXpress or Gen5 wrote it into a file."""
    first = file.pages[0]
    if file.is_metaseries:
        plane = (file.metaseries_metadata or {}).get("PlaneInfo", {})
        is_known = plane.get("spatial-calibration-state") and plane.get("spatial-calibration-units") == "um"
        return plane.get("spatial-calibration-x") if is_known else None
    width = GEN5_WIDTH.search(first.description) if "<BTIImageMetaData" in first.description else None
    return float(width[1]) / first.imagewidth if width else None


def open_part(file: tifffile.TiffFile, metadata: ET.Element, others: Sequence[str]) -> OpenImage:
    """Return an open OME-TIFF file whose metadata describe other files, too: what this file holds.

    Parameters
    ----------
    file
        The open file.
    metadata
        Its OME metadata.
    others
        The names of the other files.
    """
    images = list_images_in_file(metadata, file.filename)
    if not images and len(others) == 1:
        # The only file that the metadata describe is this one, which was renamed.
        images = list_images_in_file(metadata, others[0])
    if not images:
        raise UnsuitableImageError(
            f"has OME metadata that describe other files ({join_names(others, 3)}), and not this one: was it "
            "renamed? Restore the original names of the files"
        )
    first = file.pages[next(iter(images[0].pages.values()))]
    if len(first.shape) != 2:
        raise UnsuitableImageError(f"has pages of the shape {first.shape}; write one gray image per channel")
    # Of each image, the time points, channels and planes that this file has.
    kept = [[sorted(set(numbers)) for numbers in zip(*image.pages, strict=True)] for image in images]

    def read(scene: int, time: int, channel: int, plane: int) -> np.ndarray:
        if not 0 <= scene < len(images):
            raise UnsuitableImageError(f"has no scene {scene + 1}; it has {len(images)}")
        place = tuple(kept[scene][axis][at] for axis, at in enumerate((time, channel, plane)))
        if place not in images[scene].pages:
            raise UnsuitableImageError(f"lacks the plane at {dict(zip(AXES, place, strict=True))}")
        return file.pages[images[scene].pages[place]].asarray()

    names = images[0].channels
    scenes = [image.name for image in images]
    return OpenImage(
        dict(zip(AXES, map(len, kept[0]), strict=True)),
        tuple(first.shape),
        np.dtype(first.dtype).name,
        read,
        [names[at] for at in kept[0][1]] if len(names) > max(kept[0][1]) else (),
        scenes,
        get_tagged_scale(file),
        get_names(metadata)[2],
        differing=find_differing([dict(zip(AXES, map(len, each), strict=True)) for each in kept], scenes),
    )
