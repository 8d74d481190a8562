"""Read the index of CellVoyager (Yokogawa): `MeasurementData.mlf` lists the images.

`MeasurementDetail.mrf` describes the camera, and the `.mes` file names the channels.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from lib.errors import InputError
from lib.microscopes.index import Index, IndexImage, remove_namespace
from lib.sites import get_site_name
from lib.wells import get_well_at

FILE = re.compile(r"^MeasurementData\.mlf$", re.IGNORECASE)


def get_attributes(element: ET.Element) -> dict[str, str]:
    """Return the attributes of an XML element, without namespaces."""
    return {remove_namespace(key): value for key, value in element.attrib.items()}


def read_elements(path: Path, name: str) -> Iterator[ET.Element]:
    """Yield the elements of an XML file that have a name."""
    for _, element in ET.iterparse(path):
        if remove_namespace(element.tag) == name:
            yield element


def find_beside(path: Path, ending: str) -> list[Path]:
    """Return the files beside another one that have an ending, in any case."""
    return sorted(other for other in path.parent.iterdir() if other.suffix.lower() == ending)


def read_cellvoyager(path: Path) -> Index:
    """Read `MeasurementData.mlf`, and the camera and the channels from the `.mrf` and `.mes` beside it."""
    camera: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    plate, shape, measured_with = path.parent.name, (0, 0), ""
    for detail in find_beside(path, ".mrf"):
        for _, element in ET.iterparse(detail):
            attributes = get_attributes(element)
            if remove_namespace(element.tag) == "MeasurementChannel":
                camera[attributes["Ch"]] = attributes
            elif remove_namespace(element.tag) == "MeasurementSamplePlate":
                plate = attributes.get("Name") or plate
            elif remove_namespace(element.tag) == "MeasurementDetail":
                # The title of the measurement, if the plate within has no name.
                plate = attributes.get("Title") or plate if plate == path.parent.name else plate
                measured_with = PureWindowsPath(attributes.get("MeasurementSettingFileName", "")).name
                shape = int(attributes.get("RowCount") or 0), int(attributes.get("ColumnCount") or 0)
    # Of several files of settings, the one of this measurement comes first.
    for settings in sorted(find_beside(path, ".mes"), key=lambda other: other.name != measured_with):
        for element in read_elements(settings, "Channel"):
            attributes = get_attributes(element)
            words = [attributes.get(key, "") for key in ("Target", "Fluorophore", "Name", "Acquisition")]
            names.setdefault(attributes.get("Ch", ""), next(filter(None, words), ""))
    images = []
    for element in read_elements(path, "MeasurementRecord"):
        attributes = get_attributes(element)
        failed = attributes.get("Type", "IMG") == "ERR"
        if attributes.get("Type", "IMG") not in ("IMG", "ERR") or not attributes.get("Ch"):
            continue
        channel = attributes["Ch"]
        fields = {key: text for key, text in attributes.items() if key not in ("Type", "Time")}
        fields |= {
            key: camera.get(channel, {})[key]
            for key in ("HorizontalPixelDimension", "VerticalPixelDimension", "InputBitDepth")
            if key in camera.get(channel, {})
        }
        images.append(
            IndexImage(
                plate,
                get_well_at(attributes["Row"], attributes["Column"]),
                get_site_name(attributes.get("FieldIndex")),
                channel,
                names.get(channel, ""),
                attributes.get("ZIndex") or "1",
                attributes.get("TimePoint") or "1",
                "" if failed else (element.text or "").strip(),
                fields,
            )
        )
        element.clear()
    if not images:
        raise InputError(f"{path} lists no image: is the measurement complete?")
    return Index("CellVoyager", path, images, {plate: shape})
