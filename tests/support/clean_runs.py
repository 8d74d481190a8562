"""The lines that a run prints of data without faults."""

import re

EXPECTED = (
    r"Using workflow specific profile .*",
    r"Assuming unrestricted shared filesystem usage\.",
    r"Building DAG of jobs\.\.\.",
    r"Using shell: .*",
    r"Provided cores: \d+",
    r"Rules claiming more threads will be scaled down\.",
    r"Conda environments: ignored",
    r"Job stats:",
    r"[a-z_]+ +\d+",  # the jobs of a rule
    r"job +count",
    r"-+ +-+",
    r"\d\d:\d\d:\d\d +\d+/\d+ +.*",  # a finished job
    r"Plates complete: (\d+) of \1",
    r" +\S+  complete",
    r"Scores:",
    r" +(percent|mean average precision) .*",
    r".+: (site \d+ of \d+|done), \d+ cells, .*",  # progress of the table of single cells
    r"Flags of quality control: none on \d+ plates?",
    r"Report: .*",
    r"Complete log\(s\): .*",
    r"Elapsed time: .*",
)


def find_unexpected_lines(output: str) -> list[str]:
    """Return the lines of a run that report neither progress nor results, such as warnings."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    return [line for line in lines if not any(re.fullmatch(form, line) for form in EXPECTED)]
