# Messages of a run before its first job and after its last one.

from lib.early_warnings import find_problems
from lib.failures import FailureCollector, IdleRunHandler
from lib.forced_rules import find_rules_without_jobs
from lib.locks import write_run
from lib.summary import summarize_failures, summarize_plates, summarize_results
from lib.targets import get_segmentation_montages

# Its list is shown at the end, regardless of what `--quiet` omits from the terminal and the log file.
FAILURES = FailureCollector()
logger.addHandler(FAILURES)


def get_approval_request():
    """Return the request to inspect the segmentation check, and the setting that approves it."""
    montages = get_segmentation_montages(EXPERIMENT, EXPERIMENT.chosen)
    pictures = "\n  ".join(f"{RESULTS}/{montage}" for montage in montages)
    return (
        "The segmentation is waiting for your approval. Make its pictures with the target `segmentation_check` "
        f"and look at them:\n  {pictures}\nIf nuclei and cells are segmented correctly, set\n"
        "  segmentation: {wait_for_approval: true, approved: true}\n"
        f"in {CONFIG_FILE} and run again. If not, correct `assay` there and look again."
    )


def is_whole_run():
    """Return whether this run makes the complete experiment, and not single files or plates."""
    targets = set(workflow.dag_settings.targets or ["all"])
    return "all" in targets and not (EXPERIMENT.only_some or EXPERIMENT.waiting)


def get_rules_without_jobs():
    """Return sentences on the rules of `--forcerun` that no chosen plate passes."""
    return find_rules_without_jobs(EXPERIMENT, workflow.dag_settings.forcerun)


def print_problems():
    """Print what will stop plates as the last lines of a dry run."""
    if workflow.is_main_process and (workflow.dryrun or IS_MODULE):
        for problem in (*find_problems(EXPERIMENT), *get_rules_without_jobs()):
            print(f"Warning: {problem}", file=sys.stderr)


def print_summary():
    """Print each plate's progress, then the scores and the report, or the request for approval."""
    if not (IN_STORAGE or DRAFTED):
        print(summarize_plates(EXPERIMENT))
    if EXPERIMENT.waiting:
        print(get_approval_request())
    elif is_whole_run() and not IN_STORAGE:
        print(summarize_results(EXPERIMENT))


if not IN_STORAGE:
    atexit.register(print_problems)


def print_summary_of_idle_run():
    """Print the summary if there was nothing to do, but not in a dry run."""
    if not workflow.dryrun:  # not known before all rules are read
        for problem in get_rules_without_jobs():
            logger.warning(problem)
        print_summary()


if not IS_MODULE:
    logger.addHandler(IdleRunHandler(print_summary_of_idle_run))


onstart:
    if LOCK:
        write_run(LOCK, workflow.local_exec)
    # After the table of jobs, so that only the jobs' own lines follow.
    if not IN_STORAGE:
        for problem in (*find_problems(EXPERIMENT), *get_rules_without_jobs()):
            logger.warning(f"Warning: {problem}")


onsuccess:
    print_summary()


onerror:
    log_file = log[0] if isinstance(log, list) else log
    if not (IN_STORAGE or DRAFTED):
        print(summarize_plates(EXPERIMENT, FAILURES.failures))
    print(summarize_failures(FAILURES.failures, log_file))
