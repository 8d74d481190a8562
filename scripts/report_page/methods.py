"""The Methods paragraph: what was done, with the parameters that the results themselves carry.

What happened after CellProfiler is read from the Parquet files' metadata, not from the config: a file that
was made with another parameter says so. What CellProfiler did is the config's assay, which its pipelines
are generated from.

A function gives one sentence, or an empty one where there is nothing to say.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lib.errors import number_of
from lib.levels import CELLPROFILER, LEVELS, Level
from report_page.sentences import (
    Provenances,
    at,
    in_range,
    in_words,
    parameter,
    sentence,
    value_of,
)

NOTHING = Markup("")
WELLS = {"negcon": "the negative controls", "all": "all wells"}


# --- images: from the config ------------------------------------------------------------------------


def imaging(config: Mapping[str, Any], plates: int, cellprofiler: str, accelerated: bool) -> list[Markup]:
    """What CellProfiler did with the images."""
    assay, own = config["assay"], config["cellprofiler"]
    first = [processing(config, plates, cellprofiler, accelerated)]
    if own["illumination_pipeline"]:
        first.append(sentence("Illumination functions came from a pipeline of our own."))
    else:
        first.append(illumination(assay))
    if own["analysis_pipeline"]:
        return [*first, sentence("Objects were found and measured with a pipeline of our own.")]
    return [*first, nuclei(assay), cells(assay), measurements(assay)]


def processing(config: Mapping[str, Any], plates: int, cellprofiler: str, accelerated: bool) -> Markup:
    """Which images, and what processed them."""
    stains = [
        f"{channel['name']}" + (f" ({channel['stain']})" if channel["stain"] else "")
        for channel in config["assay"]["channels"]
    ]
    faster = (
        "; its slow measuring modules were replaced by faster ones of the same names, settings and values"
    )
    return sentence(
        "Images of {plates} with the channels {stains} were processed with {cellprofiler} "
        "{@cellprofiler}{faster}.",
        plates=number_of(plates, "plate"),
        stains=in_words(stains),
        cellprofiler=cellprofiler,
        faster=faster if accelerated else "",
    )


def illumination(assay: Mapping[str, Any]) -> Markup:
    """How illumination was corrected."""
    if assay["illumination"]["apply"] == "None":
        return sentence("Illumination was not corrected.")
    return sentence(
        "For each plate and channel an illumination function was calculated from all images "
        "({illumination.calculate}, images shrunk by a factor of {illumination.downsample}, "
        "{illumination.smoothing} of size {illumination.filter_size}, rescaled to {illumination.rescale}) "
        "and applied to each image ({illumination.apply}).",
        "assay",
        lambda key: at(assay, key),
    )


def nuclei(assay: Mapping[str, Any]) -> Markup:
    """How nuclei were found."""
    return sentence(
        "Nuclei were identified in the channel {nuclei.channel} (diameter {nuclei.diameter} pixels; "
        "{threshold}; clumps divided by {nuclei.declump.method}).",
        "assay",
        lambda key: at(assay, key),
        {"nuclei.diameter": in_range(assay["nuclei"]["diameter"])},
        threshold=threshold(assay, "nuclei"),
    )


def cells(assay: Mapping[str, Any]) -> Markup:
    """How cells were found."""
    if not assay.get("cells"):
        return NOTHING
    where = " in the channel {cells.channel}" if assay["cells"].get("channel") else ""
    return sentence(
        f"Cells were grown from the nuclei ({{cells.method}}{where}; {{threshold}}).",
        "assay",
        lambda key: at(assay, key),
        threshold=threshold(assay, "cells"),
    )


def threshold(assay: Mapping[str, Any], objects: str) -> Markup:
    """How objects were separated from the background: part of a sentence."""
    text = "{strategy} threshold, {method}, correction {correction}, bounds {bounds}"
    bounds = in_range(assay[objects]["threshold"]["bounds"])
    return sentence(
        text.replace("{", f"{{{objects}.threshold."),
        "assay",
        lambda key: at(assay, key),
        {f"{objects}.threshold.bounds": bounds},
    )


def measurements(assay: Mapping[str, Any]) -> Markup:
    """What was measured."""
    measured = [name.replace("_", " ") for name, asked in assay["measurements"].items() if asked]
    return sentence("Measured were {measured} of each object.", measured=in_words(measured))


# --- profiles: from the metadata of each level -------------------------------------------------------


def of_step(levels: Mapping[str, Provenances], step: str) -> dict[Level, Provenances]:
    """The provenances of the levels that a step made, by level."""
    return {
        LEVELS[name]: some for name, some in levels.items() if name in LEVELS and LEVELS[name].step == step
    }


def profiling(levels: Mapping[str, Provenances]) -> list[Markup]:
    """From cells to selected features."""
    sentences = [
        joining(levels),
        aggregation(levels),
        left_out(levels),
        embedding(levels),
        normalization(levels),
        *selections(levels),
        sphering(levels),
    ]
    if any(sentences):
        sentences.append(sentence("The definitions are those of pycytominer {@pycytominer}."))
    return sentences


def joining(levels: Mapping[str, Provenances]) -> Markup:
    """How objects became cells."""
    if not (made := levels.get("single_cells")):
        return NOTHING
    return sentence("The objects {compartments} of each cell were joined to one row.", "single_cells", made)


def aggregation(levels: Mapping[str, Provenances]) -> Markup:
    """How cells became wells."""
    made = levels.get("aggregated", [])
    if not value_of(made, "operation"):
        return NOTHING
    return sentence("A well's profile is the {operation} of its cells.", "aggregate", made)


def left_out(levels: Mapping[str, Provenances]) -> Markup:
    """How many sites quality control kept out."""
    made = levels.get("aggregated", [])
    number = sum(len(each.get("parameters", {}).get("excluded_sites", [])) for each in made)
    if not number:
        return NOTHING
    return sentence(
        "{sites} that quality control flagged took no part in the profiles.", sites=number_of(number, "site")
    )


def embedding(levels: Mapping[str, Provenances]) -> Markup:
    """How the deep network's features were made."""
    if not (made := levels.get("network")):
        return NOTHING
    operation = value_of(levels.get("embeddings", []), "operation")
    return sentence(
        "Beside these features, crops around each cell were embedded by the deep network {network.model} "
        "(weights: {network.weights}), {planes}{crops}; a well's embedding is the {operation} of its cells.",
        "network",
        made,
        planes="all channels at once" if value_of(made, "network.stacked") is True else "channel by channel",
        crops=crops(made),
        operation=parameter("aggregate", "operation", operation),
    )


def crops(made: Provenances) -> Markup:
    """What the deep network saw of a cell."""
    if not (size := value_of(made, "crops.size")):
        return NOTHING
    box = value_of(made, "crops.box")
    square = (
        "the square around the cell's bounding box"
        if box == "cell"
        else "{crops.box} x {crops.box} pixels around the centre of {crops.center}"
    )
    resized = "" if box == size else ", resized to {crops.size} x {crops.size} pixels"
    scale = (
        "the intensities {crops.fixed} of each image"
        if value_of(made, "crops.fixed")
        else "the percentiles {crops.percentiles} of each illumination-corrected image"
    )
    masked = ", 0 outside of the cell" if value_of(made, "crops.mask") is True else ""
    return sentence(f" ({square}{resized}{masked}; {scale} became 0 and 1)", "network", made)


def normalization(levels: Mapping[str, Provenances]) -> Markup:
    """How features were normalized, and to which wells."""
    reached = {
        WELLS[level.reference]: some
        for level, some in of_step(levels, "normalize").items()
        if level.features == CELLPROFILER
    }
    if not reached:
        return NOTHING
    made = [each for some in reached.values() for each in some]
    robust = ": less the median, divided by 1.4826 times the median absolute deviation"
    return sentence(
        "Features were normalized ({method}{definition}) to {wells} of the {over}; features without spread "
        "there were dropped.",
        "normalize",
        made,
        definition=robust if value_of(made, "method") == "mad_robustize" else "",
        wells=Markup(" and, separately, to ").join(
            sentence("{to}{wells}", "normalize", some, {"to": words}, wells=wells_of(some))
            for words, some in reached.items()
        ),
    )


def wells_of(made: Provenances) -> str:
    """How many reference wells the plates have, in brackets: ` (64 wells)`, ` (9 to 10 wells)`."""
    told = [at(each, "parameters.reference_wells") for each in made]
    wells = sorted(int(number) for number in told if number is not None)
    if not wells:
        return ""
    return f" ({wells[0]} wells)" if wells[0] == wells[-1] else f" ({wells[0]} to {wells[-1]} wells)"


def selections(levels: Mapping[str, Provenances]) -> list[Markup]:
    """How features were selected: a sentence for each way."""
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for some in of_step(levels, "feature_select").values():
        for each in some:
            settings = json.dumps(at(each, "parameters.feature_select"), sort_keys=True)
            alike.setdefault(settings, []).append(each)
    return [selection(made) for made in alike.values()]


def selection(made: Provenances) -> Markup:
    """How features were selected in one way."""
    over = value_of(made, "over")
    scope = f"{over}'s" if isinstance(over, str) else " and, separately, on the ".join(f"{s}'s" for s in over)
    blocked = value_of(made, "feature_select.blocklist") is True
    return sentence(
        "Features were selected on the {over} profiles normalized to {reference}: dropped were those whose "
        "second most common value is rarer than {freq_cut} of the most common one, with fewer different "
        "values than {unique_cut} of the wells, missing in more than {na_cutoff} of them, or correlated "
        "with another feature above {correlation}{blocklist}.",
        "feature_select",
        lambda key: over if key == "over" else value_of(made, f"feature_select.{key}"),
        {"over": scope},
        blocklist=", and those of the field's blocklist" if blocked else "",
    )


def sphering(levels: Mapping[str, Provenances]) -> Markup:
    """How profiles were sphered."""
    if not (made := [each for some in of_step(levels, "spherize").values() for each in some]):
        return NOTHING
    return sentence(
        "Profiles were sphered ({method}, epsilon {epsilon}) with the negative controls of all plates of a "
        "condition.",
        "spherize",
        made,
    )


# --- scores: from the metadata of their tables --------------------------------------------------------

SCORES = {
    "percent_replicating": "Percent Replicating {@cpjump1} is the percentage of perturbations ({group}) "
    "whose median replicate correlation (Pearson) exceeds percentile {percentile} (tail: {tail}) of a null "
    "of {draws} draws of wells of different perturbations (number of wells: {null_size}; seed {seed}); "
    "perturbations with fewer than {minimum_replicates} replicates count as not replicating.",
    "percent_matching": "Percent Matching is the percentage of pairs of perturbations of one gene ({gene}) "
    "whose median correlation lies beyond percentile {percentile} of a null of {draws} pairs of different "
    "genes.",
    "mean_average_precision": "Mean average precision {@map} ranks the replicates of each perturbation "
    "among the negative controls by cosine similarity, with p-values from {draws} permutations.",
}


def scoring(metrics: Mapping[str, Provenances]) -> list[Markup]:
    """The benchmark's scores."""
    return [sentence(text, metric, metrics[metric]) for metric, text in SCORES.items() if metrics.get(metric)]


def software(versions: Iterable[tuple[str, str]]) -> Markup:
    """The sentence that names the software."""
    named = in_words([f"{name} {version}" for name, version in versions])
    return sentence("Software: {named}, run as a Snakemake workflow {@snakemake}.", named=named)


def methods(
    config: Mapping[str, Any],
    sources: Mapping[str, int],
    cellprofiler: str,
    levels: Mapping[str, Provenances],
    metrics: Mapping[str, Provenances],
    versions: Sequence[tuple[str, str]],
    accelerated: bool = False,
) -> list[Markup]:
    """The Methods section, a paragraph an entry.

    Args:
        config: the complete config.
        sources: how many plates start with images, cellprofiler, profiles.
        cellprofiler: CellProfiler's name and version.
        levels: provenance of the plates' files by level (and `single_cells`, `network`); those
            made here.
        metrics: provenance of the benchmark's tables by metric.
        versions: software and version.
        accelerated: whether CellProfiler's slow modules were replaced by faster ones.
    """
    images = sources.get("images", 0)
    first = imaging(config, images, cellprofiler, accelerated) if images else []
    for source, text in (
        ("cellprofiler", "CellProfiler's tables of {plates} were given."),
        ("profiles", "Profiles of {plates} were given and not made anew."),
    ):
        if number := sources.get(source):
            first.append(sentence(text, plates=number_of(number, "plate")))
    paragraphs = [first, profiling(levels), scoring(metrics), [software(versions)]]
    return [Markup(" ").join(filter(None, sentences)) for sentences in paragraphs if any(sentences)]
