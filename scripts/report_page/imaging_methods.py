"""Write the sentences of the Methods section on images: what CellProfiler did, read from the config's assay.

Each function returns one sentence, or an empty one if there is nothing to report.
"""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from lib.assay import NETWORKS
from lib.errors import number_of
from report_page.sentences import format_range, format_value, get_nested, write_sentence

NOTHING = Markup("")
CORRECTION = {"Divide": "divided by it", "Subtract": "corrected by subtracting it"}
# Measurements of objects, as a paper would name them.
MEASUREMENTS = {
    "size_shape": "size and shape",
    "intensity": "intensity",
    "radial_distribution": "radial distribution of intensity",
    "granularity": "granularity",
    "texture": "texture",
    "colocalization": "colocalization",
    "neighbors": "neighbors",
    "mitochondria": "the skeletonized network of mitochondria",
}


def describe_imaging(
    config: Mapping[str, Any], plates: int, cellprofiler: str, accelerated: bool
) -> list[Markup]:
    """Describe what CellProfiler did with the images.

    Parameters
    ----------
    config
        The complete config.
    plates
        The number of plates with images.
    cellprofiler
        CellProfiler's name and version.
    accelerated
        Whether the slowest modules were replaced by faster ones.
    """
    assay, own = config["assay"], config["cellprofiler"]
    sentences = [describe_images(config, plates, cellprofiler, accelerated), describe_projection(config)]
    if own["illumination_pipeline"]:
        sentences.append(write_sentence("Illumination functions were calculated with a custom pipeline."))
    else:
        sentences.append(describe_illumination(assay))
    if own["analysis_pipeline"]:
        custom = "Objects were segmented and measured with a custom pipeline."
        return [*sentences, write_sentence(custom)]
    return [*sentences, describe_nuclei(assay), describe_cells(assay), describe_measurements(assay)]


def describe_images(config: Mapping[str, Any], plates: int, cellprofiler: str, accelerated: bool) -> Markup:
    """Name the images and the software that processed them.

    Parameters
    ----------
    config
        The complete config.
    plates
        The number of plates with images.
    cellprofiler
        CellProfiler's name and version.
    accelerated
        Whether the slowest modules were replaced by faster ones.
    """
    channels = [
        f"{channel['name']}" + (f" ({channel['stain']})" if channel["stain"] else "")
        for channel in config["assay"]["channels"]
    ]
    faster = (
        ", in which the slowest measurement modules were replaced by faster implementations with the same "
        "names, settings and values"
    )
    return write_sentence(
        "Images of {plates} with the channels {channels} were processed with {cellprofiler} "
        "{@cellprofiler}{faster}.",
        plates=number_of(plates, "plate"),
        channels=format_value(channels),
        cellprofiler=cellprofiler,
        faster=faster if accelerated else "",
    )


def describe_projection(config: Mapping[str, Any]) -> Markup:
    """Describe how planes of a stack became one image, and which channels were resized."""
    how, text = get_nested(config, "images.project"), ""
    if how == "best_focus":
        text = (
            "Of each stack, the plane with the largest sum of squared differences between pixels two apart "
            "was used."
        )
    elif isinstance(how, int):
        text = "Of each stack, plane {images.project} was used."
    elif how:
        text = "The planes of each stack were projected to their {images.project} (pixel by pixel)."
    resized = [channel["name"] for channel in config["assay"]["channels"] if channel.get("scale", 1) != 1]
    text += " Images of {resized} were resized to the size of the others." if resized else ""
    if not text:
        return NOTHING
    return write_sentence(
        text.strip(), "load_data", lambda key: get_nested(config, key), resized=format_value(resized)
    )


def describe_illumination(assay: Mapping[str, Any]) -> Markup:
    """Describe the illumination correction."""
    apply = assay["illumination"]["apply"]
    if apply == "None":
        return write_sentence("Illumination was not corrected.")
    return write_sentence(
        "For each plate and channel, an illumination function was calculated from all images "
        "(CorrectIlluminationCalculate; {illumination.calculate}, images downsampled by a factor of "
        "{illumination.downsample}, {illumination.smoothing} of size {illumination.filter_size} pixels, "
        "rescaled to {illumination.rescale}), and each image was {illumination.apply}.",
        "assay",
        lambda key: get_nested(assay, key),
        {"illumination.apply": CORRECTION[apply]},
    )


def describe_nuclei(assay: Mapping[str, Any]) -> Markup:
    """Describe the segmentation of nuclei."""
    if assay["nuclei"]["labels"]:
        return write_sentence("Nuclei were taken from label images that another program had made.")
    if assay["nuclei"]["method"] in NETWORKS:
        return describe_network(assay, "nuclei")
    after = "; those at the border discarded together with their cells"
    border = after if assay["nuclei"]["discard_border"] == "after cells" else ""
    return write_sentence(
        "Nuclei were identified in the channel {nuclei.channel} (IdentifyPrimaryObjects; diameter "
        "{nuclei.diameter} pixels; {threshold}; touching nuclei separated by {nuclei.declump.method}"
        "{border}).",
        "assay",
        lambda key: get_nested(assay, key),
        {"nuclei.diameter": format_range(assay["nuclei"]["diameter"])},
        threshold=describe_threshold(assay, "nuclei"),
        border=border,
    )


def describe_cells(assay: Mapping[str, Any]) -> Markup:
    """Describe the segmentation of cells."""
    if not assay.get("cells"):
        return NOTHING
    where = " in the channel {cells.channel}" if assay["cells"].get("channel") else ""
    cytoplasm = "; the cytoplasm was defined as the cell without its nucleus" if assay["cytoplasm"] else ""
    if assay["cells"]["labels"]:
        return write_sentence(f"Cells were taken from label images that another program had made{cytoplasm}.")
    if assay["cells"]["method"] in NETWORKS:
        return describe_network(assay, "cells", cytoplasm)
    return write_sentence(
        "Cells were identified with the nuclei as seeds (IdentifySecondaryObjects; {cells.method}"
        f"{where}; {{threshold}}){cytoplasm}.",
        "assay",
        lambda key: get_nested(assay, key),
        threshold=describe_threshold(assay, "cells"),
    )


def describe_network(assay: Mapping[str, Any], objects: str, more: str = "") -> Markup:
    """Describe how a deep network found nuclei or cells."""
    network = assay[objects]["network"]
    model = f"the model {{{objects}.network.model}}" if network["model"] else "its usual model"
    rescaled = f", diameter {{{objects}.network.diameter}} pixels" if network["diameter"] else ""
    limits = ""
    if assay[objects]["method"] == "cellpose":
        limits = f", cell probability above {{{objects}.network.cell_probability}}"
        limits += f", flow error at most {{{objects}.network.flow_error}}" if network["flow_error"] else ""
    seen = " and that of the nuclei" if objects == "cells" else ""
    return write_sentence(
        f"{objects.capitalize()} were found in the channel {{{objects}.channel}}{seen} by "
        f"{{{objects}.method}} ({model}{rescaled}{limits}; objects below "
        f"{{{objects}.network.smallest}} pixels discarded){more}.",
        "assay",
        lambda key: get_nested(assay, key),
    )


def describe_threshold(assay: Mapping[str, Any], objects: str) -> Markup:
    """Describe how objects were separated from the background, as part of a sentence."""
    text = "{strategy} {method} threshold with a correction factor of {correction} and bounds {bounds}"
    if assay[objects]["threshold"]["method"] == "Manual":
        text = "manual threshold of {manual}"
    bounds = format_range(assay[objects]["threshold"]["bounds"])
    return write_sentence(
        text.replace("{", f"{{{objects}.threshold."),
        "assay",
        lambda key: get_nested(assay, key),
        {f"{objects}.threshold.bounds": bounds},
    )


def describe_measurements(assay: Mapping[str, Any]) -> Markup:
    """List the measurements of each object."""
    measurements = [words for name, words in MEASUREMENTS.items() if assay["measurements"].get(name)]
    if not measurements:
        return NOTHING
    text = "We measured {measurements} of each object."
    return write_sentence(text, measurements=format_value(measurements))
