"""Sphere the wells of several plates by their negative controls: ZCA, ZCA-cor, PCA or PCA-cor.

The transforms are those of pycytominer's `Spherize` (Kessy, Lewin and Strimmer 2018, The American
Statistician). With X = U S V' the centered (-cor: standardized) controls, a well is multiplied by V (S +
epsilon)^-1 sqrt(n - 1), and by V' for ZCA. Epsilon is a number, or the best of several draws by mean average
precision, as in the JUMP recipe. With `shrink`, the covariance is instead shrunk toward its mean variance
(Ledoit and Wolf 2004), the more the fewer controls there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.errors import InputError, join_names
from lib.steps.correction import replace_values
from lib.tables import get_features

METHODS = ("ZCA-cor", "ZCA", "PCA-cor", "PCA")
RECIPE_SEED = (6, 12, 2022)
FEWEST = 3


@dataclass(frozen=True)
class Whitening:
    """A whitening by `number` controls: center, scale, the controls' directions V' and singular values S."""

    method: str
    number: int
    center: np.ndarray
    scale: np.ndarray
    directions: np.ndarray
    singular: np.ndarray
    shrinkage: float

    def transform(self, values: np.ndarray, epsilon: float | str) -> np.ndarray:
        """Return the whitened `values` (wells, features); `epsilon` is a number or `shrink`."""
        if epsilon == "shrink":
            square = self.singular**2
            mean = square.sum() / self.directions.shape[1]
            spread = np.sqrt((1 - self.shrinkage) * square + self.shrinkage * mean)
            outside = np.sqrt(self.shrinkage * mean)
        else:
            spread = self.singular + float(epsilon)
            outside = spread[-1]
        standard = (values - self.center) / self.scale
        turned = standard @ self.directions.T
        root = np.sqrt(self.number - 1)
        if self.method.startswith("PCA"):
            return turned / spread * root
        inside = len(self.directions) == len(self.center)
        rest = 0.0 if inside else 1 / outside
        return (turned * (1 / spread - rest) @ self.directions + rest * standard) * root


def fit_whitening(
    controls: np.ndarray, method: str = "ZCA-cor", names: Sequence[str] | None = None
) -> Whitening:
    """Fit the whitening by `controls` (wells, features), which have no missing value.

    Parameters
    ----------
    controls : the wells that it is fitted on, usually the negative controls.
    method : one of `METHODS`.
    names : the features, for messages.

    Raises
    ------
    InputError
        For a method that does not exist, fewer than three controls, or a feature that does not vary in them.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage  # here, since its import takes a CPU second

    if method not in METHODS:
        raise InputError(f"sphere.method: `{method}` is not one of {join_names(METHODS)}.")
    if len(controls) < FEWEST:
        raise InputError(
            f"sphere: {len(controls)} wells with values are in its reference (usually the negative controls) "
            f"and it needs {FEWEST}."
        )
    center = controls.mean(axis=0)
    scale = controls.std(axis=0) if method.endswith("-cor") else np.ones(len(center))
    # the deviation of equal values may be a rounding error
    constant = controls.std(axis=0) <= 8 * np.finfo(float).eps * np.abs(controls).max(axis=0)
    if constant.any() if method.endswith("-cor") else constant.all():
        flat = [str(number) if names is None else names[number] for number in np.flatnonzero(constant)]
        raise InputError(
            f"sphere: {join_names(flat, 5)} does not vary among the wells of its reference (usually the "
            "negative controls); put the step `variance` or `feature_select` before it."
        )
    standard = (controls - center) / scale
    _, singular, directions = np.linalg.svd(standard, full_matrices=False)
    # centered values span one direction less than there are wells; rounding can make it look like one more
    singular, directions = singular[: len(controls) - 1], directions[: len(controls) - 1]
    rank = np.count_nonzero(singular > singular.max() * max(standard.shape) * np.finfo(float).eps)
    shrinkage = float(ledoit_wolf_shrinkage(standard, assume_centered=True))
    return Whitening(method, len(controls), center, scale, directions[:rank], singular[:rank], shrinkage)


def sphere(
    profiles: pd.DataFrame, controls: np.ndarray, method: str = "ZCA-cor", epsilon: float | str = 1e-6
) -> pd.DataFrame:
    """Sphere the wells of all plates by the negative controls among them.

    Parameters
    ----------
    profiles : the wells of all plates; a well with a missing value is sphered to missing values.
    controls : one boolean per well.
    method : one of `METHODS`; the features of PCA and PCA-cor are called PC1, PC2, ...
    epsilon : a number added to the singular values, or `shrink`.
    """
    features = get_features(profiles)
    values = profiles[features].to_numpy(float)
    complete = np.isfinite(values).all(axis=1)
    fit = fit_whitening(values[controls & complete], method, features)
    sphered = fit.transform(np.where(complete[:, None], values, np.nan), epsilon)
    if method.startswith("PCA"):
        names = [f"PC{number}" for number in range(1, sphered.shape[1] + 1)]
        table = pd.DataFrame(sphered, columns=names, index=profiles.index)
        return pd.concat([profiles.drop(columns=features), table], axis=1)
    return replace_values(profiles, features, sphered)


def draw_epsilons(number: int, low: float = -5, high: float = 3) -> np.ndarray:
    """Return the epsilons that the JUMP recipe tries: 10^U(low, high), drawn with its seed."""
    return 10 ** np.random.default_rng(RECIPE_SEED).uniform(low, high, size=number)


def get_precisions(profiles: pd.DataFrame, kind: np.ndarray, group: str) -> tuple[float, float]:
    """Compute mean average precision against the plate's negative controls, and against its other treatments.

    Parameters
    ----------
    profiles : the wells of all plates.
    kind : what each well is: `trt`, `negcon`, `poscon` or empty.
    group : the column that names the perturbation. Those with 2 to 1,000 wells are scored.

    Raises
    ------
    InputError
        If there are no replicates, or nothing to rank them among.
    """
    from copairs.map import average_precision  # here, since its import takes a CPU second
    from copairs.matching import UnpairedException

    features = get_features(profiles)
    treated = (kind == "trt") & profiles[group].notna().to_numpy()
    number = profiles[group].where(treated).map(profiles.loc[treated, group].value_counts())
    scored = number.between(2, 1000).to_numpy()

    def mean_precision(rows: np.ndarray, negatives_differ: str) -> float:
        meta = profiles.loc[rows, ["Metadata_Plate", group]].assign(kind=kind[rows]).reset_index(drop=True)
        meta[group] = meta[group].fillna(meta["kind"])
        values = profiles.loc[rows, features].to_numpy(float)
        try:
            found = average_precision(
                meta, values, [group], [], ["Metadata_Plate"], [negatives_differ], progress_bar=False
            )
        except UnpairedException as error:
            raise InputError(
                "sphere: the best epsilon is that of the best mean average precision; it needs perturbations "
                "with 2 wells, and negative controls and other perturbations on their plates. "
                "Write a number or `shrink` as `epsilon`."
            ) from error
        found = found[found["kind"] == "trt"]
        return float(found.groupby(group)["average_precision"].mean().mean())

    return mean_precision(scored | (kind == "negcon"), "kind"), mean_precision(scored, group)


def choose_epsilon(
    profiles: pd.DataFrame,
    kind: np.ndarray,
    group: str,
    number: int,
    method: str = "ZCA-cor",
    reference: np.ndarray | None = None,
) -> tuple[float, pd.DataFrame]:
    """Choose the epsilon whose sphered profiles have the best mean average precision.

    Parameters
    ----------
    profiles
        The wells of all plates.
    kind
        What each well is: `trt`, `negcon`, `poscon` or empty.
    group
        The column that names the perturbation.
    number
        Number of epsilons that are drawn.
    method
        One of `METHODS`.
    reference
        One boolean per well: those that the sphering is fitted on; None for the negative controls.

    Returns
    -------
    tuple[float, pandas.DataFrame]
        The epsilon (of equally good ones the last), and the table of all of them: epsilon, map_negcon,
        map_nonrep, score.
    """
    rows = []
    reference = kind == "negcon" if reference is None else reference
    for epsilon in draw_epsilons(number):
        negcon, others = get_precisions(sphere(profiles, reference, method, float(epsilon)), kind, group)
        rows.append((float(epsilon), negcon, others, (negcon + others) / 2))
    table = pd.DataFrame(rows, columns=["epsilon", "map_negcon", "map_nonrep", "score"])
    best = table["score"] == table["score"].max()
    return float(table.loc[best, "epsilon"].iloc[-1]), table
