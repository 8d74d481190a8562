"""Read one image of a channel from a stack, from a file with several channels, or from an OME-Zarr plate.

The planes of a stack become one image where it is read (`images.project`), so that no converted copy of a
plate is ever written. Files are opened by the libraries of their formats: tifffile (TIFF, OME-TIFF, STK,
LSM), zarr (OME-Zarr), nd2, czifile and liffile.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.errors import InputError, join_names
from lib.image_formats import open_image
from lib.image_references import PROJECTIONS, read_reference
from lib.open_image import OpenImage, UnsuitableImageError

# How far apart are the two pixels whose difference measures focus (Brenner et al. 1976).
STEP = 2
# Files that are opened, at most, until one can be read.
MOST_OPENED = 20


@dataclass(frozen=True)
class Plane:
    """An image as it is read: its pixels in the numbers of the file, and the number that stands for 1."""

    pixels: np.ndarray
    kind: str
    scale: float


def get_focus(plane: np.ndarray) -> float:
    """Return the sharpness of a plane: the sum of squared differences between pixels two apart (Brenner).

    The sum is exact for whole numbers, so that it does not depend on the machine.
    """
    wide = plane.astype(np.int64 if np.issubdtype(plane.dtype, np.integer) else np.float64)
    down, across = wide[STEP:] - wide[:-STEP], wide[:, STEP:] - wide[:, :-STEP]
    return (down * down).sum() + (across * across).sum()


def project(planes: Iterator[np.ndarray], how: str) -> np.ndarray:
    """Project planes, which are read one after the other, to one image.

    Parameters
    ----------
    planes
        The planes of a stack, (rows, columns) each, of one type.
    how
        `max`, `mean`, `sum`, or `best_focus`, which takes the plane that is sharpest (the first of equal
        ones).

    Returns
    -------
    numpy.ndarray
        (rows, columns): of the planes' type for `max` and `best_focus`, else float64.

    Raises
    ------
    UnsuitableImageError
        If the planes differ in size.
    """
    result = next(planes)
    number, best = 1, get_focus(result) if how == "best_focus" else 0.0
    if how in ("mean", "sum"):
        result = result.astype(np.float64)
    for plane in planes:
        if plane.shape != result.shape:
            raise UnsuitableImageError(f"has planes of different sizes, {result.shape} and {plane.shape}")
        number += 1
        if how == "max":
            result = np.maximum(result, plane)
        elif how == "best_focus":
            focus = get_focus(plane)
            result, best = (plane, focus) if focus > best else (result, best)
        else:
            result += plane
    return result / number if how == "mean" else result


def resize(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Resize an image by a factor: linearly between pixels; smaller images are averaged first.

    The result has the type of `pixels`; whole numbers are rounded.
    """
    from skimage.transform import resize as resized

    shape = tuple(max(1, round(length * factor)) for length in pixels.shape)
    wide = resized(pixels.astype(np.float64), shape, order=1, mode="edge", anti_aliasing=factor < 1)
    return (np.rint(wide) if np.issubdtype(pixels.dtype, np.integer) else wide).astype(pixels.dtype)


def find_channel(opened: OpenImage, name: str | None) -> int:
    """Return the position of a channel in a file, by its name or its number (from 1).

    Raises
    ------
    UnsuitableImageError
        If the file has no such channel, naming those that it has.
    """
    names, number = opened.channels, opened.sizes["C"]
    if name is None:
        if number > 1:
            raise UnsuitableImageError(
                f"holds {number} channels ({list_channels(opened)}): leave the group `channel` out of "
                "images.pattern, and name each channel of the file in `image` of the config's channels"
            )
        return 0
    alike = [at for at, other in enumerate(names) if other == name]
    alike = alike or [at for at, other in enumerate(names) if other and other.casefold() == name.casefold()]
    if not alike and name.isdigit() and 1 <= int(name) <= number:
        alike = [int(name) - 1]
    if len(alike) != 1:
        what = "several channels" if alike else "no channel"
        raise UnsuitableImageError(f"has {what} `{name}`; it has the channels {list_channels(opened)}")
    return alike[0]


def list_channels(opened: OpenImage) -> str:
    """Return the numbers and names of a file's channels as text."""
    names = [*opened.channels, *[""] * opened.sizes["C"]][: opened.sizes["C"]]
    return join_names(f"{at} ({name})" if name else str(at) for at, name in enumerate(names, start=1))


@contextmanager
def raise_as_input_error(path: Path) -> Iterator[None]:
    """Raise what cannot be read as an InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    except UnsuitableImageError as error:
        raise InputError(f"{path} {error}.") from error
    except Exception as error:
        raise InputError(f"{path} cannot be read as an image ({type(error).__name__}: {error}).") from error


def find_sound_image(paths: Sequence[Path]) -> Path:
    """Return a file that can be opened, of a few; the first one if there is none (its error is reported)."""
    for path in paths[:: -(-len(paths) // MOST_OPENED)]:
        try:
            with raise_as_input_error(path), open_image(path):
                return path
        except InputError as error:
            logging.warning("%s", error)
    return paths[0]


def find_planes(opened: OpenImage, options: Mapping[str, str]) -> list[tuple[int, int, int, int]]:
    """Return the planes of a file that a reference means, as (scene, time point, channel, plane) from 0.

    Raises
    ------
    UnsuitableImageError
        If the file has several planes or time points and the reference does not choose.
    """
    channel = find_channel(opened, options.get("channel"))
    scene = int(options.get("scene", 1)) - 1
    if scene in opened.differing:
        raise UnsuitableImageError(opened.differing[scene])
    time = int(options.get("timepoint", 1)) - 1
    if not 0 <= time < opened.sizes["T"]:
        raise UnsuitableImageError(f"has no time point {time + 1}; it has {opened.sizes['T']}")
    if opened.sizes["T"] > 1 and "timepoint" not in options:
        raise UnsuitableImageError(
            f"holds {opened.sizes['T']} time points: set images.timepoint in the config"
        )
    depth, how = opened.sizes["Z"], options.get("project")
    if how is not None and opened.unnamed > 1 and opened.sizes["C"] == opened.unnamed:
        raise UnsuitableImageError(
            f"holds {opened.unnamed} pages, and does not say which are channels and which are planes: write "
            f"OME-TIFF, "
            "or leave out images.project if all are channels"
        )
    if how is None and depth > 1:
        raise UnsuitableImageError(
            f"holds {depth} planes: set images.project in the config ({join_names(PROJECTIONS)}, or a plane)"
        )
    if how is not None and how not in PROJECTIONS:
        if not 1 <= int(how) <= depth:
            raise UnsuitableImageError(f"has no plane {how}; it has {depth}, the first of which is 1")
        return [(scene, time, channel, int(how) - 1)]
    return [(scene, time, channel, plane) for plane in range(depth)]


def read_planes(path: Path) -> Plane:
    """Read the image that a reference (`lib.image_references`) names.

    Raises
    ------
    InputError
        Naming the file that cannot be read, and what it holds.
    """
    names, options = read_reference(path.name)
    folder = path.parent
    kinds: dict[str, float] = {}

    def each() -> Iterator[np.ndarray]:
        for number, name in enumerate(names):
            of_file = get_options_of_file(names, options, number)
            with raise_as_input_error(folder / name), open_image(folder / name, get_pages(options)) as opened:
                for place in find_planes(opened, of_file):
                    pixels = opened.read(*place)
                    kinds[pixels.dtype.name] = opened.scale or get_scale(pixels.dtype)
                    yield pixels

    how = options.get("project")
    with raise_as_input_error(folder / names[0]):
        pixels = project(each(), how) if how in PROJECTIONS else next(each())
        if len(kinds) > 1:
            raise UnsuitableImageError(f"has planes of different types, {join_names(kinds)}")
    (kind, scale), factor = next(iter(kinds.items())), float(options.get("scale", 1))
    return Plane(resize(pixels, factor) if factor != 1 else pixels, kind, scale)


def name_plane(name: str, names: list[str], what: str) -> str:
    """Return what is wrong with a file; of several, which one it is."""
    return what if len(names) == 1 else f"has a plane, {name}, that {what}"


def get_options_of_file(names: list[str], options: Mapping[str, str], number: int) -> Mapping[str, str]:
    """Return the options that apply within one of the files of an image.

    Where each plane is a file, a file is not projected; where it is a page of a file, that page is taken.
    """
    rest = {key: value for key, value in options.items() if key != "project"}
    if "pages" in options:
        return {**rest, "project": options["pages"].split(",")[number]}
    return options if len(names) == 1 else rest


def get_pages(options: Mapping[str, str]) -> str:
    """Return what the pages of a TIFF are that does not say it: channels if one is named, else planes."""
    return "C" if "channel" in options else "Z"


def get_scale(kind: np.dtype) -> float:
    """Return the number that stands for 1 in pixels of a type: the largest whole number, or 1."""
    return float(np.iinfo(kind).max) if np.issubdtype(kind, np.integer) else 1.0


def get_properties(path: Path) -> tuple[tuple[int, int], str] | str:
    """Return shape and type of the image that a reference names, from headers, or an error as text."""
    names, options = read_reference(path.name)
    found: set[tuple[tuple[int, int], str]] = set()
    for number, name in enumerate(names):
        of_file = get_options_of_file(names, options, number)
        file = path.parent / name
        try:
            with open_image(file, get_pages(options)) as opened:
                for _, *place in find_planes(opened, of_file):
                    if opened.find_gap(*place):
                        # What is there decides, when it is read, whether the file is incomplete.
                        opened.read(0, *place)
                found.add((opened.shape, opened.kind))
        except FileNotFoundError:
            return "does not exist" if len(names) == 1 else f"lacks the plane {name}, which does not exist"
        except UnsuitableImageError as error:
            return name_plane(name, names, str(error))
        except Exception as error:
            message = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            return name_plane(name, names, f"cannot be read ({message})")
    if len(found) > 1:
        return f"has planes of different sizes or types: {join_names(sorted(f'{s} {k}' for s, k in found))}"
    shape, kind = found.pop()
    factor = float(options.get("scale", 1))
    return tuple(max(1, round(length * factor)) for length in shape), kind
