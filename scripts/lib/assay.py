"""The objects of an assay description, and the errors that it may contain.

This module uses only Python 3.8 and its standard library, since scripts inside CellProfiler's environment
import it, too.
"""

from lib.errors import join_names

# The methods that find objects with a deep network, in an environment of their own, into label images.
NETWORKS = ("cellpose", "instanseg", "stardist")
# Settings of `network` that only one method has.
ONLY_CELLPOSE = ("diameter", "cell_probability", "flow_error")


def get_compartments(assay):
    """Return the objects that an assay measures, in CellProfiler's names; one table each."""
    if "cells" not in assay:
        return ["Nuclei"]
    return ["Nuclei", "Cells"] + (["Cytoplasm"] if assay["cytoplasm"] else [])


def get_labels(assay):
    """Return the objects that come from label images, with the config's settings of these."""
    return {
        name: assay[name.lower()]["labels"]
        for name in ("Nuclei", "Cells")
        if assay.get(name.lower(), {}).get("labels")
    }


def get_segmented(assay):
    """Return the objects that a deep network finds, with the method and the settings of the network."""
    found = {}
    for name in ("Nuclei", "Cells"):
        settings = assay.get(name.lower(), {})
        if settings.get("method") in NETWORKS and not settings.get("labels"):
            found[name] = {"method": settings["method"], **settings["network"]}
    return found


def label_problems(written):
    """Return, as sentences, settings of label images and of networks that do not fit together.

    `written`: the assay as in the config, without defaults.
    """
    problems, elsewhere = [], []
    for name in ("nuclei", "cells"):
        settings = written.get(name)
        if not isinstance(settings, dict):
            continue
        method = settings.get("method")
        if settings.get("labels"):
            elsewhere.append(name)
            without_effect, of = set(settings) - {"channel", "labels"}, "`labels`"
        elif method in NETWORKS:
            elsewhere.append(name)
            without_effect, of = set(settings) - {"channel", "labels", "method", "network"}, f"`{method}`"
            if method != "cellpose":
                without_effect |= set(settings.get("network") or {}) & set(ONLY_CELLPOSE)
        else:
            without_effect = {"network"} & set(settings)
            of = "CellProfiler's own methods"
        if without_effect:
            problems.append(
                f"assay: {name}: {join_names(sorted(without_effect))} finds objects in another way and has "
                f"no effect with {of}; remove one of them."
            )
    if elsewhere == ["cells"]:
        problems.append(
            "assay: cells: labels, or a network as method, need labels or a network for the nuclei, too "
            "(assay.nuclei.labels, assay.nuclei.method): CellProfiler finds cells around nuclei, not nuclei "
            "in cells."
        )
    return problems


def find_assay_problems(assay):
    """Return, as sentences, errors of a complete assay description that its schema cannot detect."""
    names = [channel["name"] for channel in assay["channels"]]
    images = [channel["image"] for channel in assay["channels"]]
    problems = [
        f"assay: channels: the {key} {value} is a duplicate."
        for key, values in (("name", names), ("image", images))
        for value in sorted({value for value in values if values.count(value) > 1})
    ]
    joined = {f"{a}_{b}": (a, b) for a in names for b in names}
    problems += [
        f"assay: channels: the name {name} is that of the pair {' and '.join(joined[name])} in features of "
        "two channels; rename it."
        for name in names
        if name in joined
    ]
    if not any(channel["measure"] for channel in assay["channels"]):
        problems.append("assay: channels: at least one channel must have `measure: true`.")
    known = f"the channels are {join_names(names)}."
    if assay["nuclei"]["channel"] not in names:
        problems.append(f"assay: nuclei: channel {assay['nuclei']['channel']} is unknown; {known}")
    cells = assay.get("cells")
    if cells is not None and "channel" in cells and cells["channel"] not in names:
        problems.append(f"assay: cells: channel {cells['channel']} is unknown; {known}")
    needs_channel = cells is not None and not cells["labels"] and cells["method"] != "Distance - N"
    if needs_channel and "channel" not in cells:
        problems.append(
            f"assay: cells: the method {cells['method']} needs `channel`, the image that shows "
            "entire cells; only Distance - N does not need it."
        )
    mitochondria = assay["measurements"]["mitochondria"]
    if mitochondria is not None and mitochondria["channel"] not in names:
        problems.append(
            f"assay: measurements: mitochondria: channel {mitochondria['channel']} is unknown; {known} Set "
            "`mitochondria: {channel: ...}`, or `mitochondria: null` to leave it out."
        )
    for name in ("nuclei", "cells"):
        if name in assay:
            problems += find_threshold_problems(f"assay: {name}: threshold:", assay[name]["threshold"])
    smallest, largest = assay["nuclei"]["diameter"]
    if smallest >= largest:
        problems.append(
            f"assay: nuclei: diameter: [{smallest}, {largest}] is not a range; write the smallest "
            "diameter first."
        )
    return problems


def find_threshold_problems(where, threshold):
    """Return the errors of one threshold of an assay description, as sentences."""
    problems = []
    if threshold["method"] == "Sauvola" and threshold["strategy"] != "Adaptive":
        problems.append(f"{where} the method Sauvola needs `strategy: Adaptive`.")
    if threshold["method"] == "Manual" and threshold["strategy"] != "Global":
        problems.append(f"{where} the method Manual needs `strategy: Global`.")
    if threshold["bounds"][0] > threshold["bounds"][1]:
        problems.append(f"{where} bounds {threshold['bounds']}: write the lower one first.")
    if threshold["lower_outliers"] + threshold["upper_outliers"] >= 1:
        problems.append(f"{where} lower_outliers and upper_outliers leave no pixel.")
    return problems
