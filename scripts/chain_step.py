"""Do one step of a chain on the wells of a plate, or of several plates together.

The steps are the functions in `lib/steps`. Wells without values and incomplete wells (`lib.gaps`) stay in the
table without values and have no influence, and so do wells without a perturbation that are not negative
controls if the chain leaves them out (`untreated_wells: false`).
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.chains import COMPLETE
from lib.errors import InputError, join_names
from lib.gaps import find_few_cells, find_incomplete_wells, get_missing_share, leave_out_gaps
from lib.logs import log_to
from lib.provenance import read_provenance
from lib.replicates import NEGATIVE_CONTROL, get_control_type, label_wells, mark_controls
from lib.steps.batches import correct_arms, normalize_typical_variation, project
from lib.steps.combat import correct_batches
from lib.steps.correction import CELLS, correct_cell_count, correct_well_position
from lib.steps.filters import drop_invariant, drop_missing_wells, drop_outliers
from lib.steps.normalization import normalize
from lib.steps.operations import select_features
from lib.steps.ranks import rank_int
from lib.steps.whitening import choose_epsilon, sphere
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


class Step:
    """A step on wells that all count: the profiles, and what the step drops and records.

    Attributes
    ----------
    profiles : the wells, one row each.
    negative : one boolean per well.
    group : the column that names the perturbation.
    dropped, found : features (and wells) that the step dropped with the reason; results for the provenance.
    """

    def __init__(self, profiles: pd.DataFrame, negative: np.ndarray, group: str) -> None:
        """Store the wells."""
        self.profiles, self.negative, self.group = profiles, negative, group
        self.dropped: dict[str, str] = {}
        self.found: dict[str, Any] = {}
        self.reference_wells = 0

    def reference(self, options: Mapping[str, Any]) -> np.ndarray:
        """Return the wells that a step refers to: the negative controls, all, or those of a query."""
        asked = options["reference"]
        if asked == "negcon":
            chosen = self.negative
        elif asked == "all":
            chosen = np.ones(len(self.profiles), dtype=bool)
        else:
            chosen = find_wells(self.profiles, asked)
        self.reference_wells = int(chosen.sum())
        return chosen

    def take(self, result: tuple[pd.DataFrame, dict[str, str]]) -> pd.DataFrame:
        """Return the profiles of a result, and record its dropped features or wells."""
        self.dropped |= result[1]
        return result[0]

    def run(self, step: str, options: Mapping[str, Any]) -> pd.DataFrame:
        """Return the profiles after a step."""
        steps: Mapping[str, Callable[[Mapping[str, Any]], pd.DataFrame]] = {
            "drop_missing_wells": lambda o: self.take(
                drop_missing_wells(self.profiles, o["share"], o["most"])
            ),
            "variance": lambda o: self.take(drop_invariant(self.profiles, self.reference(o), o["variation"])),
            "normalize": self.normalize,
            "well_position": lambda o: correct_well_position(
                self.profiles, self.group, o["fewest_perturbations"]
            ),
            "cell_count": self.cell_count,
            "drop_outliers": lambda o: self.take(drop_outliers(self.profiles, o["cutoff"], o["quantile"])),
            "rank_int": lambda o: rank_int(self.profiles, o["seed"]),
            "feature_select": self.feature_select,
            "sphere": self.sphere,
            "tvn": lambda o: normalize_typical_variation(
                self.profiles, self.reference(o), o["batch"], o["ridge"]
            ),
            "combat": lambda o: correct_batches(self.profiles, o["batch"]),
            "pca": lambda o: project(self.profiles, o["variance"]),
            "arm_correction": lambda o: correct_arms(
                self.profiles, o["arm"], o["expression"], o["fewest_genes"], o["threshold"], self.group
            ),
        }
        return steps[step](options)

    def normalize(self, options: Mapping[str, Any]) -> pd.DataFrame:
        """Normalize the wells to the reference wells among them."""
        names = ("method", "scaled", "epsilon", "floor")
        # the wells are already those of one plate or batch, which a message then names
        over = {"plate": "Metadata_Plate", "batch": "Metadata_Batch"}.get(options["over"], [])
        return self.take(
            normalize(
                self.profiles,
                self.reference(options),
                over,
                minimum=options["minimum_wells"],
                **{name: options[name] for name in names},
            )
        )

    def cell_count(self, options: Mapping[str, Any]) -> pd.DataFrame:
        """Regress the number of cells out of the features; the JUMP recipe keeps it as a feature."""
        profiles = self.take(correct_cell_count(self.profiles, CELLS, options["fewest_values"]))
        return profiles.assign(Cells_Count_Count=profiles[CELLS]) if options["keep_count"] else profiles

    def feature_select(self, options: Mapping[str, Any]) -> pd.DataFrame:
        """Select features."""
        counted = self.reference(options)
        if not counted.any():
            raise InputError(f"feature_select: no well is in its reference ({options['reference']}).")
        own = ("over", "operations", "reference")
        settings = {name: value for name, value in options.items() if name not in own}
        together = settings.pop("together")
        settings["noise_removal_perturb_groups"] = self.group
        return self.take(select_features(self.profiles, options["operations"], settings, together, counted))

    def sphere(self, options: Mapping[str, Any]) -> pd.DataFrame:
        """Sphere the wells by the negative controls."""
        epsilon = options["epsilon"]
        if isinstance(epsilon, Mapping):
            kinds = get_control_type(self.profiles)
            kind = np.where(self.negative, "negcon", np.where(kinds == "", "trt", "poscon"))
            epsilon, table = choose_epsilon(
                self.profiles, kind, self.group, epsilon["draws"], options["method"]
            )
            self.found["epsilons"] = table.to_dict("list")
        self.found["chosen_epsilon"] = epsilon
        return sphere(self.profiles, self.reference(options), options["method"], epsilon)


def find_wells(profiles: pd.DataFrame, query: str) -> np.ndarray:
    """Return the wells of a query on their metadata, as pandas reads it; metadata are text, counts numbers.

    Raises
    ------
    InputError
        If a column is missing, or the query does not choose wells.
    """
    metadata = profiles[[name for name in profiles if name.startswith("Metadata_")]]
    try:
        chosen = metadata.eval(query, engine="python")
    except Exception as error:
        raise InputError(
            f"reference: the query `{query}` cannot be applied ({error}). The columns of the wells are "
            f"{join_names(metadata.columns, 30)}."
        ) from error
    if not isinstance(chosen, pd.Series) or len(chosen) != len(profiles):
        raise InputError(f"reference: the query `{query}` does not say of each well whether it is meant.")
    return chosen.fillna(False).to_numpy(dtype=bool)


def find_counted(
    profiles: pd.DataFrame, group: str | Sequence[str], first: bool, untreated: bool = False
) -> np.ndarray:
    """Return the wells that count: those with values, from which the first step takes out some.

    Parameters
    ----------
    profiles : the wells.
    group : the column or columns of the perturbation.
    first : whether it is the first step, which leaves out incomplete wells and those with few cells.
    untreated : whether the first step keeps wells without a perturbation that are not negative controls.
    """
    values = profiles[get_features(profiles)].to_numpy(float)
    counted = np.isfinite(values).any(axis=1)
    if first:
        negative = get_control_type(profiles) == NEGATIVE_CONTROL
        counted &= ~find_few_cells(profiles)
        if not untreated:
            counted &= (label_wells(profiles, group).notna() | negative).to_numpy()
        counted[counted] = ~find_incomplete_wells(values[counted])
    return counted


def describe_uncounted(profiles: pd.DataFrame, counted: np.ndarray) -> dict[str, str]:
    """Return the wells that the first step leaves out although they have values, with the reason."""
    values = profiles[get_features(profiles)].to_numpy(float)
    few = find_few_cells(profiles) & ~counted
    incomplete = find_incomplete_wells(values) & ~counted & ~few
    names = (profiles["Metadata_Plate"] + " " + profiles["Metadata_Well"]).to_numpy()
    share = get_missing_share(values)[incomplete]
    lacking = [f"lacks {100 * part:.0f} % of the features" for part in share]
    few_cells = dict.fromkeys(names[few], "fewer cells than minimum_cells")
    return {**few_cells, **dict(zip(names[incomplete], lacking, strict=True))}


def run_step(
    profiles: pd.DataFrame, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, str], dict[str, Any]]:
    """Do a step on all wells, or separately on those of each plate, batch or condition.

    Parameters
    ----------
    profiles : the wells of all plates that the chain processes together here.
    settings : `step`, `options`, `precision`, `untreated_wells`, `first` (whether it is the first step),
        `condition` (the columns of a condition) and `group` (the column or columns of the perturbation).

    Returns
    -------
    The profiles with every well, what was dropped with the reason, and the step's results for the provenance.

    Raises
    ------
    InputError
        If no well counts, or no feature is left.
    """
    group = settings["group"]
    counted = find_counted(profiles, group, settings["first"], settings["untreated_wells"])
    if not counted.any():
        raise InputError(f"{settings['step']}: no well has values.")
    wells = profiles[counted].assign(**{ROW: np.flatnonzero(counted)}).reset_index(drop=True)
    name = group if isinstance(group, str) else "Metadata_perturbation_group"
    if name not in wells:
        wells[name] = label_wells(wells, group)
    over = settings["options"]["over"]
    columns = {
        "plate": PLATE,
        "batch": PLATE[:1],
        "condition": [f"Metadata_{column}" for column in settings["condition"]],
        "experiment": [],
    }[over]
    parts, found = [], {"untreated_wells": settings["untreated_wells"]} if settings["first"] else {}
    dropped = describe_uncounted(profiles, counted) if settings["first"] else {}
    grouped = wells.groupby(columns, sort=False, dropna=False).indices.values() if columns else [slice(None)]
    for rows in grouped:
        part = convert_features(wells.iloc[rows].reset_index(drop=True), settings["precision"])
        step = Step(part, (get_control_type(part) == NEGATIVE_CONTROL).to_numpy(), name)
        if settings["step"] in COMPLETE:
            step.profiles = step.take(leave_out_gaps(step.profiles))
        done = step.run(settings["step"], settings["options"])
        parts.append(done.set_index(ROW))
        dropped |= step.dropped
        found |= step.found | {"reference_wells": found.get("reference_wells", 0) + step.reference_wells}
    together = pd.concat(parts, join="inner")
    everywhere = set(together.columns)
    for part in parts:
        for feature in get_features(part):
            if feature not in everywhere:
                dropped.setdefault(feature, "dropped on another plate")
    features = get_features(together)
    if not features:
        raise InputError(f"{settings['step']}: no feature is left; dropped were {len(dropped)}.")
    together = convert_features(together, settings["precision"])
    metadata = profiles.drop(columns=get_features(profiles))
    return pd.concat([metadata, together[features].reindex(metadata.index)], axis=1), dropped, found


def convert_features(profiles: pd.DataFrame, precision: str) -> pd.DataFrame:
    """Return the profiles with features in a precision, such as the float32 of the JUMP recipe's files."""
    return profiles.astype(dict.fromkeys(get_features(profiles), precision))


def main(
    paths: Sequence[str],
    outputs: Mapping[str, str],
    settings: Mapping[str, Any],
    controls: Mapping[str, str],
) -> None:
    """Write the wells after the step, and what was dropped.

    Parameters
    ----------
    paths
        The profiles before the step: files of the plates, or of the group of plates after the first step.
    outputs
        Paths of `profiles` (Parquet) and `dropped` (csv).
    settings
        The `chain`, its `step`, the step's `options`, and whether it is the `first`.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    """
    tables = [mark_controls(read_profiles(path), controls) for path in paths]
    profiles, partial = stack_profiles(tables)
    out, dropped, found = run_step(profiles, settings)
    dropped |= dict.fromkeys(partial, "not measured on every plate")
    kept = len(get_features(out))
    logging.info("%s: %d wells, %d features, %d dropped", settings["step"], len(out), kept, len(dropped))
    with write_whole(outputs["dropped"]) as part:
        pd.DataFrame(dropped.items(), columns=["feature", "reason"]).to_csv(part, index=False)
    before = [] if settings["first"] else read_provenance(paths[0])["parameters"]["steps"]
    steps = [*before, {"step": settings["step"], **settings["options"], **found}]
    made_by = get_provenance({"chain": settings["chain"], "steps": steps}, paths)
    write_profiles(out, outputs["profiles"], made_by)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            {name: snakemake.output[name] for name in ("profiles", "dropped")},
            snakemake.params.settings,
            snakemake.params.controls,
        )
