"""Check whether a plate's images are those that were measured, by their content, not by their time.

Snakemake sees that a folder changed, but not an image that was replaced in it. The step load_data writes the
digest of each image. When a run is planned, an image whose size or time has changed since it was last seen is
read, and counts as changed if its digest differs. This information is kept in a small file beside the
image table; without it, each image that has a digest is read once.

This module uses only the standard library, since Snakemake's process imports it while planning.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from lib.errors import InputError
from lib.files import write_whole
from lib.image_names import compile_pattern
from lib.image_table_columns import get_path_of_url, read_columns, split_url
from lib.plates import is_address, is_image_table
from lib.values import is_nothing

BLOCK = 1 << 20
THREADS = 8
# The record of an image: its size and time; "" if its content is the first that was measured, or else its
# digest; and the digest of that first content, once load_data has written it.
NEW = (None, "", None)
# Set when a server did not answer while planning.
UNREACHABLE = "object storage"
FAILED: set[str] = set()


def walk_folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield a folder and its subfolders, also behind links, each once, with the names of their files.

    Hidden subfolders are left out: snapshots of a file server, and what a Macintosh keeps beside files, have
    files of the same names.
    """
    seen = set()
    for root, below, names in os.walk(folder, followlinks=True):
        place = os.path.realpath(root)
        if place in seen:
            below.clear()
            continue
        seen.add(place)
        below[:] = [name for name in below if not name.startswith(".")]
        yield root, names


def digest_of_file(path: str | Path) -> str | None:
    """Return the digest of a file's bytes; None if it cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with Path(path).open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def write_digests(images: Path | str, pattern: str, record: str | Path, threads: int) -> None:
    """Write the digest of each image file of a plate; in object storage, its tag (ETag).

    Parameters
    ----------
    images
        The plate's folder of images, its s3:// address, or its image table.
    pattern
        How file names are read.
    record
        The file to write: a table of `image` (its path) and `digest`.
    threads
        Number of files that are read at once.
    """
    if isinstance(images, Path):
        files = list_images(images, pattern)
        with ThreadPoolExecutor(threads) as pool:
            digests = dict(zip(files, pool.map(digest_of_file, files.values()), strict=True))
    else:
        digests = list_stored_images(images, pattern)
    with write_whole(record) as part, part.open("w", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["image", "digest"])
        writer.writerows(digests.items())


def list_images(images: Path, pattern: str) -> dict[str, str]:
    """Return the image files of a plate, by their paths relative to its folder (or to its table's).

    They are those in the folder whose names match the pattern, or those in the table.
    """
    if is_image_table(images.name):
        return get_relative_paths(find_files_of_table(images), images.parent)
    expression = compile_pattern(pattern)
    in_path = "/" in expression.pattern
    # The index of ImageXpress lies beside those of other plates, so that it may be named itself.
    images = images.parent if images.is_file() else images
    found = []
    for root, names in walk_folders(images):
        below = root.removeprefix(str(images)).lstrip("/")
        for name in names:
            if not name.startswith(".") and expression.search(f"{below}/{name}" if in_path else name):
                found.append(f"{below}/{name}" if below else name)
    # Paths are joined as text: as path objects, 30,000 images take a second.
    return {name: f"{images}/{name}" for name in sorted(found)}


def get_relative_paths(paths: Iterable[str], start: Path) -> dict[str, str]:
    """Return paths by what they are relative to a folder, which is computed once for each folder of files."""
    found, folders = {}, {}
    for path in paths:
        name = path.rpartition("/")[2]
        folder = path.removesuffix(name) or "."
        if folder not in folders:
            relative = os.path.relpath(folder, start)
            folders[folder] = "" if relative == "." else f"{relative}/"
        found[f"{folders[folder]}{name}"] = path
    return found


def list_stored_images(address: str, pattern: str) -> dict[str, str]:
    """Return the tags of the images below an s3:// address that match the pattern, by path below it."""
    # boto3 is imported only for plates in object storage.
    from lib.object_storage import list_entries, resolve_address

    expression = compile_pattern(pattern)
    in_path = "/" in expression.pattern
    return {
        path: tag
        for path, (_, tag) in list_entries(resolve_address(address)).items()
        if expression.search(path if in_path else path.rpartition("/")[2])
    }


def find_files_of_table(table: Path) -> list[str]:
    """Return the paths of the image files in a user's image table that are on this machine's disks."""
    columns = read_columns(table, ("FileName_", "PathName_", "URL_"))
    below: dict[str, set[str]] = {}
    for name, values in columns.items():
        kind, _, image = name.partition("_")
        if kind == "FileName":
            folders = columns.get(f"PathName_{image}", [""] * len(values))
            places = zip(folders, values, strict=True)
        elif kind == "URL" and f"FileName_{image}" not in columns:
            places = map(split_url, values)
        else:
            continue
        for folder, file in places:
            if file:
                below.setdefault(folder, set()).add(file)
    found: set[str] = set()
    for written, files in below.items():
        folder = get_path_of_url(written)
        if not is_address(folder):
            place = os.path.join(table.parent / ("" if is_nothing(folder) else folder), "")  # noqa: PTH118
            place = place.removeprefix("./")
            # Paths are joined as text, which is quicker, unless a name has a folder of its own.
            found |= {str(Path(place, file)) if "/" in file else f"{place}{file}" for file in files}
    # In the order of paths: by folder, then by name.
    if len(below) == 1 and "/" not in "".join(*below.values()):
        return sorted(found)
    return sorted(found, key=lambda path: path.replace("/", "\0"))


def get_states(paths: list[str]) -> list[list[int] | None]:
    """Return size and time of each file; None if it does not exist."""
    states: list[list[int] | None] = []
    for path in paths:
        try:
            state = os.stat(path)  # noqa: PTH116
        except OSError:
            states.append(None)
        else:
            states.append([state.st_size, state.st_mtime_ns])
    return states


def get_contents(images: Path, pattern: str, record: Path, seen: Path) -> str:
    """Return a word that changes if an image of a plate is added, removed or modified.

    Parameters
    ----------
    images
        The plate's folder of images, or its image table.
    pattern
        How file names are read.
    record
        The digests that load_data wrote, if it has run.
    seen
        The file that keeps size, time and content of each image from plan to plan.
    """
    try:
        files = list_images(images, pattern)
    except InputError:
        # load_data reports the errors.
        return ""
    paths = list(files.values())
    with ThreadPoolExecutor(THREADS) as pool:
        # Network disks can answer several requests at once.
        size = max(1, -(-len(paths) // THREADS))
        blocks = pool.map(get_states, [paths[start : start + size] for start in range(0, len(paths), size)])
        states = dict(zip(files, (state for block in blocks for state in block), strict=True))

        def read(names: list[str]) -> list[str | None]:
            return list(pool.map(digest_of_file, [files[name] for name in names]))

        return compare_contents(states, read, record, seen)


def get_stored_contents(address: str, pattern: str, record: Path, seen: Path, asked: bool) -> str:
    """Return the word of `get_contents` for images in object storage.

    Parameters
    ----------
    address
        The s3:// address of the plate's images.
    pattern, record, seen
        See `get_contents`.
    asked
        Whether the server may be asked; if not, the images are taken to be as they were last seen.
    """
    tags = None
    if asked and UNREACHABLE not in FAILED:
        try:
            tags = list_stored_images(address, pattern)
        except InputError:
            # load_data reports the error, if it has to run. The server is not asked again for other plates.
            FAILED.add(UNREACHABLE)
    if tags is None:
        tags = {name: state for name, (state, _, _) in read_seen(seen).items()}
    return compare_contents(tags, lambda names: [tags[name] for name in names], record, seen)


def compare_contents(
    states: Mapping[str, Any], read: Callable[[list[str]], list[str | None]], record: Path, seen: Path
) -> str:
    """Return a word that changes if an image of a plate is added, removed or modified.

    Parameters
    ----------
    states
        The state of each image, which changes whenever its content does.
    read
        The function that returns the digests of images.
    record, seen
        See `get_contents`.
    """
    if not states:
        return ""
    known, recorded = read_seen(seen), read_record(record)
    # An image that load_data has not yet read cannot have changed when it is first seen.
    doubtful = [
        name
        for name, state in states.items()
        if known.get(name, NEW)[0] != state and (name in known or name in recorded)
    ]
    digests = dict(zip(doubtful, read(doubtful), strict=True))
    now = {}
    for name, state in states.items():
        _, content, first = known.get(name, NEW)
        first = first or recorded.get(name)
        if name in digests:
            content = "" if digests[name] == first else digests[name] or "missing"
        now[name] = [state, content, first]
    if now != known:
        # A folder that cannot be written is reported elsewhere.
        with suppress(OSError), write_whole(seen) as part:
            part.write_text(json.dumps(now))
    contents = [[name, content] for name, (_, content, _) in now.items()]
    return hashlib.blake2b(json.dumps(contents).encode(), digest_size=8).hexdigest()


def read_seen(seen: Path) -> dict[str, list]:
    """Return the record of the last plan; empty if there is no such file."""
    try:
        return json.loads(seen.read_text())
    except (OSError, ValueError):
        return {}


def read_record(record: Path) -> dict[str, str]:
    """Return the digests that load_data wrote; none if it has not run."""
    try:
        with record.open(newline="") as table:
            return {row["image"]: row["digest"] for row in csv.DictReader(table)}
    except OSError:
        return {}


def find_former_folder(load_data: Path, images: Path, pattern: str) -> str | None:
    """Return the folder in an earlier image table if the plate's images are not (or no longer) there.

    Results that were copied or moved keep the paths of the images that they were made of.

    Parameters
    ----------
    load_data
        The plate's image table, if there is one.
    images
        The plate's folder of images; a user's own table names its folders itself.
    pattern
        How file names are read.
    """
    try:
        with load_data.open(newline="") as table:
            row = next(csv.DictReader(table), {})
    except OSError:
        return None
    named = next((value for name, value in row.items() if name.startswith("PathName_Orig")), "")
    if not named or "://" in named or is_image_table(images.name):
        return None
    if images.resolve() in (Path(named), *Path(named).parents):
        return None
    folders = {path.rpartition("/")[0] for path in list_images(images, pattern).values()}
    return None if Path(named) in {Path(folder).resolve() for folder in folders} else named
