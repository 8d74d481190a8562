"""The wells of a chain's step: which of them count, which are processed together, and the files around it.

Wells without values stay in the table without values and have no influence. The first step of a chain also
leaves out wells with few cells, and, unless the chain says otherwise, incomplete wells (`lib.gaps`) and wells
without a perturbation that are not negative controls.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lib.chains import COMPLETE
from lib.errors import InputError, join_names
from lib.gaps import OF_IMAGES, find_few_cells, find_incomplete_wells, get_missing_share, leave_out_gaps
from lib.provenance import LIBRARIES, read_provenance
from lib.repeated_wells import tell_plates_apart
from lib.replicates import NEGATIVE_CONTROL, get_control_type, label_wells, mark_controls
from lib.tables import (
    get_features,
    get_provenance,
    read_profiles,
    stack_profiles,
    write_profiles,
    write_whole,
)

PLATE = ["Metadata_Batch", "Metadata_Plate"]
ROW = "Metadata_row"  # the row of a well in the table, during a step
# What the first step leaves out unless the chain includes it, and how values are kept, for the provenance.
CHOICES = ("untreated_wells", "incomplete_wells", "image_features", "precision")


@dataclass
class Part:
    """The wells that a step processes together, all of which count.

    Attributes
    ----------
    profiles : the wells, one row each.
    negative : one boolean per well: whether it is a negative control.
    group : the column that names the perturbation.
    dropped, found : features (and wells) that the step dropped with the reason; results for the provenance.
    """

    profiles: pd.DataFrame
    negative: np.ndarray
    group: str
    dropped: dict[str, str] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    reference_wells: int = 0

    def take(self, result: tuple[pd.DataFrame, dict[str, str]]) -> pd.DataFrame:
        """Return the profiles of a result, and record its dropped features or wells."""
        self.dropped |= result[1]
        return result[0]


Work = Callable[[Part, str, Mapping[str, Any]], pd.DataFrame]


def find_wells_that_count(profiles: pd.DataFrame, settings: Mapping[str, Any]) -> np.ndarray:
    """Return the wells that count: those with values, from which the first step takes out some.

    Parameters
    ----------
    profiles : the wells.
    settings : those of `apply_step`.
    """
    values = profiles[get_features(profiles)].to_numpy(float)
    counted = np.isfinite(values).any(axis=1)
    if settings["first"]:
        negative = get_control_type(profiles) == NEGATIVE_CONTROL
        counted &= ~find_few_cells(profiles)
        if not settings["untreated_wells"]:
            counted &= (label_wells(profiles, settings["group"]).notna() | negative).to_numpy()
        if not settings["incomplete_wells"]:
            counted[counted] = ~find_incomplete_wells(values[counted])
    return counted


def describe_wells_left_out(profiles: pd.DataFrame, counted: np.ndarray) -> dict[str, str]:
    """Return the wells that the first step leaves out although they have values, with the reason."""
    values = profiles[get_features(profiles)].to_numpy(float)
    few = find_few_cells(profiles) & ~counted
    incomplete = find_incomplete_wells(values) & ~counted & ~few
    names = (profiles["Metadata_Plate"] + " " + profiles["Metadata_Well"]).to_numpy()
    share = get_missing_share(values)[incomplete]
    lacking = [f"lacks {100 * part:.0f} % of the features" for part in share]
    few_cells = dict.fromkeys(names[few], "fewer cells than minimum_cells")
    return {**few_cells, **dict(zip(names[incomplete], lacking, strict=True))}


def apply_step(
    profiles: pd.DataFrame, settings: Mapping[str, Any], work: Work
) -> tuple[pd.DataFrame, dict[str, str], dict[str, Any]]:
    """Do a step on all wells, or separately on those of each plate, batch or condition.

    Parameters
    ----------
    profiles
        The wells of all plates that the chain processes together here.
    settings
        `step`, `options`, `precision`, `first` (whether it is the first step), what the first step does not
        take out (`untreated_wells`, `incomplete_wells`, `image_features`), `condition` (the columns of a
        condition) and `group` (the column or columns of the perturbation).
    work
        What is done: from the wells, the step's name and its options to the profiles.

    Returns
    -------
    The profiles with every well, what was dropped with the reason, and the step's results for the provenance.

    Raises
    ------
    InputError
        If no well counts, or no feature is left.
    """
    step, options, group = settings["step"], settings["options"], settings["group"]
    dropped: dict[str, str] = {}
    found: dict[str, Any] = {}
    if settings["first"]:
        found = {name: settings[name] for name in CHOICES}
        if not settings["image_features"]:
            of_images = [name for name in get_features(profiles) if name.startswith(OF_IMAGES)]
            dropped = dict.fromkeys(of_images, "a feature of entire images (image_features: false)")
            profiles = profiles.drop(columns=of_images)
    counted = find_wells_that_count(profiles, settings)
    if not counted.any():
        raise InputError(f"{step}: no well has values.")
    if settings["first"]:
        dropped |= describe_wells_left_out(profiles, counted)
    wells = profiles[counted].assign(**{ROW: np.flatnonzero(counted)}).reset_index(drop=True)
    name = group if isinstance(group, str) else "Metadata_perturbation_group"
    if name not in wells:
        wells[name] = label_wells(wells, group)
    parts, results, reference_wells = [], [], 0
    places = split_wells(wells, options["over"], settings["condition"])
    for rows in places:
        table = convert_features(wells.iloc[rows].reset_index(drop=True), settings["precision"])
        part = Part(table, (get_control_type(table) == NEGATIVE_CONTROL).to_numpy(), name)
        if step in COMPLETE:
            part.profiles = part.take(leave_out_gaps(part.profiles))
        try:
            parts.append(work(part, step, options).set_index(ROW))
        except InputError as error:
            plates = join_names(table["Metadata_Plate"].astype("str").unique(), 3)
            is_named = len(places) == 1 or plates in str(error)
            raise InputError(str(error) if is_named else f"On plate {plates}: {error}") from error
        dropped |= part.dropped
        results.append(part.found)
        reference_wells += part.reference_wells
    found |= {**merge_results(results), "reference_wells": reference_wells}
    together = pd.concat(parts, join="inner")
    everywhere = set(together.columns)
    for table in parts:
        for feature in get_features(table):
            if feature not in everywhere:
                dropped.setdefault(feature, "dropped on another plate")
    features = get_features(together)
    if not features:
        raise InputError(f"{step}: no feature is left; {len(dropped)} were dropped.")
    together = convert_features(together, settings["precision"])
    metadata = profiles.drop(columns=get_features(profiles)).reset_index(drop=True)
    out = pd.concat([metadata, together[features].reindex(metadata.index)], axis=1)
    if options.get("recipe_order"):
        out = out.iloc[get_recipe_order(out["Metadata_Plate"], together.index)].reset_index(drop=True)
    return out, dropped, found


def merge_results(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the results of the parts of a step: one value if all parts have the same, else a list."""
    names = dict.fromkeys(name for result in results for name in result)
    values = {name: [result[name] for result in results if name in result] for name in names}
    return {name: each[0] if all(one == each[0] for one in each) else each for name, each in values.items()}


def get_recipe_order(plates: pd.Series, counted: pd.Index) -> np.ndarray:
    """Return the order of the wells (row numbers) in the files of JUMP's recipe.

    Its step `mad` sorts the wells by plate with NumPy's default sort, which does not keep the order of equal
    values. The result of later steps depends on that order: the ties of `rank_int`, and where the clusters of
    Harmony start. The names are sorted as Python objects, since on some processors NumPy sorts numbers in
    another way.

    Parameters
    ----------
    plates : the plate of each well.
    counted : the rows of the wells that count; the others come last on their plate.
    """
    counted = counted.sort_values()
    known = counted[np.argsort(plates[counted].to_numpy(dtype=object))]
    rows = np.concatenate([known, plates.index.difference(counted)])
    return rows[np.argsort(plates[rows].to_numpy(dtype=object), kind="stable")]


def split_wells(wells: pd.DataFrame, over: str, condition: Sequence[str]) -> list[np.ndarray]:
    """Return the wells (row numbers) of each plate, batch or condition, or all wells together."""
    columns = {
        "plate": PLATE,
        "batch": PLATE[:1],
        "condition": [f"Metadata_{column}" for column in condition],
        "experiment": [],
    }[over]
    if not columns:
        return [np.arange(len(wells))]
    return list(wells.groupby(columns, sort=False, dropna=False).indices.values())


def get_batches(profiles: pd.DataFrame, batch: str, step: str) -> pd.Series:
    """Return the batch of each well, as text.

    Parameters
    ----------
    profiles : the wells.
    batch : the column whose equal values define a batch.
    step : for messages.

    Raises
    ------
    InputError
        If the column is missing, or a well has no batch.
    """
    if batch not in profiles:
        raise InputError(
            f"{step}: the profiles have no column {batch} (its option `batch`); they have "
            f"{join_names((name for name in profiles if name.startswith('Metadata_')), 30)}."
        )
    missing = profiles[batch].isna()
    if missing.any():
        without = profiles.loc[missing, "Metadata_Well"]
        raise InputError(
            f"{step}: {len(without)} wells have no value in {batch} (its option `batch`): "
            f"{join_names(without.unique(), 5)}."
        )
    batches = tell_plates_apart(profiles)[batch].astype("str")
    if batches.nunique() == 1:
        logging.warning(
            "%s: all wells are of one batch (%s %s), so there is nothing to align. Its option `batch` names "
            "another column.",
            *(step, batch, batches.iloc[0]),
        )
    return batches


def convert_features(profiles: pd.DataFrame, precision: str) -> pd.DataFrame:
    """Return the profiles with features in a precision, such as the float32 of the JUMP recipe's files."""
    return profiles.astype(dict.fromkeys(get_features(profiles), precision))


def process_files(
    paths: Sequence[str],
    settings: Mapping[str, Any],
    controls: Mapping[str, Any],
    work: Work,
    outputs: Mapping[str, str],
    libraries: Sequence[str] = LIBRARIES,
) -> None:
    """Read the wells, do the step, and write the wells after it and what was dropped.

    Parameters
    ----------
    paths
        The files of the wells, each of one or more plates.
    settings, work
        As in `apply_step`; and the name of the `chain`.
    controls
        The column that marks controls and its value.
    outputs
        The files of `profiles` and `dropped`.
    libraries
        The packages whose versions are recorded.
    """
    tables = [mark_controls(read_profiles(path), controls) for path in paths]
    profiles, partial = stack_profiles(tables)
    out, dropped, found = apply_step(profiles, settings, work)
    dropped |= dict.fromkeys(partial, "not measured on every plate")
    kept = len(get_features(out))
    logging.info("%s: %d wells, %d features, %d dropped", settings["step"], len(out), kept, len(dropped))
    with write_whole(outputs["dropped"]) as part:
        pd.DataFrame(dropped.items(), columns=["feature", "reason"]).to_csv(part, index=False)
    before = [] if settings["first"] else read_provenance(paths[0])["parameters"]["steps"]
    steps = [*before, {"step": settings["step"], **settings["options"], **found}]
    parameters = {"chain": settings["chain"], "steps": steps}
    write_profiles(out, outputs["profiles"], get_provenance(parameters, paths, libraries))
