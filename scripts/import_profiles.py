"""Import a plate's published profiles into the results, at the level where they enter the chain.

A file may hold several plates; the rows of this plate are used, and a barcode of digits is also found if the
file holds it as a number. Formats, names of columns, wells and numbers are read as described in
`lib.published_profiles`. Information on reagents (genes, targets, controls) that the profiles lack comes from
the annotation table of the perturbation type, if the config names one.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.feature_names import describe_identifiers, keep_wanted
from lib.gaps import mark_few_cells
from lib.layouts import SAMPLE_COLUMNS, find_near_samples
from lib.logs import AS_DOCUMENTED, collect_warnings, log_to
from lib.plate_contents import join_annotation, read_annotation
from lib.plates import KNOWN, find_name
from lib.profile_columns import describe_single_features
from lib.published_profiles import choose_plate_column
from lib.spread import find_exploding, find_lone, show_value
from lib.suspects import find_suspect_values, report_missing_words
from lib.tables import get_features, get_provenance, read_profiles, write_profiles
from lib.values import MissingValues, is_nothing

KEYS = ("Metadata_Batch", "Metadata_Plate")
# Columns of tables that have one row per site, also under names that were made metadata.
SITE_NAMES = tuple(
    prefix + name for name in ("Site", "site", "Field", "ImageNumber") for prefix in ("Metadata_", "")
)
OF_SHEET = ("perturbation", "cell_line", "timepoint")


def get_rows_of_plate(
    profiles: pd.DataFrame, path: str | Path, plate: str, sharing: Sequence[str]
) -> pd.DataFrame:
    """Return the wells of one plate in a table of profiles.

    Parameters
    ----------
    profiles
        The complete table.
    path
        Its file, for messages.
    plate
        The plate's name in the sample sheet.
    sharing
        All plates that the sample sheet takes from this file.

    Raises
    ------
    InputError
        If the table has no well of the plate, or does not name the plate of its wells.
    """
    if profiles.empty:
        raise InputError(f"{path} has a header and no rows: it holds no profile.")
    column = choose_plate_column(profiles, plate)
    if column is None:
        if len(sharing) > 1:
            named = [
                name for name in profiles if name.startswith("Metadata_") and (profiles[name] == plate).any()
            ]
            hint = f" Is it {join_names(named)}? Call that column Metadata_Plate." if named else ""
            raise InputError(
                f"{path} has no column Metadata_Plate, and the sample sheet takes {len(sharing)} plates from "
                f"it ({join_names(sharing, 5)}): which wells are whose is not known.{hint} Add the column, "
                "or write one file per plate."
            )
        return profiles
    if column != "Metadata_Plate":
        logging.warning("%s: the plates are read from %s", path, column, extra=AS_DOCUMENTED)
    # a plate may be called NA, and only then is that a name
    named = profiles[column].where(
        [value == plate or not is_nothing(str(value)) for value in profiles[column]]
    )
    if named.isna().any():
        wells = profiles["Metadata_Well"][named.isna()]
        raise InputError(
            f"{path} has rows without a plate in {column}: well {join_names(wells, 5)}. Write the plate into "
            "each row, or remove these rows."
        )
    there = named.unique().tolist()
    meant = find_name(plate, there)
    if len(meant) != 1:
        raise InputError(
            f"{path} has no well of plate {plate}; it has {join_names(there, 5)} in {column}. Write the "
            "name that the file uses for the plate into the sample sheet, or correct the file."
        )
    same = [name for name in sharing if name != plate and find_name(name, there) == meant]
    if same or sharing.count(plate) > 1:
        raise InputError(
            f"The sample sheet takes plate {meant[0]} of {path} for {join_names([plate, *same], 5)}: each "
            "well would be its own replicate. Keep one of these rows, or correct the file."
        )
    if meant != [plate]:
        logging.info("%s: plate %s is called %s there; its rows are used", path, plate, meant[0])
    rows = profiles[column] == meant[0]
    for other in dict.fromkeys(name for name in sharing if name != plate):
        others_column = choose_plate_column(profiles, other)
        if others_column in (None, column):
            continue
        theirs = find_name(other, profiles[others_column].dropna().unique().tolist())
        if (both := rows & profiles[others_column].isin(theirs)).any():
            raise InputError(
                f"The sample sheet takes the same rows of {path} for plate {plate} (named in {column}) "
                f"and plate {other} (named in {others_column}), as well "
                f"{join_names(profiles['Metadata_Well'][both], 3)}: each well would be its own replicate. "
                "Keep one of these plates, or correct the file."
            )
    return profiles[rows].reset_index(drop=True)


def explain_repeated_wells(profiles: pd.DataFrame) -> str:
    """Return the sentence that says what to do with a table of profiles in which wells are repeated."""
    site = next((name for name in SITE_NAMES if name in profiles and profiles[name].nunique() > 1), None)
    if site:
        return (
            f"The table has one row per site ({site}), and profiles have one row per well: write the mean or "
            "the median over the sites of each well."
        )
    return (
        "Profiles have one row per well: keep one of the rows, or write their mean or median. If the rows "
        "are of different plates, name the plate of each in Metadata_Plate."
    )


def take_plate(profiles: pd.DataFrame, path: str | Path, plate: Mapping[str, str]) -> pd.DataFrame:
    """Return the profiles of one plate with the sample sheet's columns as metadata.

    The sheet's value has priority over the profiles' own column, unless it is empty; a different column of
    the profiles is kept as `Metadata_profiles_{name}`, and named in the log.

    Raises
    ------
    InputError
        If a well is a duplicate, or if there is no feature.
    """
    name, features = plate["plate"], get_features(profiles)
    if not features:
        raise InputError(
            f"{path} has no column of features: every column starts with Metadata_, or is not a feature "
            f"by its name (the log names these). Its columns are {join_names(profiles, 10)}."
        )
    twice = profiles["Metadata_Well"][profiles["Metadata_Well"].duplicated()].unique()
    if len(twice):
        raise InputError(
            f"{path}, plate {name}: well {join_names(twice, 5)} is listed more than once. "
            + explain_repeated_wells(profiles)
        )
    constant: dict[str, object] = {"Metadata_Batch": plate["batch"], "Metadata_Plate": name}
    constant |= {
        f"Metadata_{column}": value or pd.NA
        for column, value in plate.items()
        if (column not in KNOWN or column in OF_SHEET) and (value or f"Metadata_{column}" not in profiles)
    }
    differing = [
        column
        for column, value in constant.items()
        if column in profiles and column not in KEYS and set(profiles[column].dropna()) - {value}
    ]
    renamed = {column: column.replace("Metadata_", "Metadata_profiles_", 1) for column in differing}
    for column, kept in renamed.items():
        logging.warning(
            "plate %s: the sample sheet says %s for %s, and %s says otherwise (%s): the sheet's is used, "
            "and the profiles' is kept as %s",
            *(name, constant[column], column, Path(path).name),
            *(join_names(profiles[column].dropna().unique(), 3), kept),
        )
    profiles = profiles.rename(columns=renamed)
    of_plate = pd.DataFrame(constant, index=profiles.index, dtype="str")
    rest = profiles.drop(columns=[column for column in of_plate if column in profiles])
    return pd.concat([of_plate, rest], axis=1)


def read_plate_profiles(
    path: str | Path,
    plate: Mapping[str, str],
    sharing: Sequence[str] = (),
    missing: MissingValues | None = None,
    metadata: Sequence[str] = (),
) -> pd.DataFrame:
    """Read the rows of a plate in a file of profiles, see `get_rows_of_plate` and `take_plate`.

    Parameters
    ----------
    path
        The file of profiles.
    plate
        The plate's row of the sample sheet.
    sharing
        All plates that the sample sheet takes from this file.
    missing
        The values that stand for a missing one; None for the default ones.
    metadata
        Columns that the config names, which are metadata with and without `Metadata_`.
    """
    table = read_profiles(path, missing, metadata=metadata)
    profiles = get_rows_of_plate(table, path, plate["plate"], sharing)
    return take_plate(profiles, path, plate)


def add_annotation(
    profiles: pd.DataFrame, annotation: pd.DataFrame, samples: tuple[str, ...] = ("", "")
) -> pd.DataFrame:
    """Add the annotation's columns that the profiles lack or leave empty, by their `broad_sample`.

    `samples` are further columns that may name the content of a well (see `MissingValues`).
    """
    order = [name for name in (*samples[:-1], *SAMPLE_COLUMNS, samples[-1]) if name]
    name = next((name for name in order if f"Metadata_{name}" in profiles), None)
    if name is None:
        logging.warning(
            "the profiles have no column %s: the annotation cannot be joined to them",
            join_names(f"Metadata_{name}" for name in dict.fromkeys(order)),
        )
        return profiles
    empty = [
        column
        for column in profiles
        if column.removeprefix("Metadata_") in annotation and profiles[column].isna().all()
    ]
    if empty:
        logging.warning("%s is empty in the profiles: the annotation's values are used", join_names(empty))
    profiles = profiles.drop(columns=empty)
    features = get_features(profiles)
    of_wells = profiles.drop(columns=features).rename(columns=lambda column: column.removeprefix("Metadata_"))
    of_wells = of_wells.assign(broad_sample=of_wells[name].fillna(""))
    if unknown := sorted(set(of_wells["broad_sample"]) - set(annotation["broad_sample"]) - {""}):
        near = find_near_samples(unknown, annotation["broad_sample"])
        logging.warning(
            "the annotation has no row for %d broad_sample: %s", len(unknown), join_names(near, 20)
        )
    known = join_annotation(of_wells, annotation).replace("", pd.NA).add_prefix("Metadata_")
    joined = known[[column for column in known if column not in profiles]].set_axis(profiles.index)
    return pd.concat([profiles.drop(columns=features), joined, profiles[features]], axis=1)


def find_extremes(profiles: pd.DataFrame, limit: float | None) -> dict[str, str]:
    """Return the features of normalized profiles that explode, or have a lone value, with the largest value.

    Profiles whose features were selected elsewhere are scored as they are; these features are named in the
    message of each score. (If features are still to be selected here, the selection drops them.)
    """
    features = get_features(profiles)
    values = profiles[features].to_numpy(float)
    extreme = find_exploding(values, limit) | find_lone(values, limit).any(axis=0)
    largest = np.abs(np.nan_to_num(values)).max(axis=0, initial=0)
    return {features[at]: f"to {show_value(largest[at])}" for at in np.flatnonzero(extreme)}


def remove_place(notice: str, path: str, plate: str) -> str:
    """Return a notice without folder, file and plate, so that those of several plates are alike."""
    for start in (f"{path}: ", f"{path}, plate {plate}: ", f"plate {plate}: "):
        notice = notice.removeprefix(start)
    return re.sub(r"^\S*/(?=[^/\s]+: )", "", notice)


def main(
    path: str,
    annotation: str,
    output: str,
    plate: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> None:
    """Write the plate's profiles as Parquet.

    Parameters
    ----------
    path
        The file of published profiles.
    annotation
        The table of reagents; "" if there is none.
    output
        The profiles (Parquet).
    plate
        The plate's row of the sample sheet.
    parameters
        `gene` (the column of the annotation that holds it, or None), `missing` (the config's keys of which
        `MissingValues` is made), `metadata` (the columns that the config names), `sharing` (the plates that
        enter from the same file), `unwanted` (patterns of features that are left out), `identifiers`
        (expressions of features that do not measure, which the log names), `minimum_cells`, and
        `outlier_cutoff` (None if the profiles are not normalized).
    """
    gene, missing = parameters["gene"], MissingValues.of_config(parameters["missing"])
    paths = [path, *([annotation] if annotation else [])]
    with collect_warnings() as notices:
        profiles = read_plate_profiles(path, plate, parameters["sharing"], missing, parameters["metadata"])
        features = get_features(profiles)
        wanted = set(keep_wanted(features, parameters["unwanted"]))
        excluded = [name for name in features if name not in wanted]
        profiles = profiles.drop(columns=excluded)
        if sentence := describe_identifiers(list(profiles), parameters["identifiers"], ()):
            logging.warning("%s, plate %s: %s", path, plate["plate"], sentence)
        if sentence := describe_single_features(get_features(profiles)):
            logging.warning("%s, plate %s: %s", path, plate["plate"], sentence)
        names = [name for name in profiles if name.startswith("Metadata_") and name not in KEYS]
        of_wells = {name.removeprefix("Metadata_"): profiles[name].dropna().astype("str") for name in names}
        for sentence in find_suspect_values(of_wells, missing):
            logging.warning("%s, plate %s: %s", path, plate["plate"], sentence)
        if annotation:
            if words := report_missing_words(annotation, missing):
                logging.warning("%s: taken as empty: %s", annotation, join_names(words))
            profiles = add_annotation(profiles, read_annotation(annotation, gene, missing), missing.samples)
    profiles = mark_few_cells(profiles, parameters["minimum_cells"])
    made_by = get_provenance(
        {"plate": plate, "gene": gene, "unwanted": parameters["unwanted"], **parameters["missing"]}, paths
    )
    cutoff = parameters["outlier_cutoff"]
    if extreme := find_extremes(profiles, cutoff):
        named = [f"{feature} ({largest})" for feature, largest in extreme.items()]
        logging.warning("plate %s has values beyond %g: %s", plate["plate"], cutoff, join_names(named))
        made_by["extreme_features"] = extreme
    if excluded:
        made_by["excluded_features"] = {"exclude_features": excluded}
    if notices:
        made_by["notices"] = [remove_place(notice, path, plate["plate"]) for notice in notices]
    write_profiles(profiles, output, made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        names = ("gene", "missing", "metadata", "sharing", "unwanted", "identifiers", "minimum_cells")
        main(
            snakemake.input.profiles,
            snakemake.input.annotation or "",
            snakemake.output.profiles,
            snakemake.params.plate,
            {name: snakemake.params[name] for name in (*names, "outlier_cutoff")},
        )
