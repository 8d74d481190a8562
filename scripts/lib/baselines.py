"""Compute baselines of scores: the cell count alone, without the features that follow it, shuffled labels.

A score that the cell count reaches alone says little about morphology, and a score that shuffled labels reach
is due to chance and the layout of the plates.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lib.cell_counts import COUNT_Z, drop_following_features, get_count_wells
from lib.replicates import NEGATIVE_CONTROL, Wells, get_control_type, get_wells_to_score, label_wells

DRAWS = 10_000  # largest number of draws of a baseline's nulls
REPEATS = 2  # nulls for an interval, which baselines do not report
MOST_PERTURBATIONS, MOST_GENES = 2_000, 500  # in the baselines of average precision, and of matching
MOST_SHUFFLES = 20
SHUFFLED_SETS = 20_000  # sets of shuffled wells that are scored in total, in at least one shuffle

Rescore = Callable[[Wells], tuple[Mapping[str, Any], pd.DataFrame]]


def shuffle_within(groups: Sequence[Any], rng: np.random.Generator) -> np.ndarray:
    """Return a permutation of the rows that keeps each row in its group (such as its plate)."""
    codes = pd.factorize(np.asarray(groups))[0]
    order = np.arange(len(codes))
    shuffled = np.empty(len(codes), dtype=int)
    shuffled[np.argsort(codes, kind="stable")] = order[np.lexsort((rng.random(len(codes)), codes))]
    return shuffled


def get_number_of_shuffles(sets: int) -> int:
    """Return how often labels are shuffled if each shuffle scores this many sets."""
    return int(np.clip(SHUFFLED_SETS // max(1, sets), 1, MOST_SHUFFLES))


def sample_groups(groups: Sequence[Any], most: int, seed: int) -> np.ndarray:
    """Return the rows of at most `most` groups, drawn at random; rows without a group are always included.

    Parameters
    ----------
    groups
        The group of each row (such as its perturbation), missing for none, (rows,).
    most
        The largest number of groups.
    seed
        Seed of the choice.

    Returns
    -------
    numpy.ndarray
        One boolean per row.
    """
    codes, names = pd.factorize(np.asarray(groups, dtype=object), sort=True)
    if len(names) <= most:
        return np.ones(len(codes), dtype=bool)
    chosen = np.random.default_rng([seed, 14]).choice(len(names), most, replace=False)
    return (codes < 0) | np.isin(codes, chosen)


def get_baselines(
    wells: Wells, scores: Sequence[str], rescore: Rescore, flag: str = "", signal: str = ""
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Compute a score from the cell count alone, and from the features that do not follow it.

    Parameters
    ----------
    wells
        The wells that were scored and the controls, with the column of `add_count_z` in their metadata.
    scores
        The columns of the score's row.
    rescore
        Computes the score of other profiles of these wells: its row, and its table with one row per
        perturbation.
    flag, signal
        The columns of the table that say whether a perturbation counts, and its signal; empty if the table is
        not wanted.

    Returns
    -------
    tuple[dict[str, Any], pandas.DataFrame]
        `cell_count_..` and `without_count_..` of each score, and `features_without_count`, NaN where cell
        counts are missing; and the columns of the table by perturbation.
    """
    row: dict[str, Any] = {
        f"{kind}_{score}": np.nan for kind in ("cell_count", "without_count") for score in scores
    }
    row["features_without_count"] = np.nan
    columns: dict[str, pd.Series] = {}
    if COUNT_Z not in wells.metadata:
        return row, pd.DataFrame(columns)
    for kind, part in (
        ("cell_count", get_count_wells(wells)),
        ("without_count", drop_following_features(wells)),
    ):
        if part is None:
            continue
        found, table = rescore(part)
        row |= {f"{kind}_{score}": found[score] for score in scores}
        if kind == "without_count":
            row["features_without_count"] = len(part.features)
        if flag and signal:
            by_name = table.set_index("perturbation")
            columns[f"{kind}_{signal}"] = by_name[signal]
            columns[f"{kind}_{flag}"] = by_name[flag].astype("boolean")
    return row, pd.DataFrame(columns)


def join_baselines(table: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """Return a table of perturbations with the columns of `get_baselines`; missing where there are none."""
    added = {name: table["perturbation"].map(columns[name]) for name in columns}
    flags = {
        name: values.astype("boolean") for name, values in added.items() if columns[name].dtype == "boolean"
    }
    return table.assign(**{**added, **flags})


def get_replicate_baselines(
    wells: Wells, scores: Sequence[str], rescore: Rescore, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the baselines of a score of replicates, from all controls and at most 2,000 perturbations.

    The perturbations are drawn at random.

    Parameters
    ----------
    wells
        The wells of a condition, with the column of `add_count_z`.
    scores
        The columns of the score's row.
    rescore
        Computes the score of some wells: its row, and its table.
    options
        The score's options, of which `group`, `positive_controls` and `seed` are used.
    """
    seed, group = options.get("seed", 0), options.get("group", "Metadata_broad_sample")
    # negative controls may have the name of a perturbation (such as DMSO), but are never left out
    is_control = get_control_type(wells.metadata) == NEGATIVE_CONTROL
    perturbation = label_wells(wells.metadata, group).mask(is_control)
    part = wells.where(sample_groups(perturbation, MOST_PERTURBATIONS, seed))
    both, number = get_wells_to_score(part, group, options.get("positive_controls", True))
    row, _ = get_baselines(both, scores, rescore)
    order = np.arange(len(both))
    plates = both.metadata["Metadata_Plate"].to_numpy()[:number]
    order[:number] = shuffle_within(plates, np.random.default_rng([seed, 15]))
    shuffled, _ = rescore(replace(both, values=both.values[order]))
    return row | {f"shuffled_{name}": shuffled[name] for name in scores}


def get_matching_baselines(
    wells: Wells,
    of_a: np.ndarray,
    scores: Sequence[str],
    rescore: Callable[[Wells, np.ndarray], tuple[Mapping[str, Any], pd.DataFrame]],
    within: bool,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the baselines of a score of matching, from at most 500 genes drawn at random.

    Parameters
    ----------
    wells
        The wells of both sides, with the column of `add_count_z`.
    of_a
        Which wells are of the first side, (wells,).
    scores
        The columns of the score's row.
    rescore
        Computes the score of some wells, of which the second argument says which are of the first side.
    within
        Whether both sides are the same condition.
    options
        The score's options, of which `gene`, `group`, `positive_controls` and `seed` are used.
    """
    seed, group = options.get("seed", 0), options.get("group", "Metadata_broad_sample")
    gene = options.get("gene", "Metadata_gene")
    with_side = replace(wells, metadata=wells.metadata.assign(of_a=of_a))
    both, number = get_wells_to_score(with_side, group, options.get("positive_controls", True))
    scored = replace(both, metadata=both.metadata.iloc[:number], values=both.values[:number])
    part = sample_genes(scored, gene, seed)

    def rescore_part(wells: Wells) -> tuple[Mapping[str, Any], pd.DataFrame]:
        return rescore(wells, wells.metadata["of_a"].to_numpy(bool))

    row, _ = get_baselines(part, scores, rescore_part)
    shuffled, _ = rescore_part(shuffle_genes(part, gene, within, seed))
    return row | {f"shuffled_{name}": shuffled[name] for name in scores}


def sample_genes(wells: Wells, columns: str | Sequence[str], seed: int) -> Wells:
    """Return the wells of at most `MOST_GENES` genes, drawn at random."""
    names = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
    value = label_wells(wells.metadata, names[0])
    for name in names[1:]:
        value = value.fillna(label_wells(wells.metadata, name))
    return wells.where(sample_groups(value, MOST_GENES, seed) & value.notna().to_numpy())


def shuffle_genes(wells: Wells, columns: str | Sequence[str], within: bool, seed: int) -> Wells:
    """Return the wells of both sides with the genes of the second side shuffled.

    Each perturbation gets the genes of another.

    Parameters
    ----------
    wells
        The wells, of which the column `of_a` says whether they are of the first side.
    columns
        The column of the genes, or one column for each side.
    within
        Whether both sides are the same condition, whose genes are then shuffled among all wells.
    seed
        The seed of the shuffle.
    """
    column = columns if isinstance(columns, str) else columns[1]
    metadata = wells.metadata.copy()
    second = np.ones(len(metadata), dtype=bool) if within else ~metadata["of_a"].to_numpy(bool)
    perturbation = metadata.loc[second, "perturbation"]
    gene = metadata.loc[second, column].groupby(perturbation).first()
    order = np.random.default_rng([seed, 16]).permutation(len(gene))
    metadata.loc[second, column] = perturbation.map(pd.Series(gene.to_numpy()[order], index=gene.index))
    return replace(wells, metadata=metadata)
