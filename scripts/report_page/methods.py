"""Write the Methods section, with the parameters recorded in the results.

The steps after CellProfiler are read from the metadata of the Parquet files, not from the config, so that
the text is correct for files that were made with other parameters. CellProfiler's part is written by
`imaging_methods`.

Each function returns its sentences, or an empty text if there is nothing to report.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lib.errors import number_of
from lib.levels import CELLPROFILER, LEVELS, NETWORK, Level
from report_page.cell_methods import describe_flagged_cells, describe_summaries
from report_page.chain_methods import describe_chains
from report_page.imaging_methods import describe_imaging
from report_page.score_methods import (
    describe_consensus,
    describe_dose_response,
    describe_hits,
    describe_judging,
    describe_scores,
)
from report_page.sentences import (
    NOTHING,
    Provenances,
    count_plates,
    format_range,
    format_value,
    get_nested,
    get_value,
    mark_parameter,
    write_sentence,
)

REFERENCES = {"negcon": "the negative controls", "all": "all wells"}
WITHIN = {"plate": "on each plate", "batch": "within each batch"}

# --- profiles: from the metadata of each level -------------------------------------------------------


def get_levels_of_step(levels: Mapping[str, Provenances], step: str) -> dict[Level, Provenances]:
    """Return the provenances of the levels that a step made, by level."""
    return {
        LEVELS[name]: some for name, some in levels.items() if name in LEVELS and LEVELS[name].step == step
    }


def describe_profiling(levels: Mapping[str, Provenances]) -> list[Markup]:
    """Describe the processing from single cells to selected features."""
    sentences = [
        describe_joining(levels),
        describe_excluded_sites(levels),
        describe_flagged_cells(levels),
        describe_aggregation(levels),
        describe_summaries(levels),
        *describe_embedding(levels),
        describe_normalization(levels),
        describe_embedding_normalization(levels),
        *describe_selections(levels),
        describe_sphering(levels),
    ]
    if any(sentences):
        text = "These steps were performed according to the definitions of pycytominer {@pycytominer}."
        sentences.append(write_sentence(text))
    return sentences


def describe_joining(levels: Mapping[str, Provenances]) -> Markup:
    """Describe how the compartments of a cell were joined."""
    if not (made := levels.get("single_cells")):
        return NOTHING
    return write_sentence(
        "For each cell, the features of the compartments {compartments} were combined.", "single_cells", made
    )


def describe_excluded_sites(levels: Mapping[str, Provenances]) -> Markup:
    """Report how many sites quality control excluded."""
    made = levels.get("aggregated", [])
    number = sum(len(each.get("parameters", {}).get("excluded_sites", [])) for each in made)
    if not number:
        return NOTHING
    were = "was" if number == 1 else "were"
    return write_sentence(
        "{sites} flagged by quality control {were} excluded.", sites=number_of(number, "site"), were=were
    )


def describe_aggregation(levels: Mapping[str, Provenances]) -> Markup:
    """Describe how cells were aggregated to wells."""
    made = levels.get("aggregated", [])
    if not get_value(made, "operation"):
        return NOTHING
    text = (
        "Single-cell features were aggregated to well-level profiles as the {operation} over the cells of "
        "each well."
    )
    sentence = write_sentence(text, "aggregate", made)
    if not get_value(made, "image_features"):
        return sentence
    return sentence + write_sentence(
        " Image-level features (Image_) were aggregated over the sites of each well and added to them."
    )


def describe_embedding(levels: Mapping[str, Provenances]) -> list[Markup]:
    """Describe how deep-network features were extracted and aggregated."""
    if not (made := levels.get("network")):
        return []
    stacked = get_value(made, "network.stacked") is True
    extraction = write_sentence(
        "In addition, deep-network features were extracted from a crop of each cell{crops} with "
        "{network.model} (weights: {network.weights}), {planes}.",
        "network",
        made,
        planes="with all channels as input planes" if stacked else "separately for each channel",
        crops=describe_crops(made),
    )
    operation = get_value(levels.get("embeddings", []), "operation")
    aggregation = write_sentence(
        "These features were aggregated to well-level profiles as the {operation} over the cells of each "
        "well.",
        operation=mark_parameter("aggregate", "operation", operation),
    )
    return [extraction, aggregation if operation else NOTHING]


def describe_crops(made: Provenances) -> Markup:
    """Describe the crops that the deep network received, as part of a sentence."""
    if not (size := get_value(made, "crops.size")):
        return NOTHING
    box = get_value(made, "crops.box")
    square = (
        "the square around the cell's bounding box"
        if box == "cell"
        else "{crops.box} × {crops.box} pixels, centered on {crops.center}"
    )
    resized = "" if box == size else ", resized to {crops.size} × {crops.size} pixels"
    scale = (
        "the intensities {crops.fixed} of each image"
        if get_value(made, "crops.fixed")
        else "the percentiles {crops.percentiles} of each illumination-corrected image"
    )
    masked = ", with pixels outside of the cell set to 0" if get_value(made, "crops.mask") is True else ""
    return write_sentence(f" ({square}{resized}{masked}; {scale} were rescaled to 0 and 1)", "network", made)


def describe_normalization(levels: Mapping[str, Provenances]) -> Markup:
    """Describe how features were normalized, and to which wells."""
    by_reference = {
        REFERENCES[level.reference]: some
        for level, some in get_levels_of_step(levels, "normalize").items()
        if level.features == CELLPROFILER and some
    }
    if not by_reference:
        return NOTHING
    made = [each for some in by_reference.values() for each in some]
    robust = "MAD robust z-scores ({method}; (x − median) / (1.4826 × MAD))"
    extreme = (
        ", as were features with absolute values above {outlier_cutoff} in more than 1 % of the wells; if "
        "only a few values of a feature exceeded this cutoff and were more than ten times as large as all "
        "others, they were treated as missing"
    )
    over = get_value(made, "over")
    return write_sentence(
        "Features were normalized {over} with "
        + (robust if get_value(made, "method") == "mad_robustize" else "the method {method}")
        + " relative to {wells}. Features without variation in these wells were dropped"
        + (extreme if get_value(made, "outlier_cutoff") else "")
        + ".",
        "normalize",
        made,
        {"over": name_scope(over)},
        wells=Markup(" and, separately, to ").join(
            write_sentence("{to}{wells}", "normalize", some, {"to": words}, wells=count_reference_wells(some))
            for words, some in by_reference.items()
        ),
    )


def describe_embedding_normalization(levels: Mapping[str, Provenances]) -> Markup:
    """Describe how deep-network features were normalized."""
    made = [
        each
        for level, some in get_levels_of_step(levels, "normalize").items()
        if level.features == NETWORK
        for each in some
    ]
    if not get_value(made, "method"):
        return NOTHING
    floored = ", with standard deviations raised to at least their median over all features"
    return write_sentence(
        "Deep-network features were normalized {over} relative to {to} ({method}{floored}).",
        "normalize",
        made,
        {"over": name_scope(get_value(made, "over")), "to": name_references(get_value(made, "to"))},
        floored=floored if get_value(made, "method") == "standardize" else "",
    )


def name_references(to: Any) -> str:
    """Name the reference wells: `the negative controls and, separately, all wells`."""
    references = to if isinstance(to, list) else [to]
    return " and, separately, ".join(REFERENCES.get(each, str(each)) for each in references)


def name_scope(over: Any) -> str:
    """Name the plates that were processed together: `on each plate`."""
    scopes = over if isinstance(over, list) else [over]
    return " and, separately, ".join(WITHIN.get(scope, str(scope)) for scope in scopes)


def count_reference_wells(made: Provenances) -> str:
    """Return the range of the number of reference wells: ` (n = 64 wells)`, ` (n = 9–10 wells)`."""
    numbers = [get_nested(each, "parameters.reference_wells") for each in made]
    wells = sorted(int(number) for number in numbers if number is not None)
    if not wells:
        return ""
    return f" (n = {wells[0] if wells[0] == wells[-1] else format_range([wells[0], wells[-1]])} wells)"


def describe_selections(levels: Mapping[str, Provenances]) -> list[Markup]:
    """Describe feature selection, with one sentence for each set of parameters."""
    by_settings: dict[str, list[Mapping[str, Any]]] = {}
    for some in get_levels_of_step(levels, "feature_select").values():
        for each in some:
            settings = json.dumps(get_nested(each, "parameters.feature_select"), sort_keys=True)
            by_settings.setdefault(settings, []).append(each)
    return [describe_selection(made) for made in by_settings.values()]


def describe_selection(made: Provenances) -> Markup:
    """Describe feature selection with one set of parameters."""
    over = get_value(made, "over")
    blocklist = get_value(made, "feature_select.blocklist") is True
    reference = get_value(made, "feature_select.reference")
    return write_sentence(
        "Features were selected {over} from the profiles normalized to {reference} with a variance and "
        "frequency filter (freq_cut = {freq_cut}, unique_cut = {unique_cut}), a missing-value filter "
        "(missing in at most a fraction of {na_cutoff} of the wells), "
        + ("" if blocklist else "and ")
        + "a correlation threshold (Pearson's r = {correlation})"
        + (", and a blocklist of unreliable features." if blocklist else "."),
        "feature_select",
        lambda key: over if key == "over" else get_value(made, f"feature_select.{key}"),
        {
            "over": name_scope(over),
            "reference": REFERENCES.get(reference) if isinstance(reference, str) else format_value(reference),
        },
    )


def describe_sphering(levels: Mapping[str, Provenances]) -> Markup:
    """Describe how profiles were sphered."""
    made = [each for some in get_levels_of_step(levels, "spherize").values() for each in some]
    if not made:
        return NOTHING
    shrink = get_value(made, "shrink")
    regularization = "OAS shrinkage of the covariance" if shrink is True else "ε = {epsilon}"
    if isinstance(shrink, list) and shrink:
        regularization = "ε = {epsilon}, or OAS shrinkage of the covariance for deep-network features"
    return write_sentence(
        f"Profiles were sphered ({{method}}; {regularization}) with a transformation fitted to the negative "
        "controls of all plates of a condition.",
        "spherize",
        made,
    )


def name_published_levels(published: Mapping[str, Sequence[int]]) -> str:
    """Name the levels of published profiles: ` (level aggregated, 5,792 features)`."""
    parts = []
    for level, numbers in published.items():
        ends = [f"{number:,}" for number in dict.fromkeys((min(numbers), max(numbers)))]
        parts.append(f"level {level}, {format_range(ends)} features")
    return f" ({'; '.join(parts)})" if parts else ""


def name_software(versions: Iterable[tuple[str, str]]) -> Markup:
    """Name the software with its versions."""
    software = format_value([f"{name} {version}" for name, version in versions])
    text = "All analyses were performed with a Snakemake workflow {@snakemake}{software}."
    return write_sentence(text, software=f" using {software}" if software else "")


def write_methods(
    config: Mapping[str, Any],
    sources: Mapping[str, int],
    cellprofiler: str,
    levels: Mapping[str, Provenances],
    metrics: Mapping[str, Provenances],
    versions: Sequence[tuple[str, str]],
    accelerated: bool = False,
    hits: Mapping[str, int] | None = None,
    published: Mapping[str, Sequence[int]] | None = None,
) -> list[Markup]:
    """Write the Methods section.

    Parameters
    ----------
    config
        The complete config.
    sources
        Number of plates by where they start: `images`, `cellprofiler`, `profiles`.
    cellprofiler
        Name and version of CellProfiler.
    levels
        Provenance of the files that the workflow made, by level, `single_cells` or `network`.
    metrics
        Provenance of the benchmark's tables, by metric.
    versions
        Names and versions of the software.
    accelerated
        Whether CellProfiler's slow modules were replaced by faster ones.
    hits
        How many perturbations were called, see `describe_hits`; None if there are no hits.
    published
        The numbers of features of the profiles that plates start with, by their level.

    Returns
    -------
    The paragraphs.
    """
    images = sources.get("images", 0)
    first = describe_imaging(config, images, cellprofiler, accelerated) if images else []
    for source, text in (
        ("cellprofiler", "The analysis of {plates} started from existing CellProfiler tables."),
        ("profiles", "The analysis of {plates} started from existing profiles{levels}."),
    ):
        if number := sources.get(source):
            levels_of_files = name_published_levels(published or {})
            first.append(write_sentence(text, plates=count_plates(number), levels=levels_of_files))
    scores = [
        *describe_scores(metrics),
        describe_judging(metrics.get("judged", [])),
        describe_hits(config, metrics, hits or {}),
        describe_consensus(metrics.get("consensus", [])),
        describe_dose_response(config),
    ]
    chains = describe_chains(levels)
    paragraphs = [first, describe_profiling(levels), *chains, scores, [name_software(versions)]]
    return [Markup(" ").join(filter(None, sentences)) for sentences in paragraphs if any(sentences)]
