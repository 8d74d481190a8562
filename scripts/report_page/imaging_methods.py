"""Describe CellProfiler's part of the Methods section, from the config's assay.

Each function returns its sentences, or an empty text if there is nothing to report.
"""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from lib.assay import NETWORKS
from report_page.sentences import (
    NOTHING,
    count_plates,
    format_range,
    format_value,
    get_nested,
    write_sentence,
)

CORRECTION = {"Divide": "each image was divided by it", "Subtract": "it was subtracted from each image"}
SOURCES = {"Regular": "from the mean of all images", "Background": "from the background of all images"}
SMOOTHING = {
    "No smoothing": "not smoothed",
    "Convex Hull": "smoothed with its convex hull",
    "Fit Polynomial": "smoothed with a fitted polynomial",
    "Median Filter": "smoothed with a median filter",
    "Gaussian Filter": "smoothed with a Gaussian filter",
    "Smooth to Average": "smoothed to its average",
}
RESCALING = {"Minimum": "rescaled to its robust minimum", "Median": "rescaled to its median"}
PROJECTIONS = {"max": "maximum-intensity", "mean": "mean-intensity", "sum": "sum-intensity"}
METHODS = {"Minimum Cross-Entropy": "minimum cross-entropy", "Robust Background": "robust background"}
NETWORK_NAMES = {"cellpose": "Cellpose", "instanseg": "InstanSeg", "stardist": "StarDist"}
# Measurements of objects, as a paper would name them.
MEASUREMENTS = {
    "size_shape": "size and shape",
    "intensity": "intensity",
    "radial_distribution": "radial distribution of intensity",
    "granularity": "granularity",
    "texture": "texture",
    "colocalization": "colocalization",
    "neighbors": "neighbors",
    "mitochondria": "skeletonized mitochondrial networks",
}


def describe_imaging(
    config: Mapping[str, Any], plates: int, cellprofiler: str, accelerated: bool
) -> list[Markup]:
    """Describe the processing of the images with CellProfiler.

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
        " Its slowest measurement modules were replaced by faster implementations with the same names, "
        "settings and values."
    )
    return write_sentence(
        "The images of {plates} with the channels {channels} were processed with {cellprofiler} "
        "{@cellprofiler}.{faster}",
        plates=count_plates(plates),
        channels=format_value(channels),
        cellprofiler=cellprofiler,
        faster=faster if accelerated else "",
    )


def describe_projection(config: Mapping[str, Any]) -> Markup:
    """Describe how the planes of a stack were combined into one image, and which channels were resized."""
    how, text = get_nested(config, "images.project"), ""
    if how == "best_focus":
        text = (
            "From each stack, the plane in best focus was used (the largest sum of squared differences "
            "between pixels two apart, Brenner's measure)."
        )
    elif isinstance(how, int):
        text = "From each stack, plane {images.project} was used."
    elif how:
        text = "The planes of each stack were combined into a {images.project} projection."
    resized = [channel["name"] for channel in config["assay"]["channels"] if channel.get("scale", 1) != 1]
    text += " Images of {resized} were resized to the size of the other channels." if resized else ""
    if not text:
        return NOTHING
    return write_sentence(
        text.strip(),
        "load_data",
        lambda key: get_nested(config, key),
        {"images.project": PROJECTIONS.get(how, str(how))},
        resized=format_value(resized),
    )


def describe_illumination(assay: Mapping[str, Any]) -> Markup:
    """Describe the illumination correction."""
    settings = assay["illumination"]
    if settings["apply"] == "None":
        return write_sentence("Illumination was not corrected.")
    filtered = " of {illumination.filter_size} pixels" if settings["smoothing"].endswith("Filter") else ""
    rescaled = ", and {illumination.rescale}" if settings["rescale"] in RESCALING else ""
    return write_sentence(
        "For each plate and channel, an illumination function was calculated {illumination.calculate} "
        "(CorrectIlluminationCalculate; images downsampled by a factor of {illumination.downsample})"
        + (", " if rescaled else " and ")
        + f"{{illumination.smoothing}}{filtered}{rescaled}; {{illumination.apply}}.",
        "assay",
        lambda key: get_nested(assay, key),
        {
            "illumination.calculate": SOURCES[settings["calculate"]],
            "illumination.smoothing": SMOOTHING[settings["smoothing"]],
            "illumination.rescale": RESCALING.get(settings["rescale"], ""),
            "illumination.apply": CORRECTION[settings["apply"]],
        },
    )


def describe_nuclei(assay: Mapping[str, Any]) -> Markup:
    """Describe the segmentation of nuclei."""
    if assay["nuclei"]["labels"]:
        return write_sentence("Nuclei were taken from label images made with another program.")
    if assay["nuclei"]["method"] in NETWORKS:
        return describe_network(assay, "nuclei")
    after = " Nuclei that touched the image border were discarded together with their cells."
    declump = assay["nuclei"]["declump"]["method"]
    separated = "not separated" if declump == "None" else f"separated by {declump.lower()}"
    return write_sentence(
        "Nuclei were identified in the {nuclei.channel} channel (IdentifyPrimaryObjects; diameter "
        "{nuclei.diameter} pixels; {threshold}; touching nuclei {nuclei.declump.method}).{border}",
        "assay",
        lambda key: get_nested(assay, key),
        {
            "nuclei.diameter": format_range(assay["nuclei"]["diameter"]),
            "nuclei.declump.method": separated,
        },
        threshold=describe_threshold(assay, "nuclei"),
        border=after if assay["nuclei"]["discard_border"] == "after cells" else "",
    )


def describe_cells(assay: Mapping[str, Any]) -> Markup:
    """Describe the segmentation of cells."""
    if not assay.get("cells"):
        return NOTHING
    where = " in the {cells.channel} channel" if assay["cells"].get("channel") else ""
    cytoplasm = "; the cytoplasm was defined as the cell without its nucleus" if assay["cytoplasm"] else ""
    if assay["cells"]["labels"]:
        return write_sentence(f"Cells were taken from label images made with another program{cytoplasm}.")
    if assay["cells"]["method"] in NETWORKS:
        return describe_network(assay, "cells", cytoplasm)
    method = assay["cells"]["method"]
    if method == "Distance - N":  # uses neither the image nor the threshold
        return write_sentence(
            "Cells were defined by expanding each nucleus by up to {cells.distance} pixels "
            f"(IdentifySecondaryObjects; {{cells.method}}){cytoplasm}.",
            "assay",
            lambda key: get_nested(assay, key),
        )
    settings = {
        "Distance - B": "up to {cells.distance} pixels from the nucleus; ",
        "Propagation": "regularization factor {cells.regularization}; ",
    }
    return write_sentence(
        f"Cells were identified{where} with the nuclei as seeds (IdentifySecondaryObjects; {{cells.method}}; "
        f"{settings.get(method, '')}{{threshold}}){cytoplasm}.",
        "assay",
        lambda key: get_nested(assay, key),
        threshold=describe_threshold(assay, "cells"),
    )


def describe_network(assay: Mapping[str, Any], objects: str, more: str = "") -> Markup:
    """Describe how nuclei or cells were segmented by a deep network."""
    network, method = assay[objects]["network"], assay[objects]["method"]
    model = f"model {{{objects}.network.model}}" if network["model"] else "default model"
    rescaled = f", diameter {{{objects}.network.diameter}} pixels" if network["diameter"] else ""
    limits = ""
    if method == "cellpose":
        limits = f", cell probability above {{{objects}.network.cell_probability}}"
        limits += f", flow error at most {{{objects}.network.flow_error}}" if network["flow_error"] else ""
    both = " and the channel of the nuclei" if objects == "cells" else ""
    return write_sentence(
        f"{objects.capitalize()} were segmented in the {{{objects}.channel}} channel{both} with "
        f"{{{objects}.method}} ({model}{rescaled}{limits}; objects of fewer than "
        f"{{{objects}.network.smallest}} pixels discarded){more}.",
        "assay",
        lambda key: get_nested(assay, key),
        {f"{objects}.method": NETWORK_NAMES[method]},
    )


def describe_threshold(assay: Mapping[str, Any], objects: str) -> Markup:
    """Describe how objects were separated from the background, as part of a sentence."""
    threshold = assay[objects]["threshold"]
    classes = "{classes}-class " if threshold["method"] == "Otsu" else ""
    text = f"{{strategy}} {classes}{{method}} threshold, correction factor {{correction}}, bounds {{bounds}}"
    if threshold["method"] == "Manual":
        text = "manual threshold of {manual}"
    words = {
        "strategy": threshold["strategy"].lower(),
        "method": METHODS.get(threshold["method"], threshold["method"]),
        "classes": {2: "two", 3: "three"}.get(threshold["classes"], str(threshold["classes"])),
        "bounds": format_range(threshold["bounds"]),
    }
    return write_sentence(
        text.replace("{", f"{{{objects}.threshold."),
        "assay",
        lambda key: get_nested(assay, key),
        {f"{objects}.threshold.{key}": word for key, word in words.items()},
    )


def describe_measurements(assay: Mapping[str, Any]) -> Markup:
    """List the measurements of each object."""
    measurements = [words for name, words in MEASUREMENTS.items() if assay["measurements"].get(name)]
    if not measurements:
        return NOTHING
    text = "For each object, features of {measurements} were measured."
    return write_sentence(text, measurements=format_value(measurements))
