"""Snakemake's scheduler waits for one further look at a time."""

import threading

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from lib.scheduling import look_once_per_timespan

pytestmark = pytest.mark.unit


def build_scheduler():
    class Scheduler:
        def __init__(self):
            self._open_jobs = threading.Semaphore(0)

        def _schedule_reevalutation(self, delay):
            raise AssertionError("Snakemake's own is replaced")

    look_once_per_timespan(Scheduler)
    return Scheduler()


def test_many_requests_give_one_look_and_the_next_request_another():
    scheduler = build_scheduler()
    for _ in range(50):
        scheduler._schedule_reevalutation(0.05)
    assert scheduler._open_jobs.acquire(timeout=60)
    assert not scheduler._open_jobs.acquire(timeout=0.2)
    scheduler._schedule_reevalutation(0.05)
    assert scheduler._open_jobs.acquire(timeout=60)


def test_another_scheduler_is_left_as_it_is():
    class Other:
        pass

    look_once_per_timespan(Other)
    assert not hasattr(Other, "_schedule_reevalutation")


def test_snakemakes_scheduler_still_has_what_is_replaced():
    # Fails with a version of Snakemake for which `lib.scheduling` should be looked at again.
    assert callable(JobScheduler._schedule_reevalutation)
