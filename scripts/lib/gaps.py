"""Missing values: which wells and which features are left out, by one rule for every step.

Normalization, feature selection, consensus, sphering and the scores follow this rule:

1. A well that lacks more than a tenth of the features, and at least two, is *incomplete*. It stays in every
   table, but is not used for any median, selection, sphering or score. Features that more than
   half of the wells lack do not count here: their gaps are not the wells' fault.
2. A feature that one of the other wells lacks is left out where complete profiles are needed (consensus,
   sphering, scores). If this would remove more than a quarter of the features, only those are left out that
   more than 5 % of the wells lack, and a gap that remains takes the median of its feature.

A well with fewer cells than the config's `minimum_cells` is marked when it is annotated, and is treated like
an incomplete one. A well without any value (no cells) is not incomplete but empty, and is counted as such.
"""

import logging

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names, number_of

CELLS, SITES = "Metadata_Count_Cells", "Metadata_Count_Sites"
FEW_CELLS = "Metadata_few_cells"
OF_IMAGES = "Image"  # how the names of features of entire images begin
MOST_OF_WELL = 0.1
FEWEST_OF_WELL = 2
MOST_FEATURES = 0.25
MOST_OF_FEATURE = 0.05


def find_incomplete_wells(values: np.ndarray) -> np.ndarray:
    """Find the wells that lack too many features to count.

    Parameters
    ----------
    values : (wells, features); a value that is not finite is missing.

    Returns
    -------
    One boolean per well; False for a well without any value.
    """
    missing = ~np.isfinite(values)
    measured = ~missing.all(axis=1)
    if not measured.any():
        return np.zeros(len(values), dtype=bool)
    missing = missing[:, missing[measured].mean(axis=0) <= 0.5]
    number = missing.sum(axis=1)
    return measured & (number >= FEWEST_OF_WELL) & (number > MOST_OF_WELL * missing.shape[1])


def mark_few_cells(profiles: pd.DataFrame, minimum: int) -> pd.DataFrame:
    """Return the profiles with a column that marks the wells with fewer cells than `minimum`.

    Every later step and score leaves out the marked wells, as it does incomplete ones. With a minimum of 1,
    only wells that have values although they have 0 cells are marked (in tables that fill them with zeros);
    if there are none, no column is added.

    Raises
    ------
    InputError
        If every well has fewer cells.
    """
    features = [name for name in profiles if not name.startswith(("Metadata_", OF_IMAGES))]
    has_values = profiles[features].notna().any(axis=1)
    count = profiles[CELLS] if CELLS in profiles else pd.Series(np.nan, index=profiles.index)
    count = pd.to_numeric(count, errors="coerce")
    unknown = int((count.isna() & has_values).sum())
    if minimum > 1 and unknown:
        logging.warning(
            "the number of cells is not known in %d of %d wells: minimum_cells leaves out none of them",
            *(unknown, len(count)),
        )
    few = count < minimum
    if few.all() and count.max() > 0:
        raise InputError(
            f"minimum_cells is {minimum}, and no well has so many cells: the largest number is "
            f"{count.max():g}. Set it lower."
        )
    few &= has_values | (minimum > 1)
    if minimum <= 1:
        if not few.any() or count.max() == 0:
            return profiles
        logging.warning(
            "%d wells have values although they have 0 cells; they are left out: %s",
            *(few.sum(), join_names(profiles.loc[few, "Metadata_Well"], 5)),
        )
    marks = few.map({True: "True", False: pd.NA}).astype("str")
    metadata = [name for name in profiles if name.startswith("Metadata_")]
    others = profiles.drop(columns=metadata)
    return pd.concat([profiles[metadata].assign(**{FEW_CELLS: marks}), others], axis=1)


def find_few_cells(metadata: pd.DataFrame) -> np.ndarray:
    """Return the wells that `mark_few_cells` marked."""
    if FEW_CELLS not in metadata:
        return np.zeros(len(metadata), dtype=bool)
    return (metadata[FEW_CELLS] == "True").to_numpy()


def find_gappy_features(values: np.ndarray) -> np.ndarray:
    """Find the features that are left out because wells lack them.

    Parameters
    ----------
    values : (wells, features) of the wells that count: neither empty nor incomplete.

    Returns
    -------
    One boolean per feature. Gaps may remain in the others; `fill_gaps` fills them.
    """
    missing = ~np.isfinite(values)
    gappy = missing.any(axis=0)
    if gappy.sum() > MOST_FEATURES * values.shape[1]:
        gappy = missing.mean(axis=0) > MOST_OF_FEATURE
    return gappy


def fill_gaps(values: np.ndarray, typical: np.ndarray | None = None) -> np.ndarray:
    """Return `values` with missing ones replaced by `typical` (one per feature; default: the median)."""
    missing = ~np.isfinite(values)
    if not missing.any():
        return values
    if typical is None:
        typical = np.nanmedian(np.where(missing, np.nan, values), axis=0)
    return np.where(missing, typical, values)


def leave_out_gaps(profiles: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return complete profiles, and the features that were left out with the reason.

    Parameters
    ----------
    profiles : the wells that count. Gaps that remain after leaving out features are filled.
    """
    features = [name for name in profiles if not name.startswith("Metadata_")]
    values = profiles[features].to_numpy(float)
    if np.isfinite(values).all():
        return profiles, {}
    gappy = find_gappy_features(values)
    kept = [name for name, gone in zip(features, gappy, strict=True) if not gone]
    table = pd.DataFrame(fill_gaps(values[:, ~gappy]), columns=kept, index=profiles.index)
    dropped = dict.fromkeys(np.array(features)[gappy], "missing in a well")
    return pd.concat([profiles.drop(columns=features), table], axis=1), dropped


def get_missing_share(values: np.ndarray) -> np.ndarray:
    """Return the fraction of features that each well lacks, among those that half of the wells have."""
    missing = ~np.isfinite(values)
    measured = ~missing.all(axis=1)
    counted = missing[measured].mean(axis=0) <= 0.5 if measured.any() else slice(None)
    return missing[:, counted].mean(axis=1)


def get_incomplete_wells(metadata: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    """Return the table of incomplete wells: plate, well, reason."""
    incomplete = find_incomplete_wells(values)
    share = get_missing_share(values)[incomplete]
    return pd.DataFrame(
        {
            "Metadata_Plate": metadata.loc[incomplete, "Metadata_Plate"].to_numpy(),
            "Metadata_Well": metadata.loc[incomplete, "Metadata_Well"].to_numpy(),
            "reason": [
                f"lacks {100 * part:.0f} % of the features: no median, selection or sphering uses it, and "
                "it is in no score"
                for part in share
            ],
        },
        dtype="str",
    )


def describe_constant(wells: int, features: int) -> list[str]:
    """Return the sentence on wells whose features are all equal; no sentence if there are none."""
    if not wells:
        return []
    because = "there is only one feature" if features == 1 else "all of their features are equal"
    return [f"{number_of(wells, 'well')} left out, which have no correlation because {because}"]


def describe_incomplete(metadata: pd.DataFrame, incomplete: np.ndarray) -> list[str]:
    """Return the sentence that names the incomplete wells; none if there are none."""
    if not incomplete.any():
        return []
    named = metadata.loc[incomplete, "Metadata_Plate"] + " " + metadata.loc[incomplete, "Metadata_Well"]
    wells = number_of(int(incomplete.sum()), "well")
    return [f"{wells} left out because more than a tenth of the features are missing: {join_names(named, 5)}"]


def describe_filled(values: np.ndarray) -> list[str]:
    """Return the sentence that counts the gaps that are filled in `values`; none if there are none."""
    filled = int((~np.isfinite(values)).sum())
    return [f"{number_of(filled, 'missing value')} replaced by the median of the feature"] if filled else []
