"""Write docs/bad_input.md from the cases that the tests declare: `python tests/cases/write_page.py`."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cases.case import AREAS, TESTS, declared_cases

PAGE = TESTS.parent / "docs" / "bad_input.md"
BESIDE_THE_CODE = Path(__file__).with_name("beside_the_code.yaml")
HEAD = """# Bad input and interrupted runs

What can be wrong with an experiment, or happen to it, what Platewise says, and what then happens. Nothing
that was measured is lost: a well is never left out without being named, and a file of the results is there
whole or not at all.

A plate that fails stops alone. The other plates go on to their own profiles (`keep-going` in
`profiles/default`); only what all plates share, such as features selected over the batch and the benchmark,
waits for it. At the end of a run each plate is listed with the stage that it reached, and each failure with
the one log to open.

`...` stands for names and numbers. The last column is the test that shows it (`pytest -k TEST`). This page
is written from the list of cases that the tests share, by `python tests/cases/write_page.py`: change the
cases, not the page.
"""
TAIL = """
The key `__use_yte__` is a limit: Snakemake itself evaluates expressions in a config file that asks for it
with this key, before it hands the config over, and no workflow can keep it from doing so. Look into a
config file that a stranger gave you before you run it, as you would with a script. A regular expression of
your own that takes for ever (`(a+)+$`) is not found out either; it ends with the job's time limit on a
cluster.
"""


def rows_of_page() -> Iterator[tuple[str, str, str, str, list[str]]]:
    """Area, kind, message, what happens and the tests of each kind of input, in Markdown."""
    for row in yaml.safe_load(BESIDE_THE_CODE.read_text()):
        yield row["area"], row["kind"], row["says"], row["happens"], row["tests"]
    for declared in declared_cases():
        says = f"`` {declared.says} ``" if "`" in declared.says else f"`{declared.says}`"
        yield declared.area, declared.kind, says if declared.says else "", declared.happens, [declared.test]


def page(rows: Iterable[tuple[str, str, str, str, list[str]]]) -> str:
    """The page: one table per area, in the order of `AREAS`."""
    rows = list(rows)
    parts = [HEAD.rstrip()]
    for area, (title, introduction) in AREAS.items():
        lines = [
            cells(kind, says, happens, ", ".join(f"`{test}`" for test in tests))
            for of, kind, says, happens, tests in rows
            if of == area
        ]
        if lines:
            head = [cells("input", "what is said", "what happens", "test"), "|---|---|---|---|"]
            parts += [f"\n## {title}\n", *([f"{introduction}\n"] if introduction else []), *head, *lines]
    return "\n".join(parts) + "\n" + TAIL


def cells(*texts: str) -> str:
    """One row of a Markdown table."""
    return "| " + " | ".join(" ".join(text.replace("|", "\\|").split()) for text in texts) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(rows_of_page()))
