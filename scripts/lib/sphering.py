"""The sphering of profiles by negative controls: ZCA-cor whitening.

Kessy, Lewin and Strimmer 2018, Optimal Whitening and Decorrelation, The American Statistician. The transform
is that of pycytominer's `Spherize`, which makes a square matrix of the features; here only the directions
that the controls span are multiplied out, since a deep network's profile has 6,400 features.

pycytominer rejects features that are constant in the controls; they are left out here. It accepts features
that depend linearly on others if there are more controls than features (its check never triggers) and scales
rounding errors up to variance 1; here they cause an error message.

With few controls and thousands of features, the covariance can be shrunk toward a multiple of the identity by
the OAS estimator (Chen, Wiesel, Eldar and Hero 2010, IEEE Transactions on Signal Processing): the fewer
controls, the more, so that directions in which the controls hardly vary are not amplified.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.files import write_whole
from lib.gaps import fill_gaps, find_few_cells, find_gappy_features, find_incomplete_wells
from lib.replicates import NEGATIVE_CONTROL, Wells, get_control_type
from lib.spread import describe_exploding, find_lone, get_rounding

FEWEST = 3  # controls that a covariance can be estimated from at all


@dataclass(frozen=True)
class Sphering:
    """A whitening of `features`, fitted on `number` controls.

    With X = U S V' the centered (ZCA-cor: standardized) controls, the transform is V (S + epsilon)^-1 V'
    sqrt(number - 1), so that epsilon is added to singular values; a direction that X does not span gets the
    smallest S of those that it spans.

    Attributes
    ----------
    center, scale
        (features,), by which a profile is centered and standardized.
    directions
        (rank, features), the rows of V' that the controls span.
    spread
        (rank,), S + epsilon, or S of the shrunk covariance.
    outside
        The spread of directions that the controls do not span.
    left_out
        The reason of each feature that is left out.
    """

    features: list[str]
    number: int
    center: np.ndarray
    scale: np.ndarray
    directions: np.ndarray
    spread: np.ndarray
    outside: float
    left_out: Mapping[str, str]

    def of(self, wells: Wells) -> pd.DataFrame:
        """Return the sphered profiles of wells: their metadata, then `features`.

        A gap is filled with the controls' mean for the other features, and stays a gap; an incomplete well is
        sphered to missing values.
        """
        at = {name: position for position, name in enumerate(wells.features)}
        values = wells.values[:, [at[name] for name in self.features]]
        incomplete = find_incomplete_wells(wells.values) | ~np.isfinite(values).any(axis=1)
        sphered = self.whiten(fill_gaps(values, self.center))
        sphered[~np.isfinite(values) | incomplete[:, None]] = np.nan
        profiles = pd.DataFrame(sphered, columns=self.features, index=wells.metadata.index)
        return pd.concat([wells.metadata, profiles], axis=1)

    def whiten(self, values: np.ndarray) -> np.ndarray:
        """Whiten `values`, (wells, features)."""
        values = (values - self.center) / self.scale
        rest = 1 / self.outside if len(self.directions) < len(self.features) else 0.0
        # the part outside the span: `values` minus its part in the span
        turned = (values @ self.directions.T) * (1 / self.spread - rest) @ self.directions + rest * values
        return turned * np.sqrt(self.number - 1)

    def write(self, path: str | Path, made_by: Mapping[str, Any]) -> None:
        """Write the sphering and its provenance to an .npz file, texts as JSON."""
        about = json.dumps(
            {"number": self.number, "left_out": self.left_out, "platewise": made_by}, sort_keys=True
        )
        with write_whole(path) as part, part.open("wb") as file:
            np.savez(
                file,
                about=about,
                features=json.dumps(self.features),
                center=self.center,
                scale=self.scale,
                directions=self.directions,
                spread=self.spread,
                outside=self.outside,
            )

    @classmethod
    def read(cls, path: str | Path) -> "Sphering":
        """Read a sphering that `write` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            arrays = {name: stored[name] for name in ("center", "scale", "directions", "spread")}
            features = json.loads(str(stored["features"]))
            arrays["outside"] = float(stored["outside"])
        return cls(features=features, number=about["number"], left_out=about["left_out"], **arrays)


def fit_on_controls(
    wells: Wells,
    method: str = "ZCA-cor",
    epsilon: float = 1e-6,
    outlier_cutoff: float | None = None,
    shrink: bool = False,
) -> Sphering:
    """Fit the sphering by the negative controls among `wells`.

    Parameters
    ----------
    wells : the wells of all plates that are sphered together.
    method : ZCA-cor or ZCA.
    epsilon : added to the singular values of the controls.
    outlier_cutoff : the limit beyond which a feature explodes, in standard deviations of the controls.
    shrink : whether the covariance is shrunk, instead of adding epsilon.

    Returns
    -------
    The sphering. Features that wells lack (the rule of `lib.gaps`), that do not vary in the
    controls by more than rounding, or that explode are left out; empty and incomplete wells are not used.

    Raises
    ------
    InputError
        For fewer than three controls, no feature that varies, or features that depend on others.
    """
    negative = (get_control_type(wells.metadata) == NEGATIVE_CONTROL).to_numpy()
    plates = join_names(wells.metadata["Metadata_Plate"].unique())
    # a well without any value gives no information on the features
    counted = np.isfinite(wells.values).any(axis=1) & ~find_incomplete_wells(wells.values)
    counted &= ~find_few_cells(wells.metadata)
    control = negative & counted
    if control.sum() < FEWEST:
        raise InputError(
            f"The plates {plates} have {control.sum()} negative controls with values; sphering is "
            f"fitted on them and needs at least {FEWEST}. Mark them as `negcon` in "
            "Metadata_control_type (column control_type of the annotation)."
        )
    gappy = find_gappy_features(wells.values[counted])
    values = wells.values[counted]
    reference = fill_gaps(wells.values[control])
    unknown = np.isnan(reference).any(axis=0)
    gappy |= unknown
    reference = np.where(gappy, 0, reference)
    spread = reference.std(axis=0)
    varies = ~gappy & (np.ptp(reference, axis=0) > 0) & (spread > get_rounding(reference))
    names = np.array(wells.features)
    if not varies.any():
        raise InputError(
            f"No feature of the plates {plates} varies among their negative controls: nothing to sphere."
        )
    left_out = dict.fromkeys(names[gappy], "missing in a well")
    left_out |= dict.fromkeys(names[~gappy & ~varies], "constant in the negative controls")
    standard = (values[:, varies] - reference[:, varies].mean(axis=0)) / spread[varies]
    left_out |= describe_exploding(names[varies].tolist(), standard, outlier_cutoff)
    for position in np.flatnonzero(find_lone(standard, outlier_cutoff).any(axis=0)):
        largest = np.nan_to_num(np.abs(standard[:, position])).max()
        left_out[names[varies][position]] = f"exploded in a single well: {largest:,.0f}"
    kept = np.array([name not in left_out for name in wells.features], dtype=bool)
    sphering = fit_sphering(reference[:, kept], names[kept].tolist(), method, epsilon, left_out, shrink)
    rank, features = sphering.directions.shape
    # Profiles that are centered on each plate lose one dimension per plate.
    independent = sphering.number - wells.metadata.loc[control, "Metadata_Plate"].nunique()
    if not shrink and rank < min(independent, features):
        raise InputError(
            f"The features of the plates {plates} cannot be sphered: in the {sphering.number} negative "
            f"controls the {features} features depend linearly on others (rank {rank}). Sphere "
            "feature-selected profiles, or use a lower correlation threshold in the selection."
        )
    return sphering


def fit_sphering(
    reference: np.ndarray,
    features: list[str],
    method: str,
    epsilon: float,
    left_out: Mapping[str, str],
    shrink: bool = False,
) -> Sphering:
    """Fit the sphering on negative controls.

    Parameters
    ----------
    reference
        The controls, (controls, features), without missing values.
    features
        Names of the features.
    method
        `ZCA-cor` or `ZCA`.
    epsilon
        Number that is added to the singular values.
    left_out
        The reason of each feature that is left out.
    shrink
        Whether the covariance is shrunk, instead of adding epsilon.

    Returns
    -------
    Sphering
        The fitted sphering.
    """
    center = reference.mean(axis=0)
    scale = reference.std(axis=0) if method == "ZCA-cor" else np.ones(len(center))
    standard = (reference - center) / scale
    _, spread, directions = np.linalg.svd(standard, full_matrices=False)
    # centered values span one direction less than there are wells; rounding can make it look like one more
    spread, directions = spread[: len(reference) - 1], directions[: len(reference) - 1]
    # as numpy's matrix_rank, which would decompose the matrix again
    rank = np.count_nonzero(spread > spread.max() * max(standard.shape) * np.finfo(float).eps)
    spread, directions = spread[:rank], directions[:rank]
    if shrink:
        squares, number = spread**2, len(features)
        intensity = get_shrinkage(squares, len(reference), number)
        mean = squares.sum() / number
        spread = np.sqrt((1 - intensity) * squares + intensity * mean)
        outside = float(np.sqrt(intensity * mean))
    else:
        spread = spread + epsilon
        outside = float(spread[-1])
    return Sphering(features, len(reference), center, scale, directions, spread, outside, left_out)


def get_shrinkage(squares: np.ndarray, controls: int, features: int) -> float:
    """Return the OAS estimate of the shrinkage of a covariance matrix, from 0 (none) to 1 (the identity).

    Parameters
    ----------
    squares
        The squared singular values of the centered controls, in any unit.
    controls, features
        Their numbers.
    """
    mean = squares.sum() / features
    mean_square = (squares**2).sum() / features**2
    denominator = (controls + 1) * (mean_square - mean**2 / features)
    return min(1.0, (mean_square + mean**2) / denominator) if denominator > 0 else 1.0
