"""Keep Snakemake's scheduler from waking up more and more often during a run.

Snakemake looks for jobs to start when one has ended, and once more a second later, in case it may then submit
more of them (`--max-jobs-per-timespan`). Up to version 9.27 it asks for that second look at every look. Each
job that ends therefore adds one look per second until the run ends: with 350 jobs, hundreds per second, which
take more CPU time than the jobs.
"""

import threading
from typing import Any


def look_once_per_timespan(scheduler: Any) -> None:
    """Let a class of Snakemake's scheduler wait for one further look at a time.

    Parameters
    ----------
    scheduler
        `snakemake.scheduling.job_scheduler.JobScheduler`; one that works in another way is left as it is.
    """
    if not hasattr(scheduler, "_schedule_reevalutation"):
        return

    def schedule(self: Any, delay: float) -> None:
        if getattr(self, "_look_is_due", False):
            return

        def look() -> None:
            # Before the look, which asks for the next one.
            self._look_is_due = False
            self._open_jobs.release()

        self._look_is_due = True
        timer = threading.Timer(delay, look)
        # The end of the run need not wait for it.
        timer.daemon = True
        timer.start()

    scheduler._schedule_reevalutation = schedule
