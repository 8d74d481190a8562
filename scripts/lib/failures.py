"""Collect the jobs that fail during a run from Snakemake's log events.

The events reach a handler of Snakemake's logger whatever is printed. The log file does not have them all:
with `--quiet rules` or `--quiet all`, Snakemake keeps errors from its log file, too.
"""

import logging
from dataclasses import dataclass

from snakemake_interface_logger_plugins.common import LogEvent


@dataclass(frozen=True)
class Failure:
    """A job that failed: its rule, the files that it was to make, and its log ("" if it has none)."""

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
        """The jobs that failed, in the order of their first failures."""
        return list(self.by_job.values())
