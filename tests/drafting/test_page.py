"""The page of a drafted experiment: what it asks."""

import pytest

from drafting.page import get_name_tasks, mark_code
from lib.surveys import Channel, Survey

pytestmark = pytest.mark.unit


def test_words_between_backticks_are_code_on_the_page():
    assert mark_code("fill in `cell_line` and `timepoint` (h)") == (
        "fill in <code>cell_line</code> and <code>timepoint</code> (h)"
    )
    assert mark_code("one ` alone") == "one ` alone"


@pytest.mark.parametrize(
    ("before", "is_asked"),
    [
        (r"(?P<well>[A-Z]\d\d)_", True),
        (r"(?P<well>[A-Z]\d\d)_\d+_", True),
        (r"(?P<well>[A-Z]\d\d)_Run_", True),
        (r"(?P<well>[A-Z]\d\d)_w", False),
        (r"(?P<well>[A-Z]\d\d)_CH\.", False),
        (r"(?P<well>[A-Z]\d\d)_x_Channel_", False),
    ],
)
def test_a_word_before_a_number_says_what_it_is(before, is_asked):
    found = Survey(before + r"(?P<channel>\d+)\.tif$", "", (), (Channel("1"), Channel("2")))
    assert bool(get_name_tasks(found)) is is_asked
