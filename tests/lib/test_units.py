"""Tests of the units of concentration."""

from fractions import Fraction

import pytest

from lib.units import find_unit, get_factor

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "text", ["uM", "UM", "um", "\u00b5M", "\u03bcM", "umol/L", "\u00b5mol/l", "micromolar"]
)
def test_micromolar_in_every_spelling(text):
    assert find_unit(text) == "uM"


@pytest.mark.parametrize(
    ("text", "unit"), [("UG/ML", "ug/mL"), ("g/l", "g/L"), ("%", None), ("", None), ("h", None)]
)
def test_other_units(text, unit):
    assert find_unit(text) == unit


@pytest.mark.parametrize(
    ("unit", "other", "factor"),
    [
        ("uM", "nM", 1000),
        ("nM", "M", Fraction(1, 10**9)),
        ("mg/mL", "g/L", 1),
        ("ug/L", "ng/mL", 1),
        ("%", "%", 1),
        ("", "", 1),
        ("uM", "ug/mL", None),
        ("%", "uM", None),
        ("", "uM", None),
    ],
)
def test_factors_between_units(unit, other, factor):
    assert get_factor(unit, other) == factor
