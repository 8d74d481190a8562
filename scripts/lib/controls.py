"""Find the wells that are controls, and of what kind."""

import re

import pandas as pd

from lib.layouts import SAMPLE_COLUMNS
from lib.values import SEVERAL, MissingValues, is_same_name

# Values for treated wells in columns of controls (`pert_type`, `broad_sample_type`).
TREATED = ("trt", "treated", "treatment")
# A column with more kinds of controls than this names compounds, of which one is the negative control.
MOST_KINDS = 6
NAME_OF_CONTROL = re.compile(r"con\b|con_|control|ctrl|pos|neg", re.IGNORECASE)


def find_control_kinds(values: pd.Series, negcon: str) -> pd.Series:
    """Find the kind of control of each well: "" for treated and empty wells, `negcon` for negative controls.

    A column may mark controls, or name the compound in each well (then only `negcon` is a control). It is
    taken to name compounds if its name says so, if it has more than six values besides `negcon`, or if more
    wells have another value than none, unless these values are named as controls.

    Parameters
    ----------
    values
        The column that marks controls (`controls.column`).
    negcon
        Its value for negative controls in any case, or several values separated by `|`; the wells with any
        of them get all of them as their kind.
    """
    column = str(values.name or "").removeprefix("Metadata_")
    missing = MissingValues(control=(column, negcon))
    text = pd.Series(
        missing.clean(values.astype("str").fillna("").tolist(), column), values.index, dtype="str"
    )
    names = negcon.split(SEVERAL)
    kinds = text.mask(text.map(lambda value: any(is_same_name(value, name) for name in names)), negcon)
    kinds = kinds.mask(kinds.str.lower().isin(TREATED) & (kinds != negcon), "")
    other = ~kinds.isin(["", negcon])
    others = set(kinds[other])
    called_controls = all(NAME_OF_CONTROL.search(kind) for kind in others)
    marks = len(others) <= MOST_KINDS and column not in SAMPLE_COLUMNS
    if marks and (called_controls or other.sum() <= (kinds == "").sum()):
        return kinds
    return kinds.mask(other, "")
