# The experiment: its configuration, its plates, and where each plate starts.

import json
import os
import re
import shlex
import sys

SCRIPTS = Path(workflow.basedir) / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lib.cellprofiler import compartments
from lib.code import code_digest, digest_of
from lib.config import complete_config
from lib.errors import InputError
from lib.experiment import (
    INFIX,
    LEVELS,
    PLATE_LEVELS,
    annotated_level,
    chosen_plates,
    comparisons,
    conditions,
    feature_set_levels,
    file_of,
    levels_of,
    plates_of_split,
    spherized_from,
)
from lib.plates import is_address, read_plates, source
from lib.summary import failure_summary, plate_summary
from snakemake.exceptions import WorkflowError


def checked(check, *arguments):
    """What `check` returns; what it finds wrong is said without a traceback."""
    try:
        return check(*arguments)
    except InputError as error:
        raise WorkflowError(str(error)) from None


CONFIG_FILE = Path(os.path.abspath(workflow.configfiles[0]))
CONFIG = checked(complete_config, dict(config), CONFIG_FILE)
RESULTS = os.path.normpath(CONFIG_FILE.parent / CONFIG["results"])


def located(location):
    """A path of the experiment, as the rules see it from the results folder; an address as it is."""
    if is_address(location):
        return location
    return os.path.relpath(CONFIG_FILE.parent / location, RESULTS)


def of_workflow(path):
    """A path of the workflow, as the rules see it from the results folder.

    Relative, so that a project that is moved together with its results is not run again.
    """
    return os.path.relpath(path, RESULTS)


PLATES = checked(read_plates, CONFIG_FILE.parent / CONFIG["plates"], LEVELS)
BY_NAME = {(plate["batch"], plate["plate"]): plate for plate in PLATES}
ONLY = None if CONFIG["only"] is None else str(CONFIG["only"]).split(",")
CHOSEN = checked(chosen_plates, PLATES, ONLY)
BATCHES = {}
for plate in PLATES:
    BATCHES.setdefault(plate["batch"], []).append(plate)
STARTS_WITH_IMAGES = [plate for plate in PLATES if source(plate) == "images"]
if STARTS_WITH_IMAGES and "assay" not in CONFIG:
    raise WorkflowError(f"{CONFIG_FILE} has no `assay`: plates that start with images need one.")
# A person is to look at the segmentation before cells are measured.
WAITING = (
    bool(STARTS_WITH_IMAGES)
    and CONFIG["segmentation"]["wait_for_approval"]
    and not CONFIG["segmentation"]["approved"]
)


wildcard_constraints:
    batch=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    plate=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    chunk=r"\d+",


onsuccess:
    print(plate_summary(PLATES if not ONLY else CHOSEN, CONFIG))
    if WAITING:
        print(approval_needed())


onerror:
    print(plate_summary(PLATES if not ONLY else CHOSEN, CONFIG))
    print(failure_summary(log[0] if isinstance(log, list) else log))
