"""Neighbors and clusters of consensus profiles, and whether they share genes, targets or mechanisms.

Clusters are Leiden communities (Traag et al. 2019, Scientific Reports) of the graph of each perturbation's
nearest neighbors by cosine, computed by graspologic-native. Modularity by itself finds half a dozen
communities in a graph of any size (its resolution limit), of 40 perturbations and more in a condition of 300.
The resolution therefore grows with the number of perturbations, as in the constant Potts model: a cluster has
about a dozen.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

import graspologic_native
import numpy as np
import pandas as pd

from lib.nulls import compute_q_values
from lib.precision_nulls import get_distribution_of_query
from lib.query_ranking import rank_queries

NEIGHBORS = 10  # neighbors of each perturbation in the graph
FEWEST_TO_CLUSTER = 5
PER_RESOLUTION = 60  # perturbations for which the resolution grows by 1
BLOCK = 16_000_000  # similarities that are held at once
CLUSTER_COLUMNS = (
    *("cluster", "perturbations", "with_annotation", "class", "in_cluster", "in_condition", "fold"),
    *("p_value", "q_value", "members"),
)
MOST_MEMBERS = 50  # members that a row of the table names


def find_neighbors(profiles: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest profiles by cosine.

    Parameters
    ----------
    profiles
        Profiles, (profiles, features).
    number
        How many neighbors, if there are as many other profiles.

    Returns
    -------
    tuple[numpy.ndarray, numpy.ndarray]
        Their rows and cosines, nearest first, each (profiles, neighbors). A profile is not its own neighbor,
        and a profile that is 0 has a cosine of 0 with all others.
    """
    number = min(number, len(profiles) - 1)
    if number < 1:
        return np.empty((len(profiles), 0), dtype=int), np.empty((len(profiles), 0))
    lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
    unit = profiles / np.where(lengths > 0, lengths, 1)
    near = np.empty((len(unit), number), dtype=int)
    cosines = np.empty((len(unit), number))
    step = max(1, BLOCK // len(unit))
    for start in range(0, len(unit), step):
        similarity = unit[start : start + step] @ unit.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf
        found = np.argpartition(-similarity, number - 1, axis=1)[:, :number]
        values = np.take_along_axis(similarity, found, axis=1)
        # equal cosines in the order of the rows
        order = np.lexsort((found, -values), axis=1)
        near[start : start + step] = np.take_along_axis(found, order, axis=1)
        cosines[start : start + step] = np.take_along_axis(values, order, axis=1)
    return near, cosines


def cluster_profiles(profiles: np.ndarray, seed: int) -> np.ndarray:
    """Return the cluster of each profile, numbered from 1 by descending size; 0 for all if they are few."""
    if len(profiles) < FEWEST_TO_CLUSTER:
        return np.zeros(len(profiles), dtype=int)
    near, cosines = find_neighbors(profiles, NEIGHBORS)
    weights: dict[tuple[int, int], float] = {}
    for row, (others, values) in enumerate(zip(near, cosines, strict=True)):
        for other, value in zip(others.tolist(), values.tolist(), strict=True):
            if value > 0:
                weights[min(row, other), max(row, other)] = value
    found = np.full(len(profiles), -1)
    if weights:
        edges = [(str(a), str(b), weight) for (a, b), weight in sorted(weights.items())]
        _, communities = graspologic_native.leiden(
            edges, seed=seed, trials=3, resolution=max(1.0, len(profiles) / PER_RESOLUTION)
        )
        for name, community in communities.items():
            found[int(name)] = community
    alone = found < 0
    found[alone] = found.max(initial=-1) + 1 + np.arange(alone.sum())
    sizes = Counter(found.tolist())
    first = {community: int(np.flatnonzero(found == community)[0]) for community in sizes}
    order = sorted(sizes, key=lambda community: (-sizes[community], first[community]))
    number = {community: rank for rank, community in enumerate(order, start=1)}
    return np.array([number[community] for community in found.tolist()])


def measure_sharing(
    genes: Sequence[frozenset[str]],
    profiles: np.ndarray,
    near: np.ndarray,
    draws: int,
    seed: int,
    compounds: Sequence[Hashable] | None = None,
) -> pd.DataFrame:
    """Test whether the perturbations that share a gene with a perturbation are nearer to it than by chance.

    Other doses of its own compound are not ranked: that they are alike says nothing about the gene.

    Parameters
    ----------
    genes
        Genes (targets, mechanisms) of each perturbation; empty where none is known.
    profiles
        Consensus profiles, (perturbations, features).
    near
        Rows of the nearest perturbations, (perturbations, neighbors).
    draws, seed
        For p-values of rankings that are not enumerated.
    compounds
        The compound of each perturbation, if some are doses of one compound.

    Returns
    -------
    pandas.DataFrame
        `partners` (the perturbations of other compounds that share a gene), `neighbors_sharing` (how many
        of `near` do), the average precision of ranking the partners among all others by cosine, its exact
        p-value and q-value; missing without a partner.
    """
    number = len(genes)
    holders: dict[str, set[int]] = {}
    for row, names in enumerate(genes):
        for name in names:
            holders.setdefault(name, set()).add(row)
    own: dict[Hashable, set[int]] = {}
    compounds = range(number) if compounds is None else compounds
    for row, compound in enumerate(compounds):
        own.setdefault(compound, set()).add(row)
    left_out = [own[compound] for compound in compounds]
    partners = [
        set().union(*(holders[name] for name in names)) - left_out[row] for row, names in enumerate(genes)
    ]
    counts = np.array([len(of_row) for of_row in partners], dtype=int)
    sharing = [len(of_row.intersection(found)) for of_row, found in zip(partners, near.tolist(), strict=True)]
    precision, p = np.full(number, np.nan), np.full(number, np.nan)
    # a profile of zeros has no direction, and all others share the gene of a partner: nothing to rank
    nonzero = np.any(profiles != 0, axis=1)
    negatives = np.array([number - len(left_out[row]) - int(counts[row]) for row in range(number)], dtype=int)
    rows = [row for row in range(number) if counts[row] and negatives[row] and nonzero.all()]
    positives = [np.array(sorted(partners[row])) for row in rows]
    aside = [np.array(sorted(partners[row] | left_out[row])) for row in rows]
    if rows:
        precision[rows] = rank_queries(profiles, profiles, rows, positives, aside)
    for row in rows:
        null = get_distribution_of_query(int(counts[row]), int(negatives[row]), draws, seed)
        p[row] = null.p_value(float(precision[row]))
    return pd.DataFrame(
        {
            "partners": counts,
            "neighbors_sharing": sharing,
            "sharing_average_precision": precision,
            "sharing_p_value": p,
            "sharing_q_value": compute_q_values(p),
        }
    )


def measure_enrichment(
    names: Sequence[str],
    genes: Sequence[frozenset[str]],
    cluster: np.ndarray,
    compounds: Sequence[Hashable] | None = None,
) -> pd.DataFrame:
    """Test in which clusters the annotation's classes are enriched.

    The doses of a compound count once: three doses of one inhibitor are not three inhibitors.

    Parameters
    ----------
    names, genes
        The perturbations and their genes (targets, mechanisms).
    cluster
        The cluster of each, 0 for none, (perturbations,).
    compounds
        The compound of each perturbation, if some are doses of one compound.

    Returns
    -------
    pandas.DataFrame
        One row per cluster and class with at least two compounds among those that are clustered: counts,
        enrichment (`fold`), hypergeometric p-value among those with an annotation, q-value over all rows. A
        cluster without such a class has one row without a class.
    """
    from scipy.stats import hypergeom  # here, since its import takes a CPU second

    compounds = list(range(len(genes)) if compounds is None else compounds)

    def collect(rows: np.ndarray) -> tuple[int, Counter[str]]:
        """Count the annotated compounds of some perturbations, and those of each class."""
        found = {(name, compounds[row]) for row in rows for name in genes[row]}
        return len({compound for _, compound in found}), Counter(name for name, _ in found)

    total, classes = collect(np.flatnonzero(cluster > 0))
    rows = []
    for number in range(1, int(cluster.max(initial=0)) + 1):
        mine = np.flatnonzero(cluster == number)
        annotated, here = collect(mine)
        about = {
            "cluster": number,
            "perturbations": len(mine),
            "with_annotation": annotated,
            "members": "; ".join(str(names[row]) for row in mine[:MOST_MEMBERS]),
        }
        found = [
            {
                **about,
                "class": name,
                "in_cluster": count,
                "in_condition": classes[name],
                "fold": count * total / (annotated * classes[name]),
                "p_value": hypergeom.sf(count - 1, total, classes[name], annotated),
            }
            for name, count in sorted(here.items())
            if classes[name] > 1
        ]
        rows += found or [about]
    table = pd.DataFrame(rows, columns=[name for name in CLUSTER_COLUMNS if name != "q_value"])
    table["q_value"] = compute_q_values(table["p_value"].to_numpy(float))
    table = table[list(CLUSTER_COLUMNS)].sort_values(["cluster", "p_value"], kind="stable", ignore_index=True)
    return table.astype({"in_cluster": "Int64", "in_condition": "Int64"})
