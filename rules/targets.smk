# The files that the target `all` and the report need.

from lib.targets import (
    get_batch_targets,
    get_benchmark_targets,
    get_figure_targets,
    get_plate_pages,
    get_plate_targets,
    get_split_targets,
)

# The targets of several plates need all plates, and an approved segmentation where one is required.
ALL_PLATES = not (EXPERIMENT.only_some or EXPERIMENT.waiting)


def get_files_of_plates(wildcards):
    """Return the files of the chosen plates that depend on one plate alone."""
    return [file for plate in EXPERIMENT.chosen for file in get_plate_targets(EXPERIMENT, plate)]


def get_files_of_all_plates(find, wildcards):
    """Return what `find` returns if the target has all plates."""
    return find(EXPERIMENT) if ALL_PLATES else []
