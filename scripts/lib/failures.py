"""Follow a run through Snakemake's log events: the jobs that fail, and a run that has nothing to do.

The events reach a handler of Snakemake's logger regardless of what is printed. The log file does not have
them all: with `--quiet rules` or `--quiet all`, Snakemake omits errors from its log file, too.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake_interface_logger_plugins.common import LogEvent


@dataclass(frozen=True)
class Failure:
    """A job that failed: its rule, its output files, and its log ("" if it has none)."""

    rule: str
    outputs: tuple[str, ...]
    log: str


class FailureCollector(logging.Handler):
    """A handler of Snakemake's logger that keeps each failed job, unless a later attempt finishes it."""

    def __init__(self) -> None:
        super().__init__()
        self.by_job: dict[int, Failure] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Add a job that failed; remove one that finished after a failed attempt."""
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_ERROR:
            # A job on a cluster has the log of its submission after its own.
            log = str(record.log[0]) if record.log else ""
            self.by_job[record.jobid] = Failure(record.rule_name, tuple(map(str, record.output)), log)
        elif event is LogEvent.JOB_FINISHED:
            self.by_job.pop(record.job_id, None)

    @property
    def failures(self) -> list[Failure]:
        """Return the jobs that failed, in the order of their first failures."""
        return list(self.by_job.values())


class IdleRunHandler(logging.Handler):
    """A handler of Snakemake's logger that calls a function if there is nothing to do.

    In such a run, Snakemake calls neither `onsuccess` nor `onerror`.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__()
        self.action = action

    def emit(self, record: logging.LogRecord) -> None:
        """Call the function if the message says that there is nothing to do."""
        if record.getMessage() == NOTHING_TO_BE_DONE_MSG:
            self.action()
