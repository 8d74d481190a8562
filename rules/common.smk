# The experiment: its configuration, its plates, and what the rules need to know about them.

import atexit
import gc
import hashlib
import json
import os
import re
import shlex
import sys
from functools import partial

SCRIPTS = PLATEWISE / "scripts"
sys.path.insert(0, str(SCRIPTS))

from lib.assay import get_labels
from lib.checks import check_config_files, check_experiment, check_python, check_results_folder
from lib.code import code_digest, digest_of
from lib.config import complete_config, find_reading_keys, get_named_columns
from lib.digests import Digests
from lib.drafts import read_draft_request
from lib.errors import InputError
from lib.experiment import Experiment
from lib.groups import IMAGES, PICTURES, WELLS, get_group
from lib.image_changes import find_former_folder, get_contents, get_stored_contents
from lib.image_names import get_listing_pattern
from lib.job_lines import show_one_line_per_job
from lib.levels import NETWORK
from lib.locks import hold
from lib.places import PLACES, place
from lib.plane_reader import PYTHON as PLANE_READER
from lib.plates import is_address, is_image_table, source
from lib.scheduling import look_once_per_timespan
from snakemake.exceptions import WorkflowError
from snakemake.scheduling.job_scheduler import JobScheduler


def run_check(check, *arguments):
    """Return the result of `check`; report an error in the user's input without a traceback."""
    try:
        return check(*arguments)
    except InputError as error:
        raise WorkflowError(str(error)) from None


# The screen has one line for each finished job; the log file has everything.
if workflow.is_main_process and not IS_MODULE and not workflow.dryrun:
    show_one_line_per_job(logger, workflow.output_settings.quiet)

if workflow.is_main_process:
    look_once_per_timespan(JobScheduler)
    # The plan of a run is millions of objects, which all live until the run ends. Python's garbage collector
    # would search them again and again, a fifth of the time to plan; this way, it searches mostly new ones.
    gc.set_threshold(50_000, 100, 100)

run_check(check_python, sys.executable)
run_check(check_config_files, workflow.configfiles)
# The paths in a config are relative to its folder. A workflow that uses this one as a module may have the
# config in its own Snakefile; they are then relative to the working directory.
CONFIG_FILE = Path(os.path.abspath((workflow.configfiles or ["Snakefile"])[-1 if IS_MODULE else 0]))
# With a folder of images on the command line, an experiment is drafted, and nothing else is run.
DRAFTED = run_check(read_draft_request, config)
if DRAFTED:
    config["results"] = f"{DRAFTED['experiment']}/results"
CONFIG = run_check(complete_config, dict(config), CONFIG_FILE)
# Results that go to a storage (--default-storage-provider) do not change the working directory.
IN_STORAGE = workflow.storage_settings.default_storage_provider is not None
# `--directory` takes precedence over the config, and so does the working directory of a workflow that uses
# this one.
KEEPS_DIRECTORY = IN_STORAGE or IS_MODULE or workflow.overwrite_workdir is not None
RESULTS = os.getcwd() if KEEPS_DIRECTORY else os.path.normpath(CONFIG_FILE.parent / CONFIG["results"])
run_check(check_results_folder, RESULTS)
EXPERIMENT = run_check(Experiment.read, CONFIG, CONFIG_FILE)
# The lock is held as long as this process lives.
LOCK = None
if not (IN_STORAGE or IS_MODULE or "--unlock" in sys.argv):
    LOCK = run_check(hold, RESULTS, ["snakemake", *sys.argv[1:]])
DIGESTS = Digests(Path(RESULTS) / ".snakemake" / "platewise_digests.json", RESULTS)
if workflow.is_main_process and not IN_STORAGE:
    atexit.register(DIGESTS.write)
# Other environments' processes read stacks and files of several channels through this Python (lib.plane_reader).
os.environ[PLANE_READER] = sys.executable
# Words that the readers of tables take for missing; a value that marks a control is not missing.
MISSING_VALUES = {name: CONFIG[name] for name in ("missing_values", "controls", "plate_maps")}
# Only the process that plans sees which files are where: a job's machine may have other disks.
if workflow.is_main_process and not (IN_STORAGE or DRAFTED):
    run_check(check_experiment, EXPERIMENT, RESULTS)


def locate(location):
    """Return a path of the experiment relative to the results folder; an address is unchanged."""
    return location if is_address(location) else get_relative_path(CONFIG_FILE.parent / location)


def get_relative_path(path):
    """Return a path on disk relative to the results folder; braces would be wildcards to Snakemake.

    Relative, so that a project that is moved together with its results is not run again.
    """
    relative = os.path.relpath(path, RESULTS)
    if "{" in relative or "}" in relative:
        raise WorkflowError(f"{path}: rename it, since Snakemake reads {{ and }} in a path as a wildcard.")
    return local(relative)


def get_location(location):
    """Return a file of the experiment as the rules see it: its path, or where it is fetched to.

    Whether a job runs again is decided by the content of a file on this disk (`get_digest`), not by its time.
    """
    if is_address(location):
        return place("fetched", name=location.split("://", 1)[1])
    return ancient(locate(location))


def get_digest(location):
    """Return the digest of a file of the experiment; "" for one that is fetched, which Snakemake watches."""
    return "" if IN_STORAGE or is_address(location) else DIGESTS.get(str(locate(location)))


def keep_braces(value):
    """Return a parameter whose braces, as in the pattern \\d{2}, are not wildcards."""
    # Without braces it needs no function, which Snakemake would call for each job that it plans.
    return (lambda wildcards: value) if "{" in str(value) else value


def quote_for_shell(word):
    """Return a word of the config quoted for a rule's shell command, with its braces escaped."""
    return shlex.quote(word).replace("{", "{{").replace("}", "}}")


def get_plate(wildcards):
    """Return the sample sheet's row of a job's plate."""
    return EXPERIMENT.by_name[wildcards.batch, wildcards.plate]


def get_level(wildcards):
    """Return the level of profiles that a job makes."""
    return EXPERIMENT.by_suffix[wildcards.suffix]


def get_job_group(group):
    """Return the group of a rule's jobs where jobs are submitted; locally, groups only make planning longer."""
    # The executor is not known yet; a number of jobs (`--jobs`) belongs to those that submit. With results in a
    # storage, a job of a group does not find what an earlier one of the group has not yet stored.
    return None if IN_STORAGE or workflow.resource_settings.nodes is None else group


def get_group_of_level(wildcards):
    """Return the group of the job that makes a plate's profiles at a level, or exports them."""
    level = EXPERIMENT.by_suffix[wildcards.get("suffix", "")]
    return get_group(EXPERIMENT, get_plate(wildcards), level)


def get_suffixes(step, **also):
    """Return the regular expression of the suffixes that the levels of a step add to file names."""
    suffixes = [
        level.suffix
        for level in EXPERIMENT.levels.values()
        if level.step == step and all(getattr(level, name) == value for name, value in also.items())
    ]
    return "|".join(map(re.escape, suffixes)) or "(?!)"


def get_plate_map(wildcards):
    """Return the plate map of a job's plate, or where it is fetched to."""
    return get_location(get_plate(wildcards)["plate_map"])


def get_annotation(wildcards):
    """Return the annotation table of a job's perturbation type; an empty list if the config names none."""
    annotation = CONFIG["annotation"].get(get_plate(wildcards)["perturbation"])
    return get_location(annotation["table"]) if annotation else []


def get_digests(wildcards):
    """Return the digests of a plate's plate map and annotation table."""
    annotation = CONFIG["annotation"].get(get_plate(wildcards)["perturbation"])
    tables = [get_plate(wildcards)["plate_map"], *([annotation["table"]] if annotation else [])]
    return [get_digest(table) for table in tables if table]


def get_gene_column(wildcards):
    """Return the column of the annotation table that holds the gene; None if the config names none."""
    return CONFIG["annotation"].get(get_plate(wildcards)["perturbation"], {}).get("gene")


def may_fetch(wildcards, output):
    """Return whether the config has `fetch: true`; the argument `output` keeps it from rerunning a job."""
    return CONFIG["fetch"]


CONTENTS = {}


def get_image_contents(wildcards):
    """Return a word that changes with a plate's images; "" for simulated ones, or if results are in storage."""
    location = get_plate(wildcards)["images"]
    if IN_STORAGE or "simulate" in CONFIG or not workflow.is_main_process:
        return ""
    key = (wildcards.batch, wildcards.plate)
    if key not in CONTENTS:
        files = [Path(place(name, batch=key[0], plate=key[1])) for name in ("image_digests", "images_seen")]
        pattern = CONFIG["images"]["pattern"]
        if is_address(location):
            is_folder = not is_image_table(location)
            CONTENTS[key] = (
                run_check(get_stored_contents, location, pattern, *files, CONFIG["fetch"])
                if is_folder
                else ""
            )
            return CONTENTS[key]
        images = Path(get_images(wildcards))
        CONTENTS[key] = run_check(get_contents, images, pattern, *files)
        table = Path(place("load_data", batch=key[0], plate=key[1]))
        former = run_check(find_former_folder, table, images, pattern)
        if former:
            logger.warning(
                f"Plate {key[1]}: these results were measured from the images in {former}, which its jobs still "
                f"read; the sample sheet names {images.resolve()}. To measure those, add --forcerun load_data."
            )
    return CONTENTS[key]


def get_plate_to_compare():
    """Return the first plate that starts with images."""
    if not EXPERIMENT.plates_with_images:
        raise WorkflowError("compare_cellprofiler needs a plate that starts with images.")
    return EXPERIMENT.plates_with_images[0]


def get_cellprofiler_version():
    """Return CellProfiler's name in the Methods paragraph, with its version if the workflow installs it."""
    if CONFIG["cellprofiler"]["environment"] not in ("built", "conda", "container"):
        return "CellProfiler (custom installation)"
    lock = (PLATEWISE / "envs" / "cellprofiler.txt").read_text()
    return f"CellProfiler {re.search(r'^cellprofiler==([0-9.]+)', lock, re.M)[1]}"


wildcard_constraints:
    batch=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    plate=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    chunk=r"\d+",
