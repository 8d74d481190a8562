"""CRISPR and ORF plates in the form of the published profiles, with known effects, beside the real compounds.

CPJUMP1's published compound plates are available here, those of the genetic perturbations are not. They are
simulated from the published plate maps and annotation, with some of the real plates' features: the profile of
a reagent is that of the compounds of its gene, plus noise.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.plate_contents import read_annotation, read_plate_map
from lib.tables import get_features, read_profiles

SELECTED = "normalized_feature_select_negcon_batch"
# The metadata of the published files of each type; those of compounds are read from the real files.
COLUMNS = {
    "crispr": ("broad_sample", "gene", "pert_type", "control_type", "target_sequence", "negcon_control_type"),
    "orf": ("broad_sample", "gene", "pert_type", "control_type"),
}


def compound_files(shared: Path) -> list[Path]:
    """Return the four published plates of one condition."""
    files = sorted((shared / "cpjump1/profiles").glob(f"*_{SELECTED}.csv.gz"))
    assert len(files) == 4
    return files


def write_genetic_plates(shared: Path, folder: Path, kind: str, number: int, noise: float) -> list[Path]:
    """Write `number` plates of `kind` (crispr, orf) as csv.gz, and return their paths."""
    metadata = shared / "cpjump1/metadata"
    plate_map = metadata / f"platemaps/2020_11_04_CPJUMP1/platemap/JUMP-Target-1_{kind}_platemap.txt"
    known = read_plate_map(plate_map).merge(
        read_annotation(metadata / f"external_metadata/JUMP-Target-1_{kind}_metadata.tsv", None),
        on="broad_sample",
        how="left",
    )
    compounds = read_profiles(compound_files(shared)[0])
    features = get_features(compounds)[::4]
    of_gene = compounds.groupby("Metadata_gene")[features].mean()
    rng = np.random.default_rng(len(kind))
    paths = []
    for plate in range(number):
        effect = of_gene.reindex(known["gene"]).fillna(0).to_numpy()
        values = effect + noise * rng.normal(size=effect.shape)
        table = known[list(COLUMNS[kind])].add_prefix("Metadata_")
        table.insert(0, "Metadata_Plate", f"{kind}{plate}")
        table.insert(1, "Metadata_Well", known["well"])
        paths.append(folder / f"{kind}{plate}_{SELECTED}.csv.gz")
        pd.concat([table, pd.DataFrame(values.round(4), columns=features)], axis=1).to_csv(
            paths[-1], index=False
        )
    return paths
