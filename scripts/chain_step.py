"""Do one step of a chain on the wells of a plate, or of several plates together.

The steps are the functions in `lib/steps`; `lib.chain_wells` says which wells count.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.chain_wells import Part, apply_step, process_files
from lib.errors import InputError, join_names
from lib.logs import log_to
from lib.replicates import get_control_type
from lib.steps.batches import correct_arms, normalize_typical_variation, project
from lib.steps.combat import correct_batches
from lib.steps.correction import CELLS, correct_cell_count, correct_well_position
from lib.steps.filters import drop_invariant, drop_missing_wells, drop_outliers
from lib.steps.normalization import normalize
from lib.steps.ranks import rank_int
from lib.steps.whitening import choose_epsilon, sphere

Options = Mapping[str, Any]
FEWEST = 2  # wells that features can be selected by


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
        raise InputError(f"reference: the query `{query}` does not give true or false for each well.")
    return chosen.fillna(False).to_numpy(dtype=bool)


def choose_reference(part: Part, options: Options) -> np.ndarray:
    """Return the wells that a step refers to: the negative controls, all, or those of a query."""
    reference = options["reference"]
    if reference == "negcon":
        chosen = part.negative
    elif reference == "all":
        chosen = np.ones(len(part.profiles), dtype=bool)
    else:
        chosen = find_wells(part.profiles, reference)
    part.reference_wells = int(chosen.sum())
    return chosen


def normalize_part(part: Part, options: Options) -> pd.DataFrame:
    """Normalize the wells to the reference wells among them."""
    names = ("method", "scaled", "epsilon", "floor", "keep_flat")
    # the wells are already those of one plate or batch, which a message then names
    over = {"plate": "Metadata_Plate", "batch": "Metadata_Batch"}.get(options["over"], [])
    given = {name: options[name] for name in names}
    reference = choose_reference(part, options)
    return part.take(normalize(part.profiles, reference, over, minimum=options["minimum_wells"], **given))


def correct_count_of_part(part: Part, options: Options) -> pd.DataFrame:
    """Regress the number of cells out of the features; the JUMP recipe keeps it as a feature."""
    given = (options["fewest_values"], options["keep_uncounted"])
    profiles = part.take(correct_cell_count(part.profiles, CELLS, *given))
    return profiles.assign(Cells_Count_Count=profiles[CELLS]) if options["keep_count"] else profiles


def select_features_of_part(part: Part, options: Options) -> pd.DataFrame:
    """Select features by the reference wells."""
    from lib.steps.operations import select_features  # here, since it imports pycytominer, a CPU second

    counted = choose_reference(part, options)
    if counted.sum() < FEWEST:
        raise InputError(
            f"feature_select: {counted.sum()} wells are in its reference ({options['reference']}), and it "
            f"needs {FEWEST}."
        )
    own = ("over", "operations", "reference")
    settings = {name: value for name, value in options.items() if name not in own}
    together = settings.pop("together")
    settings["noise_removal_perturb_groups"] = part.group
    return part.take(select_features(part.profiles, options["operations"], settings, together, counted))


def sphere_part(part: Part, options: Options) -> pd.DataFrame:
    """Sphere the wells by the reference wells, usually the negative controls."""
    epsilon, reference = options["epsilon"], choose_reference(part, options)
    if isinstance(epsilon, Mapping):
        kinds = get_control_type(part.profiles)
        kind = np.where(part.negative, "negcon", np.where(kinds == "", "trt", "poscon"))
        epsilon, table = choose_epsilon(
            part.profiles, kind, part.group, epsilon["draws"], options["method"], reference
        )
        part.found["epsilons"] = table.to_dict("list")
    part.found["chosen_epsilon"] = epsilon
    return sphere(part.profiles, reference, options["method"], epsilon)


WORK: Mapping[str, Callable[[Part, Options], pd.DataFrame]] = {
    "drop_missing_wells": lambda part, o: part.take(drop_missing_wells(part.profiles, o["share"], o["most"])),
    "variance": lambda part, o: part.take(
        drop_invariant(part.profiles, choose_reference(part, o), o["variation"])
    ),
    "normalize": normalize_part,
    "well_position": lambda part, o: correct_well_position(
        part.profiles, part.group, o["fewest_perturbations"]
    ),
    "cell_count": correct_count_of_part,
    "drop_outliers": lambda part, o: part.take(drop_outliers(part.profiles, o["cutoff"], o["quantile"])),
    "rank_int": lambda part, o: part.take(rank_int(part.profiles, o["seed"], o["keep_flat"])),
    "feature_select": select_features_of_part,
    "sphere": sphere_part,
    "tvn": lambda part, o: normalize_typical_variation(
        part.profiles, choose_reference(part, o), o["batch"], o["ridge"]
    ),
    "combat": lambda part, o: correct_batches(part.profiles, o["batch"]),
    "pca": lambda part, o: project(part.profiles, o["variance"]),
    "arm_correction": lambda part, o: correct_arms(
        part.profiles, o["arm"], o["expression"], o["fewest_genes"], o["threshold"], part.group
    ),
}


def do_step(part: Part, step: str, options: Options) -> pd.DataFrame:
    """Return the profiles after a step."""
    return WORK[step](part, options)


def run_step(
    profiles: pd.DataFrame, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, str], dict[str, Any]]:
    """Do a step on the wells; see `lib.chain_wells.apply_step`."""
    return apply_step(profiles, settings, do_step)


def main(
    paths: Sequence[str],
    outputs: Mapping[str, str],
    settings: Mapping[str, Any],
    controls: Mapping[str, str],
) -> None:
    """Write the wells after the step, and what was dropped; see `lib.chain_wells.process_files`.

    Parameters
    ----------
    paths
        The files of the wells, each of one or more plates.
    outputs
        The files of `profiles` and `dropped`.
    settings
        The step and its options.
    controls
        The column that marks controls and its value.
    """
    process_files(paths, settings, controls, do_step, outputs)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            {name: snakemake.output[name] for name in ("profiles", "dropped")},
            snakemake.params.settings,
            snakemake.params.controls,
        )
