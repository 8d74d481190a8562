"""Read the index files that microscopes write beside a plate's images.

* Harmony (Opera Phenix, Operetta): `Index.idx.xml` and `Index.xml`, all versions. Since version 6, what the
  images of a channel share is in the channel's entry below `Maps`; before, every image repeats it.
* MetaXpress (ImageXpress): `NAME.HTD`, which lists wells, sites, wavelengths and planes. The images are
  recognized by their names.
* CellVoyager (Yokogawa): `MeasurementData.mlf` lists the images, `MeasurementDetail.mrf` describes the
  camera, and the `.mes` file names the channels.

Names of XML elements are compared without their namespaces, which differ between versions.
"""

import csv
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from lib.errors import InputError, listed
from lib.image_changes import folders_below
from lib.sites import site_name
from lib.wells import well_at, well_name

#: The value of `images.pattern` with which images are found by the microscope's index.
INDEX = "index"
HARMONY = re.compile(r"^Index(\.idx)?\.xml$", re.IGNORECASE)
METAXPRESS = re.compile(r"\.HTD$", re.IGNORECASE)
CELLVOYAGER = re.compile(r"^MeasurementData\.mlf$", re.IGNORECASE)
KINDS = {"Harmony": HARMONY, "MetaXpress": METAXPRESS, "CellVoyager": CELLVOYAGER}
#: Elements of a Harmony image that identify it, and are no information about it.
OWN = {"id", "State", "URL"}
#: Elements of a channel's entry in Harmony that are not written to the image table.
LONG = {"FlatfieldProfile", "SkewcropParameters", "OrientationMatrix", "CropArea"}


class IndexImage(NamedTuple):
    """One plane of an image that an index lists.

    `channel` is the channel's number and `name` its name (may be empty); `file` is the path below the index's
    folder; `fields` is what else the index says about it.
    """

    plate: str
    well: str
    site: str
    channel: str
    name: str
    plane: str
    timepoint: str
    file: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Index:
    """The content of an index: its kind, its file, its images, and the rows and columns of each plate."""

    kind: str
    path: Path
    images: list[IndexImage]
    formats: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def plates(self) -> list[str]:
        """Return the names of the plates."""
        return list(dict.fromkeys([*self.formats, *(image.plate for image in self.images)]))

    @property
    def channels(self) -> dict[str, str]:
        """Return the name of each channel by its number."""
        names: dict[str, str] = {}
        for image in self.images:
            names.setdefault(image.channel, image.name)
        return names

    @property
    def pixel_size(self) -> float | None:
        """Return the width of a pixel in micrometers, if the index has it."""
        for image in self.images:
            if image.fields.get("ImageResolutionX"):
                return float(image.fields["ImageResolutionX"]) * 1e6
            if image.fields.get("HorizontalPixelDimension"):
                return float(image.fields["HorizontalPixelDimension"])
        return None


def find_indexes(folder: Path) -> list[tuple[str, Path]]:
    """Find the index files in a folder and its subfolders: the kind and path of each.

    Of two Harmony indexes in one folder, `Index.xml` (the newer kind) is taken.
    """
    found: dict[Path, tuple[str, Path]] = {}
    for root, names in folders_below(folder):
        for name in sorted(names):
            kind = next((kind for kind, pattern in KINDS.items() if pattern.search(name)), None)
            if kind and not name.startswith("."):
                place = Path(root) if kind != "MetaXpress" else Path(root, name)
                found[place] = (kind, Path(root, name))
    return [found[place] for place in sorted(found)]


def find_index(folder: Path, plate: str) -> Index:
    """Read the one index of a plate's folder.

    Raises
    ------
    InputError
        If there is no index, or if there are several (measurements of one plate, or several plates).
    """
    if folder.is_file():
        paths = [(kind, folder) for kind, pattern in KINDS.items() if pattern.search(folder.name)]
    elif folder.is_dir():
        paths = find_indexes(folder)
    else:
        raise InputError(f"Plate {plate}: the images folder {folder} does not exist.")
    if not paths:
        raise InputError(
            f"Plate {plate}: {folder} has no index of a microscope (Index.idx.xml or Index.xml of Harmony, "
            f".HTD of "
            "MetaXpress, MeasurementData.mlf of CellVoyager). Copy it there, or set images.pattern to how "
            "the "
            "files are named."
        )
    if len(paths) > 1:
        raise InputError(
            f"Plate {plate}: {folder} has {len(paths)} indexes of a microscope: "
            f"{listed((path.relative_to(folder) for _, path in paths), 5)}. Name the folder of one "
            f"measurement of "
            "the plate in the sample sheet."
        )
    return read_index(*paths[0])


def read_index(kind: str, path: Path) -> Index:
    """Read an index file.

    Raises
    ------
    InputError
        Naming the file and what is wrong with it.
    """
    readers = {"Harmony": read_harmony, "MetaXpress": read_metaxpress, "CellVoyager": read_cellvoyager}
    try:
        return readers[kind](path)
    except ET.ParseError as error:
        raise InputError(f"{path} is not valid XML ({error}): copy the file again.") from error
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            f"{path} cannot be read as an index of {kind} ({type(error).__name__}: {error})."
        ) from error


# --- Harmony --------------------------------------------------------------------------------------


def plain(tag: str) -> str:
    """Return the name of an XML element or attribute without its namespace."""
    return tag.rpartition("}")[2]


def texts(element: ET.Element) -> dict[str, str]:
    """Return the texts of an element's children that have no children, by their names."""
    return {plain(child.tag): (child.text or "").strip() for child in element if not len(child)}


def read_harmony(path: Path) -> Index:
    """Read `Index.idx.xml` or `Index.xml`; large ones are read piece by piece."""
    formats: dict[str, tuple[int, int]] = {}
    plates_of_well: dict[str, list[str]] = defaultdict(list)
    wells: dict[str, dict[str, str]] = {}
    well_of_image: dict[str, str] = {}
    of_channel: dict[str, dict[str, str]] = defaultdict(dict)
    rows: list[dict[str, str]] = []
    parents: list[str] = []
    for event, element in ET.iterparse(path, ("start", "end")):
        name = plain(element.tag)
        if event == "start":
            parents.append(name)
            continue
        parents.pop()
        within = parents[-1] if parents else ""
        if (within, name) == ("Plates", "Plate"):
            said = texts(element)
            plate = said.get("Name") or said.get("PlateID") or said.get("MeasurementID") or path.parent.name
            formats[plate] = int(said.get("PlateRows") or 0), int(said.get("PlateColumns") or 0)
            for child in element:
                if plain(child.tag) == "Well":
                    plates_of_well[child.get("id", "")].append(plate)
        elif (within, name) == ("Wells", "Well"):
            said = texts(element)
            wells[said["id"]] = said
            for child in element:
                if plain(child.tag) == "Image":
                    well_of_image[child.get("id", "")] = said["id"]
        elif (within, name) == ("Map", "Entry"):
            said = {key: text for key, text in texts(element).items() if key not in LONG}
            of_channel[element.get("ChannelID", "")].update(said)
        elif (within, name) == ("Images", "Image"):
            rows.append(texts(element))
        else:
            continue
        element.clear()
    images = []
    for row in rows:
        said = {**of_channel.get(row["ChannelID"], {}), **row}
        fields = {key: text for key, text in said.items() if key not in OWN | LONG}
        well_id = well_of_image.get(row["id"]) or f"{int(row['Row']):02d}{int(row['Col']):02d}"
        place = wells.get(well_id, {})
        well = well_at(said.get("Row") or place["Row"], said.get("Col") or place["Col"])
        file = (
            "" if said.get("State", "Ok").lower() not in ("ok", "") and not said.get("URL") else said["URL"]
        )
        for plate in plates_of_well.get(well_id) or list(formats) or [path.parent.name]:
            images.append(
                IndexImage(
                    plate,
                    well,
                    site_name(said.get("FieldID")),
                    said["ChannelID"],
                    said.get("ChannelName", ""),
                    said.get("PlaneID") or "1",
                    said.get("TimepointID") or "0",
                    file,
                    fields,
                )
            )
    if not images:
        raise InputError(f"{path} lists no image: is the measurement complete?")
    return Index("Harmony", path, images, formats)


# --- MetaXpress -----------------------------------------------------------------------------------


METAXPRESS_NAME = re.compile(
    r"_(?P<well>[A-Za-z]{1,2}\d{1,2})(_s(?P<site>\d+))?(_w(?P<channel>\d+))?"
    r"([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?\.(?i:tiff?)$"
)
FOLDERS = re.compile(r"(?i:TimePoint_(?P<timepoint>\d+)|ZStep_(?P<plane>\d+))(?=/|$)")


def read_settings(path: Path) -> dict[str, list[str]]:
    """Read the lines of an HTD file: the values of each key."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    rows = csv.reader(lines, skipinitialspace=True)
    return {row[0].strip(): [value.strip() for value in row[1:]] for row in rows if row}


def read_metaxpress(path: Path) -> Index:
    """Read a .HTD file, and the names of the images beside it and in the folders of time points and planes.

    An image that the file lists and that is not there is named without its identifier. Where a channel has
    planes (`ZStep_`), its projections are left out.
    """
    said = read_settings(path)
    rows, columns = int(said["YWells"][0]), int(said["XWells"][0])
    wells = [
        well_at(str(row), str(column))
        for row in range(1, rows + 1)
        for column, chosen in enumerate(said.get(f"WellsSelection{row}", [])[:columns], start=1)
        if chosen.upper() == "TRUE"
    ]
    sites = get_metaxpress_sites(said)
    waves = int(said["NWavelengths"][0]) if is_true(said, "Waves") else 1
    names = {str(wave): (said.get(f"WaveName{wave}") or [""])[0] for wave in range(1, waves + 1)}
    found = find_metaxpress_files(path)
    there = {key[:3] for key in found}
    for well, site, wave in product(wells, sites or ["1"], names):
        if (well, site, wave) not in there:
            name = f"{path.stem}_{well}" + (f"_s{site}" if sites else "") + (f"_w{wave}" if waves > 1 else "")
            found[well, site, wave, "", ""] = f"{name}.tif"
    in_planes = {wave for _, _, wave, plane, _ in found if plane}
    images = [
        IndexImage(path.stem, well, site, wave, names.get(wave, ""), plane, time or "1", file, {})
        for (well, site, wave, plane, time), file in sorted(found.items())
        if plane or wave not in in_planes or (well, site, wave) not in there
    ]
    return Index("MetaXpress", path, images, {path.stem: (rows, columns)})


def is_true(said: Mapping[str, list[str]], key: str) -> bool:
    """Return whether a key of an HTD file is TRUE."""
    return (said.get(key) or [""])[0].upper() == "TRUE"


def get_metaxpress_sites(said: Mapping[str, list[str]]) -> list[str]:
    """Return the numbers of the sites of an HTD file, which count the chosen ones; none for one site."""
    if not is_true(said, "Sites"):
        return []
    columns, rows = (int(said[key][0]) for key in ("XSites", "YSites"))
    chosen = [
        value
        for row in range(1, rows + 1)
        for value in said.get(f"SiteSelection{row}", ["TRUE"] * columns)[:columns]
    ]
    return [str(number) for number in range(1, 1 + sum(value.upper() == "TRUE" for value in chosen))]


def find_metaxpress_files(path: Path) -> dict[tuple[str, str, str, str, str], str]:
    """Return the images of an HTD file: their paths by well, site, channel, plane and time point."""
    found = {}
    for root, files in folders_below(path.parent):
        below = root.removeprefix(str(path.parent)).lstrip("/")
        places = {"plane": "", "timepoint": ""}
        for match in FOLDERS.finditer(below):
            places |= {key: str(int(text)) for key, text in match.groupdict().items() if text}
        for name in files:
            match = METAXPRESS_NAME.search(name)
            if match and name.upper().startswith(f"{path.stem.upper()}_") and not name.startswith("."):
                channel = str(int(match["channel"] or 1))
                key = (well_name(match["well"]), site_name(match["site"]), channel, *places.values())
                found[key] = f"{below}/{name}" if below else name
    return found


# --- CellVoyager ----------------------------------------------------------------------------------


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
    plate, shape = path.parent.name, (0, 0)
    for detail in beside(path, ".mrf"):
        for _, element in ET.iterparse(detail):
            said = attributes(element)
            if plain(element.tag) == "MeasurementChannel":
                camera[said["Ch"]] = said
            elif plain(element.tag) == "MeasurementDetail":
                plate = said.get("Title") or plate
                shape = int(said.get("RowCount") or 0), int(said.get("ColumnCount") or 0)
    for settings in beside(path, ".mes"):
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


# --- the images of a plate ------------------------------------------------------------------------


def images_of_plate(index: Index, plate: str) -> list[IndexImage]:
    """Return the images of one plate of an index; those of its only plate, whatever its name.

    Raises
    ------
    InputError
        If the index has several plates, and none of this name.
    """
    names = list(dict.fromkeys(image.plate for image in index.images))
    if len(names) == 1 or plate not in names:
        if len(names) > 1:
            raise InputError(
                f"{index.path} has no plate {plate}; it has {listed(names, 5)}. Give the sample sheet's "
                f"plate one "
                "of these names."
            )
        return index.images
    return [image for image in index.images if image.plate == plate]


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
    there: dict[str, str] = {}
    for image in images:
        there.setdefault(image.channel, image.name)

    def short(name: str) -> str:
        return re.sub(r"\s+", "", name).casefold()

    matched, unknown = {}, []
    for image, channel in channels.items():
        alike = [number for number, name in there.items() if name == image]
        alike = alike or [number for number, name in there.items() if name and short(name) == short(image)]
        alike = alike or [
            number for number in there if number == image or number.lstrip("0") == image.lstrip("0")
        ]
        if len(alike) == 1:
            matched[alike[0]] = channel
        elif alike:
            unknown.append(f"`{image}` ({channel}; {len(alike)} channels have this name, so give its number)")
        else:
            unknown.append(f"`{image}` ({channel})")
    if unknown:
        has = listed(f"{number} ({name})" if name else number for number, name in there.items())
        raise InputError(
            f"{path} does not have the channel {listed(unknown)}. It has the channels {has}; write one of "
            f"these "
            "numbers or names as `image` of the channel in the config."
        )
    return matched


def find_files(index: Index, images: Iterable[IndexImage]) -> dict[str, Path]:
    """Return the path of each file that an index names: below its folder, or in any of its subfolders.

    A file that is nowhere has the path that the index gives, at which it is missing.
    """
    folder = index.path.parent
    everywhere: dict[str, list[Path]] | None = None
    found = {}
    for name in dict.fromkeys(image.file for image in images if image.file):
        said = PureWindowsPath(name) if "\\" in name else PurePosixPath(name)
        below = [part for part in said.parts if part not in ("..", said.anchor)]
        path = folder.joinpath(*below)
        if not path.is_file():
            if everywhere is None:
                everywhere = defaultdict(list)
                for root, names in folders_below(folder):
                    for other in names:
                        everywhere[other].append(Path(root, other))
            others = everywhere.get(said.name, [])
            path = others[0] if len(others) == 1 else path
        found[name] = path
    return found
