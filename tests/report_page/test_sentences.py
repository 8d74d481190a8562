"""Parameters as words."""

import pytest

from report_page.sentences import format_ordinal, get_value

pytestmark = pytest.mark.unit


def test_parameters_that_differ_are_all_reported():
    made = [
        {"parameters": {"over": scope, "method": "mad_robustize"}} for scope in ("plate", "batch", "plate")
    ]
    assert get_value(made, "over") == ["plate", "batch"]
    assert get_value(made, "method") == "mad_robustize"
    assert get_value([{"parameters": {"a": {"b": 0.5}}}], "a.b") == 0.5


@pytest.mark.parametrize(
    ("value", "words"),
    [(95, "95th"), (91, "91st"), (92, "92nd"), (93, "93rd"), (97.5, "97.5th"), ([90, 95], "90th and 95th")],
)
def test_percentiles_are_ordinals(value, words):
    assert format_ordinal(value) == words
