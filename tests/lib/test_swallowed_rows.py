"""Quotation marks that swallow rows, and valid values of several lines."""

import csv
from pathlib import Path

import pytest

from lib.errors import InputError
from lib.swallowed_rows import get_shape, refuse_swallowed_rows

pytestmark = pytest.mark.unit


def check(text: str, separator: str = ",") -> None:
    table = list(csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True))
    for line, row in enumerate(table, start=1):
        refuse_swallowed_rows(Path("t.csv"), line, row, separator, table)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('well,broad_sample\nA01,"x\nA02,y"\nA03,z\n', 2),
        ('well,broad_sample\n"A01,x\nA02",y\nA03,z\n', 2),
        ('well,broad_sample\nA01,"x\nA02,y"\n', 2),  # no other row
        ('broad_sample,gene\nBRD-K1,"X\nBRD-K2,Y"\nBRD-K33,Z\nDMSO,\n', 2),
        ('well,a,b\nA01,"x,1\nA02,y,2\nA03,z",3\nA04,w,4\n', 3),
        ('well,a,b\nA01,"x,1\nA02,y,2\nA03,z,3"\nA04,w,4\n', 3),  # the mark is in another column
        ('a,b,well\n"x,1,A01\ny",2,A02\nz,3,A03\n', 2),
        ('"a","b"\n1,"x,2\n2,y",3\n3,z,4\n', 2),  # R's header, which lacks a name
        ('well,"broad_sample\nA01,x"\nA02,y\nA03,z\n', 2),
        ('name,gene,group\nx,"X,g\ny,Y",g\nz,Z,h\n', 2),  # a table of names
    ],
)
def test_rows_within_quotation_marks_are_refused(text, rows):
    with pytest.raises(InputError, match=f"a value holds {rows} rows.*close the quotation mark"):
        check(text)


@pytest.mark.parametrize(
    "text",
    [
        'name,note\na,"x, y\nz"\nb,w\n',
        'note,name\n"x, y\nz",a\nw,b\n',
        'well,note\nA01,"x, y\nz"\nA02,w\n',
        'well,note\nA01,"x\ny, z"\nA02,w\n',
        'well,note,dose\nA01,"hello, b\nwords, more",3.5\nA02,,1\n',
        'name,gene,address\nx,X,"Main Street 5\nCity, State, Country"\n',
        'well,note\nA01,"x, y\nz, w\n"\nA02,\n',
        'well,"dose,\nnote"\nA01,5\n',
        'note\n"x, y\nz"\n',
    ],
)
def test_a_value_of_several_lines_is_read(text):
    check(text)


def test_the_shape_of_values():
    values = ["A01", "1.5e-3", "0012", "BRD-K123-001", "JCP2022_1", "DMSO", ""]
    assert [get_shape(value) for value in values] == ["a9", "9", "9", "a-a9-9", "a9_9", "a", ""]
