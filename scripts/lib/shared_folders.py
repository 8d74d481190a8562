"""Check that no two plates start from the same images or CellProfiler tables."""

import os

from lib.errors import InputError, join_names
from lib.experiment import Experiment
from lib.image_names import BY_METADATA, compile_pattern
from lib.plates import is_address, is_image_table, source


def check_shared_folders(experiment: Experiment) -> None:
    """Check that no two plates start from one folder, whose wells would be replicates of themselves.

    Several plates may share an image table, which names the plate of each image, and a folder of images
    from which the pattern or the microscope's index takes those of a plate.

    Raises
    ------
    InputError
        Naming the plates and their folder.
    """
    folder, pattern = experiment.config_file.parent, experiment.config["images"]["pattern"]
    divided = pattern in BY_METADATA or "plate" in compile_pattern(pattern).groupindex
    plates: dict[tuple[str, str], list[str]] = {}
    for plate in experiment.plates:
        start = source(plate)
        location = plate[start]
        if start == "profiles" or (start == "images" and (divided or is_image_table(location))):
            continue
        place = location.rstrip("/") if is_address(location) else os.path.normpath(folder / location)
        plates.setdefault((start, place), []).append(f"{plate['plate']} (batch {plate['batch']})")
    shared = {key: names for key, names in plates.items() if len(names) > 1}
    if shared:
        raise InputError(
            "Several plates start from one folder, so that each well would be its own replicate:\n  "
            + "\n  ".join(
                f"{start}: {place}: {join_names(names, 5)}" for (start, place), names in shared.items()
            )
            + f"\nCorrect {folder / experiment.config['plates']}. If one folder holds the images of several "
            "plates, give images.pattern a group `plate`, or an image table with Metadata_Plate as `images`."
        )
