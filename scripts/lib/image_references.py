"""Name an image that is more or less than one file: planes of a stack, a channel or a scene of a file.

The image table has such a name in `FileName_Orig...`: file names (relative to the folder in
`PathName_Orig...`) separated by `|`, then options in angle brackets, as in

    r01c01f01p01-ch1.tiff|r01c01f01p02-ch1.tiff<project=max>
    A01.ome.tiff<channel=DAPI;project=best_focus>
    A01.tif|A01.tif<pages=1,3;project=max>

Microscopes write on Windows, where file names cannot contain `|`, `<` or `>`. A `/`, of a plane in a
subfolder, is written as %2F.

This module uses only Python 3.8 and its standard library, since CellProfiler's LoadData imports it.
"""

import re
from pathlib import PurePath
from urllib.parse import quote, unquote

REFERENCE = re.compile(r"^(?P<files>[^<>]+)<(?P<options>[^<>]*)>$", re.DOTALL)
# Characters of file names that need no other spelling.
PLAIN = " !\"#$&'()*+,-.:;=?@[\\]^_`{}~"
# The values of `images.project`, beside the number of a plane.
PROJECTIONS = ("max", "mean", "sum", "best_focus")
# Options that say which part of a file is read.
PARTS = ("channel", "scene", "pages")


def is_reference(name):
    """Return whether a file name in an image table is a reference."""
    return str(name).endswith(">") and REFERENCE.match(str(name)) is not None


def get_first_file(path):
    """Return the file that an image is in, or the first of several planes; an image in storage as it is."""
    if not isinstance(path, PurePath) or not is_reference(path.name):
        return path
    return path.parent / read_reference(path.name)[0][0]


def write_reference(files, **options):
    """Return the reference to files with options; options that are None or empty are left out.

    A single file without options is its own name.
    """
    sentences = [
        f"{key}={quote(str(value), safe=' ,')}" for key, value in options.items() if value not in (None, "")
    ]
    if len(files) == 1 and not sentences:
        return files[0]
    return f"{'|'.join(quote(name, safe=PLAIN) for name in files)}<{';'.join(sentences)}>"


def read_reference(name):
    """Return the files and the options of a reference, as (list of str, dict)."""
    match = REFERENCE.match(str(name))
    if match is None:
        return [str(name)], {}
    options = (part.partition("=") for part in match["options"].split(";") if part)
    return [unquote(name) for name in match["files"].split("|")], {
        key: unquote(value) for key, _, value in options
    }
