"""Guess what image files are from their names and, where these do not say it, from the folders above them.

Micro-Manager names a folder after the well and its site (`A1-Site_0/img_channel000_...`). MetaXpress has a
folder for each time point and plane (`TimePoint_1/ZStep_2`), and other programs have one for each channel.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lib.image_names import compile_pattern
from lib.name_parts import MOST_CHANNELS, is_channel
from lib.name_patterns import ENOUGH, Key, NamePattern, build_pattern, guess_pattern, try_pattern
from lib.wells import get_well_place

# The words before a number in the name of a folder. Single letters are left to the plates (P1, T2).
WORDS = {
    "plane": {"zstep", "zstack", "zslice", "z", "plane", "slice"},
    "timepoint": {"timepoint", "time", "tp"},
    "site": {"site", "field", "fov"},
}
NUMBERED = re.compile(r"(?:.*[^A-Za-z])?([A-Za-z]+)[_\-. ]?(\d+)")
# How far above a file its folders are looked at.
MOST_FOLDERS = 2
# What matches any text in a pattern of names, and what matches it within one name of a path.
WITHIN = {".*?": "[^/]*?", ".+?": "[^/]+?", "[^.]": "[^./]", "[^_.]": "[^_./]", "[^()]": "[^()/]"}


@dataclass(frozen=True)
class PathPattern:
    """How files are named: the value of `images.pattern`, what each path is, and the folders that tell it.

    `folders` is the number of folders above a file that the pattern reads; 0 for a pattern of names. `lost`
    has the channels of files that are not in such folders.
    """

    pattern: str
    keys: dict[str, Key]
    folders: int = 0
    lost: Sequence[str] = ()

    @property
    def channels(self) -> list[str]:
        """Return the values of the group `channel`."""
        return NamePattern(self.pattern, self.keys).channels


def guess_pattern_of_paths(paths: Sequence[str]) -> PathPattern | None:
    """Guess the pattern of image files from their paths below a folder; None if they name no well."""
    names = {path: path.rpartition("/")[2] for path in paths}
    found = guess_pattern(list(names.values()))
    if found is None:
        return guess_with_folders(paths)
    keys = {path: found.keys[name] for path, name in names.items() if name in found.keys}
    plain = PathPattern(found.pattern, keys)
    return plain if len(set(keys.values())) == len(keys) else read_folders(plain) or plain


def get_end(path: str, folders: int) -> str | None:
    """Return a file's name with this number of folders above it; None if there are fewer."""
    parts = path.split("/")
    return "/".join(parts[-1 - folders :]) if len(parts) > folders else None


# --- wells in the names of folders ------------------------------------------------------------------


def guess_with_folders(paths: Sequence[str]) -> PathPattern | None:
    """Return the pattern of files whose wells are in the name of their folder, or of the folder above it."""
    for folders in range(1, MOST_FOLDERS + 1):
        ends = {path: end for path in paths if (end := get_end(path, folders))}
        if len(ends) < ENOUGH * len(paths):
            return None
        found = build_pattern(sorted(set(ends.values())), in_path=True)
        if found and len(found.keys) >= ENOUGH * len(set(ends.values())) and are_sure(found):
            keys = {path: found.keys[end] for path, end in ends.items() if end in found.keys}
            return PathPattern(found.pattern, keys, folders)
    return None


def are_sure(found: NamePattern) -> bool:
    """Return whether folders are wells, and not plates or batches that are called P1 and P2."""
    rows = {get_well_place(well)[0] for _, well, *_ in found.keys.values()}
    return "/" in found.pattern and (len(rows) > 1 or rows == {1})


# --- planes, time points, sites and channels in the names of folders ---------------------------------


def read_folders(found: PathPattern) -> PathPattern | None:
    """Return a pattern that also reads the folders of files with names that do not tell all images apart.

    None if the folders are not those of planes, time points, sites or channels.
    """
    expression = compile_pattern(found.pattern)
    roles = ("plate", "well", "site", "plane", "timepoint", "channel")
    values = dict(zip(roles, map(set, zip(*found.keys.values(), strict=True)), strict=True))
    free = {role for role in (*WORDS, "channel") if values[role] <= {""}}
    text = expression.pattern
    for role in free & set(expression.groupindex):
        text = text.replace(f"(?P<{role}>", "(?:")
    levels = []
    for folder in range(1, MOST_FOLDERS + 1):
        names = [parts[-1 - folder] for path in found.keys if len(parts := path.split("/")) > folder]
        part = find_folder_part(names, free) if len(names) >= ENOUGH * len(found.keys) else None
        levels.insert(0, part[1] if part else "[^/]+")
        free -= {part[0]} if part else set()
    while levels and levels[0] == "[^/]+":
        del levels[0]
    if not levels:
        return None
    pattern = "(^|/)" + "/".join([*levels, write_end(text)])
    keys = dict(try_pattern(pattern, found.keys).keys)
    told_by_names = {found.keys[path] for path in keys}
    if len(keys) < ENOUGH * len(found.keys) or len(set(keys.values())) <= len(told_by_names):
        return None
    if has_projections(keys):
        pattern = pattern.replace(r"(?P<plane>\d+)", r"(?P<plane>0*[1-9]\d*)")
        keys = dict(try_pattern(pattern, found.keys).keys)
    found_in_folders = PathPattern(pattern, keys, len(levels))
    lost = sorted(set(found.channels) - set(found_in_folders.channels) - {""})
    return replace(found_in_folders, lost=lost)


def find_folder_part(names: Sequence[str], free: Collection[str]) -> tuple[str, str] | None:
    """Return what folders are, and the regular expression of their names; None if they do not say it.

    Parameters
    ----------
    names
        The name of the folder of each file.
    free
        What the names of the files do not tell.
    """
    distinct = set(names)
    matches = {name: match for name in distinct if (match := NUMBERED.fullmatch(name))}
    words = Counter(matches[name][1] for name in names if name in matches)
    for word, count in words.most_common(1):
        role = next((role for role, known in WORDS.items() if word.lower() in known), None)
        numbers = {match[2] for match in matches.values() if match[1] == word}
        if role in free and count >= ENOUGH * len(names) and len(numbers) > 1:
            return role, rf"[^/]*(?<![A-Za-z]){word}[_\-. ]?(?P<{role}>\d+)"
    both = zip(min(distinct), max(distinct), strict=False)
    alike = "".join(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], both))
    start = re.sub(r"[A-Za-z0-9]*$", "", alike)
    ends = [name.removeprefix(start) for name in distinct]
    if "channel" in free and 2 <= len(ends) <= MOST_CHANNELS and all(map(is_channel, ends)):
        return "channel", re.escape(start) + "(?P<channel>[^/]+)"
    return None


def write_end(pattern: str) -> str:
    """Return the pattern of a name as that of the end of a path."""
    for anywhere, within in WITHIN.items():
        pattern = pattern.replace(anywhere, within)
    if pattern.startswith("(^|_)"):
        return "([^/]*_)?" + pattern.removeprefix("(^|_)")
    return pattern.removeprefix("^") if pattern.startswith("^") else "[^/]*?" + pattern


def has_projections(keys: Mapping[str, Key]) -> bool:
    """Return whether ZStep_0 has the projections of MetaXpress: all its images have other planes."""
    if not any("zstep_0" in path.lower() for path in keys):
        return False
    others = {(*key[:3], *key[4:]) for key in keys.values() if key[3].strip("0")}
    return {(*key[:3], *key[4:]) for key in keys.values() if not key[3].strip("0")} <= others


# --- plates ------------------------------------------------------------------------------------------


def divide_by_folder(
    folder: Path, files: Sequence[Path], keys: Mapping[Path, Key], below: int
) -> dict[Path, list[Path]]:
    """Return the files of each plate by its folder.

    A folder is one plate if no two of its files are the same image, and its subfolders have wells in common
    (planes, sites or channels in folders of their own) or one well each.

    Parameters
    ----------
    folder
        The folder.
    files
        The image files in it.
    keys
        What each image file is.
    below
        How many folders above a file belong to its name.
    """
    children: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        inside = path.relative_to(folder).parts
        children[folder / inside[0] if len(inside) > 1 + below else folder].append(path)
    if set(children) == {folder} or not children:
        return {folder: list(files)}
    if len(children) == 1:
        (only,) = children
        return divide_by_folder(only, files, keys, below)
    wells = {child: {keys[path][1] for path in paths} for child, paths in children.items()}
    is_distinct = len({keys[path] for path in files}) == len(files)
    single = all(len(of_child) == 1 for of_child in wells.values())
    overlap = sum(map(len, wells.values())) > len(set().union(*wells.values()))
    if is_distinct and (single or overlap):
        return {folder: list(files)}
    divided: dict[Path, list[Path]] = {}
    for child, paths in children.items():
        divided |= {folder: paths} if child == folder else divide_by_folder(child, paths, keys, below)
    return divided


def find_repeated(files: Sequence[Path], keys: Mapping[Path, Key]) -> Sequence[str]:
    """Return the names of the first two files that are one image by their names; none if all differ."""
    seen: dict[Key, Path] = {}
    for path in files:
        other = seen.setdefault(keys[path], path)
        if other is not path:
            return other.name, path.name
    return ()
