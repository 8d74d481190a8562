"""Tables that are text: how a file is compressed and encoded, and what else it may be, by its content.

The name of the file does not matter. The module uses only the standard library, since tables are also read
while planning.
"""

import gzip
import zlib
from pathlib import Path
from typing import IO

from lib.errors import InputError

# The first bytes of formats that are read.
PARQUET, FEATHER, GZIP, HDF5 = b"PAR1", b"ARROW1", b"\x1f\x8b", b"\x89HDF"
LFS_POINTER = "a pointer of Git LFS"
OTHER_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or another zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format": "an SQLite database",
    b"BZh": "a file compressed by bzip2",
    b"\xfd7zXZ": "a file compressed by xz",
    b"\x28\xb5\x2f\xfd": "a file compressed by Zstandard",
    b"version https://": LFS_POINTER,
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"{\\rtf": "a document of a word processor",
}
# Formats of profiles and image tables that no other table may have.
BINARY_FORMATS = {PARQUET: "a Parquet file", FEATHER: "a Feather file", HDF5: "an HDF5 file"}
BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
LOOKED_AT = 256  # bytes that show the encoding
END_OF_FILE = "\x1a"  # the mark that DOS programs write at the end of a file


def name_format(start: bytes) -> str | None:
    """Return the name of an unsupported format, by the first bytes of a file; None for any other."""
    return next((what for magic, what in OTHER_FORMATS.items() if start.startswith(magic)), None)


def explain_format(path: Path, what: str, remedy: str) -> InputError:
    """Return the error for a file of an unsupported format.

    Parameters
    ----------
    path
        The file.
    what
        The name of its format (`name_format`).
    remedy
        The sentence that says what to do. A pointer of Git LFS stands for a file, and has its own remedy.
    """
    if what == LFS_POINTER:
        return InputError(f"{path} is {what}, not the file itself. Get the file with `git lfs pull`.")
    return InputError(f"{path} is {what}, which is not read. {remedy}")


def is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet, whatever its name: a link may lead to another name.

    A missing file is not: what reads it as text says that it is missing.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def find_encoding(start: bytes) -> str:
    """Return the encoding of a text by its first bytes (decompressed).

    Excel's `Unicode Text` is UTF-16, with a byte-order mark; other programs write it without one. Then every
    second byte of ASCII text is 0. Any other text is UTF-8.
    """
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    even, odd = (start[first::2].count(0) for first in (0, 1))
    half = len(start) // 2
    if half and max(even, odd) > half / 2 and min(even, odd) < half / 8:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8-sig"


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file to read its bytes, decompressed if gzip compressed it, whatever its name."""
    with path.open("rb") as file:
        is_compressed = file.read(2) == GZIP
    return gzip.open(path) if is_compressed else path.open("rb")


def read_text_file(path: Path) -> str:
    """Read a text file, which may be compressed by gzip, with all line ends as line feeds.

    Raises
    ------
    InputError
        If the file is missing, is of another format, or is not Unicode.
    """
    try:
        with open_bytes(path) as file:
            content = file.read()
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    other = name_format(content) or next(
        (what for magic, what in BINARY_FORMATS.items() if content.startswith(magic)), None
    )
    if other:
        raise explain_format(path, other, "Save the table as `CSV UTF-8`.")
    try:
        text = content.decode(find_encoding(content[:LOOKED_AT]))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} cannot be read as UTF-8 text: {error}. Save a spreadsheet as `CSV UTF-8`, or as "
            "tab-separated text in UTF-8."
        ) from error
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip(END_OF_FILE)
