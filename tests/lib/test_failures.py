"""The jobs that failed, and a run with nothing to do, from Snakemake's log events."""

import logging

import pytest
from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake_interface_logger_plugins.common import LogEvent

from lib.failures import Failure, FailureCollector, IdleRunHandler

pytestmark = pytest.mark.unit


@pytest.fixture
def logger():
    logger = logging.Logger("snakemake")
    logger.addHandler(FailureCollector())
    return logger


def fail(logger, job, output="P1.parquet", log=("logs/aggregate/P1.log",)):
    more = {"jobid": job, "rule_name": "aggregate", "output": [output], "log": list(log)}
    logger.error("Error in rule aggregate", extra={"event": LogEvent.JOB_ERROR, **more})


def test_a_job_that_failed_twice_is_one_failure(logger):
    (collector,) = logger.handlers
    logger.error("another error, without an event")
    fail(logger, 3)
    fail(logger, 3)
    fail(logger, 4, "P2.parquet", log=("logs/aggregate/P2.log", "slurm.log"))
    fail(logger, 5, "P3.parquet", log=())
    assert collector.failures == [
        Failure("aggregate", ("P1.parquet",), "logs/aggregate/P1.log"),
        Failure("aggregate", ("P2.parquet",), "logs/aggregate/P2.log"),
        Failure("aggregate", ("P3.parquet",), ""),
    ]


def test_a_job_that_succeeds_at_a_later_attempt_is_not_a_failure(logger):
    (collector,) = logger.handlers
    fail(logger, 3)
    logger.info("Finished jobid: 3", extra={"event": LogEvent.JOB_FINISHED, "job_id": 3})
    logger.info("Finished jobid: 4", extra={"event": LogEvent.JOB_FINISHED, "job_id": 4})
    assert collector.failures == []


def test_a_run_with_nothing_to_do_is_noticed_once():
    calls = []
    logger = logging.Logger("snakemake")
    logger.addHandler(IdleRunHandler(lambda: calls.append(1)))
    logger.info("Building DAG of jobs...")
    assert calls == []
    logger.info(NOTHING_TO_BE_DONE_MSG)
    assert calls == [1]
