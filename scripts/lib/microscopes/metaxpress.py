"""Read the index of MetaXpress (ImageXpress): `NAME.HTD`, which lists wells, sites, wavelengths and planes.

The images are recognized by their names.
"""

import csv
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path

from lib.image_changes import walk_folders
from lib.microscopes.index import Index, IndexImage
from lib.sites import get_site_name
from lib.wells import get_well_at, get_well_name

FILE = re.compile(r"\.HTD$", re.IGNORECASE)
IMAGE = re.compile(
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
        get_well_at(str(row), str(column))
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
    for root, files in walk_folders(path.parent):
        below = root.removeprefix(str(path.parent)).lstrip("/")
        places = {"plane": "", "timepoint": ""}
        for match in FOLDERS.finditer(below):
            places |= {key: str(int(text)) for key, text in match.groupdict().items() if text}
        for name in files:
            match = IMAGE.search(name)
            if match and name.upper().startswith(f"{path.stem.upper()}_") and not name.startswith("."):
                channel = str(int(match["channel"] or 1))
                key = (get_well_name(match["well"]), get_site_name(match["site"]), channel, *places.values())
                found[key] = f"{below}/{name}" if below else name
    return found
