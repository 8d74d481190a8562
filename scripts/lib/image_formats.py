"""Open image files of any format: their channels, planes, scenes and pixels, through the formats' libraries.

TIFF in all its kinds, PNG and OME-Zarr are always read; Nikon's ND2, Zeiss' CZI and Leica's LIF where their
libraries are installed.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from lib.errors import InputError
from lib.image_files import KINDS_OF_TIFF, TIFF, read_plane_and_scale
from lib.object_storage import open_image_file
from lib.ome_tiff import (
    get_names,
    get_pixel_size_of_vendor,
    get_tagged_scale,
    list_other_files,
    open_part,
    read_metadata,
)
from lib.ome_zarr import find_missing_chunks, is_cut_off, is_in_zarr, open_multiscale
from lib.open_image import AXES, OpenImage, UnsuitableImageError, find_differing

# The package that reads each format which is not always installed.
LIBRARIES = {".nd2": "nd2", ".czi": "pylibCZIrw.czi", ".lif": "liffile"}
# The formats whose files may hold several scenes (positions of the microscope).
CONTAINERS = tuple(LIBRARIES)


@contextmanager
def open_image(path: Path, pages: str = "Z") -> Iterator[OpenImage]:
    """Open an image file, one in object storage, or an image in an OME-Zarr plate.

    Parameters
    ----------
    path
        The file.
    pages
        What the pages of a TIFF are that does not say it: planes (`Z`) or channels (`C`).

    Raises
    ------
    InputError
        If the format's library is not installed.
    UnsuitableImageError
        If the file holds color images, or dimensions that are not those of microscopy.
    """
    suffix = path.suffix.lower()
    with ExitStack() as stack:
        if is_in_zarr(path):
            yield open_zarr(path)
        elif suffix in TIFF | KINDS_OF_TIFF:
            yield open_tiff(stack.enter_context(tifffile.TiffFile(open_image_file(path))), pages)
        elif suffix in LIBRARIES:
            library = get_library(path)
            yield {".nd2": open_nd2, ".czi": open_czi, ".lif": open_lif}[suffix](path, library, stack)
        else:
            pixels, scale = read_plane_and_scale(path)
            yield OpenImage(
                {"T": 1, "C": 1, "Z": 1}, pixels.shape, pixels.dtype.name, lambda *_: pixels, scale=scale
            )


def get_library(path: Path) -> Any:
    """Return the library that reads a file's format.

    Raises
    ------
    InputError
        With the command that installs it.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    name = LIBRARIES[path.suffix.lower()]
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"{path}: reading {path.suffix} files needs the package {name.partition('.')[0]}, which is not "
            f"installed. "
            "Run `.uv/bin/uv sync --frozen --extra microscopes` in Platewise's folder."
        ) from error


# --- TIFF -----------------------------------------------------------------------------------------


def open_tiff(file: tifffile.TiffFile, pages: str) -> OpenImage:
    """Return an open TIFF file: OME-TIFF, ImageJ, MetaMorph, LSM, or pages without further information."""
    metadata = read_metadata(file)
    if metadata is not None and (others := list_other_files(metadata, file.filename)):
        return open_part(file, metadata, others)
    images, names, pixel_size = ([], [], None) if metadata is None else get_names(metadata)
    every = file.series if file.is_ome else file.series[:1]
    series = every[0]
    axes, shape = series.axes, series.shape
    if axes.endswith("S"):
        raise UnsuitableImageError(f"is in color ({axes}, {shape}): write one gray image for each channel")
    if not axes.endswith("YX"):
        raise UnsuitableImageError(
            f"has the dimensions {axes} ({shape}), where gray images end with rows and columns (YX)"
        )
    leading = axes[:-2]
    unknown = [axis for axis in leading if axis not in AXES]
    if len(unknown) > 1:
        raise UnsuitableImageError(
            f"has the dimensions {axes}, of which {', '.join(unknown)} are unknown: write OME-TIFF"
        )
    if unknown and pages in leading:
        raise UnsuitableImageError(
            f"has the dimensions {axes}: {shape[leading.index(unknown[0])]} pages of an unknown kind beside "
            f"the "
            f"dimension {pages}; write OME-TIFF"
        )
    known = leading.replace(unknown[0], pages) if unknown else leading
    sizes = {axis: shape[known.index(axis)] if axis in known else 1 for axis in AXES}
    lengths = shape[:-2]

    def read(scene: int, time: int, channel: int, plane: int) -> np.ndarray:
        if not 0 <= scene < len(every):
            raise UnsuitableImageError(f"has no scene {scene + 1}; it has {len(every)}")
        chosen = every[scene]
        at = {"T": time, "C": channel, "Z": plane}
        place = tuple(at[axis] for axis in known)
        number = int(np.ravel_multi_index(place, lengths)) if lengths else 0
        if len(chosen.pages) != int(np.prod(lengths, dtype=int)):
            # One block of pixels behind a single page, as ImageJ writes it.
            return chosen.asarray()[place]
        page = chosen.pages[number]
        if page is None:
            raise UnsuitableImageError(f"lacks the plane at {dict(zip(known, place, strict=True))}")
        ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if max(ends, default=0) > page.parent.filehandle.size:
            raise UnsuitableImageError(
                f"is truncated ({page.parent.filehandle.size} bytes of at least {max(ends)})"
            )
        return page.asarray()

    scenes = images if file.is_ome and len(images) == len(every) else [""] * len(every)
    return OpenImage(
        sizes,
        tuple(shape[-2:]),
        np.dtype(series.dtype).name,
        read,
        names[0] if names else (),
        scenes,
        get_tagged_scale(file),
        pixel_size or get_pixel_size_of_vendor(file),
        shape[leading.index(unknown[0])] if unknown else 1,
        find_differing([f"{each.axes} {each.shape}" for each in every], scenes),
    )


# --- OME-Zarr -------------------------------------------------------------------------------------


def open_zarr(path: Path) -> OpenImage:
    """Return an open image of an OME-Zarr plate, in full resolution."""
    found = open_multiscale(path)
    known, array = found.axes[:-2].upper(), found.array
    if set(known) - set(AXES) or found.axes[-2:] != "yx":
        raise UnsuitableImageError(f"has the axes {found.axes}, where t, c, z, y, x are expected")

    def get_place(time: int, channel: int, plane: int) -> tuple[int, ...]:
        at = {"T": time, "C": channel, "Z": plane}
        return tuple(at[axis] for axis in known)

    def read(scene: int, time: int, channel: int, plane: int) -> np.ndarray:
        place = get_place(time, channel, plane)
        pixels = np.asarray(array[place])
        # The chunks are looked up only then, since this takes requests in object storage.
        if is_cut_off(pixels, array) and (gap := find_missing_chunks(array, place)):
            raise UnsuitableImageError(gap)
        return pixels

    def find_gap(time: int, channel: int, plane: int) -> str:
        return find_missing_chunks(array, get_place(time, channel, plane))

    sizes = {axis: array.shape[known.index(axis)] if axis in known else 1 for axis in AXES}
    kind = np.dtype(array.dtype).name
    return OpenImage(
        sizes,
        tuple(array.shape[-2:]),
        kind,
        read,
        found.channels,
        pixel_size=found.pixel_size,
        find_gap=find_gap if path.exists() else lambda *_: "",
    )


# --- formats of microscopes -----------------------------------------------------------------------


def open_nd2(path: Path, nd2: Any, stack: ExitStack) -> OpenImage:
    """Return an open ND2 file; its positions are scenes."""
    file = stack.enter_context(nd2.ND2File(path))
    if file.is_rgb:
        raise UnsuitableImageError("is in color; write one gray image for each channel")
    sizes = file.sizes
    frames = {
        (at.get("P", 0), at.get("T", 0), at.get("Z", 0)): number
        for number, at in enumerate(file.loop_indices or [{}])
    }

    def read(scene: int, time: int, channel: int, plane: int) -> np.ndarray:
        if (scene, time, plane) not in frames:
            raise UnsuitableImageError(f"lacks scene {scene + 1}, time point {time + 1}, plane {plane + 1}")
        pixels = np.asarray(file.read_frame(frames[scene, time, plane]))
        return pixels.reshape(-1, *pixels.shape[-2:])[channel]

    names = [channel.channel.name for channel in (file.metadata.channels or [])] if file.metadata else []
    size = file.voxel_size().x
    return OpenImage(
        {axis: sizes.get(axis, 1) for axis in AXES},
        (sizes["Y"], sizes["X"]),
        np.dtype(file.dtype).name,
        read,
        names,
        [""] * sizes.get("P", 1),
        pixel_size=size if size and size != 1 else None,
    )


def open_czi(path: Path, czi: Any, stack: ExitStack) -> OpenImage:
    """Return an open CZI file; the tiles of a mosaic are one image, as in Zeiss' own program."""
    file = stack.enter_context(czi.open_czi(str(path)))
    box, of_scenes = file.total_bounding_box, file.scenes_bounding_rectangle
    scenes = sorted(of_scenes)

    def read(scene: int, time: int, channel: int, plane: int) -> np.ndarray:
        if scenes and not 0 <= scene < len(scenes):
            raise UnsuitableImageError(f"has no scene {scene + 1}; it has {len(scenes)}")
        place = {
            axis: box[axis][0] + at
            for axis, at in zip(AXES, (time, channel, plane), strict=True)
            if axis in box
        }
        pixels = file.read(plane=place, **({"scene": scenes[scene]} if scenes else {}))
        if pixels.shape[-1] != 1:
            raise UnsuitableImageError("is in color; write one gray image for each channel")
        return pixels[..., 0]

    image = (
        ((file.metadata.get("ImageDocument") or {}).get("Metadata") or {})
        .get("Information", {})
        .get("Image", {})
    )
    entries = ((image.get("Dimensions") or {}).get("Channels") or {}).get("Channel", [])
    names = [each.get("@Name", "") for each in (entries if isinstance(entries, list) else [entries])]
    first = read(0, 0, 0, 0)
    rectangles = [of_scenes[scene] for scene in scenes]
    return OpenImage(
        {axis: box[axis][1] - box[axis][0] if axis in box else 1 for axis in AXES},
        first.shape,
        first.dtype.name,
        read,
        names,
        [""] * max(1, len(scenes)),
        pixel_size=get_czi_pixel_size(file.metadata),
        differing=find_differing([(each.h, each.w) for each in rectangles], [""] * len(scenes)),
    )


def get_czi_pixel_size(metadata: Any) -> float | None:
    """Return the width of a pixel in micrometers from a CZI file's metadata."""
    scaling = ((metadata.get("ImageDocument") or {}).get("Metadata") or {}).get("Scaling") or {}
    items = (scaling.get("Items") or {}).get("Distance", [])
    for item in items if isinstance(items, list) else [items]:
        if item.get("@Id") == "X" and item.get("Value"):
            return float(item["Value"]) * 1e6
    return None


def open_lif(path: Path, liffile: Any, stack: ExitStack) -> OpenImage:
    """Return an open LIF file; its images are scenes."""
    file = stack.enter_context(liffile.LifFile(path))
    images = list(file.images)
    if not images:
        raise UnsuitableImageError("holds no image")
    first = images[0]
    if "S" in first.dims or not {"Y", "X"} <= set(first.dims):
        raise UnsuitableImageError(f"has the dimensions {first.dims}; write one gray image for each channel")

    def read(scene: int, time: int, channel: int, plane: int) -> np.ndarray:
        if not 0 <= scene < len(images):
            raise UnsuitableImageError(f"has no scene {scene + 1}; it has {len(images)}")
        pixels, dims = images[scene].asarray(), list(images[scene].dims)
        for axis, at in zip(AXES, (time, channel, plane), strict=True):
            if axis in dims:
                pixels = np.take(pixels, at, axis=dims.index(axis))
                dims.remove(axis)
        return pixels

    sizes = first.sizes
    return OpenImage(
        {axis: sizes.get(axis, 1) for axis in AXES},
        (sizes["Y"], sizes["X"]),
        np.dtype(first.dtype).name,
        read,
        (),
        [image.name for image in images],
        differing=find_differing([dict(image.sizes) for image in images], [image.name for image in images]),
    )
