"""The one exception that is meant for the person who runs the workflow.

This module uses only Python 3.8 and its standard library, since scripts inside CellProfiler's environment
import it, too.
"""

import difflib
import errno
import re


class InputError(Exception):
    """An error in the experiment's input; the message names file, plate, well and remedy."""


def join_names(items, limit=20):
    """Join `items` for a message: all of them up to `limit`, then how many more there are."""
    items = [str(item) for item in items]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


def number_of(count, thing):
    """Return a number with its noun: `1 plate`, `2 plates`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def find_nearest_name(name, known, cutoff=0.6):
    """Return the known name that `name` may be a misspelling of, whatever its case; None if none is near.

    `cutoff`: the least similarity, from 0 to 1 (`difflib.get_close_matches`).
    """
    by_case = {str(one).casefold(): str(one) for one in known}
    found = difflib.get_close_matches(str(name).casefold(), list(by_case), n=1, cutoff=cutoff)
    return by_case[found[0]] if found else None


# Why writing to the disk fails, by error number.
REFUSED = {
    errno.ENOSPC: "the disk is full. Free space",
    errno.EDQUOT: "your disk quota is used up. Free space",
    errno.EFBIG: "the file grew beyond the largest size that is allowed (ulimit -f). Raise the limit",
    errno.EROFS: "the disk is read-only. Mount it with write access",
    errno.EACCES: "you have no permission. Ask for it",
    errno.EPERM: "you have no permission. Ask for it",
}


def explain_storage_error(error, folder):
    """Return the message for an OSError of a full, read-only or forbidden disk; None for any other error.

    `folder`: where the step was writing, for errors that name no file.
    """
    number = error.errno
    if number is None:
        # polars gives the number only in its text.
        found = re.search(r"\(os error (\d+)\)", str(error))
        number = int(found.group(1)) if found else None
    if number not in REFUSED:
        return None
    return (
        f"{error.filename or folder}: {REFUSED[number]}, or name another folder as `results` in the config. "
        "No incomplete file was left: start again, and the run continues where it stopped."
    )
