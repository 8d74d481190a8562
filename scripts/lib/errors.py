"""The one exception that is meant for the person who runs the workflow.

Standard library only, Python 3.8: the scripts that run inside CellProfiler's environment use it too.
"""


class InputError(Exception):
    """Something in the experiment is wrong; the message names file, plate, well and remedy."""


def listed(items, limit=20):
    """Join `items` for a message: all of them up to `limit`, then how many more there are."""
    items = [str(item) for item in items]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more
