"""Data in the page: blocks of JSON, which are never executed, and numbers packed into them."""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

LARGEST_HALF = 65_504  # the largest number of half precision
DIGITS = 4


def format_block(data: Any) -> Markup:
    """Return data as JSON that can be put into a `<script type="application/json">`.

    Without a `<` no name can end the element or begin another one.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def round_numbers(values: Iterable[Any], digits: int = DIGITS) -> list[float | None]:
    """Return numbers with a few significant digits; missing and infinite ones become None."""
    numbers = pd.to_numeric(pd.Series(list(values), dtype=object), errors="coerce").to_numpy(float)
    return [float(f"{number:.{digits}g}") if np.isfinite(number) else None for number in numbers]


def encode_text(values: Iterable[Any], longest: int = 300) -> dict[str, list]:
    """Return text as its different `values` and one code per entry; missing entries have the code -1."""
    codes, found = pd.factorize(pd.Series(list(values), dtype=object), sort=True)
    return {"values": [str(value)[:longest] for value in found], "codes": codes.tolist()}


def pack(table: np.ndarray) -> str:
    """Return a table of numbers as base64 of half precision, little-endian, row after row.

    Half precision keeps three digits; what is beyond its range becomes its largest number.
    """
    limited = np.clip(np.asarray(table, dtype=float), -LARGEST_HALF, LARGEST_HALF)
    return base64.b64encode(limited.astype("<f2").tobytes()).decode()


def choose_features(tables: Sequence[Sequence[str]], first: Sequence[Sequence[str]], most: int) -> list[str]:
    """Choose at most `most` features, those of most plates first.

    Parameters
    ----------
    tables
        All features of each plate.
    first
        The features of each plate that have priority (the selected ones).
    most
        How many features there may be.

    Returns
    -------
    The features, in the order of the tables.
    """
    count: dict[str, list[int]] = {}
    for column, lists in enumerate((first, tables)):
        for names in lists:
            for name in names:
                count.setdefault(name, [0, 0])[column] += 1
    order = {name: number for number, name in enumerate(dict.fromkeys(n for t in tables for n in t))}
    ranked = sorted(
        (name for name in count if name in order),
        key=lambda name: (-count[name][0], -count[name][1], order[name]),
    )
    return sorted(ranked[:most], key=order.__getitem__)
