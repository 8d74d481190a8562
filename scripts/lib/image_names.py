"""Read the file names of images: named layouts, or the user's regular expression."""

import re

from lib.errors import InputError, join_names

# File names as the instruments' software exports them.
PHENIX = (
    r"^r(?P<row>\d{2})c(?P<column>\d{2})f(?P<site>\d{2,})p\d{2}"
    r"-ch(?P<channel>\d+)sk\d+fk\d+fl\d+\.(?i:tiff?)$"
)
IDENTIFIER = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
LAYOUTS = {
    "phenix": PHENIX,
    "operetta": PHENIX,
    # Wells in small letters have the identifier after them, so that s01 is not taken for one.
    "imagexpress": (
        r"(^|_)(?P<well>[A-Z]{1,2}\d{2}|[a-p]\d{2}(?=[sw_\d]*" + IDENTIFIER + r"))"
        r"(_s(?P<site>\d+))?(_w(?P<channel>\d{1,2}))?(" + IDENTIFIER + r")?\.(?i:tiff?)$"
    ),
    "opera": (r"^(?P<row>\d{3})(?P<column>\d{3})-(?P<site>\d+)-\d{3}\d{3}(?P<channel>\d{3})\.(?i:tiff?)$"),
    "cellvoyager": (
        r"_(?P<well>[A-Z]{1,2}\d{2})_T\d{4}F(?P<site>\d{3})L\d{2}A\d{2}Z\d{2}C(?P<channel>\d{2})"
        r"\.(?i:tiff?|png)$"
    ),
    "incell": (
        r"(^|_)(?P<row>[A-Z]{1,2}) - (?P<column>\d{1,2})\((fld (?P<site>\d+) )?wv (?P<channel>[^()]+?)"
        r"( z \d+)?(-? time \d+( - \d+ ms)?)?\)\.(?i:tiff?)$"
    ),
    # After the well, Gen5 numbers the step of its procedure and the channel. Stitched images are left out.
    "gen5": (
        r"^(?P<well>[A-Z]{1,2}\d{1,2})_-?\d+_\d+_(?P<site>\d+)(Z\d+)?_(?!Stitched)"
        r"([A-Za-z]+\[)?(?P<channel>[^\[\]]*?[A-Za-z][^\[\]]*?)( \d{3},\d{3})?\]?_\d{3}\.(?i:tiff?|png)$"
    ),
}

# Names are not read: the microscope's index, or the metadata of an OME-Zarr plate, says which images there
# are.
BY_METADATA = ("index", "ome-zarr")
EVERY_FILE = re.compile(r"(?P<well>)(?P<channel>)")
# In the name of a label image: the name, without its ending, of the image whose objects it holds.
IMAGE = "{image}"


def get_listing_pattern(pattern: str) -> str:
    """Return the regular expression of the file names of label images; those with {image} name no well."""
    if IMAGE not in pattern:
        return pattern
    return f"^{re.escape(pattern).replace(re.escape(IMAGE), '.+')}(?P<well>)$"


def compile_pattern(pattern: str, channels: int = 1) -> re.Pattern[str]:
    """Return the regular expression of a named layout, or the user's pattern after a check.

    It must have a group `channel` if the names tell several `channels` apart. With `index` and `ome-zarr`,
    any file may belong to the plate.
    """
    if pattern in BY_METADATA:
        return EVERY_FILE
    try:
        expression = re.compile(LAYOUTS.get(pattern, pattern))
    except re.error as error:
        raise InputError(
            f"images.pattern `{pattern}` is neither a layout ({join_names([*LAYOUTS, *BY_METADATA])}) nor a "
            f"regular "
            f"expression: {error}."
        ) from error
    groups = set(expression.groupindex)
    has_channel = "channel" in groups or channels == 1
    if not has_channel or not ("well" in groups or {"row", "column"} <= groups):
        raise InputError(
            f"images.pattern `{pattern}` must have the named groups `channel` and `well` (or `row` "
            f"and `column`); it has {join_names(sorted(groups)) or 'none'}. Layouts with a name are "
            f"{join_names([*LAYOUTS, *BY_METADATA])}."
        )
    return expression


def remove_channel(pattern: str) -> str:
    """Return the regular expression of file names whose channel is not read: the files hold all channels."""
    return LAYOUTS.get(pattern, pattern).replace("(?P<channel>", "(?:")
