"""Units of concentration: mol per liter, and mass per volume in g per liter."""

from fractions import Fraction

PREFIXES = {"": 0, "m": -3, "u": -6, "n": -9, "p": -12}
WORDS = {"": "molar", "m": "millimolar", "u": "micromolar", "n": "nanomolar", "p": "picomolar"}
# Each unit, with what it measures and its power of ten.
UNITS = {f"{prefix}M": ("mol/L", power) for prefix, power in PREFIXES.items()}
UNITS |= {f"{prefix}g/L": ("g/L", power) for prefix, power in PREFIXES.items()}
UNITS |= {f"{prefix}g/mL": ("g/L", power + 3) for prefix, power in PREFIXES.items()}
# The units as people write them: in other capitals, in words, as mol/L.
SPELLINGS = {unit.casefold(): unit for unit in UNITS}
SPELLINGS |= {f"{prefix}mol/l": f"{prefix}M" for prefix in PREFIXES}
SPELLINGS |= {WORDS[prefix]: f"{prefix}M" for prefix in PREFIXES}


def find_unit(text: str) -> str | None:
    """Return the unit that a text spells (uM for `um`, `umol/L` and `micromolar`); None for other text."""
    return SPELLINGS.get(text.replace("\u00b5", "u").replace("\u03bc", "u").casefold())


def get_factor(unit: str, other: str) -> Fraction | None:
    """Return how many of the `other` units one `unit` is; None if the two measure different things."""
    if unit == other:
        return Fraction(1)
    (of_what, power), (of_other, other_power) = (UNITS.get(each, (each, 0)) for each in (unit, other))
    return Fraction(10) ** (power - other_power) if of_what == of_other else None
