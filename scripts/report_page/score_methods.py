"""Describe the scores and what is derived from them, from the metadata of their tables."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from lib.conditions import get_relation
from lib.replicate_nulls import LARGEST_SET
from report_page.sentences import (
    NOTHING,
    Provenances,
    format_ordinal,
    format_value,
    get_nested,
    get_value,
    mark_parameter,
    write_sentence,
)

SCORES = {
    "percent_replicating": "Percent Replicating {@cpjump1} was calculated as the percentage of perturbations "
    "(defined by {group}) for which the median pairwise Pearson correlation between replicates was more "
    "extreme than the {percentile} percentile ({tail} tail) of a null distribution. The null distribution "
    "consisted of the median pairwise correlations of {draws} random sets of wells with different "
    "perturbations ({null_size}; seed {seed}). Perturbations with fewer than {minimum_replicates} replicates "
    "were counted as not replicating.",
    "percent_matching": "Percent Matching {@cpjump1} was calculated as the percentage of pairs of "
    "perturbations with the same {relation} ({gene}) for which the median pairwise Pearson correlation was "
    "more extreme than the {percentile} percentile of a null distribution of pairs of perturbations with a "
    "different {relation} (all such pairs, or a random sample if there were more than {draws}).",
    "mean_average_precision": "Mean average precision {@map} was calculated by ranking the replicates of "
    "each perturbation against the negative controls by cosine similarity. For the p-value of a "
    "perturbation, its wells and the controls of each plate were pooled, and sets with the same number of "
    "wells were drawn from these pools (all possible sets or, if there were more, 10,000 random sets; seed "
    "{seed}). The p-value was the fraction of these sets whose mean average precision was at least that of "
    "the perturbation, or the corresponding fraction of random rankings, whichever was larger.",
}


# The wells of a set are of different perturbations, so that there are no more of them.
MATCHED = (
    "as many wells per set as the perturbation had replicates, but no more than there were perturbations, "
    f"and no more than {LARGEST_SET}"
)


def name_columns(value: Any) -> str:
    """Name columns of the profiles as in a paper, without the prefix of metadata."""
    if isinstance(value, list):
        return format_value([name_columns(each) for each in value])
    return str(value).removeprefix("Metadata_")


def name_relation(made: Provenances) -> str:
    """Return what the perturbations of a pair share, such as gene or target."""
    value = get_value(made, "gene")
    several = value if isinstance(value, list) else [value]
    # a comparison of two conditions has a column for each side
    sides = [each if isinstance(each, list) else [each] for each in several]
    return get_relation(str(column) for side in sides for column in side)


def describe_scores(metrics: Mapping[str, Provenances]) -> list[Markup]:
    """Describe the benchmark's scores."""
    sentences = []
    for metric, text in SCORES.items():
        if not (made := metrics.get(metric)):
            continue
        size = get_value(made, "null_size")
        words = {
            "percentile": format_ordinal(get_value(made, "percentile")),
            "null_size": MATCHED if size == "matched" else f"{format_value(size)} wells per set",
        }
        words |= {key: name_columns(get_value(made, key)) for key in ("group", "gene")}
        relation = {"relation": name_relation(made)} if metric == "percent_matching" else {}
        sentences.append(write_sentence(text, metric, made, words, **relation))
    return sentences


def describe_hits(
    config: Mapping[str, Any], metrics: Mapping[str, Provenances], hits: Mapping[str, int]
) -> Markup:
    """Describe how perturbations were called active and toxic, and clustered, as far as they were.

    Parameters
    ----------
    config
        The complete config.
    metrics
        Provenance of the benchmark's tables, by metric.
    hits
        Number of perturbations that could be `called` active or not, of those that are `active`, and of
        those that are `counted`: whether they are toxic is known.
    """
    texts = {
        "called": "Perturbations were called active if the Benjamini–Hochberg q-value of {measure} was below "
        "0.05.",
        "counted": "Perturbations were called toxic if the median over their wells of the robust z-score of "
        "the cell count, relative to the negative controls of the plate, was at most {limit}.",
        "active": "Active perturbations were clustered with the Leiden algorithm {@leiden} on the graph of "
        "the ten nearest neighbors of each consensus profile by cosine similarity; the resolution was the "
        "number of these perturbations divided by 60, or 1 if that was larger.",
    }
    text = " ".join(text for name, text in texts.items() if hits.get(name))
    if not text:
        return NOTHING
    return write_sentence(
        text,
        measure="their mean average precision (or, if there were too few replicates or controls, of their "
        "median replicate correlation)"
        if metrics.get("mean_average_precision")
        else "their median replicate correlation",
        limit=mark_parameter("benchmark", "toxic_z", config["benchmark"]["toxic_z"]),
    )


def describe_dose_response(config: Mapping[str, Any]) -> Markup:
    """Describe how dose-response curves were fitted."""
    if "dose_response" not in config:
        return NOTHING
    limits = {"2sd": "two standard deviations", "mad": "one median absolute deviation"}
    return write_sentence(
        "For each compound, Hill curves were fitted, as functions of the dose, to the cell count and to the "
        "Mahalanobis distance of each well to the negative controls of its plate (in the space of the "
        "principal components that explained 95 % of the variance, with the covariance of the residuals "
        "given compound and dose). The benchmark dose was the dose at which the curve departed from the "
        "controls by {limit} of the control values; its 90 % interval was determined by bootstrapping.",
        limit=mark_parameter("dose_response", "limit", limits[config["dose_response"]["limit"]]),
    )


def describe_judging(made: Provenances) -> Markup:
    """Describe how the steps of all chains were evaluated side by side."""
    if not made:
        return NOTHING
    return write_sentence(
        "Each step of each chain was evaluated by Percent Replicating ({draws} random sets), by mean average "
        "precision against negative controls and against the other perturbations, and by the mixing of "
        "batches ({batch}): iLISI, kBET, silhouette width and graph connectivity {@mixing}.",
        "judge",
        made,
        {"batch": format_value(get_value(made, "batch")).removeprefix("Metadata_")},
    )


def describe_consensus(made: Provenances) -> Markup:
    """Describe how the replicates of a perturbation were combined."""
    by_operation: dict[str, list[Mapping[str, Any]]] = {}
    for each in made:
        by_operation.setdefault(str(get_nested(each, "parameters.operation")), []).append(each)
    if not by_operation:
        return NOTHING
    weighted = (
        "MODZ {@modz}, a mean that is weighted by the {modz.method} correlation between replicates "
        "(min_weight = {modz.min_weight}, precision = {modz.precision})"
    )
    ways = [
        write_sentence(weighted if name == "modz" else "their {operation}", "consensus", some)
        for name, some in by_operation.items()
    ]
    return write_sentence(
        "The replicates of each perturbation in a condition were combined into consensus profiles by {ways}.",
        ways=Markup(" and, separately, by ").join(ways),
    )
