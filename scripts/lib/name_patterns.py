"""Guess how image files are named, from the names alone.

Names are divided at underscores, dashes, dots, blanks and brackets. What is a well, a site, a channel, a
plane or a time point shows in the letters before a number (`f03`, `w2`), and in how the values vary: a number
that is the same for all images of a well is its index, and means nothing here.
"""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lib.errors import InputError
from lib.image_names import LAYOUTS, compile_pattern
from lib.wells import get_well_at, get_well_name

# The letters before a number, by what it counts.
LETTERS = {
    "site": {"s", "f", "site", "field", "fld", "fov", "xy", "pos", "fk"},
    "channel": {"w", "c", "ch", "channel", "chan", "d", "wv", "wave", "wavelength"},
    "plane": {"z", "p", "plane", "slice"},
    "timepoint": {"t", "tp", "time", "timepoint", "sk"},
    "row": {"r", "row"},
}
SEPARATOR = re.compile(r"([_\-. ()\[\],+=#]+)")
PAIRS = re.compile(r"(?:[A-Za-z]+\d+)+")
PAIR = re.compile(r"([A-Za-z]+)(\d+)")
# A channel has at least two values, and not more than this.
MOST_CHANNELS = 16
# The part of the files that must fit a pattern.
ENOUGH = 0.5

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


@dataclass
class Part:
    """A part of a name at one position: the text before it, its values, and what it is."""

    before: str
    values: list[str]
    role: str = ""


def read_key(match: re.Match[str]) -> Key | None:
    """Return what a name says; None if its well is not valid."""
    groups = match.groupdict()
    try:
        well = (
            get_well_name(groups["well"])
            if groups.get("well")
            else get_well_at(groups["row"], groups["column"])
        )
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
    if len(best.keys) >= ENOUGH * len(distinct):
        best = add_stack_groups(best, distinct)
        if is_distinct(best):
            return best
    guessed = build_pattern(distinct)
    if guessed and len(guessed.keys) >= ENOUGH * len(distinct):
        return guessed
    return best if len(best.keys) >= ENOUGH * len(distinct) else None


def is_distinct(found: NamePattern) -> bool:
    """Return whether no two names mean the same image."""
    return len(set(found.keys.values())) == len(found.keys)


def add_stack_groups(found: NamePattern, names: Sequence[str]) -> NamePattern:
    """Return a layout's pattern, with groups for planes and time points if the names have several."""
    if is_distinct(found):
        return found
    expression = LAYOUTS[found.pattern]
    for plain, grouped in (
        (r"p\d{2}", r"p(?P<plane>\d{2})"),
        (r"sk\d+", r"sk(?P<timepoint>\d+)"),
        (r"_T\d{4}", r"_T(?P<timepoint>\d{4})"),
        (r"Z\d{2}", r"Z(?P<plane>\d{2})"),
        (r"-\d{3}\d{3}", r"-(?P<plane>\d{3})(?P<timepoint>\d{3})"),
    ):
        expression = expression.replace(plain, grouped, 1)
    grouped_keys = try_pattern(expression, names)
    for name in ("plane", "timepoint"):
        at = 3 if name == "plane" else 4
        if len({key[at] for key in grouped_keys.keys.values()}) < 2:
            expression = re.sub(rf"\(\?P<{name}>([^()]*)\)", r"\1", expression)
    return try_pattern(expression, names)


def build_pattern(names: Sequence[str]) -> NamePattern | None:
    """Return a pattern for names that have no layout with a name; None if they show no well."""
    shapes: dict[tuple[str, ...], list[list[str]]] = defaultdict(list)
    for name in names:
        tokens = SEPARATOR.split(name)
        shapes[tuple(tokens[1::2])].append(tokens[::2])
    separators, rows = max(shapes.items(), key=lambda item: len(item[1]))
    parts = divide(separators, rows)
    if not find_well(parts):
        return None
    find_roles(parts)
    # What all names begin with may be the plate's name: the next plate has another.
    while not parts[0].role and len(set(parts[0].values)) == 1:
        del parts[0]
    start = "" if parts[0].before and not parts[0].before.isalnum() else "^"
    pattern = start + "".join(write_part(part) for part in parts)
    return try_pattern(pattern.replace(r"\ ", " ").replace(r"\_", "_").replace(r"\-", "-") + "$", names)


def divide(separators: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Part]:
    """Return the parts of names of one shape: what is between separators, or letters and a number."""
    parts: list[Part] = []
    columns = [list(column) for column in zip(*rows, strict=True)]
    has_well = any(map(are_wells, columns))
    for before, column in zip(("", *separators), columns, strict=True):
        letters = {tuple(letter for letter, _ in PAIR.findall(value)) for value in column}
        after_well = None if has_well else divide_after_well(column)
        if after_well:
            parts += [Part(before, after_well[0]), *after_well[1]]
        elif len(letters) == 1 and all(map(PAIRS.fullmatch, column)) and not are_wells(column):
            pairs = [PAIR.findall(value) for value in column]
            for at, letter in enumerate(next(iter(letters))):
                numbers = [pair[at][1] for pair in pairs]
                parts.append(Part((before if at == 0 else "") + letter, numbers))
        else:
            parts.append(Part(before, column))
    return parts


def divide_after_well(column: Sequence[str]) -> tuple[list[str], list[Part]] | None:
    """Return the wells that values like `D03f00d0` begin with, and the parts after them; None otherwise."""
    matches = [re.match(r"([A-Za-z]\d{2})((?:[A-Za-z]+\d+)+)$", value) for value in column]
    if not all(matches):
        return None
    tails = [PAIR.findall(match[2]) for match in matches if match]
    if {"r", "c"} <= {letter for letter, _ in PAIR.findall(column[0])} or len(
        {tuple(letter for letter, _ in tail) for tail in tails}
    ) != 1:
        return None
    parts = [Part(letter, [tail[at][1] for tail in tails]) for at, (letter, _) in enumerate(tails[0])]
    return [match[1] for match in matches if match], parts


def is_a_well(value: str) -> bool:
    """Return whether a text is a well, as in A01 or af48."""
    return re.fullmatch(r"[A-Za-z]\d{1,2}|[Aa][A-Fa-f]\d{1,2}", value) is not None and not value.endswith(
        "00"
    )


def are_wells(column: Sequence[str]) -> bool:
    """Return whether values are wells, and not all like `s1`, `s2`: a letter that means something else."""
    letters = {value.rstrip("0123456789") for value in column}
    counted = len(letters) == 1 and any(letter.islower() for letter in letters)
    return all(map(is_a_well, column)) and not (counted and letters <= set().union(*LETTERS.values()))


def find_well(parts: list[Part]) -> bool:
    """Give the part, or the two parts, that are the well their role; return whether there is one."""
    wells = [part for part in parts if are_wells(part.values)]
    if wells:
        # `X1` before `A01` is a plate: only plates of 1536 wells have rows after P.
        usual = [part for part in wells if all(value[0].upper() <= "P" for value in part.values)]
        max(usual or wells, key=lambda part: len(set(part.values))).role = "well"
        return True
    for row, column in itertools.pairwise(parts):
        letters = all(re.fullmatch(r"[A-Pa-p]|[Aa][A-Fa-f]", value) for value in row.values)
        numbered = get_letters(row) in LETTERS["row"] and all(value.isdigit() for value in row.values)
        if (letters or numbered) and all(value.isdigit() and int(value) for value in column.values):
            row.role, column.role = "row", "column"
            return True
    return False


def get_letters(part: Part) -> str:
    """Return the letters just before a part, in lower case."""
    found = re.search(r"([A-Za-z]+)[^A-Za-z0-9]*$", part.before)
    return found[1].lower() if found else ""


def find_roles(parts: list[Part]) -> None:
    """Give the parts that vary within wells their roles: by their letters, or by how they vary."""
    wells = list(zip(*(part.values for part in parts if part.role), strict=True))
    varying = []
    well_at = next(at for at, part in enumerate(parts) if part.role)
    for part in parts[:-1]:
        values_of: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for well, value in zip(wells, part.values, strict=True):
            values_of[well].add(value)
        if not part.role and max(map(len, values_of.values())) > 1:
            varying.append(part)
    free = {"channel", "site", "plane", "timepoint"}
    for part in varying:
        role = next((role for role in free if get_letters(part) in LETTERS[role]), None)
        if role:
            part.role = role
            free.discard(role)
    rest = [part for part in varying if not part.role]
    if len(rest) > 1 or (rest and "channel" not in free):
        # What varies before the well, and is neither its channel nor its site, is the plate.
        for part in rest:
            if any(part is other for other in parts[:well_at]):
                part.role = "plate"
        rest = [part for part in rest if not part.role]
    words = [part for part in rest if not all(value.isdigit() for value in part.values)]
    few = sorted(rest, key=lambda part: (part not in words, len(set(part.values))))
    if "channel" in free and few and len(set(few[0].values)) <= MOST_CHANNELS:
        few[0].role = "channel"
        rest.remove(few[0])
    if "site" in free and rest:
        rest[0].role = "site"
    elif "site" in free:
        # One site so far: a later f02 is another, and not a name that the pattern does not fit.
        for part in parts[:-1]:
            if not part.role and get_letters(part) in LETTERS["site"] and all(map(str.isdigit, part.values)):
                part.role = "site"
                break


def write_part(part: Part) -> str:
    """Return the regular expression of a part."""
    values, before = Counter(part.values), re.escape(part.before)
    digits = all(value.isdigit() for value in values)
    lengths = {len(value) for value in values}
    number = r"\d" * lengths.pop() if len(lengths) == 1 and max(lengths) < 5 else r"\d+"
    if part.role == "well":
        return rf"{before}(?P<well>[A-Za-z]{{1,2}}{number_of_well(values)})"
    if part.role == "row":
        return before + (r"(?P<row>\d+)" if digits else "(?P<row>[A-Za-z]{1,2})")
    if part.role == "plate":
        return f"(?P<plate>{before}.+?)" if part.before.isalnum() else f"{before}(?P<plate>.+?)"
    if part.role:
        return before + (rf"(?P<{part.role}>\d+)" if digits else rf"(?P<{part.role}>[^_./]+?)")
    if len(values) == 1:
        return before + re.escape(next(iter(values)))
    return before + (number if digits else ".*?")


def number_of_well(values: Iterable[str]) -> str:
    """Return the regular expression of the column numbers of wells."""
    lengths = {len(value.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) for value in values}
    return r"\d" * lengths.pop() if len(lengths) == 1 else r"\d{1,2}"
