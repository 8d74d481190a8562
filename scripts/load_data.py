"""Write the image table of a plate: one row per site, with the file of every channel.

This is CellProfiler's `load_data.csv` in the Cell Painting Gallery's layout. Every site has every channel of
the assay, and every image opens: what is missing, duplicate, unreadable, truncated, of another size or type
than the plate's other images, or not an intensity is reported all at once, or, if the config says so, its
site is left out and listed (`lib.image_checks`).

Images in object storage (s3://) are listed: each job of CellProfiler fetches those of its own sites. Their
sizes are checked here, and a few of each channel are fetched and checked like files; the others are checked
when they are fetched.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from lib.channel_checks import find_channel_faults
from lib.contrast import refuse_dead_channels
from lib.errors import InputError, join_names
from lib.image_changes import walk_folders, write_digests
from lib.image_checks import (
    Fault,
    Found,
    StoredImage,
    find_file_faults,
    find_repeated_faults,
    find_site_faults,
)
from lib.image_columns import add_illumination, add_label_files, add_numbered_labels
from lib.image_files import MAXIMUM
from lib.image_finding import (
    Reading,
    combine_planes,
    decode_compressed,
    divide_files,
    find_in_index,
    find_in_zarr,
    get_index_columns,
)
from lib.image_messages import describe_faults, hint_at_planes, suggest_remedy
from lib.image_names import compile_pattern, remove_channel
from lib.image_tables import read_load_data
from lib.label_files import find_label_files
from lib.logs import log_to
from lib.microscope_index import INDEX
from lib.object_storage import list_entries, require_fetching, resolve_address
from lib.ome_zarr import OME_ZARR
from lib.plates import WRITE_ONE, find_spelling, is_address, is_image_table
from lib.sites import get_site_name, get_site_order
from lib.tables import write_whole
from lib.wells import get_well_of_groups, get_well_order

SiteKey = tuple[str, str]


def search_name(
    path: Path | StoredImage, expression: re.Pattern[str], root: Path | str
) -> re.Match[str] | None:
    """Search an expression in a file's name or, if it has a slash, in the path below `root`."""
    below = str(path).removeprefix(str(root)).lstrip("/")
    return expression.search(below if "/" in expression.pattern else path.name)


def parse_name(
    path: Path | StoredImage,
    expression: re.Pattern[str],
    channels: Mapping[str, str],
    root: Path | str = "",
) -> Found | None:
    """Read an image from a file's name.

    Parameters
    ----------
    path
        The file.
    expression
        A regular expression with named groups; one with a slash is searched in the path below `root`.
    channels
        Channel names by their label in the file name.
    root
        The plate's folder.

    Returns
    -------
    Found or None
        The image; None if it is not an image of the assay's channels.
    """
    match = search_name(path, expression, root)
    if not match or path.name.startswith("."):
        return None
    groups = match.groupdict()
    image = groups.get("channel")
    if image is None:
        channel = next(iter(channels.values())) if len(channels) == 1 else None
    else:
        channel = channels.get(image) or channels.get(image.lstrip("0"))
    if channel is None:
        return None
    try:
        well = get_well_of_groups(groups)
    except InputError as error:
        raise InputError(f"{path}, read with images.pattern: {error}") from error
    plane, time = groups.get("plane") or "", groups.get("timepoint") or ""
    return Found(well, get_site_name(groups.get("site")), channel, path, plane, time)


def list_files(folder: Path | str, plate: str) -> list[Path] | list[StoredImage]:
    """Return the files of a folder or an s3:// address, and of its subfolders, in their paths' order."""
    if isinstance(folder, str):
        address = resolve_address(folder).rstrip("/")
        found = [
            (f"{address}/{path}".rpartition("/"), *about) for path, about in list_entries(address).items()
        ]
        if not found:
            raise InputError(f"Plate {plate}: there is no object below {address}/.")
        return [StoredImage(parent, name, size, tag) for (parent, _, name), size, tag in found]
    if not folder.is_dir():
        raise InputError(f"Plate {plate}: the images folder {folder} does not exist.")
    return sorted(Path(root, name) for root, names in walk_folders(folder) for name in names)


def find_images(
    folder: Path | str,
    pattern: str,
    channels: Mapping[str, str],
    plate: str,
    reading: Reading = Reading(),  # noqa: B008
) -> list[Found]:
    """Return every image of the assay's channels in `folder`; of a stack, each plane.

    Parameters
    ----------
    folder
        The plate's images, or their s3:// address; subfolders are searched too.
    pattern
        A layout's name, a regular expression with named groups, `index` or `ome-zarr`.
    channels
        Channel names by their label in the file name, the index or the file.
    plate
        The plate's name, for messages.
    reading
        How images are read from files.
    """
    if pattern == INDEX:
        return find_in_index(folder, channels, plate)
    if pattern == OME_ZARR:
        return find_in_zarr(folder, channels, plate)
    if reading.channels_in == "files":
        return divide_files(find_images(folder, remove_channel(pattern), {"": "all"}, plate), channels)
    expression = compile_pattern(pattern, len(set(channels.values())))
    files = list_files(folder, plate)
    root = resolve_address(folder) if isinstance(folder, str) else folder
    if "plate" in expression.groupindex:
        matches = {path: search_name(path, expression, root) for path in files}
        named = {path: match["plate"] for path, match in matches.items() if match and match["plate"]}
        meant = find_spelling(plate, set(named.values()))
        if named and len(meant) != 1:
            raise InputError(
                f"Plate {plate}: the names of the images in {folder} are of plate "
                f"{join_names(sorted(set(named.values())), 5)}. {WRITE_ONE}"
            )
        files = [path for path in files if named.get(path) in meant]
    found = [image for path in files if (image := parse_name(path, expression, channels, root))]
    if not found:
        raise InputError(
            f"Plate {plate}: none of the {len(files)} files in {folder} matches the pattern "
            f"`{pattern}` and one of the channels {join_names(channels)}. "
            f"Files there: {join_names([path.name for path in files], 3) or 'none'}. "
            "Set images.pattern, or channels[].image, in the config."
        )
    logging.info("%s: %d images of %d files", folder, len(found), len(files))
    return found


def get_plate_order(key: SiteKey) -> tuple:
    """Return the sort key of a well and its site: plate order, then the order of numbers or names."""
    well, site = key
    return (*get_well_order(well), *get_site_order(site))


def make_image_table(found: list[Found], channels: Iterable[str], batch: str, plate: str) -> pd.DataFrame:
    """Return one row per site in plate order, with file name and folder of each channel.

    Parameters
    ----------
    found
        The images of the plate.
    channels
        The channels' names.
    batch, plate
        The batch and the plate.
    """
    files = {(image.well, image.site, image.channel): image.path for image in found}
    rows = []
    for well, site in sorted({(image.well, image.site) for image in found}, key=get_plate_order):
        row = {
            "Metadata_Batch": batch,
            "Metadata_Plate": plate,
            "Metadata_Well": well,
            "Metadata_Site": site,
        }
        for channel in channels:
            path = files[well, site, channel]
            row[f"FileName_Orig{channel}"] = path.name
            row[f"PathName_Orig{channel}"] = (
                path.folder if isinstance(path, StoredImage) else str(path.parent.resolve())
            )
        rows.append(row)
    return pd.DataFrame(rows)


def load_data(
    images: Path | str,
    plate: Mapping[str, str],
    channels: Mapping[str, str],
    pattern: str,
    bad_sites: str,
    threads: int,
    maximum: float | None = None,
    decode: bool = False,
    labels: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    reading: Reading = Reading(),  # noqa: B008
) -> tuple[pd.DataFrame, list[Fault]]:
    """Return a plate's image table, and the sites that were left out of it.

    Parameters
    ----------
    images
        Folder of images, its s3:// address, or the user's own load_data.csv.
    plate
        The sample sheet's row.
    channels
        Channel names by their label in the file name.
    pattern
        How file names are read.
    bad_sites
        `error` or `drop`.
    threads
        How many files are read at once.
    maximum
        The pixel value that stands for 1; None for the largest of the file's type.
    decode
        Whether the pixels of every image are read.
    labels
        The settings of label images by the objects that they replace (see `find_label_files`).
    reading
        How images are read from files: projections, time points, several channels in a file.

    Raises
    ------
    InputError
        With every faulty site, if `bad_sites` is `error`; if no site is left; or if all images of a channel
        hold one value.
    """
    names = list(channels.values())
    in_table = isinstance(images, Path) and is_image_table(images.name)
    if in_table:
        found = read_load_data(images, channels, plate["plate"])
    else:
        found = find_images(images, pattern, channels, plate["plate"], reading)
    found, plane_faults = combine_planes(found, reading)
    of_files = find_file_faults(found, threads, maximum, decode)
    if reading.decoding and (decoded := decode_compressed(found, of_files)) != found:
        found, of_files = decoded, find_file_faults(decoded, threads, maximum, decode)
    label_files, label_faults = find_label_files(found, labels, images, threads, plate["plate"])
    faults = sorted(
        [
            *plane_faults,
            *find_site_faults(found, names),
            *of_files,
            *find_channel_faults(found, threads),
            *find_repeated_faults(found, threads),
            *label_faults,
        ],
        key=lambda fault: get_plate_order((fault.well, fault.site)),
    )
    bad = {(fault.well, fault.site) for fault in faults}
    good = [image for image in found if (image.well, image.site) not in bad]
    if faults and (bad_sites == "error" or not good):
        for fault in faults:
            logging.error("well %s, site %s: %s", fault.well, fault.site, fault.reason)
        raise InputError(
            describe_faults(plate["plate"], faults, found, str(images))
            + suggest_remedy(faults, found, hint_at_planes(found, in_table, pattern == INDEX))
        )
    for fault in faults:
        logging.warning("left out: well %s, site %s: %s", fault.well, fault.site, fault.reason)
    refuse_dead_channels(good, plate["plate"], threads)
    table = make_image_table(good, names, plate["batch"], plate["plate"])
    table = table.assign(**get_index_columns(good, table))
    if maximum is not None:
        table[MAXIMUM] = f"{maximum:g}"
    return add_label_files(table, label_files), faults


def main(
    folder: str,
    outputs: Mapping[str, str],
    plate: Mapping[str, str],
    parameters: Mapping[str, Any],
    threads: int,
) -> None:
    """Write the image table, with and without illumination functions, and the dropped sites.

    Parameters
    ----------
    folder
        The folder of images or the image table; "" for an address.
    outputs
        Paths of `load_data`, `with_illum`, `dropped` and `digests` (csv).
    plate
        The plate's row of the sample sheet.
    parameters
        The other arguments of `load_data`; `fetch`; where the illumination functions (`illumination`) and the
        numbered `label_images` of the `labeled` objects will be.
    threads
        How many files are read at once.
    """
    images, pattern = plate["images"], parameters["pattern"]
    if not is_address(images) or is_image_table(images):
        images = Path(folder)
    elif not folder:
        require_fetching(parameters["fetch"], images)
    table, faults = load_data(
        images,
        plate,
        parameters["channels"],
        pattern,
        parameters["bad_sites"],
        threads,
        parameters["maximum"],
        parameters["decode"],
        parameters["labels"],
        Reading(**parameters["reading"]),
    )
    channels = parameters["channels"].values()
    illuminated = add_illumination(table, channels, Path(parameters["illumination"]))
    illuminated = add_numbered_labels(illuminated, parameters["labeled"], Path(parameters["label_images"]))
    dropped = pd.DataFrame(
        [(fault.well, fault.site, fault.reason) for fault in faults],
        columns=["Metadata_Well", "Metadata_Site", "reason"],
    )
    dropped.insert(0, "Metadata_Plate", plate["plate"])
    for output, content in (
        (outputs["load_data"], table),
        (outputs["with_illum"], illuminated),
        (outputs["dropped"], dropped),
    ):
        with write_whole(output) as part:
            content.to_csv(part, index=False)
    write_digests(images, pattern, outputs["digests"], threads)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        places = ("illumination", "labeled", "label_images", "fetch")
        names = ("channels", "pattern", "bad_sites", "maximum", "decode", "labels", "reading", *places)
        main(
            snakemake.input.images or "",
            {name: snakemake.output[name] for name in ("load_data", "with_illum", "dropped", "digests")},
            snakemake.params.plate,
            {name: snakemake.params[name] for name in names},
            snakemake.threads,
        )
