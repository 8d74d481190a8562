"""Normalize a plate's profiles by mad_robustize, (x - median) / (1.4826 MAD), robustize or standardize.

Median and MAD come from the plate's negative controls, or from all its wells. The formula and its constant
are `pycytominer.normalize(method="mad_robustize")`'s; there, a feature whose MAD is 0 gets values up to
1e18. Here it is dropped and listed, as are features whose MAD is only the rounding of their values
(`lib.spread`) and features that explode. A value that explodes in a feature that does not is taken as
missing. Wells without cells neither contribute nor get values; incomplete wells (`lib.gaps`) keep their
values, but do not contribute.

The features of a deep network are standardized instead, (x - mean) / standard deviation, with a lower bound
of the spread: after ReLU, many features are almost always 0, and their tiny spread would make values of
thousands from noise. No feature is divided by less than the median spread of all features.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.controls import find_control_kinds
from lib.errors import InputError, find_nearest_name, join_names
from lib.gaps import find_few_cells, find_incomplete_wells, get_incomplete_wells
from lib.logs import log_to
from lib.provenance import add_left_out
from lib.spread import MAD_SCALE, describe_exploding, get_rounding, mask_lone_values
from lib.tables import get_features, get_provenance, read_profiles, write_profiles, write_whole

EPSILON = 1e-18
FLAT = "MAD is 0 in the reference wells"
CONSTANT = "constant in the reference wells"
MAD_ROBUSTIZE, STANDARDIZE = "mad_robustize", "standardize"
FEW_VALUES = "measured in too few reference wells"
ROUNDING = "the spread in the reference wells is rounding"


def find_wells_with_cells(profiles: pd.DataFrame) -> pd.Series:
    """Return which wells have any measurement at all (a well without cells has none)."""
    return profiles[get_features(profiles)].notna().any(axis=1)


def choose_reference_wells(
    profiles: pd.DataFrame, reference: str, column: str, negcon: str, minimum: int, plate: str
) -> pd.Series:
    """Return which wells are used for median and MAD.

    Parameters
    ----------
    profiles : annotated profiles of one plate or batch.
    reference : `negcon` or `all`.
    column : metadata column that marks controls, without its `Metadata_`.
    negcon : its value for negative controls.
    minimum : the fewest reference wells that are accepted.
    plate : for messages.

    Returns
    -------
    One boolean per well; False for empty and incomplete wells.

    Raises
    ------
    InputError
        If the plate has too few of them.
    """
    measured = find_wells_with_cells(profiles)
    complete = ~find_incomplete_wells(profiles[get_features(profiles)].to_numpy(float))
    complete &= ~find_few_cells(profiles)
    if reference == "all":
        if (measured & complete).sum() < minimum:
            raise InputError(
                f"Plate {plate}: only {(measured & complete).sum()} wells have cells; normalizing to all "
                f"wells needs {minimum} (normalize.minimum_wells). Set that lower, or remove the plate from "
                "the sample sheet, since its batch and the benchmark wait for it."
            )
        return measured & complete
    name = f"Metadata_{column}"
    if name not in profiles:
        raise InputError(
            f"Plate {plate}: its profiles have no column {name} to find negative controls by. Name "
            "the column in controls.column, add it to the plate map or the annotation table, or set "
            "normalize.to to [all]."
        )
    is_negcon = find_control_kinds(profiles[name], negcon) == negcon
    chosen = is_negcon & measured & complete
    if chosen.sum() < minimum:
        empty = profiles.loc[is_negcon & ~measured, "Metadata_Well"].tolist()
        lacking = profiles.loc[is_negcon & measured & ~complete, "Metadata_Well"].tolist()
        near = None if is_negcon.any() else find_nearest_name(negcon, profiles[name].dropna().unique())
        hint = f" (did you mean {near}?)" if near else ""
        raise InputError(
            f"Plate {plate}: {chosen.sum()} negative control wells ({name} = {negcon}) have cells{hint}"
            + (f" and {join_names(empty)} have none" if empty else "")
            + (f"; {join_names(lacking)} have too few cells or features" if lacking else "")
            + f"; normalizing needs {minimum} (normalize.minimum_wells). Check the plate map, the annotation "
            "table and controls.negcon; or set normalize.to to [all] and feature_select.reference to all; or "
            "remove the plate from the sample sheet, since its batch and the benchmark wait for it."
        )
    return chosen


def mark_missing(values: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mark what is not finite as NaN, in copies.

    Parameters
    ----------
    values : (wells, features).
    reference : (reference wells, features).

    Returns
    -------
    Both, and which features no reference well has; those are 0 in the reference.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    reference = np.where(np.isfinite(reference), reference, np.nan)
    missing = np.isnan(reference).all(axis=0)
    reference[:, missing] = 0
    return values, reference, missing


def mad_robustize(values: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center and scale each feature by median and MAD of the reference wells.

    Parameters
    ----------
    values : (wells, features); NaN is missing, infinite counts as missing.
    reference : (reference wells, features).

    Returns
    -------
    The normalized values, and the MAD of each feature in the reference wells (NaN if none has a value).
    """
    values, reference, missing = mark_missing(values, reference)
    median = np.nanmedian(reference, axis=0)
    mad = np.nanmedian(np.abs(reference - median), axis=0)
    return (values - median) / (MAD_SCALE * mad + EPSILON), np.where(missing, np.nan, mad)


def standardize(values: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center and scale each feature by mean and standard deviation of the reference wells.

    The standard deviation is at least the median one of all features that vary.

    Parameters
    ----------
    values : (wells, features); NaN is missing, infinite counts as missing.
    reference : (reference wells, features).

    Returns
    -------
    The normalized values, and which features are constant (or missing) in the reference wells.
    """
    values, reference, missing = mark_missing(values, reference)
    spread = np.nanstd(reference, axis=0)
    constant = missing | (np.nanmax(reference, axis=0) == np.nanmin(reference, axis=0))
    least = np.median(spread[~constant]) if not constant.all() else 1.0
    return (values - np.nanmean(reference, axis=0)) / np.maximum(spread, least), constant


def scale(values: np.ndarray, reference: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Center and scale each feature by `robustize` or `standardize` of pycytominer.

    Parameters
    ----------
    values : (wells, features); NaN is missing, infinite counts as missing.
    reference : (reference wells, features).
    method : `robustize` or `standardize`.

    Returns
    -------
    The normalized values, and which features have no spread (or no value) in the reference wells.
    """
    from lib.steps.normalization import get_center_and_spread  # imports scikit-learn

    values, reference, missing = mark_missing(values, reference)
    center, spread = get_center_and_spread(reference, method)
    constant = missing | (spread == 0)
    return (values - center) / np.where(constant, np.nan, spread), constant


def find_flat(names: list[str], mad: np.ndarray, reference: np.ndarray, minimum: int = 1) -> dict[str, str]:
    """Return the features that cannot be normalized, with the reason.

    Parameters
    ----------
    names : the features.
    mad : (features,) their MAD in the reference wells, not scaled.
    reference : (reference wells, features).
    minimum : the fewest reference wells that must have a value.

    Returns
    -------
    Feature: reason. A MAD within rounding of 0 in double precision (means of equal values
    differ in their last digits) counts as 0.
    """
    reference = np.where(np.isfinite(reference), reference, np.nan)
    size = np.nanmax(np.abs(np.nan_to_num(reference)), axis=0)
    number = np.isfinite(reference).sum(axis=0)
    zero = np.isnan(mad) | (MAD_SCALE * mad <= 8 * np.finfo(float).eps * size)
    rounding = get_rounding(reference)
    found = {}
    for position, name in enumerate(names):
        if zero[position]:
            found[name] = FLAT
        elif number[position] < minimum:
            found[name] = f"{FEW_VALUES} ({number[position]})"
        elif mad[position] <= rounding[position]:
            found[name] = f"{ROUNDING}: MAD {mad[position]:.1e}, rounding {rounding[position]:.1e}"
    return found


def normalize(
    profiles: pd.DataFrame,
    reference: pd.DataFrame,
    limit: float | None = None,
    minimum: int = 1,
    method: str = MAD_ROBUSTIZE,
    floored: bool = True,
) -> tuple[pd.DataFrame, dict[str, str], dict[str, str]]:
    """Return a plate's normalized profiles, and the features that are dropped with the reason.

    Parameters
    ----------
    profiles : annotated profiles of one plate.
    reference : profiles of the reference wells (of the plate, or of its batch).
    limit : the limit beyond which a feature explodes (`lib.spread.find_exploding`); None keeps such features.
    minimum : the fewest reference wells that must have a value of a feature.
    method : `mad_robustize`, `robustize` or `standardize`.
    floored : whether `standardize` has a lower bound of the spread, as for the features of a network.

    Returns
    -------
    The normalized profiles; the dropped features with the reason; and the values that are taken as missing
    (`lib.spread.find_lone`), by well and feature.
    """
    features = get_features(profiles)
    of_reference = reference[features].to_numpy(float)
    measured = profiles[features].to_numpy(float)
    if method != MAD_ROBUSTIZE and not (method == STANDARDIZE and floored):
        values, constant = scale(measured, of_reference, method)
        dropped = {name: CONSTANT for name, flat in zip(features, constant, strict=True) if flat}
    elif method == STANDARDIZE:
        values, constant = standardize(measured, of_reference)
        dropped = {name: CONSTANT for name, flat in zip(features, constant, strict=True) if flat}
    else:
        values, mad = mad_robustize(measured, of_reference)
        dropped = find_flat(features, mad, of_reference, minimum)
    kept = np.array([name not in dropped for name in features], dtype=bool)
    names = [name for name in features if name not in dropped]
    values = values[:, kept]
    counted = np.isfinite(measured).any(axis=1) & ~find_incomplete_wells(measured)
    counted &= ~find_few_cells(profiles)
    exploding = describe_exploding(names, values[counted], limit)
    wells = profiles["Metadata_Well"].tolist() if "Metadata_Well" in profiles else [""] * len(profiles)
    values, lone = mask_lone_values(values, wells, names, limit, counted)
    table = pd.DataFrame(values, columns=names, index=profiles.index).drop(columns=list(exploding))
    normalized = pd.concat([profiles.drop(columns=features), table], axis=1)
    return normalized, {**dropped, **exploding}, lone


def get_notable(dropped: Mapping[str, str]) -> dict[str, str]:
    """Return the dropped features that matter for a score: all except those without any spread."""
    return {name: why for name, why in dropped.items() if why.startswith((ROUNDING, "exploded"))}


def main(
    path: str, population_paths: Sequence[str], outputs: Mapping[str, str], parameters: Mapping[str, Any]
) -> None:
    """Write the normalized profiles, the dropped features and the incomplete wells.

    Parameters
    ----------
    path
        The plate's annotated profiles.
    population_paths
        The annotated profiles among which the reference wells are: the plate's, or those of its batch.
    outputs
        Paths of `profiles` (Parquet), `dropped` and `incomplete` (csv).
    parameters
        `reference`, `over`, `column`, `negcon`, `minimum`, `outlier_cutoff`, `method` and `floored`; see
        `choose_reference_wells` and `normalize`.
    """
    profiles = read_profiles(path)
    plate = profiles["Metadata_Plate"].iloc[0]
    population = pd.concat([read_profiles(each) for each in population_paths], join="inner")
    chosen = choose_reference_wells(
        population,
        parameters["reference"],
        parameters["column"],
        parameters["negcon"],
        parameters["minimum"],
        plate,
    )
    shared = set(population.columns)
    only_here = [name for name in get_features(profiles) if name not in shared]
    profiles = profiles.drop(columns=only_here)
    normalized, dropped, lone = normalize(
        profiles,
        population[chosen],
        parameters["outlier_cutoff"],
        parameters["minimum"],
        parameters["method"],
        parameters["floored"],
    )
    # A well that lacks many features, or whose values explode in many, is incomplete.
    with_gaps = normalized if lone else profiles
    incomplete = get_incomplete_wells(with_gaps, with_gaps[get_features(with_gaps)].to_numpy(float))
    logging.info("%d reference wells; %d features dropped", chosen.sum(), len(dropped))
    for name, why in get_notable(dropped).items():
        logging.warning("plate %s, %s: %s", plate, name, why)
    for _, well, why in incomplete.itertuples(index=False):
        logging.warning("plate %s, well %s %s", plate, well, why)
    if lone:
        logging.warning("plate %s, taken as missing: %s", plate, join_names(map(" ".join, lone.items()), 20))
    if not get_features(normalized):
        raise InputError(
            f"Plate {plate}: every feature is constant over the {chosen.sum()} reference wells, so none can "
            "be normalized. Give it more of them (plate map, controls.negcon), or set normalize.to to [all]."
        )
    with write_whole(outputs["dropped"]) as part:
        reasons = dropped | dict.fromkeys(only_here, "not measured on every plate of the batch")
        pd.DataFrame(reasons.items(), columns=["feature", "reason"]).to_csv(part, index=False)
    with write_whole(outputs["incomplete"]) as part:
        incomplete.to_csv(part, index=False)
    made_by = get_provenance(
        {
            "method": parameters["method"],
            "to": parameters["reference"],
            "over": parameters["over"],
            "reference_wells": int(chosen.sum()),
            "outlier_cutoff": parameters["outlier_cutoff"],
        },
        [path, *population_paths],
    )
    wells = dict(zip(incomplete["Metadata_Well"], incomplete["reason"], strict=True))
    made_by = add_left_out(made_by, path, get_notable(dropped), wells, lone)
    write_profiles(normalized, outputs["profiles"], made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        names = ("reference", "over", "column", "negcon", "minimum", "outlier_cutoff", "method", "floored")
        main(
            snakemake.input.profiles,
            list(snakemake.input.population),
            {name: snakemake.output[name] for name in ("profiles", "dropped", "incomplete")},
            {name: snakemake.params[name] for name in names},
        )
