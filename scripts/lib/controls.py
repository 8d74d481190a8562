"""Which wells are controls, and of what kind."""

import pandas as pd

# What columns of controls say of a treated well (`pert_type`, `broad_sample_type`).
TREATED = ("trt", "treated", "treatment")
# A column with more kinds of controls than this names compounds, of which one is the negative control.
MOST_KINDS = 6


def control_kinds(values: pd.Series, negcon: str) -> pd.Series:
    """What each well is a control of, "" for treated and empty wells.

    Args:
        values: the column that marks controls (`controls.column`).
        negcon: its value for negative controls.
    """
    text = values.astype("str").fillna("")
    kinds = text.mask(text.str.lower().isin(TREATED) & (text != negcon), "")
    others = set(kinds) - {"", negcon}
    return kinds if len(others) <= MOST_KINDS else kinds.where(kinds == negcon, "")
