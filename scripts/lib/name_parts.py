"""Find out what the parts of image files' names are: well, site, channel, plane, time point, plate."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lib.stains import NO_STAIN, NUCLEI, PAINTING

# The letters before a number, by what it counts.
LETTERS = {
    "site": {"s", "f", "site", "field", "fld", "fov", "xy", "pos", "position", "fk", "scene"},
    "channel": {"w", "c", "ch", "channel", "chan", "d", "wv", "wave", "wavelength"},
    "plane": {"z", "p", "plane", "slice", "zstack", "zstep", "zslice"},
    "timepoint": {"t", "tp", "time", "timepoint", "sk"},
    "row": {"r", "row"},
    "column": {"c", "col", "column"},
}
# Letters and numbers in turn, which may begin with a number.
PAIRS = re.compile(r"\d*(?:[A-Za-z]+\d+)+")
PAIR = re.compile(r"([A-Za-z]*)(\d+)")
PLACE = re.compile(r"r(ow)?\d+c(ol(umn)?)?\d+", re.IGNORECASE)
WELL_WORD = re.compile(r"(well)([A-P]\d{1,2})", re.IGNORECASE)
# What channels are called, beside the dyes of `lib.stains`: proteins, dyes, and wavelengths in nanometers.
CHANNEL = re.compile(
    r"[a-z]?[gyrc]fp|cherry|tomato|tritc|cy\d|alexa|^af\d{3}|tx?red|texas|fluor|^(ex|em)?[3-7]\d\d(nm)?$"
    r"|^(far.?red|red|green|blue|orange|nir)$",
    re.I,
)
# A channel has at least two values, and not more than this.
MOST_CHANNELS = 16


@dataclass
class Part:
    """A part of a name at one position: the text before it, its values, and what it is."""

    before: str
    values: list[str]
    role: str = ""


def divide(separators: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Part]:
    """Return the parts of names of one shape: what is between separators, or letters and a number."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    has_well = any(map(are_wells, columns))
    # Beside R2C3, F1 is not a well.
    has_places = any(all(map(PLACE.fullmatch, column)) for column in columns)
    return [
        part
        for before, column in zip(("", *separators), columns, strict=True)
        for part in divide_column(before, column, has_well, has_places)
    ]


def divide_column(before: str, column: Sequence[str], has_well: bool, has_places: bool) -> list[Part]:
    """Return the parts of what is between two separators.

    Parameters
    ----------
    before
        The separator before it.
    column
        What is there in each name.
    has_well
        Whether a well may be between other separators.
    has_places
        Whether row and column of the wells are between other separators, or here.
    """
    words = [WELL_WORD.fullmatch(value) for value in column]
    if all(words) and len({word[1] for word in words if word}) == 1:
        return [Part(before + column[0][:4], [value[4:] for value in column])]
    after_well = None if has_well else divide_after_well(column)
    if after_well:
        return [Part(before, after_well[0]), *after_well[1]]
    letters = {tuple(letter for letter, _ in PAIR.findall(value)) for value in column}
    is_well = are_wells(column) and (not has_places or len({value[0] for value in column}) > 1)
    if len(letters) > 1 or not all(map(PAIRS.fullmatch, column)) or is_well:
        return [Part(before, list(column))]
    pairs = [PAIR.findall(value) for value in column]
    return [
        Part((before if at == 0 else "") + letter, [pair[at][1] for pair in pairs])
        for at, letter in enumerate(next(iter(letters)))
    ]


def divide_after_well(column: Sequence[str]) -> tuple[list[str], list[Part]] | None:
    """Return the wells that values like `D03f00d0` begin with, and the parts after them; None otherwise."""
    matches = [re.match(r"([A-Za-z]\d{2})((?:[A-Za-z]+\d+)+)$", value) for value in column]
    if not all(matches):
        return None
    tails = [PAIR.findall(match[2]) for match in matches if match]
    if {"r", "c"} <= {letter.lower() for letter, _ in PAIR.findall(column[0])} or len(
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
    """Return whether values are wells, and not all like `s1`, `s2` or `W14`: a letter that means something.

    Only plates of 1536 wells have rows after P, and then rows before it, too.
    """
    letters = {value.rstrip("0123456789") for value in column}
    counted = len(letters) == 1 and any(letter.islower() for letter in letters)
    beyond = len(letters) == 1 and all(len(letter) == 1 and letter.upper() > "P" for letter in letters)
    means_other = counted and letters <= set().union(*LETTERS.values())
    return all(map(is_a_well, column)) and not beyond and not means_other


def find_well(parts: list[Part]) -> bool:
    """Mark the part, or the two parts, that are the well; return whether there is one."""
    # Zeiss writes Scene-1-P2-A01: P2 is a position.
    after_scene = {at + 1 for at in range(len(parts)) if get_word(parts, at) == "scene"}
    wells = [(at, p) for at, p in enumerate(parts) if are_wells(p.values) and at not in after_scene]
    # `R2C3` is a well, unless `A01` or wells of several rows are beside it.
    certain = any(
        len({value[0] for value in part.values}) > 1 or all(len(value) > 2 for value in part.values)
        for _, part in wells
    )
    for row, column in itertools.pairwise(parts if not certain else []):
        if (
            get_letters(row) in LETTERS["row"]
            and column.before.lower() in LETTERS["column"]
            and are_places(row, column)
        ):
            row.role, column.role = "row", "column"
            return True
    if wells:
        # `X1` before `A01` is a plate, and so is `P1`.
        usual = [(at, part) for at, part in wells if all(value[0].upper() <= "P" for value in part.values)]
        _, well = max(
            usual or wells,
            key=lambda each: (len(set(each[1].values)), min(map(len, each[1].values)), each[0]),
        )
        well.role = "well"
        return True
    for at, (row, column) in enumerate(itertools.pairwise(parts)):
        letters = all(re.fullmatch(r"[A-Pa-p]|[Aa][A-Fa-f]", value) for value in row.values)
        numbers = all(value.isdigit() and int(value) for value in column.values)
        numbered = get_word(parts, at) in LETTERS["row"] and are_places(row, column)
        if (letters and numbers) or numbered:
            row.role, column.role = "row", "column"
            return True
    return False


def are_places(row: Part, column: Part) -> bool:
    """Return whether the values of two parts are numbers of rows and columns."""
    return all(value.isdigit() and int(value) for value in (*row.values, *column.values))


def get_letters(part: Part) -> str:
    """Return the letters just before a part, in lower case."""
    found = re.search(r"([A-Za-z]+)[^A-Za-z0-9]*$", part.before)
    return found[1].lower() if found else ""


def get_word(parts: Sequence[Part], at: int) -> str:
    """Return the letters before a part, or the constant word before its separator, in lower case."""
    letters = get_letters(parts[at])
    if letters or at == 0 or parts[at - 1].role:
        return letters
    before = set(parts[at - 1].values)
    word = next(iter(before))
    return word.lower() if len(before) == 1 and word.isalpha() else ""


def are_equal(one: Part, other: Part) -> bool:
    """Return whether each value of a part occurs with one value of another part, and vice versa."""
    pairs = set(zip(one.values, other.values, strict=True))
    return len(pairs) == len(set(one.values)) == len(set(other.values))


def is_channel(value: str) -> bool:
    """Return whether a text is the name of a dye, a protein, a wavelength or a contrast."""
    return any(known.search(value) for known in (CHANNEL, NUCLEI, NO_STAIN, *PAINTING.values()))


def find_varying(parts: Sequence[Part]) -> list[int]:
    """Return the positions of the parts that vary within wells, without the file's ending.

    A number that is different for each value of another such part says the same: Gen5 numbers the channels
    that it names.
    """
    wells = list(zip(*(part.values for part in parts if part.role), strict=True))
    varying = []
    for at, part in enumerate(parts[:-1]):
        values_of: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for well, value in zip(wells, part.values, strict=True):
            values_of[well].add(value)
        if not part.role and max(map(len, values_of.values())) > 1:
            varying.append(at)
    known = set().union(*LETTERS.values())
    plain = {at for at in varying if is_number(parts[at]) and get_word(parts, at) not in known}
    return [
        at
        for at in varying
        if at not in plain or not any(are_equal(parts[at], parts[o]) for o in varying if o not in plain)
    ]


def get_role_places(parts: Sequence[Part]) -> list[int]:
    """Return the positions of the parts that have a role."""
    return [at for at, part in enumerate(parts) if part.role]


def are_told_apart(parts: Sequence[Part], places: Sequence[int]) -> bool:
    """Return whether the values of the parts at these positions are different for each name."""
    rows = list(zip(*(parts[at].values for at in places), strict=True))
    return len(set(rows)) == len(rows)


def leave_out_index(parts: Sequence[Part], varying: Sequence[int], words: Mapping[int, str]) -> list[int]:
    """Return the varying parts without a number that only counts the files (`Seq0017` of Nikon).

    Parameters
    ----------
    parts
        The parts of the names, of which the well has its role.
    varying
        The positions of the parts that vary within wells.
    words
        The word before each part.
    """
    known = set().union(*LETTERS.values())
    counting = [
        at
        for at in varying
        if is_number(parts[at]) and words[at] not in known and are_told_apart(parts, [at])
    ]
    rest = [at for at in varying if at not in counting]
    return rest if rest and are_told_apart(parts, [*get_role_places(parts), *rest]) else list(varying)


def names_a_channel(parts: Sequence[Part], well_at: int) -> bool:
    """Return whether all names have one channel after the well, as in `A01_2_DAPI.tif`."""
    return any(
        len(set(part.values)) == 1 and is_channel(part.values[0])
        for part in parts[well_at + 1 :]
        if not part.role
    )


def follows_a_channel(parts: Sequence[Part], at: int) -> bool:
    """Return whether a part is a number after channels with known names: Gen5 counts time points there."""
    channel = next((before for before in range(at) if parts[before].role == "channel"), None)
    return channel is not None and is_number(parts[at]) and all(map(is_channel, parts[channel].values))


def is_number(part: Part) -> bool:
    """Return whether all values of a part are numbers."""
    return all(value.isdigit() for value in part.values)


def find_roles(parts: list[Part]) -> bool:
    """Give the parts that vary within wells their roles, by their letters or by how they vary.

    Returns
    -------
    bool
        False if two parts before the well may be the plate: then it is not the well.
    """
    well_at = next(at for at, part in enumerate(parts) if part.role)
    words = {at: get_word(parts, at) for at in range(len(parts))}
    varying = leave_out_index(parts, find_varying(parts), words)
    # ScanR calls its sites P, and planes Z.
    letters = {**LETTERS, "site": LETTERS["site"] | {"p"}} if {"z"} & set(words.values()) else LETTERS
    free = ["channel", "site", "plane", "timepoint"]
    for at in varying:
        role = next((role for role in free if words[at] in letters[role]), None)
        if role:
            parts[at].role = role
            free.remove(role)
    rest = [at for at in varying if not parts[at].role]
    first = [at for at in rest if at < well_at]
    named = [at for at in first if all(map(is_channel, parts[at].values))]
    if "channel" in free and named:
        parts[named[0]].role = "channel"
        free.remove("channel")
        first.remove(named[0])
        rest.remove(named[0])
    if first and (len(rest) > 1 or "channel" not in free):
        # What varies before the well, and is neither its channel nor its site, is the plate; unless the
        # files are told apart without it.
        role = "" if are_told_apart(parts, get_role_places(parts)) else "plate"
        for at in first:
            parts[at].role = role
        rest = [at for at in rest if at not in first]
    if "channel" in free and len(rest) == 1 and is_number(parts[rest[0]]) and names_a_channel(parts, well_at):
        # The names say that all files are of one channel: the number is the site.
        free.remove("channel")
    few = sorted(
        rest,
        key=lambda at: (
            not all(map(is_channel, parts[at].values)),
            is_number(parts[at]),
            len(set(parts[at].values)),
        ),
    )
    # What the files are told apart without is a channel only if it is called like one.
    if few and are_told_apart(parts, get_role_places(parts)):
        few = [at for at in few if all(map(is_channel, parts[at].values))]
    if "channel" in free and few and len(set(parts[few[0]].values)) <= MOST_CHANNELS:
        parts[few[0]].role = "channel"
        rest.remove(few[0])
    if "site" in free and rest:
        parts[rest[0]].role = "site"
    elif "site" in free:
        # One site so far: a later f02 is another, and not a name that the pattern does not fit.
        alone = (at for at in range(len(parts) - 1) if not parts[at].role and is_number(parts[at]))
        for at in [at for at in alone if words[at] in letters["site"]][:1]:
            parts[at].role = "site"
    rest = [at for at in rest if not parts[at].role and follows_a_channel(parts, at)]
    if "timepoint" in free and rest and not are_told_apart(parts, get_role_places(parts)):
        parts[rest[-1]].role = "timepoint"
    return sum(part.role == "plate" for part in parts) < 2


def write_part(part: Part, in_path: bool = False) -> str:
    """Return the regular expression of a part.

    Parameters
    ----------
    part
        The part.
    in_path
        Whether it is a part of a path, so that it ends at a slash. A pattern without a slash is one of names.
    """
    slash = "/" if in_path else ""
    values, before = Counter(part.values), re.escape(part.before)
    digits = all(value.isdigit() for value in values)
    lengths = {len(value) for value in values}
    number = r"\d" * lengths.pop() if len(lengths) == 1 and max(lengths) < 5 else r"\d+"
    if part.role == "well":
        return rf"{before}(?P<well>[A-Za-z]{{1,2}}{number_of_well(values)})"
    if part.role == "row":
        return before + (r"(?P<row>\d+)" if digits else "(?P<row>[A-Za-z]{1,2})")
    if part.role == "plate":
        text = "[^/]+?" if in_path else ".+?"
        return f"(?P<plate>{before}{text})" if part.before.isalnum() else f"{before}(?P<plate>{text})"
    if part.role:
        text = f"[^.{slash}]+?" if any("_" in value for value in values) else f"[^_.{slash}]+?"
        return before + (rf"(?P<{part.role}>\d+)" if digits else rf"(?P<{part.role}>{text})")
    if len(values) == 1:
        return before + re.escape(next(iter(values)))
    return before + (number if digits else f"[^{slash}]*?" if in_path else ".*?")


def number_of_well(values: Iterable[str]) -> str:
    """Return the regular expression of the column numbers of wells."""
    lengths = {len(value.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) for value in values}
    return r"\d" * lengths.pop() if len(lengths) == 1 else r"\d{1,2}"
