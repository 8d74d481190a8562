"""Summarize a run at its end: each plate's progress, the scores, and failures with the log to open.

Nothing here needs pandas: this runs in the planning process.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from lib.errors import join_names, number_of
from lib.experiment import Experiment
from lib.failures import Failure
from lib.places import place
from lib.plates import NOT_ON_MAP, source

MOST_OF_REASON = 6  # lines of the reason of a failure; its log has all
MOST_LETTERS = 600  # letters in each of these lines
MOST_LINES = 24  # plates, or scores, that are listed; more are counted
# Jobs of a plate's chain that do not make a stage's file themselves, and the stage that each keeps back.
STOPS = {"features": "single_cells"}
# The column of each metric's table that is shown, and its unit.
SCORES = {
    "percent_replicating": ("percent_replicating", " %"),
    "percent_matching": ("percent_matching_right", " %"),
    "mean_average_precision": ("mean_average_precision", ""),
    "mean_average_precision_matching": ("mean_average_precision", ""),
}
BOUNDARY = "feature_set"  # the last of the columns that name the condition of a score
# What makes a score meaningless, in the words of `lib.repeated_wells`, which needs pandas.
COPIED = re.compile(r"[\d,]+ wells have exactly the values of another well")
RECORD = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")  # how `lib.logs` begins each message
ERROR = re.compile(RECORD.pattern + r"\S* ERROR (?P<reason>.*)")


def get_state(
    stages: Mapping[str, str],
    results: str | Path = ".",
    failures: Sequence[Failure] = (),
    joint: Mapping[str, str] | None = None,
) -> str:
    """Return a plate's progress: the last of its stages, and those before it that were not made.

    Parameters
    ----------
    stages : mapping
        The file or folder that each stage of the plate writes, in order.
    results : str or Path
        The results folder, which these are relative to.
    failures : sequence of Failure
        The plate's jobs that failed in this run: the files of their stages and later ones are from an earlier
        run.
    joint : mapping
        The plate's files of stages that process several plates together. They are not needed for a complete
        plate, and a target of the user's own may have made them without all stages of the plate.
    """
    names = list(stages)
    there = {name: (Path(results) / file).exists() for name, file in stages.items()}
    stopped, step, others = None, "", []
    for failure in failures:
        made = [name for name, file in stages.items() if any(o.startswith(file) for o in failure.outputs)]
        stage = STOPS.get(failure.rule, made[0] if made else "")
        if stage not in stages:
            others.append(failure.rule)
        elif stopped is None or names.index(stage) < stopped:
            stopped = names.index(stage)
            step = failure.rule if failure.rule in STOPS else stage
    reached = next((i for i, name in enumerate(names) if not there[name]), len(names))
    reached = reached if stopped is None else min(reached, stopped)
    if reached == len(names):
        state = "complete"
    elif stopped is None:
        state = get_state_between(
            there, [n for n, file in (joint or {}).items() if (Path(results) / file).exists()]
        )
    else:
        state = f"reached {names[reached - 1]}" if reached else "not begun"
    if stopped is not None:
        state += f", failed at {step}"
    if others:
        state += f", failed in {', '.join(dict.fromkeys(others))}"
    if stopped is not None and any(there[name] for name in names[reached:]):
        state += "; results of later stages may be from an earlier run"
    return state


def get_state_between(there: Mapping[str, bool], joint: Sequence[str]) -> str:
    """Return the progress of a plate that is not complete, although none of its jobs failed.

    Parameters
    ----------
    there
        Whether each of the plate's own stages was made, in order.
    joint
        The stages of several plates that were made.
    """
    made = [name for name in there if there[name]]
    last = (joint or made or [""])[-1]
    if not last:
        return "not begun"
    names = list(there)
    before = names[: names.index(last)] if last in there else names
    lacking = [name for name in before if not there[name]]
    return f"reached {last}" + (f", without {join_names(lacking, 4)}" if lacking else "")


def get_failures_of_plates(
    failures: Sequence[Failure], names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], list[Failure]]:
    """Return the failures of each plate (batch and name): those whose files are in a folder of the plate."""
    known = set(names)
    found: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        for output in failure.outputs:
            # An illumination function is in {batch}/illum/{plate}, images are in {batch}/images/{plate}.
            parts = [part for part in Path(output).parts if part not in ("illum", "images")]
            plate = next((pair for pair in pairwise(parts) if pair in known), None)
            if plate:
                found.setdefault(plate, []).append(failure)
                break
    return found


def summarize_plates(experiment: Experiment, failures: Sequence[Failure] = ()) -> str:
    """Return one line per plate with its progress. Many complete plates are counted, not listed."""
    of_plates = get_failures_of_plates(failures, list(experiment.by_name))
    states = {
        f"{plate['batch']}/{plate['plate']}": get_state(
            experiment.get_stages(plate),
            failures=of_plates.get((plate["batch"], plate["plate"]), ()),
            joint={
                name: experiment.get_profiles(plate, level)
                for name, level in experiment.get_levels(plate).items()
                if level.scope != "plate" and level.is_last
            },
        )
        for plate in experiment.chosen
    }
    complete = [name for name, state in states.items() if state == "complete"]
    lines = [f"Plates complete: {len(complete)} of {len(states)}"]
    states_to_list = (
        states if len(states) <= MOST_LINES else {n: s for n, s in states.items() if s != "complete"}
    )
    return "\n".join(lines + [f"  {name}  {state}" for name, state in states_to_list.items()])


def summarize_failures(failures: Sequence[Failure], log: str | Path) -> str:
    """Return the rules that failed, each with its log and the reason in it; if none did, Snakemake's log."""
    if not failures:
        return f"The run stopped before its end (its log: {log}). The same command continues it."
    lines, seen = ["Failed (open the log beside each):"], set()
    for failure in failures:
        lines.append(f"  {failure.rule}  {Path(failure.log or log).resolve()}")
        reason = "\n".join(f"    {line}" for line in get_reason(failure.log or log))
        if reason and reason not in seen:
            lines.append(reason)
            seen.add(reason)
    return "\n".join(lines)


def get_reason(log: str | Path) -> list[str]:
    """Return the last error in the log of a step, line by line; nothing if there is only a traceback."""
    try:
        lines = Path(log).read_text(errors="replace").splitlines()
    except OSError:
        return []
    starts = [number for number, line in enumerate(lines) if ERROR.match(line)]
    if not starts:
        return []
    message = lines[starts[-1] :]
    if any(line.startswith("Traceback") for line in message):
        return []
    records = (number for number, line in enumerate(message[1:], start=1) if RECORD.match(line))
    end = next(records, len(message))
    reason = [ERROR.match(message[0])["reason"], *(line.rstrip() for line in message[1:end])]
    if len(reason) > MOST_OF_REASON:  # the first line names the fault, the last the remedy
        reason = [*reason[: MOST_OF_REASON - 1], "  ...", reason[-1]]
    return [line if len(line) <= MOST_LETTERS else f"{line[:MOST_LETTERS]} ..." for line in reason]


def summarize_results(experiment: Experiment, results: str | Path = ".") -> str:
    """Return the scores, the number of flags and the report, of an experiment that is complete."""
    results = Path(results)
    lines = []
    for metric in experiment.metrics:
        lines += list(read_scores(results / place("score_table", metric=metric), *SCORES[metric]))
    if lines:
        more = [f"  and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
        lines = ["Scores:", *(f"  {line}" for line in lines[:MOST_LINES]), *more]
    flags = [
        results / experiment.get_place(plate, "flags")
        for plate in experiment.plates
        if experiment.get_cells(plate, "cellprofiler")
    ]
    counts = [count_rows(file) for file in flags if file.is_file()]
    if counts:
        lines.append(f"Flags of quality control: {count_on_plates(counts)}")
    dropped = [
        count_rows(results / experiment.get_place(plate, "dropped_sites"))
        for plate in experiment.plates
        if source(plate) == "images"
    ]
    if any(dropped):
        table = place("dropped_sites", batch="*", plate="*")
        lines.append(f"Sites with faulty images, left out: {count_on_plates(dropped)} ({table})")
    unknown = [
        count_rows(results / experiment.get_place(plate, "unmatched_wells", suffix=""), NOT_ON_MAP)
        for plate in experiment.plates
    ]
    if any(unknown):
        table = place("unmatched_wells", batch="*", plate="*", suffix="")
        lines.append(f"Wells that are not in the plate map, not scored: {count_on_plates(unknown)} ({table})")
    if notices := count_notices(results / place("left_out")):
        lines.append(
            f"Published profiles: {number_of(notices, 'notice')} on how they were read ({place('left_out')})"
        )
    report = results / place("report")
    if report.exists():  # not after --until
        lines.append(f"Report: {report.resolve()}")
    return "\n".join(lines)


def read_scores(table: Path, column: str, unit: str) -> Iterator[str]:
    """Return each score of a metric's table as text: the metric, the condition, the score."""
    if not table.is_file():
        return
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            names = list(row)
            about = " ".join(row[name] for name in names[: names.index(BOUNDARY) + 1] if row[name])
            why = (row.get("message") or "").removeprefix("no score: ")
            value = "no score" + (f" ({why})" if why else "")
            if row.get(column):
                copied = COPIED.search(why)
                value = f"{float(row[column]):.3g}{unit}" + (f" ({copied[0]})" if copied else "")
            yield f"{table.stem.replace('_', ' ')}  {about}  {value}"


def count_on_plates(counts: Sequence[int]) -> str:
    """Return a sum over plates as text: `3 on 2 of 6 plates`; `none on 1 plate`."""
    plates = number_of(len(counts), "plate")
    affected = sum(count > 0 for count in counts)
    return f"{sum(counts):,} on {affected} of {plates}" if affected else f"none on {plates}"


def count_notices(table: Path) -> int:
    """Return how many different notices on published profiles the table of what was left out has."""
    if not table.is_file():
        return 0
    with table.open(newline="", encoding="utf-8") as file:
        return len({row["why"] for row in csv.DictReader(file) if row["what"] == "notice"})


def count_rows(table: Path, reason: str = "") -> int:
    """Return the number of rows of a csv file, of those with a reason if one is given; 0 without the file."""
    if not table.is_file():
        return 0
    with table.open(newline="", encoding="utf-8") as file:
        return sum(not reason or row.get("reason") == reason for row in csv.DictReader(file))
