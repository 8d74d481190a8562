"""Mean average precision: can a perturbation be retrieved among controls, or its gene among others?

Replicability (one condition): each well of a perturbation ranks its other replicates among all
negative-control wells of the condition by cosine similarity. Matching (two conditions, or one with
itself): the median profile of each perturbation ranks the perturbations of the other side, those
that share a gene among all others. Average precision, its p-value against random rankings and the
Benjamini-Hochberg correction are copairs' (Kalinin et al. 2025, Nature Communications); only the
similarities come from one matrix product instead of pair by pair, which gives the same values in a
fraction of the time and memory.

The published replicability of CPJUMP1 is average precision less the random baseline, positives / all
of the condition's commonest ranking, averaged over the wells of a perturbation and then over
perturbations: `average_precision_above_random`. `normalized_average_precision` is copairs' own scale,
where 0 is random and 1 is perfect whatever the number of replicates.

`_sampling_low` and `_sampling_high` say what other perturbations of the same kind might score: a
bootstrap over perturbations for the mean, Wilson's interval for the percentage retrieved.
"""

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from copairs import compute
from copairs.map import mean_average_precision as copairs_map
from copairs.map.normalization import normalize_ap

from lib.intervals import mean_interval, proportion_interval, sampling
from lib.logs import logged
from lib.replicates import Wells, members, read_wells, split_wells
from lib.scores import BOUNDARY, write_score
from lib.sides import identities, mark_sides, read_sides, shared_genes, side

NOTHING = (
    "no perturbation has both a partner to retrieve and others to rank it among: replicates need "
    "negative controls (`negcon` in control_type), matching needs other genes"
)
SPHERED = (
    "no score: sphering made the negative controls that it was fitted on uncorrelated, so that "
    "replicates without any effect rank above them too"
)


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Scale each row to length 1: the product of two rows is their cosine similarity."""
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def average_precision(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Average precision of each query from its similarities: positive (queries, m), negative (queries, n).

    The best is 1. Of equal similarities a positive ranks first, as in copairs.
    """
    similarity = np.hstack([positive, negative])
    order = np.argsort(1 - similarity, axis=1, kind="stable")
    labels = (order < positive.shape[1]).astype(np.uint32)
    counts = np.full(len(labels), labels.shape[1], dtype=np.uint32)
    return compute.ap_contiguous(labels.ravel(), counts)[0]


def replicability(
    wells: Wells,
    group: str | Sequence[str] = "Metadata_broad_sample",
    positive_controls: bool = True,
    minimum_replicates: int = 2,
) -> tuple[pd.DataFrame, Wells]:
    """Average precision of every well against the negative controls, and the wells that were scored.

    Columns: perturbation, plate, well, average_precision, n_pos_pairs, n_total_pairs. Without
    negative controls there is nothing to rank replicates among: no rows.
    """
    scored, controls = split_wells(wells, group, positive_controls)
    if not len(controls):
        return joined([]), scored
    rows, against = unit_rows(scored.values), unit_rows(controls.values)
    parts = []
    for name, wells_of in members(scored.metadata["perturbation"]).items():
        size = len(wells_of)
        if size < max(2, minimum_replicates):
            continue
        own = rows[wells_of]
        others = (own @ own.T)[~np.eye(size, dtype=bool)].reshape(size, size - 1)
        parts.append(
            pd.DataFrame(
                {
                    "perturbation": name,
                    "plate": scored.metadata["Metadata_Plate"].to_numpy()[wells_of],
                    "well": scored.metadata["Metadata_Well"].to_numpy()[wells_of],
                    "average_precision": average_precision(others, own @ against.T),
                    "n_pos_pairs": size - 1,
                    "n_total_pairs": size - 1 + len(controls),
                }
            )
        )
    return joined(parts), scored


def matching(
    wells: Wells,
    of_a: np.ndarray,
    within: bool,
    gene: str | Sequence[str] = "Metadata_gene",
    group: str | Sequence[str] = "Metadata_broad_sample",
    different: str | Sequence[str] | None = None,
    positive_controls: bool = True,
    minimum_replicates: int = 1,
) -> tuple[pd.DataFrame, Wells]:
    """Average precision of each perturbation of the first side for those of its gene on the other.

    `different`: columns in which two perturbations must differ to be compared; by default their name.

    Columns as `replicability` without plate and well. Perturbations without a partner are left out.
    """
    scored, part_a, part_b = mark_sides(wells, of_a, within, group, positive_controls)
    gene_a, gene_b = (gene, gene) if isinstance(gene, str) else gene
    a = side(part_a.metadata, gene_a, minimum_replicates)
    b = side(part_b.metadata, gene_b, minimum_replicates)
    profiles_a = [np.median(part_a.values[rows], axis=0) for rows in a.wells]
    profiles_b = [np.median(part_b.values[rows], axis=0) for rows in b.wells]
    parts = []
    if profiles_a and profiles_b:
        similarity = unit_rows(np.array(profiles_a)) @ unit_rows(np.array(profiles_b)).T
        partner = shared_genes(a, b)
        other = identities(part_a, a, different)[:, None] != identities(part_b, b, different)[None, :]
        for i, name in enumerate(a.names):
            positive = similarity[i, partner[i] & other[i]]
            negative = similarity[i, ~partner[i] & other[i]]
            if len(positive) and len(negative):
                parts.append(
                    pd.DataFrame(
                        {
                            "perturbation": name,
                            "average_precision": average_precision(positive[None], negative[None]),
                            "n_pos_pairs": len(positive),
                            "n_total_pairs": len(positive) + len(negative),
                        }
                    )
                )
    return joined(parts), scored


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The parts under one another; an empty table with the needed columns if there is none."""
    columns = ["perturbation", "average_precision", "n_pos_pairs", "n_total_pairs"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def summarise(
    precision: pd.DataFrame, draws: int = 10_000, seed: int = 0, level: float = 0.05
) -> tuple[dict[str, Any], pd.DataFrame]:
    """From average precisions to the score's row and a row a perturbation with p- and q-values."""
    if not len(precision):
        row = dict.fromkeys(("mean_average_precision", "percent_retrieved"), np.nan)
        empty = pd.DataFrame(columns=["perturbation", "mean_average_precision", "p_value", "q_value"])
        return {**row, "perturbations": 0, "message": NOTHING}, empty
    positives, total = precision["n_pos_pairs"].astype(int), precision["n_total_pairs"].astype(int)
    common = positives.mode()[0] / total[positives == positives.mode()[0]].mode()[0]
    precision = precision.assign(
        average_precision_above_random=precision["average_precision"] - common,
        normalized_average_precision=normalize_ap(
            precision["average_precision"].to_numpy(float),
            positives.to_numpy(),
            (total - positives).to_numpy(),
        ),
    )
    with tempfile.TemporaryDirectory() as cache:
        scores = copairs_map(
            precision,
            ["perturbation"],
            draws,
            level,
            seed,
            progress_bar=False,
            max_workers=1,
            cache_dir=cache,
        )
    means = precision.groupby("perturbation").agg(
        queries=("average_precision", "size"),
        positives=("n_pos_pairs", "first"),
        average_precision=("average_precision", "mean"),
        average_precision_above_random=("average_precision_above_random", "mean"),
        normalized_average_precision=("normalized_average_precision", "mean"),
    )
    tested = scores.set_index("perturbation")[["p_value", "corrected_p_value"]]
    table = means.join(tested).rename(columns={"corrected_p_value": "q_value"}).reset_index()
    row = {
        "perturbations": len(table),
        "mean_average_precision": table["average_precision_above_random"].mean(),
        **sampling("mean_average_precision", mean_interval(table["average_precision_above_random"], seed)),
        "mean_average_precision_raw": table["average_precision"].mean(),
        "mean_average_precision_normalized": table["normalized_average_precision"].mean(),
        "random_baseline": common,
        "percent_retrieved": 100 * (table["q_value"] < level).mean(),
        **sampling("percent_retrieved", proportion_interval(table["q_value"] < level)),
        "level": level,
        "draws": draws,
        "seed": seed,
        "message": "",
    }
    return row, table


def main(
    profiles: Mapping[str, Sequence[str]],
    condition: Mapping[str, Any],
    feature_set: str,
    outputs: Mapping[str, str],
    options: Mapping[str, Any],
    controls: Mapping[str, str] | None = None,
    controls_fitted: bool = False,
) -> None:
    """Score one condition (`profiles["profiles"]`) or comparison (`a` and `b`), write both tables.

    Replicates of sphered profiles get no score (with 400 features and 256 controls, three of four
    perturbations without effect would be retrieved); matching needs no controls and gets its own.
    """
    choice = dict(options)
    drawn = {name: choice.pop(name) for name in ("draws", "seed") if name in choice}
    if "a" in profiles:
        precision, scored = matching(*read_sides(profiles["a"], profiles.get("b", ()), controls), **choice)
    else:
        precision, scored = replicability(read_wells(profiles["profiles"], controls), **choice)
    fitted = "a" not in profiles and controls_fitted
    row, table = summarise(precision[:0] if fitted else precision, **drawn)
    if fitted:
        row["message"] = SPHERED
    counts = {"features": len(scored.features), "wells": len(scored), **scored.dropped}
    files = [path for paths in profiles.values() for path in paths]
    head = {**condition, BOUNDARY: feature_set}
    write_score({**counts, **row}, {"perturbations": table}, outputs, head, options, files)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        names = [name for name in ("profiles", "a", "b") if name in snakemake.input.keys()]  # noqa: SIM118
        main(
            {name: list(snakemake.input[name]) for name in names},
            dict(snakemake.params.condition),
            snakemake.params.feature_set,
            {name: snakemake.output[name] for name in ("score", "perturbations")},
            dict(snakemake.params.options),
            dict(snakemake.params.controls),
            snakemake.params.controls_fitted,
        )
