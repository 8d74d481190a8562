"""Let threads work ahead of the one that uses their results, with little memory."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any


def work_ahead(
    work: Callable[[Any], Any], items: Iterable[Any], threads: int, waiting: int
) -> Iterator[tuple[Any, Any]]:
    """Yield each item with its result, in order, with the results computed in advance by threads.

    Parameters
    ----------
    work
        A function of an item.
    items
        The items.
    threads
        Number of threads.
    waiting
        Maximum number of items that are in progress or finished but not yet used, which limits memory use.

    Yields
    ------
    The item and its result.
    """
    left = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        begun: list[tuple[Any, Future]] = [(item, pool.submit(work, item)) for item in islice(left, waiting)]
        try:
            while begun:
                item, future = begun.pop(0)
                result = future.result()
                begun += [(further, pool.submit(work, further)) for further in islice(left, 1)]
                yield item, result
        finally:
            for _, future in begun:
                future.cancel()
