# What the target `all` and the report ask for.

from lib.targets import (
    get_batch_targets,
    get_benchmark_targets,
    get_figure_targets,
    get_plate_targets,
    get_split_targets,
)

# The targets of several plates are made of all plates, and once nobody has to look at the segmentation first.
ALL_PLATES = not (EXPERIMENT.only_some or EXPERIMENT.waiting)


def get_files_of_plates(wildcards):
    """The files of the chosen plates that depend on one plate alone."""
    return [file for plate in EXPERIMENT.chosen for file in get_plate_targets(EXPERIMENT, plate)]


def get_files_of_all_plates(find, wildcards):
    """What `find` finds, where the target has all plates."""
    return find(EXPERIMENT) if ALL_PLATES else []
