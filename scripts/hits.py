"""List whether each perturbation of one condition is active or toxic, what it changes, and what it resembles.

* Active: a q-value below 0.05 (Benjamini-Hochberg over the condition) of its mean average precision against
  the negative controls; where replicates or controls are too few for that, or it was not computed, of its
  median replicate correlation (Percent Replicating). Without either there is no call.
* Toxic: the median over its wells of the robust z-score of the cell count (`lib/cell_counts.py`) is at most
  `benchmark.toxic_z`. Wells without cells count, although no score has them.
* Strongest groups of features (compartment, family, channel): the root mean square, over the features of a
  group, of the consensus in units of the negative controls' spread, compared with sets of as many controls
  (of all wells, if there are few controls). Its direction is that of most features. Of the compartments with
  the same family and channel, the strongest is named.
* Neighbors: the nearest perturbations by cosine of the consensus (the median over the wells, relative to the
  controls). The p-value of sharing is that of the ranks of the perturbations with the same gene, target or
  mechanism.
* Cluster: see `lib/clusters.py`.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.cell_counts import COUNT_Z, add_count_z, get_counts
from lib.clusters import cluster_profiles, find_neighbors, measure_enrichment, measure_sharing
from lib.feature_groups import ALL, NO_CHANNEL, Group, group_features, tells_groups
from lib.feature_names import get_channels
from lib.logs import log_to
from lib.perturbation_names import name_perturbations
from lib.replicates import (
    BLOCK_ROWS,
    Wells,
    get_control_type,
    group_members,
    label_wells,
    read_wells,
    split_wells,
)
from lib.scores import BOUNDARY, write_condition_tables
from lib.sides import get_compounds, get_genes

LEVEL = 0.05  # q-values below this are significant
SHOWN_NEIGHBORS, TESTED_NEIGHBORS = 3, 10
STRONGEST = 3
RANKINGS = 10_000  # rankings that are drawn for p-values that are not exact
NULL_SETS = 200  # sets of control wells, per number of replicates
# Controls for the spread of features and the null of groups; with fewer, all wells are used.
FEWEST_CONTROLS = 10
ONE_DIRECTION = 0.6  # fraction of a group's features that must agree; otherwise, its direction is mixed
ABOUT = (
    *("Metadata_pert_iname", "Metadata_gene", "Metadata_target", "Metadata_moa", "Metadata_dose"),
    "Metadata_control_type",
)
FROM_REPLICATING = {
    "median_correlation": "median_correlation",
    "replicating": "replicating",
    "p_value": "replicating_p_value",
    "q_value": "replicating_q_value",
    "position_aware_replicating": "position_aware_replicating",
    "position_aware_q_value": "position_aware_q_value",
    "cell_count_replicating": "cell_count_replicating",
    "without_count_replicating": "without_count_replicating",
}
FROM_PRECISION = {
    "average_precision": "average_precision",
    "normalized_average_precision": "normalized_average_precision",
    "p_value": "average_precision_p_value",
    "q_value": "average_precision_q_value",
    "smallest_q_value": "average_precision_smallest_q_value",
}
TOO_FEW = "too few replicates or controls for q < 0.05"


def describe_perturbations(wells: Wells, group: str | Sequence[str], toxic_z: float) -> pd.DataFrame:
    """Return each perturbation with its annotation, its wells and its cell counts, by its name.

    All its wells that were imaged count, including those that are in no score because they have no cells.
    """
    negative = (get_control_type(wells.metadata) == "negcon").to_numpy()
    perturbation = label_wells(wells.metadata, group).mask(negative)
    metadata = wells.metadata.assign(perturbation=perturbation, cells=get_counts(wells.metadata))
    imaged = np.isfinite(wells.values).any(axis=1) | metadata["cells"].notna()
    columns = [group] if isinstance(group, str) else list(group)
    kept = [name for name in dict.fromkeys([*columns, *ABOUT]) if name in metadata]
    grouped = metadata.dropna(subset=["perturbation"]).groupby("perturbation")
    table = grouped[kept].first() if kept else pd.DataFrame(index=grouped.size().index)
    for column in kept:
        several = grouped[column].nunique() > 1
        for name in several.index[several]:
            table.loc[name, column] = join_values(grouped.get_group(name)[column])
    z = grouped[COUNT_Z].median()
    return table.assign(
        wells=imaged.groupby(metadata["perturbation"]).sum(),
        plates=metadata["Metadata_Plate"].where(imaged).groupby(metadata["perturbation"]).nunique(),
        cells=grouped["cells"].median(),
        cell_count_z=z,
        toxic=(z <= toxic_z).astype("boolean").mask(z.isna()),
    )


def join_values(column: pd.Series) -> str:
    """Return the values of a perturbation's wells as text, joined by `|` if they differ."""
    return "|".join(dict.fromkeys(str(value) for value in column if pd.notna(value) and str(value)))


def call_activity(table: pd.DataFrame) -> pd.DataFrame:
    """Return whether each perturbation is active, and the rule that decided it."""
    precision_q = table.get("average_precision_q_value", pd.Series(np.nan, table.index)).astype(float)
    least = table.get("average_precision_smallest_q_value", pd.Series(np.nan, table.index)).astype(float)
    replicating_q = table.get("replicating_q_value", pd.Series(np.nan, table.index)).astype(float)
    active = pd.Series(pd.NA, table.index, dtype="boolean")
    rule = pd.Series(TOO_FEW, table.index, dtype="str")
    by_correlation = replicating_q.notna()
    active[by_correlation] = replicating_q[by_correlation] < LEVEL
    rule[by_correlation] = "q < 0.05 of the median replicate correlation"
    by_precision = precision_q.notna() & (least < LEVEL)
    active[by_precision] = precision_q[by_precision] < LEVEL
    rule[by_precision] = "q < 0.05 of mean average precision against the negative controls"
    rule[table["replicates"] == 0] = "not scored: no well with a complete profile"
    rule[table["replicates"] == 1] = "not scored: one replicate"
    return pd.DataFrame({"active": active, "active_rule": rule})


def get_reference(scored: Wells, controls: Wells) -> np.ndarray:
    """Return the profiles that changes are compared with: the controls, or all wells if they are few."""
    return (
        controls.values if len(controls) >= FEWEST_CONTROLS else np.vstack([controls.values, scored.values])
    )


def get_z(profiles: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return profiles in units of the reference wells' spread (1.4826 MAD) around their median.

    A feature without spread in the reference is 0.
    """
    median = np.median(reference, axis=0)
    spread = 1.4826 * np.median(np.abs(reference - median), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, (profiles - median) / spread, 0.0)


def get_strength(z: np.ndarray, groups: Mapping[Group, np.ndarray]) -> np.ndarray:
    """Return the root mean square of each group's features: (profiles, groups)."""
    return np.column_stack([np.sqrt((z[:, columns] ** 2).mean(axis=1)) for columns in groups.values()])


def find_strongest_groups(
    consensus: np.ndarray,
    sizes: np.ndarray,
    reference: np.ndarray,
    groups: Mapping[Group, np.ndarray],
    seed: int,
) -> list[dict[str, Any]]:
    """Return the three groups of features of each perturbation that changed most, with their direction.

    Parameters
    ----------
    consensus
        Median profiles, (perturbations, features).
    sizes
        Number of wells of each.
    reference
        Profiles of the wells that they are compared with, (wells, features).
    groups
        The columns of each group.
    seed
        Seed of the sets of reference wells.

    Returns
    -------
    list[dict[str, Any]]
        For each perturbation the columns `strongest_n` (compartment, family, channel, direction) and
        `strongest_n_score`: how many standard deviations the strength of the group is above that of sets of
        as many reference wells. They have no such columns if the names of the features give no groups.
    """
    if not tells_groups(list(groups)) or len(reference) < 2:
        return [{} for _ in sizes]
    names, columns = list(groups), list(groups.values())
    null = {}
    for size in np.unique(sizes):
        rng = np.random.default_rng([seed, 13, int(size)])
        number = min(int(size), len(reference))
        drawn = [rng.choice(len(reference), number, replace=False) for _ in range(NULL_SETS)]
        strength = get_strength(
            get_z(np.array([np.median(reference[i], axis=0) for i in drawn]), reference), groups
        )
        null[size] = strength.mean(axis=0), np.maximum(strength.std(axis=0), 1e-9)
    found = []
    for start in range(0, len(sizes), BLOCK_ROWS):
        z = get_z(consensus[start : start + BLOCK_ROWS], reference)
        for row, strength in enumerate(get_strength(z, groups)):
            mean, spread = null[sizes[start + row]]
            score = (strength - mean) / spread
            entry: dict[str, Any] = {}
            for rank, number in enumerate(choose_strongest(score, names), start=1):
                words = " ".join(word for word in names[number] if word not in ("", ALL, NO_CHANNEL))
                entry[f"strongest_{rank}"] = f"{words} {get_direction(z[row, columns[number]])}"
                entry[f"strongest_{rank}_score"] = round(float(score[number]), 2)
            found.append(entry)
    return found


def choose_strongest(score: np.ndarray, names: Sequence[Group]) -> list[int]:
    """Return the numbers of the three strongest groups, which differ in family or channel.

    A change of one kind is often seen in all compartments, of which the strongest stands for the others.
    Groups whose names give no family, such as columns of other programs, stand for themselves.
    """
    chosen: dict[tuple[str, ...], int] = {}
    for number in np.argsort(-score, kind="stable"):
        group = names[number]
        chosen.setdefault(group if group[1] in ("", ALL) else group[1:], int(number))
        if len(chosen) == STRONGEST:
            break
    return list(chosen.values())


def get_direction(z: np.ndarray) -> str:
    """Return the direction of most of a group's features: up, down or mixed."""
    up = (z > 0).mean()
    return "up" if up >= ONE_DIRECTION else "down" if up <= 1 - ONE_DIRECTION else "mixed"


def describe_neighbors(
    names: np.ndarray,
    genes: Sequence[frozenset[str]],
    profiles: np.ndarray,
    known: Mapping[str, str],
    compounds: Sequence[Hashable],
    seed: int,
) -> pd.DataFrame:
    """Return the nearest neighbors of each perturbation, and whether they share its genes beyond chance.

    Parameters
    ----------
    names, genes
        The perturbations, and the genes of each.
    profiles
        Their consensus profiles relative to the controls, (perturbations, features).
    known
        The names of perturbations that people know, by perturbation.
    compounds
        The compound of each perturbation; doses of one compound have the same.
    seed
        Seed of p-values that are not exact.
    """
    near, cosines = find_neighbors(profiles, TESTED_NEIGHBORS)
    table = pd.DataFrame(index=names)
    for rank in range(min(SHOWN_NEIGHBORS, near.shape[1])):
        table[f"neighbor_{rank + 1}"] = names[near[:, rank]]
        table[f"neighbor_{rank + 1}_name"] = [known[name] for name in names[near[:, rank]]]
        table[f"neighbor_{rank + 1}_cosine"] = cosines[:, rank].round(4)
        table[f"neighbor_{rank + 1}_annotation"] = ["|".join(sorted(genes[i])) for i in near[:, rank]]
    shared = measure_sharing(genes, profiles, near, RANKINGS, seed, compounds)
    return table.join(shared.set_index(pd.Index(names)))


def get_hits(
    wells: Wells,
    replicating: pd.DataFrame,
    precision: pd.DataFrame | None,
    gene: str,
    channels: Sequence[str],
    group: str | Sequence[str] = "Metadata_broad_sample",
    positive_controls: bool = True,
    toxic_z: float = -2,
    seed: int = 0,
    different: str | Sequence[str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of hits of a condition, and its clusters' enrichment.

    Parameters
    ----------
    wells
        The wells of the condition.
    replicating, precision
        The tables of Percent Replicating and of mean average precision (None if it was not computed), one row
        per perturbation.
    gene
        The column that holds genes, targets or mechanisms, several separated by `|` or `;`.
    channels
        The assay's channels.
    group
        The column, or columns, whose equal values define replicates.
    positive_controls
        Whether positive controls are among the perturbations.
    toxic_z
        The z-score of the cell count from which a perturbation is toxic.
    seed
        Seed of random sets and of the clustering.
    different
        Columns whose equal values define one compound, if a compound has several doses.

    Returns
    -------
    tuple[pandas.DataFrame, pandas.DataFrame]
        One row per perturbation, active ones first; one row per cluster and class of `gene`.
    """
    wells = add_count_z(wells)
    if not positive_controls:
        wells = wells.where(get_control_type(wells.metadata).isin(["", "negcon"]).to_numpy())
    table = describe_perturbations(wells, group, toxic_z)
    scored, controls = split_wells(wells, group, positive_controls)
    sets = group_members(scored.metadata["perturbation"])
    table.insert(0, "replicates", pd.Series({name: len(rows) for name, rows in sets.items()}, dtype=float))
    table["replicates"] = table["replicates"].fillna(0).astype(int)
    for scores, columns in ((replicating, FROM_REPLICATING), (precision, FROM_PRECISION)):
        if scores is not None and len(scores):
            by_name = scores.set_index("perturbation")
            table = table.join(by_name[[c for c in columns if c in by_name]].rename(columns=columns))
    table = table.join(call_activity(table))
    clusters = measure_enrichment([], [], np.empty(0))
    if sets:
        names = np.array(list(sets), dtype=object)
        sizes = np.array([len(rows) for rows in sets.values()])
        consensus = np.array([np.median(scored.values[rows], axis=0) for rows in sets.values()])
        reference = get_reference(scored, controls)
        groups = group_features(scored.features, get_channels(scored.features, channels))
        strongest = find_strongest_groups(consensus, sizes, reference, groups, seed)
        relative = consensus - np.median(reference, axis=0)
        genes = get_genes(scored.metadata, gene, list(sets.values()))
        chosen = choose_for_clusters(table.loc[names, "active"])
        cluster = np.zeros(len(names), dtype=int)
        cluster[chosen] = cluster_profiles(relative[chosen], seed)
        known = name_perturbations(scored.metadata)
        compounds = get_compounds(scored.metadata, sets, different)
        clusters = measure_enrichment([known[name] for name in names], genes, cluster, compounds)
        near = describe_neighbors(names, genes, relative, known, compounds, seed)
        found = pd.DataFrame(strongest, index=names).join(near)
        found["cluster"] = pd.array(np.where(cluster > 0, cluster, pd.NA), dtype="Int64")
        table = table.join(found)
    return sort_hits(table), clusters


def choose_for_clusters(active: pd.Series) -> np.ndarray:
    """Return which perturbations are clustered: the active ones, or all if no call could be made."""
    if active.isna().all():
        return np.ones(len(active), dtype=bool)
    return active.fillna(False).to_numpy(bool)


def sort_hits(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the active perturbations first, then by average precision and correlation."""
    columns = [name for name in ("average_precision", "median_correlation") if name in table]
    order = table.assign(first=table["active"].fillna(False).astype(bool))
    order = order.sort_values(["first", *columns], ascending=False, kind="stable", na_position="last")
    first = ["active", "active_rule", "toxic"]
    rest = [name for name in table if name not in first]
    at = rest.index("plates") + 1
    return table.loc[order.index, [*rest[:at], *first, *rest[at:]]].reset_index(names="name")


def main(
    profiles: Sequence[str],
    replicating: str,
    precision: str | None,
    outputs: Mapping[str, str],
    head: Mapping[str, Any],
    options: Mapping[str, Any],
    controls: Mapping[str, str],
) -> None:
    """Write the hits of a condition and the enrichment of its clusters.

    Parameters
    ----------
    profiles
        The files of the condition's plates.
    replicating
        The table of perturbations of Percent Replicating.
    precision
        The table of perturbations of the mean average precision, if it was scored.
    outputs
        The files to write: `hits` and `clusters`.
    head
        Columns that name the condition and feature set, with their values; they come first in each table.
    options
        The parameters of `get_hits`.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    """
    tables = [pd.read_parquet(path) if path else None for path in (replicating, precision)]
    hits, clusters = get_hits(read_wells(profiles, controls), *tables, **options)
    write_condition_tables({"hits": hits, "clusters": clusters}, outputs, head)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            snakemake.input.replicating,
            snakemake.input.get("precision"),
            {name: snakemake.output[name] for name in ("hits", "clusters")},
            {**snakemake.params.condition, BOUNDARY: snakemake.params.feature_set},
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
        )
