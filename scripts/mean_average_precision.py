"""Mean average precision: can a perturbation be retrieved among controls, or its gene among others?

Replicability (one condition): each well of a perturbation ranks its other replicates among all
negative-control wells of the condition by cosine similarity. Matching (two conditions, or one with
itself): the median profile of each perturbation ranks the perturbations of the other side, those
that share a gene among all others. Average precision is copairs' (Kalinin et al. 2025, Nature
Communications), and so is the Benjamini-Hochberg correction; the p-values are not, because copairs
takes the queries of a perturbation as independent: see `lib/precision_nulls.py`.

The published replicability of CPJUMP1 is average precision minus the random baseline, positives / all
of the condition's most common ranking, averaged over the wells of a perturbation and then over
perturbations: `average_precision_above_random`. `normalized_average_precision` is copairs' own scale,
where 0 is random and 1 is perfect for any number of replicates.

Baselines beside the scores (`lib/baselines.py`), of at most 2,000 perturbations or 500 genes drawn at random:
the same scores from the cell count alone, without the features that follow the count, and from shuffled
labels (wells are shuffled on each plate; in matching, genes are shuffled among perturbations).

`_sampling_low` and `_sampling_high` are the scores that other perturbations of the same kind might get: a
bootstrap over perturbations for the mean, Wilson's interval for the percentage retrieved.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.average_precision import compute_replicate_precision, scale_rows_to_unit
from lib.baselines import get_matching_baselines, get_replicate_baselines
from lib.cell_counts import add_count_z
from lib.logs import log_to
from lib.precision_nulls import (
    MOST_SETS,
    Controls,
    LabelTest,
    compute_replicate_p_value,
    get_distribution_of_query,
)
from lib.query_ranking import rank_queries
from lib.replicates import Wells, group_members, read_wells, split_wells
from lib.scores import BOUNDARY, add_notes, write_score
from lib.sides import collect_side, get_identities, get_medians, mark_sides, pair_by_gene, read_sides
from precision.tables import summarize

SCORES = ("mean_average_precision", "percent_retrieved")
NO_ROWS = np.empty(0, dtype=int)
PERTURBATIONS = 64  # perturbations whose similarities to the controls are computed at a time
COLUMNS = (
    "perturbation",
    "average_precision",
    "n_pos_pairs",
    "n_total_pairs",
    "p_value",
    "smallest_p_value",
    "null_draws",
)
SPHERED = (
    "no score: sphering made the negative controls that it was fitted on uncorrelated, so that "
    "replicates without any effect rank above them too"
)


def rank_replicates(
    wells: Wells,
    group: str | Sequence[str] = "Metadata_broad_sample",
    positive_controls: bool = True,
    minimum_replicates: int = 2,
    draws: int = 10_000,
    seed: int = 0,
    threads: int = 1,
) -> tuple[pd.DataFrame, Wells]:
    """Rank the replicates of every well among the negative controls.

    Parameters
    ----------
    wells
        The wells of one condition.
    group
        The column, or columns, whose equal values define replicates.
    positive_controls
        Whether positive controls are scored.
    minimum_replicates
        Perturbations with fewer wells are left out.
    draws, seed
        For the p-values: the most sets of wells that are ranked, and the seed of their choice.
    threads
        Number of threads that count.

    Returns
    -------
    tuple[pandas.DataFrame, Wells]
        One row per well (perturbation, plate, well, average_precision, n_pos_pairs, n_total_pairs, and the
        perturbation's p_value, smallest_p_value and null_draws), and the wells that were scored. Without
        negative controls there is nothing to rank replicates among, and no rows.
    """
    scored, controls = split_wells(wells, group, positive_controls)
    if not len(controls):
        return join_parts([]), scored
    plates = scored.metadata["Metadata_Plate"].to_numpy()
    of_controls = Controls.of(controls.values, controls.metadata["Metadata_Plate"].to_numpy(), seed)
    test = LabelTest(of_controls, min(draws, MOST_SETS), seed)
    groups = {
        name: rows
        for name, rows in group_members(scored.metadata["perturbation"]).items()
        if len(rows) >= max(2, minimum_replicates)
    }
    ranked_rows = compute_replicate_precision(scored.values, controls.values, list(groups.values()), threads)
    precision = dict(zip(groups, ranked_rows, strict=True))
    parts = []
    for chunk in split_into_chunks(list(groups.items()), PERTURBATIONS):
        unit = scale_rows_to_unit(scored.values[np.concatenate([rows for _, rows in chunk])])
        # one product for many perturbations reads the controls once
        across = unit @ of_controls.rows.T if of_controls.stand_for is None else None
        end = 0
        for name, rows in chunk:
            part = slice(end, end + len(rows))
            end = part.stop
            found = precision[name]
            p, smallest, drawn = compute_replicate_p_value(
                unit[part],
                plates[rows],
                float(found.mean()),
                test,
                len(controls),
                None if across is None else across[part],
            )
            shared = (len(rows) - 1, len(rows) - 1 + len(controls), p, smallest, drawn)
            parts += [(name, plate, value, *shared) for plate, value in zip(plates[rows], found, strict=True)]
    table = pd.DataFrame(parts, columns=[COLUMNS[0], "plate", *COLUMNS[1:]])
    order = np.concatenate(list(groups.values())) if groups else NO_ROWS
    table.insert(2, "well", scored.metadata["Metadata_Well"].to_numpy()[order])
    return table, scored


def split_into_chunks(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Yield the items in parts of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def rank_matches(
    wells: Wells,
    of_a: np.ndarray,
    within: bool,
    gene: str | Sequence[str] = "Metadata_gene",
    group: str | Sequence[str] = "Metadata_broad_sample",
    different: str | Sequence[str] | None = None,
    positive_controls: bool = True,
    minimum_replicates: int = 1,
    draws: int = 10_000,
    seed: int = 0,
    threads: int = 1,
) -> tuple[pd.DataFrame, Wells]:
    """Rank, for each perturbation of the first side, those of its gene among all of the other side.

    Parameters
    ----------
    wells
        The wells of both sides.
    of_a
        Which wells are of the first side, (wells,).
    within
        Whether both sides are the same condition.
    gene
        The column that holds the genes, or one column for each side.
    group
        The column, or columns, whose equal values define replicates.
    different
        Columns in which two perturbations must differ to be compared; by default their name.
    positive_controls
        Whether positive controls are scored.
    minimum_replicates
        Perturbations with fewer wells are left out.
    draws, seed
        For the p-values: the number of orders that are drawn if not all are counted, and the seed.
    threads
        Number of threads that count.

    Returns
    -------
    tuple[pandas.DataFrame, Wells]
        One row per perturbation with a partner, with the columns of `rank_replicates` except plate and well;
        and the wells that were scored.
    """
    scored, part_a, part_b = mark_sides(wells, of_a, within, group, positive_controls)
    gene_a, gene_b = (gene, gene) if isinstance(gene, str) else gene
    a = collect_side(part_a.metadata, gene_a, minimum_replicates)
    # within one condition both sides may be the same perturbations
    alike = part_b is part_a and gene_a == gene_b
    b = a if alike else collect_side(part_b.metadata, gene_b, minimum_replicates)
    profiles_a = get_medians(part_a.values, a.wells)
    profiles_b = profiles_a if alike else get_medians(part_b.values, b.wells)
    related = pair_by_gene(a, b)
    identity_a, identity_b = get_identities(part_a, a, different), get_identities(part_b, b, different)
    excluded_of = group_rows(identity_b)
    queries: list[int] = []
    positives: list[np.ndarray] = []
    aside: list[np.ndarray] = []
    for pairs in np.split(related, np.flatnonzero(np.diff(related[:, 0])) + 1) if len(related) else []:
        row, partners = int(pairs[0, 0]), pairs[:, 1]
        excluded = excluded_of.get(identity_a[row], NO_ROWS)
        left_out = set(excluded.tolist())
        chosen = np.array([other for other in partners.tolist() if other not in left_out], dtype=int)
        others = np.array(sorted(left_out.union(partners.tolist())), dtype=int)
        if len(chosen) and len(others) < len(b.names):
            queries.append(row)
            positives.append(chosen)
            aside.append(others)
    precision = rank_queries(profiles_a, profiles_b, queries, positives, aside, threads)
    parts = []
    for row, found, chosen, others in zip(queries, precision, positives, aside, strict=True):
        negatives = len(b.names) - len(others)
        null = get_distribution_of_query(len(chosen), negatives, draws, seed)
        parts.append(
            (
                a.names[row],
                found,
                len(chosen),
                len(chosen) + negatives,
                null.p_value(found),
                null.smallest,
                null.sampled,
            )
        )
    return pd.DataFrame(parts, columns=COLUMNS), scored


def group_rows(values: np.ndarray) -> dict[Any, np.ndarray]:
    """Return the rows of each value."""
    return {value: np.array(rows) for value, rows in pd.Series(values).groupby(values).indices.items()}


def join_parts(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Concatenate the parts; return an empty table with the needed columns if there are none."""
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def main(
    profiles: Mapping[str, Sequence[str]],
    condition: Mapping[str, Any],
    feature_set: str,
    outputs: Mapping[str, str],
    options: Mapping[str, Any],
    controls: Mapping[str, str] | None = None,
    controls_fitted: bool = False,
    threads: int = 1,
) -> None:
    """Score one condition or comparison, and write both tables.

    The replicability of sphered profiles is not scored (with 400 features and 256 controls, three of four
    perturbations without effect would be retrieved); matching needs no controls and is scored.

    Parameters
    ----------
    profiles
        The files of a condition's plates (`profiles`), or of those of both sides of a comparison (`a`, `b`).
    condition, feature_set
        The columns of the condition with their values, and the feature set.
    outputs
        The files to write: `score` and `perturbations`.
    options
        The parameters of `rank_replicates` or `rank_matches`.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    controls_fitted
        Whether the features were fitted on the negative controls.
    threads
        Number of threads that count.
    """
    choice = {**options, "threads": threads}
    drawn = {name: choice[name] for name in ("draws", "seed") if name in choice}
    is_fitted_on_controls = "a" not in profiles and controls_fitted
    compared: dict[str, Any] = {}
    if "a" in profiles:
        wells, of_a, within = read_sides(profiles["a"], profiles.get("b", ()), controls)
        wells = add_count_z(wells)
        precision, scored = rank_matches(wells, of_a, within, **choice)
        if len(precision):
            compared = get_matching_baselines(
                wells,
                of_a,
                SCORES,
                lambda part, sides: summarize(rank_matches(part, sides, within, **choice)[0], **drawn),
                within,
                choice,
            )
    else:
        wells = add_count_z(read_wells(profiles["profiles"], controls))
        precision, scored = rank_replicates(wells, **choice)
        if len(precision) and not is_fitted_on_controls:
            compared = get_replicate_baselines(
                wells, SCORES, lambda part: summarize(rank_replicates(part, **choice)[0], **drawn), choice
            )
    row, table = summarize(precision[:0] if is_fitted_on_controls else precision, **drawn)
    row |= compared
    if is_fitted_on_controls:
        row["message"] = SPHERED
    row["message"] = add_notes(row["message"], scored.notes)
    counts = {"features": len(scored.features), "wells": len(scored), **scored.dropped}
    files = [path for paths in profiles.values() for path in paths]
    head = {**condition, BOUNDARY: feature_set}
    write_score({**counts, **row}, {"perturbations": table}, outputs, head, options, files)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        names = [name for name in ("profiles", "a", "b") if name in snakemake.input.keys()]  # noqa: SIM118
        main(
            {name: list(snakemake.input[name]) for name in names},
            dict(snakemake.params.condition),
            snakemake.params.feature_set,
            {name: snakemake.output[name] for name in ("score", "perturbations")},
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
            snakemake.params.controls_fitted,
            snakemake.threads,
        )
