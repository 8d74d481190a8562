"""The names of perturbations that people know: a compound's name, or an identifier with its gene."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from lib.errors import join_names
from lib.look_alikes import write_in_latin


def name_content(well: Mapping[str, Any]) -> str:
    """Name the content of a well: its perturbation's name, or its identifier and gene (if it has one)."""
    names = {}
    for column in ("pert_iname", "broad_sample", "gene"):
        values = [well.get(column), well.get(f"Metadata_{column}")]
        names[column] = next((v for v in values if isinstance(v, str) and v not in ("", "nan")), "")
    identifiers = [names["broad_sample"], names["gene"]]
    return names["pert_iname"] or ", ".join(dict.fromkeys(filter(None, identifiers)))


def describe_alike(perturbations: Iterable[str]) -> list[str]:
    """Return the sentence on perturbations whose names differ in capitals, blanks and dashes only.

    Letters that look alike (a Cyrillic and a Latin A) count as one.
    """
    groups: dict[str, list[str]] = {}
    for name in perturbations:
        plain = re.sub(r"[\s_-]+", " ", write_in_latin(name))
        groups.setdefault(plain.casefold(), []).append(name)
    pairs = [" and ".join(sorted(names)[:3]) for names in groups.values() if len(names) > 1]
    return (
        [f"spelled differently, and therefore not treated as one perturbation: {join_names(pairs, 3)}"]
        if pairs
        else []
    )


def name_perturbations(table: pd.DataFrame, perturbation: str = "perturbation") -> dict[str, str]:
    """Name each perturbation of a table for the label of a figure.

    Parameters
    ----------
    table
        Perturbations, or wells; columns such as `Metadata_pert_iname` and `Metadata_gene` name them.
    perturbation
        The column that identifies the perturbation.

    Returns
    -------
    dict[str, str]
        The name of each perturbation. Perturbations that share a name have their identifier behind it.
    """
    first = table.dropna(subset=[perturbation]).drop_duplicates(perturbation)
    names = {}
    for row in first.to_dict("records"):
        identifier = str(row[perturbation])
        if "|" in identifier:
            # A perturbation of several columns, such as compound and dose, is more than its compound.
            sample = row.get("Metadata_broad_sample", row.get("broad_sample"))
            parts = [name_content(row) if part == sample else part for part in identifier.split("|")]
            names[identifier] = "|".join(parts)
        else:
            names[identifier] = name_content({**row, "broad_sample": identifier})
    counts = pd.Series(list(names.values())).value_counts()
    return {
        identifier: name if counts[name] == 1 or name == identifier else f"{name} ({identifier})"
        for identifier, name in names.items()
    }
