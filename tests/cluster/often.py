"""Snakemake, which asks Slurm for the state of its jobs every two seconds: `python often.py ARGUMENTS`.

The plugin waits ten seconds longer after each check that found no finished job, up to three minutes, and has
no option to change it. Jobs of a few seconds would spend most of a test waiting.
"""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

SECONDS = 2

Executor.next_seconds_between_status_checks = property(lambda self: SECONDS, lambda self, seconds: None)

if __name__ == "__main__":
    sys.exit(main())
