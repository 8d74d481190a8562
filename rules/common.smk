# The experiment: its configuration, its plates, and where each plate starts.

import gc
import json
import os
import re
import shlex
import sys

# What a plan consists of stays until the end. Python's garbage collector would look through all of it, again and
# again while it grows: a tenth of the time for 500 plates.
gc.set_threshold(50_000, 50, 10_000)

SCRIPTS = Path(workflow.basedir) / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lib.assay import compartments
from lib.code import code_digest, digest_of
from lib.config import complete_config, refuse_templates, writable
from lib.errors import InputError
from lib.experiment import (
    INFIX,
    LEVELS,
    PLATE_LEVELS,
    annotated_level,
    batch_level,
    chosen_plates,
    comparisons,
    conditions,
    exported_levels,
    embedded_channels,
    feature_set_levels,
    file_of,
    is_embedding,
    levels_of,
    plate_level,
    plates_of_split,
    refuse_missing,
    refuse_own_pipelines,
    selected_from,
    plates_with,
    spherized_from,
)
from lib.foresight import foreseen
from lib.plates import UNANNOTATED, is_address, is_image_table, read_plates, source
from lib.summary import failure_summary, plate_summary
from snakemake.exceptions import WorkflowError


def checked(check, *arguments):
    """What `check` returns; what it finds wrong is said without a traceback."""
    try:
        return check(*arguments)
    except InputError as error:
        raise WorkflowError(str(error)) from None


if re.search(r"[^\w@%+=:,./-]", sys.executable):
    # Snakemake writes it unquoted into a shell line for each `script:`.
    raise WorkflowError(
        f"{sys.executable} has a blank, or a character that a shell reads, in its path, from which Snakemake runs "
        "no script: move Platewise's checkout and set it up there anew (an experiment may stay in such a folder)."
    )
CONFIG_FILE = Path(os.path.abspath(workflow.configfiles[0]))
checked(refuse_templates, workflow.configfiles)
CONFIG = checked(complete_config, dict(config), CONFIG_FILE)
# Results that go to a storage (--default-storage-provider) leave the working directory where it is.
IN_STORAGE = workflow.storage_settings.default_storage_provider is not None
# --directory goes before the config.
IN_PLACE = IN_STORAGE or workflow.overwrite_workdir is not None
RESULTS = os.getcwd() if IN_PLACE else os.path.normpath(CONFIG_FILE.parent / CONFIG["results"])


def located(location):
    """A path of the experiment, as the rules see it from the results folder; an address as it is."""
    return location if is_address(location) else from_results(CONFIG_FILE.parent / location)


def of_workflow(path):
    """A path of the workflow, as the rules see it from the results folder.

    Relative, so that a project that is moved together with its results is not run again.
    """
    return from_results(path)


def from_results(path):
    """A path on disk relative to the results folder; braces would be wildcards to Snakemake."""
    relative = os.path.relpath(path, RESULTS)
    if "{" in relative or "}" in relative:
        raise WorkflowError(f"{path}: rename it, since Snakemake reads {{ and }} in a path as a wildcard.")
    return local(relative)


def as_written(value):
    """A parameter in whose text braces, as in the pattern \\d{2}, are no wildcards."""
    return lambda wildcards: value


checked(writable, RESULTS)
PLATES = checked(read_plates, CONFIG_FILE.parent / CONFIG["plates"], LEVELS)
BY_NAME = {(plate["batch"], plate["plate"]): plate for plate in PLATES}
ONLY = None if CONFIG["only"] is None else str(CONFIG["only"]).split(",")
CHOSEN = checked(chosen_plates, PLATES, ONLY)
# An experiment of profiles alone describes no assay.
ASSAY = CONFIG.get("assay", {})
CHANNELS = [channel["name"] for channel in ASSAY.get("channels", [])]
OBJECTS = compartments(ASSAY) if ASSAY else []
EXPORTED = checked(exported_levels, CONFIG)
# What the readers of tables take for nothing; a value that marks a control is not nothing.
MISSING_VALUES = {name: CONFIG[name] for name in ("missing_values", "controls")}
BATCHES = {}
for plate in PLATES:
    BATCHES.setdefault(plate["batch"], []).append(plate)
# Only the process that plans sees what lies where: a job's machine may have other disks.
if workflow.is_main_process and not workflow.storage_settings.default_storage_provider:
    checked(refuse_missing, CHOSEN, CONFIG, CONFIG_FILE, RESULTS)
    checked(refuse_own_pipelines, CONFIG, CONFIG_FILE)
    for problem in foreseen(CHOSEN, CONFIG, CONFIG_FILE.parent):
        logger.warning(f"Foreseen: {problem}")
STARTS_WITH_IMAGES = [plate for plate in PLATES if source(plate) == "images"]
if STARTS_WITH_IMAGES and not ASSAY:
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
    print("" if IN_STORAGE else plate_summary(PLATES if not ONLY else CHOSEN, CONFIG))
    if WAITING:
        print(approval_needed())


onerror:
    print("" if IN_STORAGE else plate_summary(PLATES if not ONLY else CHOSEN, CONFIG))
    print(failure_summary(log[0] if isinstance(log, list) else log))
