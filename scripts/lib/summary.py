"""What a run says at its end: which plates are complete, what failed, and the one log to open."""

import re
from collections.abc import Mapping
from pathlib import Path

from lib.experiment import Experiment

FAILED = re.compile(r"^\s*Error in rule (?P<rule>\w+)")
LOG = re.compile(r"^\s*log: (?P<log>\S+)")


def get_state(stages: Mapping[str, str], results: str | Path = ".") -> str:
    """The last stage of a plate whose file exists, or `complete`; `stages` names each stage's file."""
    done = [stage for stage, file in stages.items() if (Path(results) / file).exists()]
    if len(done) == len(stages):
        return "complete"
    return f"reached {done[-1]}" if done else "not begun"


def plate_summary(experiment: Experiment) -> str:
    """One line per plate: how far it is. Many complete plates are counted, not listed."""
    states = {
        f"{plate['batch']}/{plate['plate']}": get_state(experiment.get_stages(plate))
        for plate in experiment.chosen
    }
    complete = [name for name, state in states.items() if state == "complete"]
    lines = [f"Plates complete: {len(complete)} of {len(states)}"]
    shown = states if len(states) <= 24 else {n: s for n, s in states.items() if s != "complete"}
    return "\n".join(lines + [f"  {name}  {state}" for name, state in shown.items()])


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
