"""Normalize a plate's profiles by mad_robustize: (x - median) / (1.4826 MAD).

Median and MAD come from the plate's negative controls, or from all its wells. The formula and its
constant are `pycytominer.normalize(method="mad_robustize")`'s; a feature whose MAD is 0 there becomes
values up to 1e18, here it is dropped and listed. Wells without cells neither give nor get values.
"""

import logging

import numpy as np
import pandas as pd

from lib.controls import control_kinds
from lib.errors import InputError, listed
from lib.logs import logged
from lib.tables import feature_columns, provenance, read_profiles, whole, write_profiles

# pycytominer's constant for making the MAD of a normal distribution its standard deviation.
MAD_SCALE = 1.4826
EPSILON = 1e-18


def with_cells(profiles: pd.DataFrame) -> pd.Series:
    """Which wells have any measurement at all (a well without cells has none)."""
    return profiles[feature_columns(profiles)].notna().any(axis=1)


def reference_wells(
    profiles: pd.DataFrame, reference: str, column: str, negcon: str, minimum: int, plate: str
) -> pd.Series:
    """Which wells give median and MAD.

    Args:
        profiles: annotated profiles of one plate or batch.
        reference: `negcon` or `all`.
        column: metadata column that marks controls, without its `Metadata_`.
        negcon: its value for negative controls.
        minimum: the fewest reference wells with cells that are accepted.
        plate: for messages.

    Raises:
        InputError: when the plate has too few of them.
    """
    measured = with_cells(profiles)
    if reference == "all":
        if measured.sum() < minimum:
            raise InputError(f"Plate {plate}: only {measured.sum()} wells have cells.")
        return measured
    name = f"Metadata_{column}"
    if name not in profiles:
        raise InputError(
            f"Plate {plate}: its profiles have no column {name} to find negative controls by. Name "
            "the column in controls.column, add it to the plate map or the annotation table, or set "
            "normalize.to to [all]."
        )
    marked = control_kinds(profiles[name], negcon) == negcon
    chosen = marked & measured
    if chosen.sum() < minimum:
        empty = profiles.loc[marked & ~measured, "Metadata_Well"].tolist()
        raise InputError(
            f"Plate {plate}: {chosen.sum()} negative control wells ({name} = {negcon}) have cells"
            + (f" and {listed(empty)} have none" if empty else "")
            + f"; normalizing needs {minimum} (normalize.minimum_wells). Check the plate map, the annotation "
            "table and controls.negcon; or set normalize.to to [all] and feature_select.reference to all; or "
            "take the plate out of the sample sheet, since its batch and the benchmark wait for it."
        )
    return chosen


def mad_robustize(values: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale each feature by median and MAD of the reference wells.

    Args:
        values: wells x features; NaN is missing, infinite counts as missing.
        reference: reference wells x features.

    Returns:
        The normalized values, and which features have no spread in the reference wells. A MAD within
        rounding of 0 (means of equal values differ in their last digits) counts as 0.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    reference = np.where(np.isfinite(reference), reference, np.nan)
    missing = np.isnan(reference).all(axis=0)
    reference[:, missing] = 0
    median = np.nanmedian(reference, axis=0)
    mad = MAD_SCALE * np.nanmedian(np.abs(reference - median), axis=0)
    rounding = 8 * np.finfo(float).eps * np.nanmax(np.abs(reference), axis=0)
    return (values - median) / (mad + EPSILON), missing | (mad <= rounding)


def normalize(profiles: pd.DataFrame, reference: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A plate's normalized profiles, and the features dropped because their MAD is 0.

    Args:
        profiles: annotated profiles of one plate.
        reference: profiles of the reference wells (of the plate, or of its batch).
    """
    features = feature_columns(profiles)
    values, constant = mad_robustize(profiles[features].to_numpy(float), reference[features].to_numpy(float))
    dropped = [name for name, flat in zip(features, constant, strict=True) if flat]
    kept = [name for name in features if name not in set(dropped)]
    table = pd.DataFrame(values[:, ~constant], columns=kept, index=profiles.index)
    return pd.concat([profiles.drop(columns=features), table], axis=1), dropped


def main() -> None:
    """Write the normalized profiles and the list of dropped features."""
    params = snakemake.params
    profiles = read_profiles(snakemake.input.profiles)
    plate = profiles["Metadata_Plate"].iloc[0]
    population = pd.concat([read_profiles(path) for path in snakemake.input.population], join="inner")
    chosen = reference_wells(
        population, params.reference, params.column, params.negcon, params.minimum, plate
    )
    shared = set(population.columns)
    only_here = [name for name in feature_columns(profiles) if name not in shared]
    normalized, dropped = normalize(profiles.drop(columns=only_here), population[chosen])
    logging.info("%d reference wells; %d features with MAD 0", chosen.sum(), len(dropped))
    if not feature_columns(normalized):
        raise InputError(
            f"Plate {plate}: every feature is constant over the {chosen.sum()} reference wells, so none can "
            "be normalized. Give it more of them (plate map, controls.negcon), or set normalize.to to [all]."
        )
    with whole(snakemake.output.dropped) as part:
        reasons = dict.fromkeys(dropped, "MAD is 0 in the reference wells")
        reasons |= dict.fromkeys(only_here, "not measured on every plate of the batch")
        pd.DataFrame(reasons.items(), columns=["feature", "reason"]).to_csv(part, index=False)
    made_by = provenance(
        {
            "method": "mad_robustize",
            "to": params.reference,
            "over": params.over,
            "reference_wells": int(chosen.sum()),
        },
        [snakemake.input.profiles, *snakemake.input.population],
    )
    write_profiles(normalized, snakemake.output.profiles, made_by)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
