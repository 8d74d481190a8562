"""Average precision as copairs defines it: columns determine which pairs are positives and negatives.

A well ranks its positives (equal in all columns of `same`, different in all columns of `different`) among its
negatives, by cosine. Values with several labels, separated by `|` or `;`, are equal if they share a label.

The p-value of a group is the share of groups of shuffled wells with at least its mean average precision: the
profiles are shuffled among the wells that are each other's negatives (such as those of a plate), and groups
with as many wells and positives are compared. copairs' own null takes queries as independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.average_precision import TIE, compute_precision_from_counts, scale_rows_to_unit
from lib.errors import InputError, join_names
from lib.replicates import label_wells
from lib.values import separate

FEWEST_NULL = 200  # groups of one size that are enough for a separate null


@dataclass(frozen=True)
class Relation:
    """The columns in which two wells of a pair must be equal, and those in which they must differ."""

    same: tuple[str, ...]
    different: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """The positives and negatives of each query, as rows: `rows` holds the queries that have both."""

    rows: np.ndarray
    positives: list[np.ndarray]
    negatives: list[np.ndarray]


def get_label_sets(metadata: pd.DataFrame, columns: Sequence[str]) -> dict[str, list[frozenset[str]]]:
    """Return the labels of each well in each column; none where the value is missing.

    Raises
    ------
    InputError
        If the profiles have no such column.
    """
    absent = [name for name in columns if name not in metadata]
    if absent:
        known = join_names(name for name in metadata if name.startswith("Metadata_"))
        raise InputError(f"The profiles have no column {join_names(absent)}; they have {known}.")
    found = {}
    for name in columns:
        values = label_wells(metadata, name).fillna("")
        parts = {value: frozenset(separate(value)) for value in set(values)}
        found[name] = [parts[value] for value in values]
    return found


class Partners:
    """Finds the partners of a well under a relation."""

    def __init__(self, relation: Relation, sets: Mapping[str, Sequence[frozenset[str]]], number: int) -> None:
        self.relation, self.sets, self.number = relation, sets, number
        self.holders: dict[str, dict[str, np.ndarray]] = {}
        for name in {*relation.same, *relation.different}:
            rows: dict[str, list[int]] = {}
            for row, of_row in enumerate(sets[name]):
                for label in of_row:
                    rows.setdefault(label, []).append(row)
            self.holders[name] = {label: np.array(found) for label, found in rows.items()}
        self.known: dict[tuple[frozenset[str], ...], np.ndarray] = {}

    def holding(self, name: str, row: int) -> np.ndarray:
        """Return the rows that share a label with a row in a column."""
        parts = [self.holders[name][label] for label in self.sets[name][row]]
        if not parts:
            return np.empty(0, dtype=int)
        return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))

    def find(self, row: int) -> np.ndarray:
        """Return the partners of a row, ascending, without itself; none if it lacks a value of `same`."""
        key = tuple(self.sets[name][row] for name in (*self.relation.same, *self.relation.different))
        if key not in self.known:
            found = np.arange(self.number)
            for name in self.relation.same:
                found = np.intersect1d(found, self.holding(name, row), assume_unique=True)
            for name in self.relation.different:
                # a well whose value is missing differs from none, as in copairs
                has = np.array([bool(self.sets[name][other]) for other in found], dtype=bool)
                found = np.setdiff1d(found[has], self.holding(name, row), assume_unique=True)
                found = found if self.sets[name][row] else found[:0]
            self.known[key] = found
        found = self.known[key]
        return found[found != row]


def find_pairs(metadata: pd.DataFrame, positive: Relation, negative: Relation, queries: np.ndarray) -> Pairs:
    """Return the positives and the negatives of each query (row numbers) that has both.

    Parameters
    ----------
    metadata
        One row per well.
    positive, negative
        What makes a well a positive or a negative of a query.
    queries
        The row numbers of the queries, (queries,).
    """
    columns = dict.fromkeys((*positive.same, *positive.different, *negative.same, *negative.different))
    sets = get_label_sets(metadata, list(columns))
    of_positive = Partners(positive, sets, len(metadata))
    of_negative = Partners(negative, sets, len(metadata))
    rows, positives, negatives = [], [], []
    for row in queries.tolist():
        first, second = of_positive.find(row), of_negative.find(row)
        if len(first) and len(second):
            rows.append(row)
            positives.append(first)
            negatives.append(second)
    return Pairs(np.array(rows, dtype=int), positives, negatives)


def rank_pairs(values: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Return the average precision of each query: (queries,)."""
    unit = scale_rows_to_unit(values)
    found = np.empty(len(pairs.rows))
    for number, (row, first, second) in enumerate(
        zip(pairs.rows, pairs.positives, pairs.negatives, strict=True)
    ):
        limits = unit[first] @ unit[row]
        others = np.sort(unit[second] @ unit[row])
        above = len(others) - np.searchsorted(others, limits + TIE, side="right")
        found[number] = compute_precision_from_counts(above[None])[0]
    return found


def rank_groups(
    values: np.ndarray, pairs: Pairs, groups: Sequence[str], strata: Sequence[str], draws: int, seed: int
) -> pd.DataFrame:
    """Return the mean average precision of each group of queries, with its p-value.

    Parameters
    ----------
    values
        Profiles, (wells, features).
    pairs
        The positives and negatives of the queries.
    groups
        The group of each query (such as its perturbation).
    strata
        For each well, among which others its profile may be shuffled.
    draws
        Groups of the null, at least: wells are shuffled until there are as many.
    seed
        Seed of the shuffles.

    Returns
    -------
    pandas.DataFrame
        name, queries, positives, negatives (medians), average_precision, p_value, null_groups.
    """
    numbers = pd.DataFrame(
        {
            "name": list(groups),
            "positives": [len(rows) for rows in pairs.positives],
            "negatives": [len(rows) for rows in pairs.negatives],
            "average_precision": rank_pairs(values, pairs),
        }
    )
    by_name = numbers.groupby("name", sort=True)
    table = (
        by_name[["positives", "negatives"]]
        .median()
        .assign(queries=by_name.size(), average_precision=by_name["average_precision"].mean())
    )
    if not len(table):
        return pd.DataFrame(
            columns=["name", "queries", "positives", "negatives", "average_precision", "p_value"]
        )
    codes = pd.factorize(np.asarray(strata))[0]
    rng = np.random.default_rng([seed, 19])
    null = []
    for _ in range(max(1, -(-draws // len(table)))):
        order = np.empty(len(codes), dtype=int)
        order[np.argsort(codes, kind="stable")] = np.lexsort((rng.random(len(codes)), codes))
        shuffled = pd.Series(rank_pairs(values[order], pairs)).groupby(numbers["name"].to_numpy()).mean()
        null.append(shuffled.loc[table.index].to_numpy())
    drawn = np.array(null)
    kinds = table[["queries", "positives"]].apply(tuple, axis=1)
    p, sizes = np.empty(len(table)), np.empty(len(table), dtype=int)
    for row, kind in enumerate(kinds):
        alike = drawn[:, (kinds == kind).to_numpy()].ravel()
        alike = alike if len(alike) >= FEWEST_NULL else drawn.ravel()
        reached = (alike >= table["average_precision"].iloc[row] - 1e-9).sum()
        p[row], sizes[row] = (1 + reached) / (1 + len(alike)), len(alike)
    return table.assign(p_value=p, null_groups=sizes).reset_index()
