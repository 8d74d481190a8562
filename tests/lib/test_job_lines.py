"""The output of a run in progress."""

import io
import logging

import pytest
from snakemake.logging import ColorizingTextHandler, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from lib.job_lines import LONGEST_LINE, SCREEN, shorten_lines, show_one_line_per_job

pytestmark = pytest.mark.unit


@pytest.fixture
def screen():
    """A logger with Snakemake's handler, and what the handler printed."""
    stream = io.StringIO()
    handler = ColorizingTextHandler(nocolor=True, stream=stream, formatter=DefaultFormatter())
    handler.set_name(SCREEN)
    logger = logging.Logger("snakemake")
    logger.addHandler(handler)
    show_one_line_per_job(logger)
    show_one_line_per_job(logger)
    return logger, stream


def start(logger, job, message, rule="aggregate"):
    logger.info("Execute 1 jobs...", extra={"event": LogEvent.JOB_STARTED, "jobs": [job]})
    more = {"jobid": job, "rule_msg": message, "rule_name": rule, "reason": "", "indent": False}
    logger.info(None, extra={"event": LogEvent.JOB_INFO, **more})


def finish(logger, *jobs, done, total=3):
    for job in jobs:
        more = {"event": LogEvent.JOB_FINISHED, "job_id": job}
        logger.info(f"Finished jobid: {job} (Rule: aggregate)", extra=more)
    logger.info(None, extra={"event": LogEvent.PROGRESS, "done": done, "total": total})


def lines(stream):
    return [line.split("  ", 1)[1] for line in stream.getvalue().splitlines()]


def test_each_finished_job_has_one_line(screen):
    logger, stream = screen
    logger.info("Select jobs to execute...")
    start(logger, 7, "P1: wells aggregated")
    start(logger, 8, None, rule="report")
    assert stream.getvalue() == ""
    finish(logger, 8, done=1)
    finish(logger, 7, done=2)
    assert lines(stream) == ["1/3  report", "2/3  P1: wells aggregated"]


def test_the_jobs_of_a_group_have_a_line_each(screen):
    logger, stream = screen
    start(logger, 1, "P1: a")
    start(logger, 2, "P1: b")
    finish(logger, 1, 2, done=3)
    assert lines(stream) == ["2/3  P1: a", "3/3  P1: b"]


def test_other_lines_are_those_of_snakemake(screen):
    logger, stream = screen
    logger.warning("Warning: plate P1 has no negative controls")
    logger.info(None, extra={"event": LogEvent.PROGRESS, "done": 1, "total": 2})
    assert stream.getvalue().splitlines() == [
        "Warning: plate P1 has no negative controls",
        "1 of 2 steps (50%) done",
    ]


def test_a_job_whose_start_was_not_shown_has_its_number(screen):
    logger, stream = screen
    finish(logger, 4, done=1)
    assert lines(stream) == ["1/3  job 4"]


def test_the_log_file_keeps_everything():
    logger = logging.Logger("snakemake")
    stream = io.StringIO()
    handler = ColorizingTextHandler(nocolor=True, stream=stream, formatter=DefaultFormatter())
    handler.set_name("DefaultLogFileHandler")
    logger.addHandler(handler)
    show_one_line_per_job(logger)
    start(logger, 7, "P1: wells aggregated")
    finish(logger, 7, done=1)
    assert "Finished jobid: 7" in stream.getvalue()


@pytest.mark.parametrize("quiet", [{Quietness.RULES}, {Quietness.PROGRESS}, {Quietness.ALL}])
def test_what_the_user_keeps_quiet_is_left_to_snakemake(quiet):
    logger = logging.Logger("snakemake")
    handler = ColorizingTextHandler(nocolor=True, stream=io.StringIO(), formatter=DefaultFormatter())
    handler.set_name(SCREEN)
    logger.addHandler(handler)
    show_one_line_per_job(logger, quiet)
    assert isinstance(handler.formatter, DefaultFormatter)
    show_one_line_per_job(logger, {Quietness.HOST, Quietness.REASON})
    assert not isinstance(handler.formatter, DefaultFormatter)


def test_long_commands_and_lists_of_files_of_a_failed_job_are_shortened_and_nothing_else():
    command = f"python pipelines.py --assay '{'x' * 2000}'"
    message = f"Error in rule a:\n    shell:\n        {command}\n        (command exited)"
    before, kept, after = shorten_lines(message).split("\n")[1:]
    assert (before, after) == ("    shell:", "        (command exited)")
    assert kept.startswith("        python pipelines.py --assay")
    assert len(kept) < LONGEST_LINE + 80
    failed = f"CalledProcessError in file a, line 1:\nCommand 'set -euo pipefail;  {command}' returned 1."
    assert len(shorten_lines(failed)) < LONGEST_LINE + 120
    files = ", ".join(f"P{number}.parquet" for number in range(400))
    for kind in ("input", "output"):
        line = shorten_lines(f"Error in rule a:\n    {kind}: {files}").split("\n")[1]
        assert line.startswith(f"    {kind}: P0.parquet, P1.parquet")
        assert len(line) < LONGEST_LINE + 80
    for text in (
        "shell:\n   echo 1",
        "    input: a.csv, b.csv",
        f"A long sentence to a person: {'x' * 2000}",
    ):
        assert shorten_lines(text) == text
