"""How well batches mix, and how well replicates stay together: the measures of scib-metrics.

The definitions are those of scib-metrics (Luecken et al. 2022, Nature Methods), written on scikit-learn,
since that package depends on jax (1 GB). Each function returns one value per well or per label instead of
their mean, so that intervals and differences can be computed; all distances are Euclidean, and 1 is best.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import chi2
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import NearestNeighbors

# Numbers of neighbors, the well itself included, as in scib-metrics' benchmark.
OF_LISI, OF_KBET, OF_CONNECTIVITY = 90, 50, 15
MOST_OF_WELLS = 4  # with few wells, a neighborhood is at most one in this many wells
FEWEST_NEIGHBORS = 4
TOLERANCE, TRIES = 1e-5, 50  # in the search for the perplexity
LEVEL = 0.05  # significance level of kBET's test


@dataclass(frozen=True)
class Neighbors:
    """The nearest neighbors of each well, itself first: rows and distances, (wells, neighbors)."""

    rows: np.ndarray
    distances: np.ndarray

    def nearest(self, number: int) -> "Neighbors":
        """Return fewer of them."""
        return Neighbors(self.rows[:, :number], self.distances[:, :number])


def find_neighbors(values: np.ndarray, number: int = OF_LISI) -> Neighbors:
    """Find the nearest neighbors of each well.

    Parameters
    ----------
    values : (wells, features), without missing values.
    number : of neighbors, the well itself included; with few wells, fewer are found (`get_number`).
    """
    number = get_number(len(values), number)
    distances, rows = NearestNeighbors(n_neighbors=number - 1).fit(values).kneighbors()
    itself = np.arange(len(values))[:, None]
    return Neighbors(np.hstack([itself, rows]), np.hstack([np.zeros(itself.shape), distances]))


def get_number(wells: int, number: int) -> int:
    """Return the number of neighbors for a number of wells: at most a quarter of them, at least 4."""
    return min(wells, number, max(FEWEST_NEIGHBORS, wells // MOST_OF_WELLS))


def get_lisi(neighbors: Neighbors, labels: np.ndarray) -> np.ndarray:
    """Return the local inverse Simpson's index of each well: the effective number of labels around it.

    Neighbors are weighted by a Gaussian-like kernel exp(-beta distance), whose perplexity is a third of their
    number (Korsunsky et al. 2019, Nature Methods). NaN if the neighborhood has no extent.

    Parameters
    ----------
    neighbors : of each well.
    labels : one integer per well, from 0.
    """
    distances = neighbors.distances[:, 1:]
    distances = distances - distances.min(axis=1, keepdims=True)
    target = np.log(np.floor(neighbors.rows.shape[1] / 3))
    beta = np.ones(len(distances))
    low, high = np.full(len(distances), -np.inf), np.full(len(distances), np.inf)
    weight, entropy = get_weights(distances, beta)
    for _ in range(TRIES):
        search = np.abs(entropy - target) >= TOLERANCE
        if not search.any():
            break
        wide = search & (entropy > target)
        narrow = search & ~wide
        low[wide], high[narrow] = beta[wide], beta[narrow]
        with np.errstate(invalid="ignore"):
            middle = (low + high) / 2
        beta[wide] = np.where(np.isinf(high), 2 * beta, middle)[wide]
        beta[narrow] = np.where(np.isinf(low), beta / 2, middle)[narrow]
        weight[search], entropy[search] = get_weights(distances[search], beta[search])
    around = labels[neighbors.rows[:, 1:]]
    simpson = np.zeros(len(distances))
    for label in np.unique(labels):
        simpson += np.where(around == label, weight, 0).sum(axis=1) ** 2
    return 1 / simpson


def get_weights(distances: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each neighbor's weight, (wells, neighbors), and the entropy of each well's weights."""
    weight = np.exp(-distances * beta[:, None])
    total = weight.sum(axis=1)
    entropy = np.log(total) + beta * (distances * weight).sum(axis=1) / total
    return weight / total[:, None], entropy


def scale_lisi(lisi: np.ndarray, number: int) -> np.ndarray:
    """Scale LISI so that 0 is one label around each well and 1 is all `number` labels in equal parts."""
    return (lisi - 1) / (number - 1)


def find_mixed(neighbors: Neighbors, batches: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """Return whether kBET accepts each well's neighborhood as well mixed.

    The batches in the neighborhood are compared with those of all wells by a chi-squared test (Büttner et al.
    2019, Nature Methods).

    Parameters
    ----------
    neighbors : of each well.
    batches : one integer per well, from 0.
    level : a neighborhood with a smaller p-value is rejected.
    """
    number = batches.max() + 1
    expected = np.bincount(batches) / len(batches) * neighbors.rows.shape[1]
    around = batches[neighbors.rows]
    observed = np.stack([(around == batch).sum(axis=1) for batch in range(number)], axis=1)
    statistic = ((observed - expected) ** 2 / expected).sum(axis=1)
    return chi2.sf(statistic, number - 1) >= level


def get_connectivity(neighbors: Neighbors, groups: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the fraction of each label's wells that the graph of nearest neighbors connects.

    Parameters
    ----------
    neighbors : of each well.
    groups : label: rows of its wells. Paths lead over wells of the same label only, along directed edges.
    """
    wells, number = neighbors.rows.shape
    edges = np.ones(wells * (number - 1))
    ends = neighbors.rows[:, 1:].ravel()
    graph = csr_array((edges, ends, np.arange(0, wells * (number - 1) + 1, number - 1)), shape=(wells, wells))
    found = {}
    for label, rows in groups.items():
        _, parts = connected_components(graph[rows][:, rows], connection="strong")
        found[label] = np.bincount(parts).max() / len(rows)
    return found


def get_silhouettes(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each well's silhouette width by its label, scaled to 0 to 1; NaN if it is not defined."""
    number = len(np.unique(labels))
    if not 2 <= number < len(labels):
        return np.full(len(labels), np.nan)
    return (silhouette_samples(values, labels) + 1) / 2


def get_batch_silhouettes(
    values: np.ndarray, batches: np.ndarray, groups: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Return how little batches separate the wells of each label: mean of 1 - abs(silhouette width by batch).

    A label whose wells are all of one batch, or each of another batch, has none and is left out.
    """
    found = {}
    for label, rows in groups.items():
        if 2 <= len(np.unique(batches[rows])) < len(rows):
            found[label] = float((1 - np.abs(silhouette_samples(values[rows], batches[rows]))).mean())
    return found
