"""Read the index of CellVoyager (Yokogawa): `MeasurementData.mlf` lists the images.

`MeasurementDetail.mrf` describes the camera, and the `.mes` file names the channels.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from lib.errors import InputError
from lib.microscopes.index import Index, IndexImage, plain
from lib.sites import site_name
from lib.wells import well_at

FILE = re.compile(r"^MeasurementData\.mlf$", re.IGNORECASE)


def attributes(element: ET.Element) -> dict[str, str]:
    """Return the attributes of an XML element, without namespaces."""
    return {plain(key): value for key, value in element.attrib.items()}


def elements(path: Path, name: str) -> Iterator[ET.Element]:
    """Yield the elements of an XML file that have a name."""
    for _, element in ET.iterparse(path):
        if plain(element.tag) == name:
            yield element


def beside(path: Path, pattern: str) -> list[Path]:
    """Return the files beside another one that have an ending, in any case."""
    return sorted(other for other in path.parent.iterdir() if other.suffix.lower() == pattern)


def read_cellvoyager(path: Path) -> Index:
    """Read `MeasurementData.mlf`, and the camera and the channels from the `.mrf` and `.mes` beside it."""
    camera: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    plate, shape, measured_with = path.parent.name, (0, 0), ""
    for detail in beside(path, ".mrf"):
        for _, element in ET.iterparse(detail):
            said = attributes(element)
            if plain(element.tag) == "MeasurementChannel":
                camera[said["Ch"]] = said
            elif plain(element.tag) == "MeasurementSamplePlate":
                plate = said.get("Name") or plate
            elif plain(element.tag) == "MeasurementDetail":
                # The title of the measurement, if the plate within has no name.
                plate = said.get("Title") or plate if plate == path.parent.name else plate
                measured_with = PureWindowsPath(said.get("MeasurementSettingFileName", "")).name
                shape = int(said.get("RowCount") or 0), int(said.get("ColumnCount") or 0)
    # Of several files of settings, the one of this measurement comes first.
    for settings in sorted(beside(path, ".mes"), key=lambda other: other.name != measured_with):
        for element in elements(settings, "Channel"):
            said = attributes(element)
            words = [said.get(key, "") for key in ("Target", "Fluorophore", "Name", "Acquisition")]
            names.setdefault(said.get("Ch", ""), next(filter(None, words), ""))
    images = []
    for element in elements(path, "MeasurementRecord"):
        said = attributes(element)
        failed = said.get("Type", "IMG") == "ERR"
        if said.get("Type", "IMG") not in ("IMG", "ERR") or not said.get("Ch"):
            continue
        channel = said["Ch"]
        fields = {key: text for key, text in said.items() if key not in ("Type", "Time")}
        fields |= {
            key: camera.get(channel, {})[key]
            for key in ("HorizontalPixelDimension", "VerticalPixelDimension", "InputBitDepth")
            if key in camera.get(channel, {})
        }
        images.append(
            IndexImage(
                plate,
                well_at(said["Row"], said["Column"]),
                site_name(said.get("FieldIndex")),
                channel,
                names.get(channel, ""),
                said.get("ZIndex") or "1",
                said.get("TimePoint") or "1",
                "" if failed else (element.text or "").strip(),
                fields,
            )
        )
        element.clear()
    if not images:
        raise InputError(f"{path} lists no image: is the measurement complete?")
    return Index("CellVoyager", path, images, {plate: shape})
