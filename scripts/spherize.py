"""Sphere the profiles of a set of replicate plates: `_spherized`, a level of profiles of its own.

ZCA-cor whitening (Kessy et al. 2018, The American Statistician) fitted on the negative controls of
all plates of the set together, as for the deep features of CPJUMP1: afterwards the controls'
features are uncorrelated and of unit variance, so that what plates and positions do to every well
weighs less in the similarity of profiles. The transform is that of pycytominer's `Spherize`, which makes
a square matrix of the features; here only the directions that the controls span are multiplied out, since
a deep network's profile has 6,400 features.

pycytominer refuses features that are constant in the controls; they are left out here. Features that
depend linearly on others while there are more controls than features it lets through (its check
never fires) and blows rounding errors up to variance 1; here they are answered with a message. With
fewer controls than features the directions that the controls do not span get the smallest variance
that the controls do have. The controls then are uncorrelated by construction, whatever their
position: they can no longer stand for wells without effect in a null.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import InputError, listed
from lib.logs import logged
from lib.replicates import NEGATIVE_CONTROL, Wells, control_type, read_wells
from lib.tables import provenance, write_profiles

FEWEST = 3  # controls that a covariance can be estimated from at all


def spherize(
    wells: Wells, method: str = "ZCA-cor", epsilon: float = 1e-6
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The sphered profiles of all wells (metadata, then features), and each left-out feature's reason.

    A well with a missing value in a kept feature is sphered to missing values. A feature that is
    missing or infinite in a control, or constant in them, is left out.
    """
    negative = (control_type(wells.metadata) == NEGATIVE_CONTROL).to_numpy()
    plates = listed(wells.metadata["Metadata_Plate"].unique())
    # a control without any value is an empty well: it says nothing about the features
    control = negative & np.isfinite(wells.values).any(axis=1)
    if control.sum() < FEWEST:
        raise InputError(
            f"The plates {plates} have {control.sum()} negative controls with values; sphering is "
            f"fitted on them and needs at least {FEWEST}. Mark them as `negcon` in "
            "Metadata_control_type (column control_type of the annotation)."
        )
    reference = wells.values[control]
    complete = np.isfinite(reference).all(axis=0)
    varies = complete & (np.ptp(np.where(complete, reference, 0), axis=0) > 0)
    names = np.array(wells.features)
    if not varies.any():
        raise InputError(
            f"No feature of the plates {plates} varies among their negative controls: nothing to sphere."
        )
    kept = reference[:, varies]
    rank = np.linalg.matrix_rank((kept - kept.mean(axis=0)) / kept.std(axis=0))
    if rank < min(len(kept) - 1, kept.shape[1]):
        raise InputError(
            f"The features of the plates {plates} cannot be sphered: in the {len(kept)} negative controls "
            f"the {kept.shape[1]} features depend linearly on others (rank {rank}). Sphere "
            "feature-selected profiles, or use a lower correlation threshold in the selection."
        )
    values = np.where(np.isfinite(wells.values), wells.values, np.nan)[:, varies]
    sphered = whitened(values, kept, method, epsilon)
    reasons = dict.fromkeys(names[~complete], "missing in a negative control")
    reasons |= dict.fromkeys(names[complete & ~varies], "constant in the negative controls")
    profiles = pd.DataFrame(sphered, columns=names[varies], index=wells.metadata.index)
    return pd.concat([wells.metadata, profiles], axis=1), reasons


def whitened(values: np.ndarray, reference: np.ndarray, method: str, epsilon: float) -> np.ndarray:
    """`values` (wells x features) whitened by `reference` (controls x features), by ZCA-cor or ZCA.

    With X = U S V' the centred (ZCA-cor: standardised) reference of n controls, the transform is
    V (S + epsilon)^-1 V' sqrt(n - 1); a direction that X does not span gets the smallest S that it does.
    """
    centre = reference.mean(axis=0)
    scale = reference.std(axis=0) if method == "ZCA-cor" else np.ones(len(centre))
    standard = (reference - centre) / scale
    number, features = standard.shape
    rank = np.linalg.matrix_rank(standard)
    _, spread, directions = np.linalg.svd(standard, full_matrices=False)
    spread, directions = spread[:rank] + epsilon, directions[:rank]
    values = (values - centre) / scale
    rest = 1 / spread[-1] if rank < features else 0.0
    # whatever lies outside of the span: `values` itself, less its part in the span
    turned = (values @ directions.T) * (1 / spread - rest) @ directions + rest * values
    return turned * np.sqrt(number - 1)


def main(profiles: Sequence[str], plate: str, output: str, options: Mapping[str, Any]) -> None:
    """Sphere the plates of a set together and write the profiles of one of them."""
    choice = dict(options)
    sphered, reasons = spherize(read_wells(profiles, choice.pop("controls", None)), **choice)
    own = sphered["Metadata_Plate"] == plate
    if not own.any():
        raise InputError(
            f"None of {listed(Path(path).name for path in profiles)} has a well of plate {plate}: "
            "it cannot be sphered with them."
        )
    made_by = provenance({**options, "features_left_out": reasons}, profiles)
    write_profiles(sphered[own].reset_index(drop=True), output, made_by)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(
            list(snakemake.input.profiles),
            snakemake.params.plate,
            snakemake.output.profiles,
            dict(snakemake.params.options),
        )
