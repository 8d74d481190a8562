"""Guess how image files are named, from the names alone.

Names are divided at underscores, dashes, dots, blanks and brackets. What is a well, a site, a channel, a
plane or a time point shows in the letters before a number (`f03`, `w2`), and in how the values vary: a number
that is the same for all images of a well is its index, and means nothing here.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lib.errors import InputError
from lib.image_names import IDENTIFIER, LAYOUTS, compile_pattern
from lib.name_parts import LETTERS, Part, divide, find_roles, find_well, write_part
from lib.wells import get_well_of_groups

SEPARATOR = re.compile(r"([_\-. ()\[\],+=#/]+)")
# The part of the files that must fit a pattern.
ENOUGH = 0.5
# The smallest share of files that is not taken for overviews and the like.
OFTEN = 0.05

# Plate (if the names have it), well, site, plane, time point and channel.
Key = tuple[str, str, str, str, str, str]


@dataclass(frozen=True)
class NamePattern:
    """How files are named: the value of `images.pattern`, and the files that it fits with what they are."""

    pattern: str
    keys: Mapping[str, Key]

    @property
    def channels(self) -> list[str]:
        """Return the values of the group `channel`."""
        return sorted({channel for *_, channel in self.keys.values()}, key=lambda name: (len(name), name))


def read_key(match: re.Match[str]) -> Key | None:
    """Return what a name says; None if its well is not valid."""
    groups = match.groupdict()
    try:
        well = get_well_of_groups(groups)
    except (InputError, KeyError):
        return None
    plate, *others = (groups.get(name) or "" for name in ("plate", "site", "plane", "timepoint", "channel"))
    return (plate, well, *others)


def try_pattern(pattern: str, names: Iterable[str]) -> NamePattern:
    """Return the names that a pattern fits."""
    expression = compile_pattern(pattern)
    keys = {}
    for name in names:
        match = expression.search(name)
        key = match and read_key(match)
        if key:
            keys[name] = key
    return NamePattern(pattern, keys)


def guess_pattern(names: Sequence[str]) -> NamePattern | None:
    """Guess the pattern of file names: a layout with a name, or one of our own; None if there is none.

    Parameters
    ----------
    names
        The names of the image files of one plate or more.
    """
    distinct = sorted(set(names))
    found = [try_pattern(layout, distinct) for layout in LAYOUTS if layout != "operetta"]
    best = max(found, key=lambda each: len(each.keys))
    is_known = len(best.keys) >= ENOUGH * len(distinct)
    if is_known:
        # Other layouts say everything; with these, an identifier would be taken for what tells files apart.
        is_loose = best.pattern == "imagexpress" and not any(
            re.search(IDENTIFIER, name) for name in best.keys
        )
        best = add_stack_groups(best, distinct)
        if not is_loose:
            return best
        if len(best.keys) == len(distinct) and is_distinct(best):
            return best
    guessed = build_pattern(distinct)
    if guessed is None or len(guessed.keys) < ENOUGH * len(distinct):
        return best if is_known else None
    # A layout may fit A10 to A24, and not A1 to A9.
    missed = len(guessed.keys) - len(best.keys) > OFTEN * len(distinct)
    is_better = is_distinct(guessed) and (missed or not is_distinct(best))
    return guessed if is_better or not is_known else best


def is_distinct(found: NamePattern) -> bool:
    """Return whether no two names mean the same image."""
    return len(set(found.keys.values())) == len(found.keys)


def add_stack_groups(found: NamePattern, names: Sequence[str]) -> NamePattern:
    """Return a layout's pattern, with groups for plates, planes and time points if the names have several."""
    if is_distinct(found):
        return found
    expression = LAYOUTS[found.pattern]
    for plain, grouped in (
        ("(^|_)", "(^|^(?P<plate>.+)_)"),
        (r"p\d{2}", r"p(?P<plane>\d{2})"),
        (r"sk\d+", r"sk(?P<timepoint>\d+)"),
        (r"_T\d{4}", r"_T(?P<timepoint>\d{4})"),
        (r"Z\d{2}", r"Z(?P<plane>\d{2})"),
        (r"-\d{3}\d{3}", r"-(?P<plane>\d{3})(?P<timepoint>\d{3})"),
        (r"(Z\d+)?", r"(Z(?P<plane>\d+))?"),
        (r"_\d{3}\.", r"_(?P<timepoint>\d{3})\."),
        (r" z \d+", r" z (?P<plane>\d+)"),
        (r" time \d+", r" time (?P<timepoint>\d+)"),
    ):
        expression = expression.replace(plain, grouped, 1)
    grouped_keys = try_pattern(expression, names)
    single = [
        name
        for name, at in (("plate", 0), ("plane", 3), ("timepoint", 4))
        if len({key[at] for key in grouped_keys.keys.values()}) < 2
    ]
    if len(single) == 3:
        return found
    for name in single:
        if f"(?P<{name}>" in expression:
            expression = re.sub(rf"\(\?P<{name}>([^()]*)\)", r"\1", expression)
    return try_pattern(expression, names)


def build_pattern(names: Sequence[str], in_path: bool = False) -> NamePattern | None:
    """Return a pattern for names that have no layout with a name; None if they show no well.

    Of names with different numbers of separators (channels `DAPI` and `Alexa_488`), what differs is one part.

    Parameters
    ----------
    names
        The names.
    in_path
        Whether they are the ends of paths, with the folders above the files.
    """
    shapes: dict[tuple[str, ...], list[list[str]]] = defaultdict(list)
    for name in names:
        tokens = SEPARATOR.split(name)
        shapes[tuple(tokens[1::2])].append(tokens[::2])
    largest = max(shapes.items(), key=lambda item: len(item[1]))
    found = [build_pattern_of_shape(*largest, names, in_path)]
    often = {shape: rows for shape, rows in shapes.items() if len(rows) > max(1, OFTEN * len(names))}
    if len(often) > 1:
        found += [build_pattern_of_shape(*joined, names, in_path) for joined in join_shapes(often)]

    def get_quality(each: NamePattern) -> tuple[bool, int, int]:
        # A pattern that tells the names apart is better than one that fits more of them; and of these, one
        # with few sites and channels, whose combinations the files are.
        values = sum(len(set(column)) for column in zip(*each.keys.values(), strict=True))
        return is_told_apart(each) and len(each.keys) >= ENOUGH * len(names), len(each.keys), -values

    return max(filter(None, found), key=get_quality, default=None)


def is_told_apart(found: NamePattern) -> bool:
    """Return whether a pattern has a channel and tells all names apart."""
    return is_distinct(found) and any(found.channels)


def join_shapes(
    shapes: Mapping[tuple[str, ...], Sequence[Sequence[str]]],
) -> Iterable[tuple[tuple[str, ...], list[list[str]]]]:
    """Yield ways to make one part of what differs between shapes: separators, and the parts of each name.

    Parameters
    ----------
    shapes
        The parts of each name by the separators between them.
    """
    shortest = min(map(len, shapes))
    for before in range(shortest):
        after = next(
            (n for n in range(shortest - before, 0, -1) if len({shape[-n:] for shape in shapes}) == 1), 0
        )
        if not after or len({shape[:before] for shape in shapes}) > 1:
            continue
        rows = []
        for shape, of_shape in shapes.items():
            middle = range(before, len(shape) - after)
            for row in of_shape:
                joined = row[before] + "".join(shape[at] + row[at + 1] for at in middle)
                rows.append([*row[:before], joined, *row[len(row) - after :]])
        first = next(iter(shapes))
        yield (*first[:before], *first[-after:]), rows


def names_next_part(parts: Sequence[Part]) -> bool:
    """Return whether the first part is a word for the second one (`Channel_1`); a letter may be a plate."""
    word = parts[0].values[0].lower()
    return len(word) > 1 and word in LETTERS.get(parts[1].role, ())


def build_pattern_of_shape(
    separators: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[str], in_path: bool
) -> NamePattern | None:
    """Return a pattern for names with the same separators; None if they show no well.

    Parameters
    ----------
    separators
        What is between the parts of a name.
    rows
        The parts of the names.
    names
        All names, on which the pattern is tried.
    in_path
        Whether they are the ends of paths.
    """
    parts = divide(separators, rows)
    if not find_well(parts) or not find_roles(parts):
        return None
    # What all names begin with may be the plate's name: the next plate has another.
    while not parts[0].role and len(set(parts[0].values)) == 1 and not names_next_part(parts):
        del parts[0]
    start = "" if parts[0].before and not parts[0].before.isalnum() else "(^|/)" if in_path else "^"
    pattern = start + "".join(write_part(part, in_path) for part in parts)
    pattern = f"(^|/){pattern[1:]}" if pattern.startswith("/") else pattern
    return try_pattern(pattern.replace(r"\ ", " ").replace(r"\_", "_").replace(r"\-", "-") + "$", names)
