"""The Methods paragraph: what was done, with the parameters that the results themselves carry.

What happened after CellProfiler is read from the Parquet files' metadata, not from the config: a file that
was made with another parameter says so. What CellProfiler did is the config's assay, which its pipelines
are generated from. Each parameter stands in a `<data>` element that names its step and key, so that a
test, or a reader, can compare it with its source.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

REFERENCES = {
    "cellpainting": ("Bray et al., Nature Protocols 2016", "10.1038/nprot.2016.105"),
    "cellprofiler": ("Stirling et al., BMC Bioinformatics 2021", "10.1186/s12859-021-04344-9"),
    "pycytominer": ("Serrano et al., Nature Methods 2025", "10.1038/s41592-025-02611-8"),
    "cpjump1": ("Chandrasekaran et al., Nature Methods 2024", "10.1038/s41592-024-02241-6"),
    "map": ("Kalinin et al., Nature Communications 2025", "10.1038/s41467-025-60306-2"),
    "snakemake": ("Mölder et al., F1000Research 2021", "10.12688/f1000research.29032.1"),
}
NORMALIZED = {"normalized_negcon": "the negative controls", "normalized": "all wells"}
Provenances = Sequence[Mapping[str, Any]]


def value_of(provenances: Provenances, key: str) -> Any:
    """The value of a parameter (`feature_select.correlation` for a nested one); a list where they differ."""
    found = []
    for made_by in provenances:
        value: Any = made_by.get("parameters", {})
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None and value not in found:
            found.append(value)
    return found[0] if len(found) == 1 else found


def parameter(step: str, key: str, value: Any, words: str | None = None) -> Markup:
    """A parameter in the text, with its step, key and exact value beside the words for it."""
    shown = words if words is not None else in_words(value)
    return Markup('<data data-step="{}" data-key="{}" value="{}">{}</data>').format(
        step, key, json.dumps(value, ensure_ascii=False), shown
    )


def in_words(value: Any) -> str:
    """A value as a paper would write it."""
    if isinstance(value, list):
        words = [in_words(part) for part in value]
        return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def reference(name: str) -> Markup:
    """A reference, linked by its DOI."""
    words, doi = REFERENCES[name]
    return Markup('(<a href="https://doi.org/{0}">{1}</a>)').format(doi, words)


def joined(*parts: str | Markup) -> Markup:
    """Parts of a sentence, one after the other; text is escaped, markup is not."""
    return Markup("").join(parts)


def number_of(count: int, thing: str) -> str:
    """`1 plate`, `2 plates`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def imaging(config: Mapping[str, Any], plates: int, cellprofiler: str) -> list[Markup]:
    """What CellProfiler did with the images, from the config."""

    def said(key: str, value: Any, words: str | None = None) -> Markup:
        return parameter("assay", key, value, words)

    assay = config["assay"]
    stains = [
        f"{channel['name']}" + (f" ({channel['stain']})" if channel["stain"] else "")
        for channel in assay["channels"]
    ]
    sentences = [
        joined(
            f"Images of {number_of(plates, 'plate')} with the channels {in_words(stains)} were processed "
            f"with {cellprofiler} ",
            reference("cellprofiler"),
            "."
            if not config["cellprofiler"]["accelerate"]
            else "; its slow measuring modules were replaced by "
            "faster ones of the same names, settings and values.",
        )
    ]
    own = {name: config["cellprofiler"][f"{name}_pipeline"] for name in ("illumination", "analysis")}
    light = assay["illumination"]
    if own["illumination"]:
        sentences.append(joined("Illumination functions came from a pipeline of our own."))
    elif light["apply"] == "None":
        sentences.append(joined("Illumination was not corrected."))
    else:
        sentences.append(
            joined(
                "For each plate and channel an illumination function was calculated from all images (",
                said("illumination.calculate", light["calculate"]),
                ", images shrunk by a factor of ",
                said("illumination.downsample", light["downsample"]),
                ", ",
                said("illumination.smoothing", light["smoothing"]),
                " of size ",
                said("illumination.filter_size", light["filter_size"]),
                ", rescaled to ",
                said("illumination.rescale", light["rescale"]),
                ") and applied to each image (",
                said("illumination.apply", light["apply"]),
                ").",
            )
        )
    if own["analysis"]:
        return [*sentences, joined("Objects were found and measured with a pipeline of our own.")]
    nuclei = assay["nuclei"]
    sentences.append(
        joined(
            "Nuclei were identified in the channel ",
            said("nuclei.channel", nuclei["channel"]),
            " (diameter ",
            said("nuclei.diameter", nuclei["diameter"], "–".join(map(str, nuclei["diameter"]))),
            " pixels; ",
            *threshold("nuclei", nuclei["threshold"]),
            "; clumps divided by ",
            said("nuclei.declump.method", nuclei["declump"]["method"]),
            ").",
        )
    )
    cells = assay.get("cells")
    if cells:
        where = cells.get("channel")
        sentences.append(
            joined(
                "Cells were grown from the nuclei (",
                said("cells.method", cells["method"]),
                *([" in the channel ", said("cells.channel", where)] if where else []),
                "; ",
                *threshold("cells", cells["threshold"]),
                ").",
            )
        )
    measured = [name.replace("_", " ") for name, asked in assay["measurements"].items() if asked]
    sentences.append(joined(f"Measured were {in_words(measured)} of each object."))
    return sentences


def threshold(objects: str, settings: Mapping[str, Any]) -> list[str | Markup]:
    """How objects were separated from the background."""
    key = f"{objects}.threshold"
    bounds = settings["bounds"]
    return [
        parameter("assay", f"{key}.strategy", settings["strategy"]),
        " threshold, ",
        parameter("assay", f"{key}.method", settings["method"]),
        ", correction ",
        parameter("assay", f"{key}.correction", settings["correction"]),
        ", bounds ",
        parameter("assay", f"{key}.bounds", bounds, "–".join(map(str, bounds))),
    ]


def profiling(levels: Mapping[str, Provenances]) -> list[Markup]:
    """From cells to selected features, from the metadata of each level of profiles."""
    sentences = []
    if made := levels.get("single_cells"):
        compartments = value_of(made, "compartments")
        sentences.append(
            joined(
                "The objects ",
                parameter("single_cells", "compartments", compartments),
                " of each cell were joined to one row.",
            )
        )
    made = levels.get("aggregated", [])
    if value_of(made, "operation"):
        sentences.append(
            joined(
                "A well's profile is the ",
                parameter("aggregate", "operation", value_of(made, "operation")),
                " of its cells.",
            )
        )
    left_out = sum(len(each.get("parameters", {}).get("excluded_sites", [])) for each in made)
    if left_out:
        sentences.append(
            joined(
                f"{number_of(left_out, 'site')} that quality control flagged took no part in the profiles."
            )
        )
    if made := levels.get("network"):
        network = value_of(made, "network.model")
        sentences.append(
            joined(
                "Beside these features, crops around each cell were embedded by the deep network ",
                parameter("network", "network.model", network),
                " (weights: ",
                parameter("network", "network.weights", value_of(made, "network.weights")),
                "), channel by channel; a well's embedding is the ",
                parameter("aggregate", "operation", value_of(levels.get("embeddings", []), "operation")),
                " of its cells.",
            )
        )
    reached = {words: levels.get(level, []) for level, words in NORMALIZED.items()}
    if made := [each for some in reached.values() for each in some]:
        sentences.append(
            joined(
                "Features were normalized (",
                parameter("normalize", "method", value_of(made, "method")),
                ": less the median, divided by 1.4826 times the median absolute deviation) to "
                if value_of(made, "method") == "mad_robustize"
                else ") to ",
                Markup(" and, separately, to ").join(
                    joined(
                        parameter("normalize", "to", value_of(some, "to"), words),
                        f" ({wells_of(some)} wells)",
                    )
                    for words, some in reached.items()
                    if some
                ),
                " of the ",
                parameter("normalize", "over", value_of(made, "over")),
                "; features without spread there were dropped.",
            )
        )
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for level, some in levels.items():
        for each in some if "_feature_select" in level else []:
            settings = json.dumps(each.get("parameters", {}).get("feature_select"), sort_keys=True)
            alike.setdefault(settings, []).append(each)
    sentences += [selection(made) for made in alike.values()]
    if made := [*levels.get("spherized", []), *levels.get("embeddings_spherized", [])]:
        sentences.append(
            joined(
                "Profiles were sphered (",
                parameter("spherize", "method", value_of(made, "method")),
                ", epsilon ",
                parameter("spherize", "epsilon", value_of(made, "epsilon")),
                ") with the negative controls of all plates of a condition.",
            )
        )
    if sentences:
        sentences.append(joined("The definitions are those of pycytominer ", reference("pycytominer"), "."))
    return sentences


def wells_of(made: Provenances) -> str:
    """How many reference wells the plates have, in brackets: ` (64 wells)`, ` (9 to 10 wells)`."""
    told = [each.get("parameters", {}).get("reference_wells") for each in made]
    wells = sorted(int(number) for number in told if number is not None)
    if not wells:
        return ""
    return f" ({wells[0]} wells)" if wells[0] == wells[-1] else f" ({wells[0]} to {wells[-1]} wells)"


def selection(made: Provenances) -> Markup:
    """How features were selected."""

    def said(key: str) -> Markup:
        return parameter("feature_select", key, value_of(made, f"feature_select.{key}"))

    over = value_of(made, "over")
    scope = f"{over}'s" if isinstance(over, str) else " and, separately, on the ".join(f"{s}'s" for s in over)
    parts = [
        "Features were selected on the ",
        parameter("feature_select", "over", over, scope),
        " profiles normalized to ",
        said("reference"),
        ": dropped were those whose second most common value is rarer than ",
        said("freq_cut"),
        " of the most common one, with fewer different values than ",
        said("unique_cut"),
        " of the wells, missing in more than ",
        said("na_cutoff"),
        " of them, or correlated with another feature above ",
        said("correlation"),
    ]
    if value_of(made, "feature_select.blocklist") is True:
        parts.append(", and those of the field's blocklist")
    return joined(*parts, ".")


def scoring(metrics: Mapping[str, Provenances]) -> list[Markup]:
    """The benchmark's scores, from the metadata of their tables."""
    sentences = []
    if made := metrics.get("percent_replicating"):
        sentences.append(
            joined(
                "Percent Replicating ",
                reference("cpjump1"),
                " is the percentage of perturbations (",
                parameter("percent_replicating", "group", value_of(made, "group")),
                ") whose median replicate correlation (Pearson) exceeds percentile ",
                parameter("percent_replicating", "percentile", value_of(made, "percentile")),
                " (tail: ",
                parameter("percent_replicating", "tail", value_of(made, "tail")),
                ") of a null of ",
                parameter("percent_replicating", "draws", value_of(made, "draws")),
                " draws of wells of different perturbations (number of wells: ",
                parameter("percent_replicating", "null_size", value_of(made, "null_size")),
                "; seed ",
                parameter("percent_replicating", "seed", value_of(made, "seed")),
                "); perturbations with fewer than ",
                parameter("percent_replicating", "minimum_replicates", value_of(made, "minimum_replicates")),
                " replicates count as not replicating.",
            )
        )
    if made := metrics.get("percent_matching"):
        sentences.append(
            joined(
                "Percent Matching is the percentage of pairs of perturbations of one gene (",
                parameter("percent_matching", "gene", value_of(made, "gene")),
                ") whose median correlation lies beyond percentile ",
                parameter("percent_matching", "percentile", value_of(made, "percentile")),
                " of a null of ",
                parameter("percent_matching", "draws", value_of(made, "draws")),
                " pairs of different genes.",
            )
        )
    if made := metrics.get("mean_average_precision"):
        sentences.append(
            joined(
                "Mean average precision ",
                reference("map"),
                " ranks the replicates of each perturbation among the negative controls by cosine "
                "similarity, with p-values from ",
                parameter("mean_average_precision", "draws", value_of(made, "draws")),
                " permutations.",
            )
        )
    return sentences


def software(versions: Iterable[tuple[str, str]]) -> Markup:
    """The sentence that names the software."""
    named = [f"{name} {version}" for name, version in versions]
    return joined(f"Software: {in_words(named)}, run as a Snakemake workflow ", reference("snakemake"), ".")


def methods(
    config: Mapping[str, Any],
    sources: Mapping[str, int],
    cellprofiler: str,
    levels: Mapping[str, Provenances],
    metrics: Mapping[str, Provenances],
    versions: Sequence[tuple[str, str]],
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
    """
    first = imaging(config, sources["images"], cellprofiler) if sources.get("images") else []
    if number := sources.get("cellprofiler"):
        first.append(joined(f"CellProfiler's tables of {number_of(number, 'plate')} were given."))
    if number := sources.get("profiles"):
        first.append(joined(f"Profiles of {number_of(number, 'plate')} were given and not made anew."))
    paragraphs = [first, profiling(levels), scoring(metrics), [software(versions)]]
    return [Markup(" ").join(sentences) for sentences in paragraphs if sentences]
