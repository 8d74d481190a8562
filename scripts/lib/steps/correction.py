"""Remove effects of position and number of cells from profiles: the JUMP recipe's `wellpos` and `cc`."""

import logging

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names, number_of
from lib.replicates import get_control_type
from lib.tables import get_features

CELLS = "Metadata_Count_Cells"
FEWEST_PERTURBATIONS = 3
MOST_FEW = 0.1  # fraction of the positions of treated wells
FEWEST_VALUES = 10


def replace_values(profiles: pd.DataFrame, features: list[str], values: np.ndarray) -> pd.DataFrame:
    """Return `profiles` with other values of `features`."""
    table = pd.DataFrame(values, columns=features, index=profiles.index)
    return pd.concat([profiles.drop(columns=features), table], axis=1)


def correct_well_position(
    profiles: pd.DataFrame, group: str, fewest: int = FEWEST_PERTURBATIONS
) -> pd.DataFrame:
    """Subtract from each feature its mean at the well's position, over all plates.

    Parameters
    ----------
    profiles : the wells of all plates that share their positions' effects.
    group : the column that names the perturbation.
    fewest : the fewest different perturbations that a position of treated wells must hold; up to a tenth of
        the positions may hold fewer, and are named in the log. Positions of controls are not counted.

    Raises
    ------
    InputError
        If each position has one well, or replicates share their position, so that the mean of a position is
        the perturbation's own profile.
    """
    if not profiles["Metadata_Well"].duplicated().any():
        raise InputError(
            "well_position: each position has one well, whose value is the mean that is subtracted: nothing "
            "is left. Take several plates together (its option `over`), or leave the step out."
        )
    treated = profiles[group].notna() & (profiles[group] != "") & (get_control_type(profiles) == "")
    known = profiles[treated]
    different = known.groupby("Metadata_Well")[group].nunique()
    few = different[different < fewest]
    if len(few) > MOST_FEW * len(different):
        raise InputError(
            f"well_position: {len(few)} of {len(different)} positions hold fewer than {fewest} different "
            f"perturbations ({join_names(few.index, 5)}): there, the mean over the plates is the profile of "
            "the perturbation, and subtracting it removes the signal. Leave the step out, or process plates "
            "of several layouts together."
        )
    if len(few):
        logging.warning(
            "well_position: the signal of %d positions with fewer than %d perturbations is reduced: %s",
            *(len(few), fewest, join_names(few.index, 20)),
        )
    features = get_features(profiles)
    values = profiles[features]
    means = values.groupby(profiles["Metadata_Well"]).transform("mean")
    return replace_values(profiles, features, (values - means).to_numpy())


def correct_cell_count(
    profiles: pd.DataFrame, column: str = CELLS, fewest: int = FEWEST_VALUES, keep_uncounted: bool = False
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Replace each feature by its residual after linear regression on the number of cells.

    Parameters
    ----------
    profiles : the wells of all plates.
    column : the number of cells of each well.
    fewest : a feature with no more different values than this is left as it is.
    keep_uncounted : whether wells without a count keep their values, as in the recipe, although those of the
        other wells are residuals.

    Returns
    -------
    The profiles, and what was dropped with the reason: features with a missing value, and wells without a
    count.

    Raises
    ------
    InputError
        If no well has a count.
    """
    if column not in profiles:
        raise InputError(f"cell_count: the profiles have no column {column}.")
    features = get_features(profiles)
    dropped: dict[str, str] = {}
    count = pd.to_numeric(profiles[column], errors="coerce").to_numpy(float)
    counted = np.isfinite(count)
    if not counted.any():
        raise InputError(f"cell_count: no well has a number in {column}.")
    if not counted.all():
        wells = (profiles["Metadata_Plate"] + " " + profiles["Metadata_Well"])[~counted]
        logging.warning(
            "cell_count: %s without a number of cells %s: %s",
            number_of(len(wells), "well"),
            "keep their values, and those of the other wells are residuals"
            if keep_uncounted
            else "are excluded",
            join_names(wells, 20),
        )
        if not keep_uncounted:
            dropped = dict.fromkeys(wells, "no number of cells")
            profiles, count, counted = profiles[counted], count[counted], counted[counted]
    values = profiles[features].to_numpy(float, copy=True)
    missing = ~np.isfinite(values).all(axis=0)
    different = np.array([len(np.unique(column)) for column in values.T])
    has_line = ~missing & (different > fewest)
    if not has_line.any():
        logging.warning(
            "cell_count: no feature is corrected, since none of those that all wells have has more than %d "
            "different values (its option `fewest_values`)",
            fewest,
        )
    line = np.column_stack([np.ones(counted.sum()), count[counted]])
    known = values[np.ix_(counted, has_line)]
    coefficients, *_ = np.linalg.lstsq(line, known, rcond=None)
    values[np.ix_(counted, has_line)] = known - line @ coefficients
    kept = [name for name, gone in zip(features, missing, strict=True) if not gone]
    table = pd.DataFrame(values[:, ~missing], columns=kept, index=profiles.index)
    dropped |= dict.fromkeys(np.array(features)[missing], "missing in a well")
    corrected = pd.concat([profiles.drop(columns=features), table], axis=1)
    return corrected.reset_index(drop=True), dropped
