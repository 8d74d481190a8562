"""What a run says at its end: which plates are complete, what failed, and the one log to open."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lib.experiment import PLATE_LEVELS, file_of, levels_of
from lib.plates import Plate, source

FAILED = re.compile(r"^\s*Error in rule (?P<rule>\w+)")
LOG = re.compile(r"^\s*log: (?P<log>\S+)")


def reached(plate: Plate, config: Mapping[str, Any]) -> str:
    """The last stage whose file of the plate exists, or `complete`."""
    batch, name = plate["batch"], plate["plate"]
    stages = {}
    if source(plate) == "images":
        stages["load_data"] = f"workspace/load_data_csv/{batch}/{name}/load_data.csv"
        stages["illumination"] = f"images/{batch}/illum/{name}"
    if source(plate) != "profiles":
        stages["single_cells"] = f"workspace/backend/{batch}/{name}/{name}.parquet"
    levels = [level for level in levels_of(plate, config) if level in PLATE_LEVELS]
    stages |= {level: file_of(plate, level) for level in levels}
    done = [stage for stage, file in stages.items() if Path(file).exists()]
    if len(done) == len(stages):
        return "complete"
    return f"reached {done[-1]}" if done else "not begun"


def plate_summary(plates: Iterable[Plate], config: Mapping[str, Any]) -> str:
    """One line a plate: how far it is. Many complete plates are counted, not listed."""
    state = {f"{plate['batch']}/{plate['plate']}": reached(plate, config) for plate in plates}
    complete = [name for name, stage in state.items() if stage == "complete"]
    lines = [f"Plates complete: {len(complete)} of {len(state)}"]
    listed = state if len(state) <= 24 else {n: s for n, s in state.items() if s != "complete"}
    return "\n".join(lines + [f"  {name}  {stage}" for name, stage in listed.items()])


def failure_summary(log: str | Path) -> str:
    """The rules that failed in a Snakemake log, each with the log to open."""
    failures: dict[str, str] = {}
    rule = ""
    for line in Path(log).read_text(errors="replace").splitlines():
        if match := FAILED.match(line):
            rule = match["rule"]
        elif rule and (match := LOG.match(line)):
            failures[match["log"]] = rule
            rule = ""
    if not failures:
        return f"Failed; see {log}"
    return "\n".join(
        ["Failed (open the log beside each):"]
        + [f"  {rule}  {Path(log).resolve()}" for log, rule in failures.items()]
    )
