"""The local files that a plate starts from; they are checked before anything runs."""

from collections.abc import Mapping

from lib.experiment import Experiment
from lib.plates import is_address, source


def get_starting_points(experiment: Experiment, plate: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the local files that a plate starts from.

    Each is a tuple: the column or key that names it, its path, and a result that is made from it.
    """
    start, config = source(plate), experiment.config
    results = {
        "images": experiment.get_place(plate, "load_data"),
        "cellprofiler": experiment.get_place(plate, "single_cells"),
        "profiles": experiment.get_profiles(plate, plate["level"]) if start == "profiles" else "",
    }
    points = [(start, plate[start], results[start])]
    annotated = experiment.get_profiles(plate, experiment.get_annotated_level(plate))
    if start != "profiles" or not experiment.levels[plate["level"]].annotated:
        points.append(("plate_map", plate["plate_map"], annotated))
    if annotation := config["annotation"].get(plate["perturbation"]):
        points.append((f"annotation.{plate['perturbation']}.table", annotation["table"], annotated))
    if start == "images":
        for key in ("illumination_pipeline", "analysis_pipeline"):
            if own := config["cellprofiler"][key]:
                points.append((f"cellprofiler.{key}", own, results["cellprofiler"]))
    return [point for point in points if not is_address(point[1])]
