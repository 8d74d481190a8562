"""The inputs and parameters of a rule have the types that its script expects."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
RULE = re.compile(r"^rule \w+:\n(?:(?:[ \t].*)?\n)*", re.M)
LISTS = re.compile(r"list\(snakemake\.input\.(\w+)\)")


def get_rules_with_scripts():
    """Each rule that runs a script: its text, and the script's."""
    for file in sorted(PROJECT.glob("rules/*.smk")):
        for rule in RULE.findall(file.read_text()):
            if script := re.search(r'"\.\./(scripts/\w+\.py)"', rule):
                yield rule, (PROJECT / script[1]).read_text()


def test_a_list_of_files_is_given_as_a_list():
    """One path where a script takes a list would be read letter by letter: `b`, `e`, `n`, ..."""
    lists = 0
    for rule, script in get_rules_with_scripts():
        for name in LISTS.findall(script):
            if given := re.search(rf"^        {name}=(.*)", rule, re.M):
                lists += 1
                assert not given[1].startswith(("place(", "PLACES[", '"')), f"{rule[:40]}: {given[0]}"
    assert lists > 10
