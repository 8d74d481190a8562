"""Compare what jobs used (their `benchmark:` files) with the memory and run time that their rules request.

`benchmarks/resources.csv` has one row per job. A job that used more than its first attempt may use is flagged
as `too little`; one whose rule requests several times what it used, and more than the minimum of all jobs, as
`too much`.
"""

import csv
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lib.logs import log_to
from lib.tables import write_whole

# A request is too much if it is this many times what was used, and above what every job gets.
MUCH = 4
EVERY_JOB_MB, EVERY_JOB_S = 4096, 3600
COLUMNS = ["rule", "job", "max_rss_mb", "requested_mb", "memory", "s", "requested_s", "time"]


def judge_request(taken: float | None, asked: float | None, every_job: float) -> str:
    """Return `too little`, `too much`, or nothing; also nothing if either is not known."""
    if taken is None or asked is None:
        return ""
    if taken > asked:
        return "too little"
    return "too much" if asked > every_job and asked > MUCH * taken else ""


def number(text: str) -> float | None:
    """Return a number of a benchmark file; None if Snakemake measured nothing (NA, -)."""
    try:
        return float(text)
    except ValueError:
        return None


def collect_rows(
    files: Iterable[Path], requested: Mapping[str, Mapping[str, float | None]]
) -> list[dict[str, Any]]:
    """Return one row per benchmark file `benchmarks/{rule}/{job}.tsv`; of repeats, the largest values."""
    found = []
    for path in files:
        rule, job = path.parts[path.parts.index("benchmarks") + 1], path.with_suffix("")
        with path.open(newline="") as file:
            measured = list(csv.DictReader(file, delimiter="\t"))
        taken = {
            name: max((value for row in measured if (value := number(row[name])) is not None), default=None)
            for name in ("max_rss", "s")
        }
        asked = requested.get(rule, {})
        megabytes, seconds = asked.get("mem_mb"), asked.get("runtime")
        found.append(
            {
                "rule": rule,
                "job": "/".join(job.parts[job.parts.index("benchmarks") + 2 :]),
                "max_rss_mb": taken["max_rss"],
                "requested_mb": megabytes,
                "memory": judge_request(taken["max_rss"], megabytes, EVERY_JOB_MB),
                "s": taken["s"],
                "requested_s": seconds,
                "time": judge_request(taken["s"], seconds, EVERY_JOB_S),
            }
        )
    return found


def main(measured: Sequence[str], requested: Mapping[str, Mapping[str, Any]], output: str) -> None:
    """Write the table of resources, and log which rules are flagged.

    Parameters
    ----------
    measured
        Snakemake's benchmark files.
    requested
        What each rule requests.
    output
        The table (csv).
    """
    table = pd.DataFrame(collect_rows([Path(file) for file in measured], requested), columns=COLUMNS)
    for (rule, memory, time), jobs in table.groupby(["rule", "memory", "time"]):
        if memory or time:
            flags = [f"{what} {word}" for what, word in (("memory", memory), ("time", time)) if word]
            logging.info("%s: %d jobs: %s", rule, len(jobs), ", ".join(flags))
    with write_whole(output) as part:
        table.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(list(snakemake.params.measured), snakemake.params.requested, snakemake.output.table)
