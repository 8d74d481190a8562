"""Print one line for each finished job during a run.

Snakemake's own lines for each job (selected, started, finished, number done) stay in its log
file. A logger plugin (`--logger`) that the user chooses is left alone, and so is Snakemake's handler if the
user chose with `--quiet` to see less of the rules or of the progress.
"""

import logging
import time
from collections.abc import Collection

from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

SCREEN = "DefaultStreamHandler"  # Snakemake's name of the handler that writes to the terminal
LONGEST_LINE = 300  # letters of a shell command, or of a job's list of files, on the terminal
DROPPED_EVENTS = {LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED}
DROPPED_LINES = ("Select jobs to execute", "Execute ")


class OneLinePerJob(logging.Formatter):
    """Filter and formatter of the terminal's handler; only the lines of jobs differ from Snakemake's."""

    def __init__(self, default: logging.Formatter) -> None:
        super().__init__()
        self.default = default
        self.messages: dict[int, str] = {}
        self.finished: list[int] = []

    def filter(self, record: logging.LogRecord) -> bool:
        """Record a job's information and its end; keep its lines from the terminal."""
        event = getattr(record, "event", None)
        if event is LogEvent.JOB_INFO:
            self.messages[record.jobid] = record.rule_msg or record.rule_name
        elif event is LogEvent.JOB_FINISHED:
            self.finished.append(record.job_id)
        return event not in DROPPED_EVENTS and not str(record.msg).startswith(DROPPED_LINES)

    def format(self, record: logging.LogRecord) -> str:
        """Return one line for each job that finished since the last progress; Snakemake formats the rest."""
        if getattr(record, "event", None) is not LogEvent.PROGRESS or not self.finished:
            return shorten_lines(self.default.format(record))
        now = time.strftime("%H:%M:%S", time.localtime(record.created))
        first = record.done - len(self.finished) + 1
        lines = [
            f"{now}  {number}/{record.total}  {self.messages.pop(job, f'job {job}')}"
            for number, job in enumerate(self.finished, start=first)
        ]
        self.finished.clear()
        return "\n".join(lines)


def shorten_lines(text: str) -> str:
    """Shorten shell commands and lists of files in a message on a failed job; the log file has all."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        if len(line) <= LONGEST_LINE:
            continue
        if "set -euo pipefail" in line or lines[at - 1].strip() == "shell:":
            lines[at] = f"{line[:LONGEST_LINE]} ... (the log file of Snakemake has the complete command)"
        elif line.strip().startswith(("input: ", "output: ")):
            lines[at] = f"{line[:LONGEST_LINE]} ... (the log file of Snakemake has all files)"
    return "\n".join(lines)


def show_one_line_per_job(logger: logging.Logger, quiet: Collection[Quietness] | None = None) -> None:
    """Let Snakemake's logger print one line per finished job on the terminal, unless `quiet` forbids it."""
    if {Quietness.ALL, Quietness.RULES, Quietness.PROGRESS} & set(quiet or ()):
        return
    for handler in logger.handlers:
        if handler.get_name() == SCREEN and not isinstance(handler.formatter, OneLinePerJob):
            lines = OneLinePerJob(handler.formatter)
            handler.addFilter(lines)
            handler.setFormatter(lines)
