"""Sites (fields of view) are named alike everywhere after reading.

CellProfiler's LoadData reads a column of sites as numbers where every value is one: `01` becomes 1, `1_2`
becomes 12, and `2` becomes 2.0 beside a `1.5`. The names that are written here come back from it as they
were.

Standard library only, Python 3.8: the scripts that run CellProfiler use it in CellProfiler's container too.
"""

import math

ONLY_SITE = "1"


def site_name(text):
    """The name of a site: a number without leading zeros, or a name; `1` where nothing names the site.

    `01` and `1.0` are `1`, `1.50` is `1.5`. A name stays as it is, except that `/` and the underscores of
    what CellProfiler would take for a number (`1_2`) become dashes.
    """
    name = str(text or "").strip().replace("/", "-")
    if not name:
        return ONLY_SITE
    number = as_number(name)
    if number is None:
        return name
    if "_" in name:
        return name.replace("_", "-")
    if name.isdecimal():
        return str(int(name))
    return str(int(number)) if number.is_integer() else str(number)


def as_number(text):
    """The finite number that Python, and so CellProfiler, reads in a text; None where there is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def site_order(site):
    """Sort key of the sites of a well: numbers in the order of numbers, then names."""
    number = as_number(site)
    return (0, number, "") if number is not None else (1, 0.0, site)
