"""What the page has of a large experiment: as much as its bytes allow, chosen by a rule that the page states.

A page of 100,000 perturbations would be too large for a browser. All conditions share a number of bytes for
their perturbations; one that needs less than an equal share leaves the rest to the others. Within a
condition, the perturbations that figures name come first, then active and toxic ones, then the others in the
order of the table of hits. A quarter of the room is kept for others that are drawn at random, so that the
page also shows the usual ones. While there is room for all, nothing is chosen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from report_page.results import Results

BYTES_OF_PERTURBATIONS = 10_000_000
BYTES_OF_WELLS = (
    10_000_000  # of the plates in the index of an experiment whose plates have pages of their own
)
MOST_PAIRS = 40_000  # of matching perturbations, of all comparisons
MOST_POINTS = 80_000  # of the maps of all conditions
MOST_DOSE_WELLS = 40_000  # of the dose-response curves of all conditions
SAMPLED = 0.25  # of the room of a condition
SEED = 21


@dataclass(frozen=True)
class Choice:
    """The perturbations of a condition that the page has; `names` is None if these are all."""

    names: frozenset[str] | None
    total: int
    sampled: int = 0


def share_out(sizes: Sequence[int], most: int) -> list[int]:
    """Share `most` among parts of these sizes: what a part does not need is left to the larger ones."""
    shares = [0] * len(sizes)
    left = most
    for number, part in enumerate(sorted(range(len(sizes)), key=lambda part: (sizes[part], part))):
        shares[part] = min(sizes[part], left // (len(sizes) - number))
        left -= shares[part]
    return shares


def order_evenly(number: int) -> Iterator[int]:
    """Yield the numbers from 0 in an order of which each beginning is spread evenly: 0, half, quarters."""
    bits = max(1, (number - 1).bit_length())
    for place in range(2**bits):
        found = int(f"{place:0{bits}b}"[::-1], 2)
        if found < number:
            yield found


def choose_names(hits: pd.DataFrame, scored: Sequence[str], named: Iterable[str], room: int) -> Choice:
    """Choose the perturbations of a condition that the page has.

    Parameters
    ----------
    hits
        The table of hits, in its order; `active` and `toxic` may be missing. It may be empty.
    scored
        The perturbations of the table of scores, best first.
    named
        Those that figures name; they are always chosen. Names that are in no table are ignored.
    room
        How many perturbations there is room for.
    """
    every = list(dict.fromkeys([*(hits["name"].astype(str) if "name" in hits else ()), *scored]))
    if len(every) <= room:
        return Choice(None, len(every))
    there = set(every)
    figures = [name for name in dict.fromkeys(named) if name in there]
    room = max(room, len(figures))
    order = dict.fromkeys([*figures, *find_true(hits, "active"), *find_true(hits, "toxic"), *every])
    number = min(int(room * SAMPLED), room - len(figures))
    first, rest = list(order)[: room - number], list(order)[room - number :]
    drawn = np.random.default_rng(SEED).choice(len(rest), number, replace=False)
    return Choice(frozenset([*first, *(rest[at] for at in drawn)]), len(every), number)


def find_true(hits: pd.DataFrame, call: str) -> list[str]:
    """Return the perturbations for which a call is true, in the order of the table."""
    if call not in hits:
        return []
    return hits.loc[(hits[call].astype(str) == "True").to_numpy(), "name"].astype(str).tolist()


def describe_choice(choice: Choice, hits: pd.DataFrame) -> str:
    """Say how many perturbations are on the page, and which; "" if these are all."""
    if choice.names is None:
        return ""
    parts = []
    for call in ("active", "toxic"):
        if called := set(find_true(hits, call)):
            parts.append(f"{len(called & choice.names):,} of {len(called):,} {call} ones")
    parts += ["those that figures name", "the next in the order of the table"]
    parts += [f"{choice.sampled:,} of the others, drawn at random"] if choice.sampled else []
    listed = f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{len(choice.names):,} of {choice.total:,} perturbations are on this page: {listed}"


def find_named(results: Results, condition: Mapping[str, Any], scores: pd.DataFrame, most: int) -> list[str]:
    """Return the perturbations that the figures of a condition name.

    Parameters
    ----------
    results
        The results folder.
    condition
        The condition's part of the manifest.
    scores
        Its scored perturbations, best first.
    most
        How many perturbations the figure of what changed shows; they are the first ones of its table.
    """
    found = scores["perturbation"].astype(str).head(50).tolist() if "perturbation" in scores else []
    if "replicating" in scores:
        # the matrix of replicates begins with those that replicate
        replicating = scores[scores["replicating"].astype(str) == "True"]
        found += replicating["perturbation"].astype(str).head(50).tolist()
    if results.has(condition["changes"]):
        column = "perturbation"
        rows = pd.read_csv(
            results.path(condition["changes"]),
            usecols=[column],
            dtype=str,
            keep_default_na=False,
            nrows=most * 1000,
        )
        found += rows[column].drop_duplicates().head(most).tolist()
    return list(dict.fromkeys(found))


def count_rows_of(results: Results, file: str, column: str) -> int:
    """Count the rows of a Parquet or CSV file by one of its columns; 0 if it is missing."""
    if not results.has(file):
        return 0
    path = results.path(file)
    if file.endswith(".parquet"):
        return len(pd.read_parquet(path, columns=[column]))
    return len(pd.read_csv(path, usecols=[column], dtype=str, keep_default_na=False))
