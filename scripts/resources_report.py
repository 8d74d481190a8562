"""Compare what jobs took (their `benchmark:` files) with the memory and run time that their rules ask for.

One row a job in `benchmarks/resources.csv`. A job that took more than its first attempt may is flagged as
`too little`; one whose rule asks for several times of what it took, and for more than any job gets, as
`too much`.
"""

import csv
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lib.logs import logged
from lib.tables import whole

# A request is too much when it is this many times what was taken, and above what every job is given.
MUCH = 4
EVERY_JOB_MB, EVERY_JOB_S = 4096, 3600
COLUMNS = ["rule", "job", "max_rss_mb", "requested_mb", "memory", "s", "requested_s", "time"]


def verdict(taken: float | None, asked: float | None, every_job: float) -> str:
    """`too little`, `too much`, or nothing; nothing too where either is not known."""
    if taken is None or asked is None:
        return ""
    if taken > asked:
        return "too little"
    return "too much" if asked > every_job and asked > MUCH * taken else ""


def number(text: str) -> float | None:
    """A number of a benchmark file; none where Snakemake measured nothing (NA, -)."""
    try:
        return float(text)
    except ValueError:
        return None


def rows(files: Iterable[Path], requested: Mapping[str, Mapping[str, float | None]]) -> list[dict[str, Any]]:
    """A row for each benchmark file `benchmarks/{rule}/{job}.tsv`; of repeats, the largest values."""
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
                "memory": verdict(taken["max_rss"], megabytes, EVERY_JOB_MB),
                "s": taken["s"],
                "requested_s": seconds,
                "time": verdict(taken["s"], seconds, EVERY_JOB_S),
            }
        )
    return found


def main() -> None:
    """Write the table, and say which rules are flagged."""
    table = pd.DataFrame(
        rows([Path(file) for file in snakemake.params.measured], snakemake.params.requested), columns=COLUMNS
    )
    for (rule, memory, time), jobs in table.groupby(["rule", "memory", "time"]):
        if memory or time:
            said = [f"{what} {word}" for what, word in (("memory", memory), ("time", time)) if word]
            logging.info("%s: %d jobs: %s", rule, len(jobs), ", ".join(said))
    with whole(snakemake.output.table) as part:
        table.to_csv(part, index=False)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
