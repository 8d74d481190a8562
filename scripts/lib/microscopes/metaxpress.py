"""Read the index of MetaXpress (ImageXpress): `NAME.HTD`, which lists wells, sites, wavelengths and planes.

The images are recognized by their names.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Mapping
from itertools import product
from pathlib import Path

from lib.image_changes import walk_folders
from lib.microscopes.index import Index, IndexImage
from lib.sites import get_site_name
from lib.wells import get_well_at, get_well_name

FILE = re.compile(r"\.HTD$", re.IGNORECASE)
# The identifier of an image follows its wavelength, or is in brackets; a thumbnail has `_thumb` before it.
IDENTIFIER = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
IMAGE = re.compile(
    r"^((?P<plate>.*?)_)?(?P<well>[A-Za-z]{1,2}\d{1,2})(_s(?P<site>\d+))?(_w(?P<channel>\d+))?"
    rf"(_z(?P<plane>\d+))?(_t(?P<timepoint>\d+))?({IDENTIFIER}|_\[{IDENTIFIER}\])?\.(?i:tiff?)$"
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
    planes (`ZStep_1` and so on), its projections (`ZStep_0`, or beside these folders) are left out.
    """
    settings = read_settings(path)
    rows, columns = int(settings["YWells"][0]), int(settings["XWells"][0])
    wells = [
        get_well_at(str(row), str(column))
        for row in range(1, rows + 1)
        for column, chosen in enumerate(settings.get(f"WellsSelection{row}", [])[:columns], start=1)
        if chosen.upper() == "TRUE"
    ]
    found = find_metaxpress_files(path)
    there = {key[:3] for key in found}
    sites = get_metaxpress_sites(settings, {site for _, site, _ in there})
    waves = int(settings["NWavelengths"][0]) if is_true(settings, "Waves") else 1
    # A wavelength with 0 was set up and not imaged.
    imaged = [wave for wave in range(1, waves + 1) if (settings.get(f"WaveCollect{wave}") or ["1"])[0] != "0"]
    names = {str(wave): (settings.get(f"WaveName{wave}") or [""])[0] for wave in imaged}
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


def is_true(settings: Mapping[str, list[str]], key: str) -> bool:
    """Return whether a key of an HTD file is TRUE."""
    return (settings.get(key) or [""])[0].upper() == "TRUE"


def get_metaxpress_sites(settings: Mapping[str, list[str]], there: set[str]) -> list[str]:
    """Return the numbers of the sites of an HTD file; none for one site.

    They count the chosen sites; or all sites of the grid, if the images have such numbers.

    Parameters
    ----------
    settings
        The values of each key of the HTD file.
    there
        The sites of the images that were found.
    """
    if not is_true(settings, "Sites"):
        return []
    columns, rows = (int(settings[key][0]) for key in ("XSites", "YSites"))
    chosen = [
        value
        for row in range(1, rows + 1)
        for value in settings.get(f"SiteSelection{row}", ["TRUE"] * columns)[:columns]
    ]
    in_grid = [str(number) for number, value in enumerate(chosen, start=1) if value.upper() == "TRUE"]
    counted = [str(number) for number in range(1, 1 + len(in_grid))]
    return in_grid if there - set(counted) and there <= set(in_grid) else counted


def find_metaxpress_files(path: Path) -> dict[tuple[str, str, str, str, str], str]:
    """Return the images of an HTD file: their paths by well, site, channel, plane and time point.

    Their names begin with that of the HTD file; or with another one, if the HTD file was renamed and all
    images have one name.
    """
    found: dict[str, dict[tuple[str, str, str, str, str], str]] = defaultdict(dict)
    for root, files in walk_folders(path.parent):
        below = root.removeprefix(str(path.parent)).lstrip("/")
        places = {"plane": "", "timepoint": ""}
        for match in FOLDERS.finditer(below):
            places |= {key: str(int(text)) for key, text in match.groupdict().items() if text}
        for name in files:
            match = IMAGE.search(name)
            if match and not name.startswith("."):
                own = {key: str(int(match[key])) for key in places if match[key]}
                # ZStep_0 has the projection of the planes.
                at = {
                    key: "" if (key, text) == ("plane", "0") else text for key, text in (places | own).items()
                }
                channel = str(int(match["channel"] or 1))
                key = (get_well_name(match["well"]), get_site_name(match["site"]), channel, *at.values())
                found[(match["plate"] or "").upper()][key] = f"{below}/{name}" if below else name
    indexes = [other for other in path.parent.iterdir() if FILE.search(other.name)]
    only = next(iter(found.values())) if len(found) == len(indexes) == 1 else {}
    return found.get(path.stem.upper(), only)
