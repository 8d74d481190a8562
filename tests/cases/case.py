"""Kinds of bad or untidy input: one list, from which docs/bad_input.md is written.

A test declares the kind of input that it tests:

    @case(
        "tables",
        kind="a plate map that says NA where a well is empty",
        comes_from="spreadsheets and R write NA for an empty cell",
        says="",
        happens="the well is empty, as if the cell were blank",
    )
    def test_a_plate_map_with_na(tmp_path): ...

`says` is the message that a person sees; `...` stands for names and numbers. A test of a case that says
something returns the text in which the person finds it (the error's text, a log, the screen), and the
decorator checks that the message is there. So the page can promise no message that no test has seen. The
cases are in the modules of `tests/cases/`, by subject, or beside the code that they test.

After a change, or where two branches changed the page, `python tests/cases/write_page.py` writes it anew.
"""

import ast
import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# The areas in the order of the page: the title of each, and what is to be known before its table.
AREAS = {
    "images": ("Images", ""),
    "cells": ("Sites, wells and CellProfiler's tables", ""),
    "tables": ("Sample sheet, plate maps, annotation, controls", ""),
    "profiles": ("Published profiles", ""),
    "scores": ("Values and scores", ""),
    "pipelines": ("CellProfiler and its pipelines", ""),
    "plan": (
        "Configuration, and checks before a run",
        "Problems that can be known before anything runs are reported then, also in a dry run.",
    ),
    "runs": ("Disks, clusters, and interrupted runs", ""),
    "names": (
        "Names that are commands or paths",
        "Config and sample sheet are data. Names that become part of a file name may contain only letters, "
        "digits, dots, dashes and underscores; everything else reaches a shell as one quoted word, or not "
        "at all.",
    ),
}


@dataclass(frozen=True)
class Case:
    """One kind of bad or untidy input, and the name of the test that shows what happens."""

    area: str
    kind: str
    comes_from: str
    says: str
    happens: str
    test: str


def case(
    area: str, *, kind: str, comes_from: str, happens: str, says: str = ""
) -> Callable[[Callable[..., str | None]], Callable[..., None]]:
    """Declare the kind of input that a test is about, and check the message that the test returns.

    Parameters
    ----------
    area
        One of `AREAS`.
    kind
        The input, as a person would name it.
    comes_from
        Where such input was seen.
    happens
        What Platewise does with it.
    says
        The message, `...` for what varies; empty if nothing is reported.
    """
    assert area in AREAS, f"{area} is not one of {', '.join(AREAS)}"
    assert kind
    assert comes_from
    assert happens

    def declare(test: Callable[..., str | None]) -> Callable[..., None]:
        @functools.wraps(test)
        def checked(*arguments: object, **named: object) -> None:
            message = test(*arguments, **named)
            if says:
                assert isinstance(message, str), "a test of a case that says something returns its message"
                assert has_message(says, message), f"no such message: {says}\ntext: {message}"

        return checked

    return declare


def has_message(says: str, message: str) -> bool:
    """Whether a message is in a text; `...` in it stands for anything, and line ends count as blanks."""
    parts = [re.escape(" ".join(part.split())) for part in says.split("...")]
    return bool(re.search(".*?".join(parts), " ".join(message.split())))


def declared_cases(tests: Path = TESTS) -> Iterator[Case]:
    """The cases that tests declare, file by file in the order of their names; nothing is imported."""
    for path in sorted(tests.rglob("test_*.py")):
        for function in ast.parse(path.read_text()).body:
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in function.decorator_list:
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "case":
                    named = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
                    area = ast.literal_eval(call.args[0])
                    yield Case(area=area, test=function.name, **{"says": "", **named})


def names_of_tests(tests: Path = TESTS) -> set[str]:
    """The names of all test functions."""
    return {
        function.name
        for path in tests.rglob("test_*.py")
        for function in ast.parse(path.read_text()).body
        if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
    }
