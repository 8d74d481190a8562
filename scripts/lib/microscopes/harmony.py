"""Read the index of Harmony (Opera Phenix, Operetta): `Index.idx.xml`, `Index.ref.xml` and `Index.xml`, all
versions.

Since version 6, what the images of a channel share is in the channel's entry below `Maps`; before, every
image repeats it. The index that Columbus exports is of the same kind; there, several images may be pages of
one file.
"""

import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from lib.errors import InputError
from lib.microscopes.index import Index, IndexImage, remove_namespace
from lib.sites import get_site_name
from lib.wells import get_well_at

FILE = re.compile(r"^(Index(\.idx|\.ref)?|ImageIndex\.ColumbusIDX)\.xml$", re.IGNORECASE)
# The attribute of an image's URL with its page in the file, from 0.
PAGE = "BufferNo"
# Elements of an image that identify it and do not describe it.
OWN = {"id", "State", "URL", PAGE}
# Elements of a channel's entry that are not written to the image table.
LONG = {"FlatfieldProfile", "SkewcropParameters", "OrientationMatrix", "CropArea"}


def get_texts(element: ET.Element) -> dict[str, str]:
    """Return the texts of an element's children that have no children, by their names."""
    return {remove_namespace(child.tag): (child.text or "").strip() for child in element if not len(child)}


def get_page(image: ET.Element) -> str:
    """Return the page of an image in its file, from 0; empty if the index does not give it."""
    return next((child.get(PAGE, "") for child in image if remove_namespace(child.tag) == "URL"), "")


@dataclass
class Entries:
    """The entries of an index.

    Attributes
    ----------
    formats
        Rows and columns of each plate.
    plates_of_well
        The plates of each well, by the well's id.
    wells
        The texts of each well, by its id.
    well_of_image
        The id of each image's well, by the image's id.
    of_channel
        What the images of a channel share, by the channel's id.
    rows
        The texts of each image.
    """

    formats: dict[str, tuple[int, int]] = field(default_factory=dict)
    plates_of_well: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    wells: dict[str, dict[str, str]] = field(default_factory=dict)
    well_of_image: dict[str, str] = field(default_factory=dict)
    of_channel: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    rows: list[dict[str, str]] = field(default_factory=list)


def read_entries(path: Path) -> Entries:
    """Read the entries of an index; large ones are read piece by piece."""
    entries = Entries()
    parents: list[str] = []
    for event, element in ET.iterparse(path, ("start", "end")):
        name = remove_namespace(element.tag)
        if event == "start":
            parents.append(name)
            continue
        parents.pop()
        within = parents[-1] if parents else ""
        if (within, name) == ("Plates", "Plate"):
            texts = get_texts(element)
            plate = (
                texts.get("Name") or texts.get("PlateID") or texts.get("MeasurementID") or path.parent.name
            )
            entries.formats[plate] = int(texts.get("PlateRows") or 0), int(texts.get("PlateColumns") or 0)
            for child in element:
                if remove_namespace(child.tag) == "Well":
                    entries.plates_of_well[child.get("id", "")].append(plate)
        elif (within, name) == ("Wells", "Well"):
            texts = get_texts(element)
            entries.wells[texts["id"]] = texts
            for child in element:
                if remove_namespace(child.tag) == "Image":
                    entries.well_of_image[child.get("id", "")] = texts["id"]
        elif (within, name) == ("Map", "Entry"):
            texts = {key: text for key, text in get_texts(element).items() if key not in LONG}
            entries.of_channel[element.get("ChannelID", "")].update(texts)
        elif (within, name) == ("Images", "Image"):
            entries.rows.append({**get_texts(element), PAGE: get_page(element)})
        else:
            continue
        element.clear()
    return entries


def read_harmony(path: Path) -> Index:
    """Read `Index.idx.xml` or `Index.xml`."""
    entries = read_entries(path)
    images = []
    in_file = Counter(row.get("URL", "") for row in entries.rows)
    for row in entries.rows:
        texts = {**entries.of_channel.get(row["ChannelID"], {}), **row}
        fields = {key: text for key, text in texts.items() if key not in OWN | LONG}
        well_id = entries.well_of_image.get(row["id"]) or f"{int(row['Row']):02d}{int(row['Col']):02d}"
        place = entries.wells.get(well_id, {})
        well = get_well_at(texts.get("Row") or place["Row"], texts.get("Col") or place["Col"])
        # An image that failed has no file, whatever its state.
        file = texts.get("URL", "")
        page = str(int(row[PAGE]) + 1) if row[PAGE] and in_file[file] > 1 else ""
        for plate in entries.plates_of_well.get(well_id) or list(entries.formats) or [path.parent.name]:
            images.append(
                IndexImage(
                    plate,
                    well,
                    get_site_name(texts.get("FieldID")),
                    texts["ChannelID"],
                    texts.get("ChannelName", ""),
                    texts.get("PlaneID") or "1",
                    texts.get("TimepointID") or "0",
                    file,
                    fields,
                    page,
                )
            )
    if not images:
        raise InputError(f"{path} lists no image: is the measurement complete?")
    return Index("Harmony", path, images, entries.formats)
