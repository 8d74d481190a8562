"""Find the label images of a plate: one file per site for the nuclei, and one for the cells.

In the config, `pattern` is a file name with `{image}`, which stands for the name (without its ending) of the
site's image in the channel of these objects; a regular expression with the groups `well` (or `row` and
`column`) and `site`, like `images.pattern`; or `ome-zarr`, for those in the OME-Zarr plate of the images.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lib.errors import InputError, join_names
from lib.image_changes import walk_folders
from lib.image_checks import Fault, Found, StoredImage
from lib.image_files import properties
from lib.image_names import IMAGE, compile_pattern
from lib.image_references import read_reference
from lib.label_images import LabelError, number_objects, read_pixels
from lib.ome_zarr import OME_ZARR, list_labels
from lib.plates import find_spelling
from lib.sites import get_site_name
from lib.wells import get_well_of_groups

SiteKey = tuple[str, str]
# By the objects' name (Nuclei, Cells), the label image of each site.
LabelFiles = dict[str, dict[SiteKey, Path]]


def find_label_files(
    found: Sequence[Found],
    labels: Mapping[str, Mapping[str, Any]],
    images: Path | str,
    threads: int,
    plate: str = "",
) -> tuple[LabelFiles, list[Fault]]:
    """Find and check the label images of a plate's sites.

    Parameters
    ----------
    found
        The images of the plate.
    labels
        For each kind of object its settings: `pattern`, `folder` (None for that of the images), `mask`, the
        `name` of a label image in OME-Zarr, and the `channel` whose image `{image}` stands for.
    images
        The plate's folder of images, its image table, or an s3:// address.
    threads
        Number of files that are read at once.
    plate
        The plate's name, if `pattern` has a group `plate`.

    Returns
    -------
    The files by site, and what is wrong with them.
    """
    sites = list(dict.fromkeys((image.well, image.site) for image in found))
    files: LabelFiles = {}
    faults: list[Fault] = []
    for objects, settings in labels.items():
        of_channel = {
            (image.well, image.site): image.path for image in found if image.channel == settings["channel"]
        }
        if settings["pattern"] == OME_ZARR:
            find = find_in_plate
        else:
            find = find_named if IMAGE in settings["pattern"] else find_matching
        where = find({**settings, "plate": plate}, of_channel, images)
        what = f"label image of the {objects.lower()}"
        files[objects] = {}
        for site in sites:
            paths = where(site)
            if len(paths) == 1:
                files[objects][site] = paths[0]
            elif paths:
                faults.append(Fault(*site, f"has {len(paths)} files as {what}: {join_names(paths, 4)}"))
            else:
                faults.append(Fault(*site, f"has no {what} ({settings['pattern']})"))

        shared = Counter(files[objects].values())
        for site, path in files[objects].items():
            if shared[path] > 1:
                what = f"is the {what} of {shared[path]} sites: each needs a file of its own"
                faults.append(Fault(*site, what, objects, str(path)))

        def check(site: SiteKey, settings=settings, of_channel=of_channel, paths=files[objects]):
            return find_problem(paths[site], settings["mask"], of_channel.get(site))

        with ThreadPoolExecutor(threads) as pool:
            problems = pool.map(check, files[objects])
            for site, problem in zip(list(files[objects]), problems, strict=True):
                if problem:
                    faults.append(Fault(*site, problem, objects, str(files[objects][site])))
    return files, faults


def find_problem(path: Path, mask: bool, image: Path | StoredImage | None) -> str | None:
    """Return why a file is not the label image of an image; None if it is."""
    try:
        pixels = read_pixels(path)
        number_objects(pixels, mask)
    except LabelError as error:
        return str(error)
    shape = properties(image)[0] if isinstance(image, Path) else pixels.shape
    if isinstance(shape, tuple) and tuple(shape) != pixels.shape:
        return f"is {pixels.shape}; its image {image.name} is {tuple(shape)}"
    return None


def find_named(
    settings: Mapping[str, Any], of_channel: Mapping[SiteKey, Path | StoredImage], images: Path | str
) -> Callable[[SiteKey], list[Path]]:
    """Return the function that finds a site's label image by the name of its image."""
    folder = settings["folder"]

    def where(site: SiteKey) -> list[Path]:
        image = of_channel.get(site)
        if image is None:
            return []
        beside = Path(image.folder) if isinstance(image, StoredImage) else image.parent
        # the first plane of a stack names its label image
        stem = read_reference(image.name)[0][0].rpartition(".")[0]
        path = (Path(folder) if folder else beside) / settings["pattern"].replace(IMAGE, stem)
        return [path] if path.exists() or (isinstance(image, StoredImage) and not folder) else []

    return where


def find_in_plate(
    settings: Mapping[str, Any], of_channel: Mapping[SiteKey, Path | StoredImage], images: Path | str
) -> Callable[[SiteKey], list[Path]]:
    """Return the function that finds a site's label image in an OME-Zarr plate.

    It is below the image (`plate.zarr/A/1/0/labels/NAME`), or at the same place in the plate `folder`.
    """
    folder, name = settings["folder"], settings["name"]

    def where(site: SiteKey) -> list[Path]:
        image = of_channel.get(site)
        if image is None:
            return []
        within = Path(image.folder) if isinstance(image, StoredImage) else image.parent
        within = Path(folder, *within.parts[-2:]) if folder else within
        labels = within / read_reference(image.name)[0][0] / "labels"
        return [labels / found for found in list_labels(labels) if name in (None, found)]

    return where


def find_matching(
    settings: Mapping[str, Any], of_channel: Mapping[SiteKey, Path | StoredImage], images: Path | str
) -> Callable[[SiteKey], list[Path]]:
    """Return the function that finds a site's label images among the files that match the pattern.

    Raises
    ------
    InputError
        If the folder does not exist, or holds no such file, or none of the plate.
    """
    folder = Path(settings["folder"] or (images if Path(images).is_dir() else Path(images).parent))
    expression = compile_pattern(settings["pattern"])
    if not folder.is_dir():
        raise InputError(f"The folder {folder} of the label images does not exist.")
    names, matching = [], []
    for root, found in walk_folders(folder):
        for name in found:
            names.append(name)
            below = f"{root.removeprefix(str(folder)).lstrip('/')}/{name}"
            if match := expression.search(below if "/" in expression.pattern else name):
                matching.append((Path(root, name), match.groupdict()))
    plates = {groups["plate"] for _, groups in matching if groups.get("plate")}
    meant = find_spelling(settings["plate"], plates)
    by_site: dict[SiteKey, list[Path]] = defaultdict(list)
    for path, groups in matching:
        if groups.get("plate") and groups["plate"] not in meant:
            continue
        try:
            well = get_well_of_groups(groups)
        except InputError as error:
            raise InputError(f"{path}: {error} (from `labels.pattern`)") from error
        by_site[well, get_site_name(groups.get("site"))].append(path)
    if plates and not by_site:
        raise InputError(
            f"The names of the label images in {folder} are of plate {join_names(sorted(plates), 5)}, and "
            f"not of {settings['plate']}."
        )
    if not by_site:
        raise InputError(
            f"None of the {len(names)} files in {folder} matches `labels.pattern`, "
            f"{settings['pattern']}. Files there: {join_names(sorted(names), 3) or 'none'}."
        )
    return lambda site: sorted(by_site.get(site, []))
