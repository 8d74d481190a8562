"""The page of bad input promises what the tests show, and nothing else."""

import pytest

from cases.case import AREAS, case, declared_cases, has_message, names_of_tests
from cases.write_page import PAGE, page, rows_of_page

pytestmark = pytest.mark.unit


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(rows_of_page()), "run `python tests/cases/write_page.py`"


def test_every_kind_has_a_test_that_exists_and_an_area_that_exists():
    rows = list(rows_of_page())
    assert len(rows) >= 70
    named = {test for *_, tests in rows for test in tests}
    assert named - names_of_tests() == set()
    assert all(tests for *_, tests in rows)
    assert {area for area, *_ in rows} <= set(AREAS)


def test_every_kind_is_listed_once_and_says_where_it_comes_from():
    kinds = [(area, kind) for area, kind, *_ in rows_of_page()]
    assert sorted(kinds) == sorted(set(kinds))
    assert all(declared.comes_from and declared.happens for declared in declared_cases())


def test_a_case_fails_where_its_message_is_not_reported():
    def declare(says):
        return case("tables", kind="k", comes_from="c", happens="h", says=says)

    assert declare("well ... is not")(lambda: "plate P, well\nA99 is not a well")() is None
    with pytest.raises(AssertionError, match="no such message: well"):
        declare("well ... is not")(lambda: "well A99 is")()
    with pytest.raises(AssertionError, match="returns its message"):
        declare("well ... is not")(lambda: None)()
    assert declare("")(lambda: None)() is None


def test_a_message_is_found_whatever_the_names():
    assert has_message("no (a+b) in ... `x`", "there is no (a+b)  in\n file `x`")
    assert not has_message("no a in ... x", "no a in y")
