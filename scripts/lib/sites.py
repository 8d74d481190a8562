"""The names of sites (fields of view), the same everywhere after reading.

CellProfiler's LoadData reads a column of sites as numbers if every value is one: `01` becomes 1, `1_2`
becomes 12, and `2` becomes 2.0 beside a `1.5`. The names that are written here are returned by it unchanged.

This module uses only Python 3.8 and its standard library, since scripts that import it also run in
CellProfiler's container.
"""

import csv
import math
import os
from pathlib import Path

ONLY_SITE = "1"
# The environment variable that tells CellProfiler's process the plate's name as the image table writes it.
PLATE_VARIABLE = "PLATEWISE_PLATE"


def get_site_name(text):
    """Return a site's name: a number without leading zeros, or a name; `1` if the site has no name.

    `01` and `1.0` are `1`, `1.50` is `1.5`. A name is unchanged, except that `/` and the underscores of
    what CellProfiler would take for a number (`1_2`) become dashes.
    """
    name = str(text or "").strip().replace("/", "-")
    if not name:
        return ONLY_SITE
    number = parse_number(name)
    if number is None:
        return name
    if "_" in name:
        return name.replace("_", "-")
    if name.isdecimal():
        return str(int(name))
    return str(int(number)) if number.is_integer() else str(number)


def parse_number(text):
    """Return the finite number that Python, and so CellProfiler, reads in a text, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def get_site_order(site):
    """Return the sort key of the sites of a well: numbers in numerical order, then names."""
    number = parse_number(site)
    return (0, number, "") if number is not None else (1, 0.0, site)


def find_plate(load_data):
    """Return the plate of an image table, as it is written there; "" if the table does not name it."""
    try:
        with Path(load_data).open(newline="") as table:
            return next(csv.DictReader(table), {}).get("Metadata_Plate") or ""
    except OSError:
        # CellProfiler reports it.
        return ""


def get_barcode(plate):
    """Return a plate's name for messages of CellProfiler's process, which reads barcode `00123` as 123."""
    written = os.environ.get(PLATE_VARIABLE, "")
    number = parse_number(written)
    return written if number is not None and number == parse_number(str(plate)) else str(plate)
