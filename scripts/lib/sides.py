"""The two sides of a comparison: whose perturbations are matched by their genes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.replicates import (
    GATHERED,
    MOST_DOUBLES,
    Wells,
    compute_row_medians,
    group_members,
    label_wells,
    read_wells_and_sizes,
    split_wells,
)
from lib.values import separate


@dataclass(frozen=True)
class Side:
    """The perturbations of one side: their names, genes and wells (row numbers of that side)."""

    names: np.ndarray
    genes: list[frozenset[str]]
    wells: list[np.ndarray]
    position: np.ndarray
    without_gene: int

    @property
    def sizes(self) -> np.ndarray:
        """Return the number of replicates of each perturbation."""
        return np.array([len(rows) for rows in self.wells], dtype=int)


def collect_side(metadata: pd.DataFrame, column: str, minimum_replicates: int) -> Side:
    """Collect the perturbations with a gene in `column` (several genes are separated by `|` or `;`)."""
    if column not in metadata:
        known = join_names(name for name in metadata if name.startswith("Metadata_"))
        raise InputError(
            f"The profiles have no column {column}, which holds the genes that perturbations are matched by. "
            f"Name theirs in benchmark.gene ({known}), annotate the plates, or set benchmark.matching to []."
        )
    gene = GeneSets.of(metadata, column)
    kept: list[tuple[str, frozenset[str], np.ndarray]] = []
    without = 0
    for name, rows in group_members(metadata["perturbation"]).items():
        genes = gene.get(rows)
        without += not genes
        if genes and len(rows) >= minimum_replicates:
            kept.append((name, genes, rows))
    return Side(
        np.array([name for name, _, _ in kept], dtype=object),
        [genes for _, genes, _ in kept],
        [rows for _, _, rows in kept],
        metadata["Metadata_Well"].to_numpy(dtype=str),
        without,
    )


@dataclass(frozen=True)
class GeneSets:
    """The genes of wells: `codes` numbers each well's value (-1 for none), `genes` those of each value."""

    codes: np.ndarray
    genes: list[frozenset[str]]

    @classmethod
    def of(cls, metadata: pd.DataFrame, column: str) -> "GeneSets":
        """Read the values of a column, in which several genes are separated by `|` or `;`."""
        codes, values = pd.factorize(label_wells(metadata, column))
        return cls(codes, [frozenset(separate(value)) for value in values])

    def get(self, rows: np.ndarray) -> frozenset[str]:
        """Return the genes of a perturbation's wells (row numbers)."""
        used = {code for code in self.codes[rows].tolist() if code >= 0}
        return frozenset().union(*(self.genes[code] for code in used))


def get_genes(metadata: pd.DataFrame, column: str, sets: Sequence[np.ndarray]) -> list[frozenset[str]]:
    """Return the genes of each set of wells (row numbers); none if the profiles have no such column."""
    if column not in metadata:
        return [frozenset()] * len(sets)
    gene = GeneSets.of(metadata, column)
    return [gene.get(rows) for rows in sets]


def mark_sides(
    wells: Wells,
    of_a: np.ndarray,
    within: bool,
    group: str | Sequence[str],
    positive_controls: bool,
) -> tuple[Wells, Wells, Wells]:
    """Choose the wells that are scored.

    Parameters
    ----------
    wells
        The wells of both sides.
    of_a
        Which wells are of the first side, (wells,).
    within
        Whether both sides are the same condition.
    group
        The column, or columns, whose equal values define replicates.
    positive_controls
        Whether positive controls are scored.

    Returns
    -------
    tuple[Wells, Wells, Wells]
        All scored wells, those of the first side, and those of the second.
    """
    with_sides = replace(wells, metadata=wells.metadata.assign(of_a=of_a))
    scored, _ = split_wells(with_sides, group, positive_controls)
    first = scored.metadata["of_a"].to_numpy(dtype=bool)
    part = scored.where(first)
    return scored, part, part if within else scored.where(~first)


def get_medians(values: np.ndarray, sets: Sequence[np.ndarray]) -> np.ndarray:
    """Return the median profile of each set of wells (row numbers): (sets, features).

    They are in double precision, or in that of `values` if they take more than a gigabyte.
    """
    small = len(sets) * values.shape[1] <= MOST_DOUBLES
    found = np.empty((len(sets), values.shape[1]), dtype=float if small else values.dtype)
    sizes = np.array([len(rows) for rows in sets], dtype=int)
    for size in np.unique(sizes):
        chosen = np.flatnonzero(sizes == size)
        step = max(1, GATHERED // (max(1, size) * values.shape[1]))
        for start in range(0, len(chosen), step):
            part = chosen[start : start + step]
            rows = np.stack([sets[i] for i in part])
            # sorted along the last axis, which is several times faster than numpy's median of the middle one
            together = np.ascontiguousarray(values[rows].astype(float).swapaxes(1, 2))
            medians = compute_row_medians(together.reshape(-1, size))
            found[part] = medians.reshape(len(part), -1)
    return found


def get_identities(wells: Wells, part: Side, different: str | Sequence[str] | None) -> np.ndarray:
    """Return what two perturbations of a pair must differ in: their name, or columns of their wells.

    A perturbation without a value in these columns differs from all others.
    """
    sets = dict(zip(part.names, part.wells, strict=True))
    return np.array(get_compounds(wells.metadata, sets, different), dtype=object)


def get_compounds(
    metadata: pd.DataFrame, sets: Mapping[str, np.ndarray], different: str | Sequence[str] | None
) -> list[str]:
    """Return the compound of each perturbation: the columns `different` of its wells, or its own name."""
    if different is None:
        return list(sets)
    value = label_wells(metadata, different)
    first = {name: value.iloc[rows[0]] for name, rows in sets.items()}
    return [name if pd.isna(found) else found for name, found in first.items()]


def pair_by_gene(a: Side, b: Side) -> np.ndarray:
    """Return the pairs of perturbations (of `a`, of `b`) that share a gene, once and in order: (pairs, 2)."""
    holders: dict[str, list[int]] = {}
    for column, genes in enumerate(b.genes):
        for gene in genes:
            holders.setdefault(gene, []).append(column)
    found = [
        (row, column)
        for row, genes in enumerate(a.genes)
        for column in sorted(set().union(*(holders.get(gene, ()) for gene in genes)))
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def read_sides(
    a: Sequence[str], b: Sequence[str], controls: Mapping[str, str] | None = None
) -> tuple[Wells, np.ndarray, bool]:
    """Read and join the plates of both sides: the wells, which of them are of `a`, same condition.

    See `read_wells` for what is read, and in which precision.
    """
    within = not b or sorted(a) == sorted(b)
    if not within and set(a) & set(b):
        raise InputError(
            f"These profiles are on both sides of a comparison: {sorted(set(a) & set(b))}. A plate "
            "belongs to one condition; name the same plates on both sides to compare within one."
        )
    wells, sizes = read_wells_and_sizes(a if within else [*a, *b], controls)
    return wells, np.arange(len(wells)) < sum(sizes[: len(a)]), within
