"""Which steps of a plate a cluster gets as one job.

Most steps of a plate take a few seconds, less than a cluster's scheduler takes to start a job, so the steps
that follow each other are submitted together (Snakemake's `group`). Each remains a job of the workflow with
its own log, files and rerun. A step may be in a group only if no step outside the group stands between it and
the group's first step; otherwise the group would wait for itself.
"""

from collections.abc import Mapping

from lib.experiment import Experiment
from lib.levels import NETWORK, Level

# From the plate's images to its illumination functions; from its cells to its profiles; its pictures.
IMAGES, WELLS, PICTURES = (f"{steps}_{{batch}}_{{plate}}" for steps in ("images", "wells", "pictures"))


def get_steps(experiment: Experiment, plate: Mapping[str, str], level: Level) -> str:
    """Return the name of the steps of a plate that make a level.

    The steps from the cells to the profiles that need no other plate are `wells`. A step that needs other
    plates begins steps of its own, which are called after its level, and so does the aggregation of a
    network's features, since the network itself stands between them and the cells.
    """
    if plate.get("level") == level.name:
        return "wells"
    needs_others = level.step == "normalize" and experiment.config["normalize"]["over"] == "batch"
    if needs_others or level.scope != "plate" or (not level.made_from and level.features == NETWORK):
        return level.name
    if not level.made_from:
        return "wells"
    return get_steps(experiment, plate, experiment.get_source_level(plate, level))


def get_group(experiment: Experiment, plate: Mapping[str, str], level: Level) -> str:
    """Return the group of the step that makes a plate's profiles at a level."""
    return f"{get_steps(experiment, plate, level)}_{plate['batch']}_{plate['plate']}"
