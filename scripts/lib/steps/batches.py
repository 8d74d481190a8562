"""Remove batch effects from profiles: principal components, typical variation, chromosome arms.

Harmony has its own environment and script (`harmony.py`).
"""

import numpy as np
import pandas as pd

from lib.chain_wells import get_batches
from lib.errors import InputError
from lib.tables import get_features

FEWEST_GENES = 20
GENE_COLUMNS = ("Metadata_gene", "Metadata_Symbol")


def replace_by_components(profiles: pd.DataFrame, values: np.ndarray, prefix: str = "PC") -> pd.DataFrame:
    """Return `profiles` with components in place of the features."""
    names = [f"{prefix}{number}" for number in range(1, values.shape[1] + 1)]
    table = pd.DataFrame(values, columns=names, index=profiles.index)
    return pd.concat([profiles.drop(columns=get_features(profiles)), table], axis=1)


def project(profiles: pd.DataFrame, variance: float = 0.98) -> pd.DataFrame:
    """Return the principal components of all wells that hold a fraction of the variance (scikit-learn).

    They are computed in the precision of the profiles, as in the recipe.

    Raises
    ------
    InputError
        For a single well, or if no feature varies.
    """
    from sklearn.decomposition import PCA  # here, since its import takes a CPU second

    if len(profiles) < 2:
        raise InputError("pca: 1 well has values, and it needs 2.")
    values = profiles[get_features(profiles)].to_numpy()
    if not np.ptp(values, axis=0).any():
        raise InputError(f"pca: none of the {values.shape[1]} features varies over the {len(values)} wells.")
    return replace_by_components(profiles, PCA(variance).fit_transform(values))


def get_root(covariance: np.ndarray, power: float) -> np.ndarray:
    """Return a power of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.maximum(values, np.finfo(float).eps) ** power) @ vectors.T


def normalize_typical_variation(
    profiles: pd.DataFrame, controls: np.ndarray, batch: str = "Metadata_Plate", ridge: float = 1.0
) -> pd.DataFrame:
    """Apply typical variation normalization (Ando, McLean and Berndl 2017).

    The wells are rotated to the principal components of the negative controls and scaled by them, so that
    what varies among controls has little weight. Then the controls of each batch are aligned to all controls:
    their mean is subtracted, and their covariance is whitened and recolored (CORAL, Sun, Feng and Saenko
    2016).

    Parameters
    ----------
    profiles : the wells of all plates, without missing values.
    controls : one boolean per well.
    batch : the column whose equal values define a batch.
    ridge : added to the variances of both covariances (CORAL's own is 1).

    Raises
    ------
    InputError
        If the column is missing, a well has no batch, or a batch has fewer than two controls.
    """
    from sklearn.decomposition import PCA

    batches = get_batches(profiles, batch, "tvn")
    if controls.sum() < 2:
        raise InputError(
            f"tvn: {controls.sum()} wells are in its reference, and it needs 2. Choose `reference: all`, or "
            "correct controls.negcon."
        )
    values = profiles[get_features(profiles)].to_numpy(float)
    center, scale = values[controls].mean(axis=0), values[controls].std(axis=0)
    standard = (values - center) / np.where(scale > 0, scale, 1)
    fit = PCA(svd_solver="full").fit(standard[controls])
    kept = fit.explained_variance_ > fit.explained_variance_.max() * 1e-10
    turned = (fit.transform(standard) / np.sqrt(np.maximum(fit.explained_variance_, 1e-300)))[:, kept]
    eye = ridge * np.eye(turned.shape[1])
    target = get_root(np.cov(turned[controls].T).reshape(eye.shape) + eye, 0.5)
    out = np.empty_like(turned)
    for name, rows in batches.groupby(batches, sort=True).indices.items():
        own = turned[rows[controls[rows]]]
        if len(own) < 2:
            raise InputError(f"tvn: {batch} {name} has {len(own)} negative controls and needs 2.")
        whitened = get_root(np.cov(own.T).reshape(eye.shape) + eye, -0.5)
        out[rows] = (turned[rows] - own.mean(axis=0)) @ whitened @ target
    return replace_by_components(profiles, out)


def correct_arms(
    profiles: pd.DataFrame,
    arm: str = "Metadata_arm",
    expression: str = "Metadata_zfpkm",
    fewest: int = FEWEST_GENES,
    threshold: float = -3,
    group: str = "Metadata_broad_sample",
) -> pd.DataFrame:
    """Subtract from CRISPR wells the mean profile of the unexpressed genes on the same chromosome arm.

    Cutting DNA changes cells depending on where it is cut. Genes that the cells do not express (zFPKM below
    the threshold) show only that effect.

    Parameters
    ----------
    profiles : the wells of all plates.
    arm : the column that names the chromosome arm of each well's gene; wells without one keep their values.
    expression : the column with the gene's expression.
    fewest : arms with no more unexpressed genes than this keep their values.
    threshold : the expression below which a gene counts as unexpressed.
    group : the column that names the perturbation; genes are counted by it if no column names the gene.

    Raises
    ------
    InputError
        If a column is missing.
    """
    for column in (arm, expression):
        if column not in profiles:
            raise InputError(
                f"arm_correction: the profiles have no column {column}; add it to the annotation table."
            )
    features = get_features(profiles)
    values = profiles[features].to_numpy(float, copy=True)
    silent = (pd.to_numeric(profiles[expression], errors="coerce") < threshold).to_numpy()
    genes = profiles[next(name for name in (*GENE_COLUMNS, group) if name in profiles)]
    for name, rows in profiles.groupby(arm, sort=True).indices.items():
        unexpressed = rows[silent[rows]]
        if name and genes.iloc[unexpressed].nunique() > fewest:
            values[rows] -= values[unexpressed].mean(axis=0)
    table = pd.DataFrame(values, columns=features, index=profiles.index)
    return pd.concat([profiles.drop(columns=features), table], axis=1)
