"""The image table of a plate: one row a site, with the file of every channel.

This is CellProfiler's `load_data.csv` in the Cell Painting Gallery's layout. Every site has every
channel of the assay, and every image opens: what is missing, double, unreadable, truncated or of
another size or type than the plate's other images is reported all at once, or, where the config says
so, its site is left out and listed.
"""

import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import tifffile
from PIL import Image

from lib.errors import InputError, listed
from lib.logs import logged
from lib.plates import read_table
from lib.tables import whole
from lib.wells import row_name, well_name, well_order

# File names as the instruments' software exports them.
LAYOUTS = {
    "phenix": (
        r"^r(?P<row>\d{2})c(?P<column>\d{2})f(?P<site>\d{2,})p\d{2}"
        r"-ch(?P<channel>\d+)sk\d+fk\d+fl\d+\.tiff?$"
    ),
    "imagexpress": (
        r"(^|_)(?P<well>[A-Z]{1,2}\d{2})(_s(?P<site>\d+))?_w(?P<channel>\d)"
        r"([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?\.tiff?$"
    ),
    "opera": (r"^(?P<row>\d{3})(?P<column>\d{3})-(?P<site>\d+)-\d{3}\d{3}(?P<channel>\d{3})\.tiff?$"),
}
ONLY_SITE = "1"
TIFF = {".tif", ".tiff"}

SiteKey = tuple[str, str]


class Found(NamedTuple):
    """One image file and what its name says."""

    well: str
    site: str
    channel: str
    path: Path


class Fault(NamedTuple):
    """Why a site cannot be used."""

    well: str
    site: str
    what: str


def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression of a named layout, or of the user's own pattern, checked."""
    try:
        expression = re.compile(LAYOUTS.get(pattern, pattern))
    except re.error as error:
        raise InputError(
            f"images.pattern `{pattern}` is neither a layout ({listed(LAYOUTS)}) nor a regular "
            f"expression: {error}."
        ) from error
    groups = set(expression.groupindex)
    if "channel" not in groups or not ("well" in groups or {"row", "column"} <= groups):
        raise InputError(
            f"images.pattern `{pattern}` must have the named groups `channel` and `well` (or `row` "
            f"and `column`); it has {listed(sorted(groups)) or 'none'}."
        )
    return expression


def parsed(path: Path, expression: re.Pattern[str], channels: Mapping[str, str]) -> Found | None:
    """What a file's name says; None when it is no image of the assay's channels."""
    match = expression.search(path.name)
    if not match:
        return None
    groups = match.groupdict()
    image = groups["channel"]
    channel = channels.get(image) or channels.get(image.lstrip("0"))
    if channel is None:
        return None
    if groups.get("well"):
        well = well_name(groups["well"])
    else:
        row = groups["row"]
        letter = row_name(int(row)) if row.isdigit() else row
        well = well_name(f"{letter}{int(groups['column'])}")
    site = groups.get("site") or ONLY_SITE
    return Found(well, str(int(site)) if site.isdigit() else site, channel, path)


def find_images(folder: Path, pattern: str, channels: Mapping[str, str], plate: str) -> list[Found]:
    """Every image of the assay's channels in `folder`.

    Args:
        folder: the plate's images; sub-folders are searched too.
        pattern: a layout's name or a regular expression with named groups.
        channels: channel name by what stands for it in the file name.
        plate: for messages.
    """
    if not folder.is_dir():
        raise InputError(f"Plate {plate}: the images folder {folder} does not exist.")
    expression = compiled(pattern)
    files = [Path(root, name) for root, _, names in os.walk(folder) for name in sorted(names)]
    found = [image for path in sorted(files) if (image := parsed(path, expression, channels))]
    if not found:
        raise InputError(
            f"Plate {plate}: none of the {len(files)} files in {folder} is named as the pattern "
            f"`{pattern}` says for the channels {listed(channels)}. "
            f"Files there: {listed([path.name for path in sorted(files)], 3) or 'none'}. "
            "Set images.pattern, or channels[].image, in the config."
        )
    logging.info("%s: %d images of %d files", folder, len(found), len(files))
    return found


def read_load_data(path: Path, channels: Iterable[str], plate: str) -> list[Found]:
    """The images that the user's own load_data.csv lists."""
    columns, rows = read_table(path)
    needed = ["Metadata_Well", "Metadata_Site"]
    needed += [f"{kind}_Orig{name}" for name in channels for kind in ("FileName", "PathName")]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(f"{path} (plate {plate}) lacks the column {listed(missing)}.")
    if "Metadata_Plate" in columns:
        rows = [row for row in rows if row["Metadata_Plate"] == plate]
    if not rows:
        raise InputError(f"{path} has no row of plate {plate}.")
    return [
        Found(
            well_name(row["Metadata_Well"]),
            row["Metadata_Site"],
            channel,
            path.parent / row[f"PathName_Orig{channel}"] / row[f"FileName_Orig{channel}"],
        )
        for row in rows
        for channel in channels
        if row[f"FileName_Orig{channel}"]
    ]


def properties(path: Path) -> tuple[tuple[int, ...], str] | str:
    """Shape and type of an image, from its header; or what is wrong with the file.

    A TIFF is truncated when its header points beyond the end of the file.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            return "is empty (0 bytes)"
        if path.suffix.lower() not in TIFF:
            with Image.open(path) as image:
                image.load()
                return (image.height, image.width), image.mode
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            ends = [a + b for a, b in zip(page.dataoffsets, page.databytecounts, strict=True)]
            if not ends or max(ends) > size:
                return f"is truncated ({size} bytes of at least {max(ends, default=0)})"
            return tuple(page.shape), str(page.dtype)
    except FileNotFoundError:
        return "does not exist"
    except Exception as error:
        return f"cannot be read ({type(error).__name__}: {error})"


def image_faults(found: list[Found], threads: int) -> list[Fault]:
    """Images that do not open, or whose size or type is not that of most of the plate's images."""
    with ThreadPoolExecutor(threads) as pool:
        read = list(pool.map(properties, [image.path for image in found]))
    usual = Counter(value for value in read if not isinstance(value, str)).most_common(1)
    faults = []
    for image, value in zip(found, read, strict=True):
        if isinstance(value, str):
            faults.append(Fault(image.well, image.site, f"{image.path} {value}"))
        elif value != usual[0][0]:
            shape, kind = value
            faults.append(
                Fault(
                    image.well,
                    image.site,
                    f"{image.path} is {shape} {kind}; the plate's images are "
                    f"{usual[0][0][0]} {usual[0][0][1]}",
                )
            )
    return faults


def site_faults(found: list[Found], channels: Iterable[str]) -> list[Fault]:
    """Sites that lack a channel or have two images of one."""
    by_site: dict[SiteKey, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for image in found:
        by_site[image.well, image.site][image.channel].append(image.path)
    faults = []
    for (well, site), images in by_site.items():
        for channel in channels:
            paths = images.get(channel, [])
            if not paths:
                faults.append(Fault(well, site, f"has no image of channel {channel}"))
            elif len(paths) > 1:
                names = listed([path.name for path in paths], 4)
                faults.append(Fault(well, site, f"has {len(paths)} images of {channel}: {names}"))
    return faults


def site_order(key: SiteKey) -> tuple:
    """Plate order of wells, then number order of sites."""
    well, site = key
    return (*well_order(well), int(site) if site.isdigit() else 0, site)


def image_table(found: list[Found], channels: Iterable[str], batch: str, plate: str) -> pd.DataFrame:
    """One row a site in plate order, with file name and folder of each channel."""
    files = {(image.well, image.site, image.channel): image.path for image in found}
    rows = []
    for well, site in sorted({(image.well, image.site) for image in found}, key=site_order):
        row = {
            "Metadata_Batch": batch,
            "Metadata_Plate": plate,
            "Metadata_Well": well,
            "Metadata_Site": site,
        }
        for channel in channels:
            path = files[well, site, channel].resolve()
            row[f"FileName_Orig{channel}"] = path.name
            row[f"PathName_Orig{channel}"] = str(path.parent)
        rows.append(row)
    return pd.DataFrame(rows)


def with_illumination(table: pd.DataFrame, channels: Iterable[str], folder: Path) -> pd.DataFrame:
    """The image table with each site's illumination functions."""
    plate = table["Metadata_Plate"].iloc[0]
    columns = {}
    for channel in channels:
        columns[f"FileName_Illum{channel}"] = f"{plate}_Illum{channel}.npy"
        columns[f"PathName_Illum{channel}"] = str(folder.resolve())
    return table.assign(**columns)


def load_data(
    images: Path,
    plate: Mapping[str, str],
    channels: Mapping[str, str],
    pattern: str,
    bad_sites: str,
    threads: int,
) -> tuple[pd.DataFrame, list[Fault]]:
    """A plate's image table, and the sites that were left out of it.

    Args:
        images: folder of images, or the user's own load_data.csv.
        plate: the sample sheet's row.
        channels: channel name by what stands for it in the file name.
        pattern: how file names are read.
        bad_sites: `error` or `drop`.
        threads: how many files are read at once.

    Raises:
        InputError: with every faulty site, when `bad_sites` is `error`; or when no site is left.
    """
    names = list(channels.values())
    if images.suffix == ".csv":
        found = read_load_data(images, names, plate["plate"])
    else:
        found = find_images(images, pattern, channels, plate["plate"])
    faults = sorted(
        site_faults(found, names) + image_faults(found, threads),
        key=lambda fault: site_order((fault.well, fault.site)),
    )
    said = [f"well {fault.well}, site {fault.site}: {fault.what}" for fault in faults]
    if faults and bad_sites == "error":
        raise InputError(
            f"Plate {plate['plate']}: {len(faults)} faults in its images:\n  "
            + "\n  ".join(said)
            + "\nReplace these images, or set images.bad_sites to drop to leave their sites out."
        )
    for line in said:
        logging.warning("left out: %s", line)
    bad = {(fault.well, fault.site) for fault in faults}
    good = [image for image in found if (image.well, image.site) not in bad]
    if not good:
        raise InputError(f"Plate {plate['plate']}: no site is left, all {len(bad)} have faults.")
    return image_table(good, names, plate["batch"], plate["plate"]), faults


def main() -> None:
    """Write the image table, with and without illumination functions, and the dropped sites."""
    table, faults = load_data(
        Path(snakemake.input.images),
        snakemake.params.plate,
        snakemake.params.channels,
        snakemake.params.pattern,
        snakemake.params.bad_sites,
        snakemake.threads,
    )
    channels = snakemake.params.channels.values()
    illuminated = with_illumination(table, channels, Path(snakemake.params.illumination))
    dropped = pd.DataFrame(faults, columns=["Metadata_Well", "Metadata_Site", "reason"])
    dropped.insert(0, "Metadata_Plate", snakemake.params.plate["plate"])
    for output, content in (
        (snakemake.output.load_data, table),
        (snakemake.output.with_illum, illuminated),
        (snakemake.output.dropped, dropped),
    ):
        with whole(output) as part:
            content.to_csv(part, index=False)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
