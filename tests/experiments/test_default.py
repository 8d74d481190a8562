"""The default experiment against the truth that it was simulated with."""

import re

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy

from lib.tables import get_features, read_profiles, read_provenance
from normalized_cells import largest_difference, normalize_plate
from workflow import PROJECT

pytestmark = pytest.mark.run

FEATURE_SET = "normalized_feature_select_negcon_plate"
PLATES = ["COMPOUND1", "COMPOUND2", "CRISPR1", "CRISPR2", "ORF1", "ORF2"]


@pytest.fixture(scope="module")
def truth(default_results) -> pd.DataFrame:
    files = sorted((default_results / "images/simulated/truth").glob("*.csv"))
    assert [file.stem for file in files] == PLATES
    return pd.concat([pd.read_csv(file) for file in files])


def benchmark_tables(default_results, metric: str, kind: str) -> pd.DataFrame:
    files = sorted((default_results / "benchmark" / metric / FEATURE_SET).glob(f"*_{kind}.parquet"))
    assert files
    return pd.concat([pd.read_parquet(file) for file in files])


def test_every_stage_left_its_files(default_results):
    for plate in PLATES:
        backend = default_results / "workspace/backend/simulated" / plate
        assert (backend / f"{plate}.parquet").exists()
        for level in ("", "_augmented", "_normalized", "_normalized_negcon", f"_{FEATURE_SET}"):
            assert (default_results / f"workspace/profiles/simulated/{plate}/{plate}{level}.parquet").exists()
    for metric in ("percent_replicating", "percent_matching"):
        assert (default_results / "benchmark" / f"{metric}.csv").exists()
        assert (default_results / "benchmark/figures" / f"{metric}.png").stat().st_size > 10_000


def test_no_well_is_lost_or_invented(default_results, truth):
    for plate in PLATES:
        profiles = read_profiles(
            default_results / f"workspace/profiles/simulated/{plate}/{plate}_normalized_negcon.parquet"
        )
        assert set(profiles["Metadata_Well"]) == set(truth.loc[truth["plate"] == plate, "well"])


def test_cells_are_found_where_cells_were_drawn(default_results, truth):
    """CellProfiler counts the nuclei that touch no border; touching nuclei may be split or merged."""
    found = pd.concat(
        read_profiles(default_results / f"workspace/profiles/simulated/{plate}/{plate}_augmented.parquet")
        for plate in PLATES
    )
    wells = found.merge(
        truth, left_on=["Metadata_Plate", "Metadata_Well"], right_on=["plate", "well"], validate="1:1"
    )
    counted, drawn = wells["Metadata_Count_Cells"].sum(), wells["nuclei_inside"].sum()
    assert counted == pytest.approx(drawn, rel=0.1)
    assert (wells.loc[wells["cells"] == 0, "Metadata_Count_Cells"] <= 1).all()


def test_no_effect_does_not_replicate_and_a_strong_one_does(default_results, truth):
    effects = truth.drop_duplicates("broad_sample").set_index("broad_sample")["effect"]
    table = benchmark_tables(default_results, "percent_replicating", "perturbations")
    replicating = table.groupby(table["perturbation"].map(effects))["replicating"].mean()
    assert replicating["none"] <= 0.15
    assert replicating["strong"] >= 0.90


def test_strong_perturbations_of_one_gene_match(default_results, truth):
    effects = truth.drop_duplicates("broad_sample").set_index("broad_sample")["effect"]
    pairs = benchmark_tables(default_results, "percent_matching", "pairs")
    strong = pairs[["perturbation_a", "perturbation_b"]].map(effects.get).eq("strong").all(axis=1)
    assert strong.sum() >= 5
    assert pairs.loc[strong, "matches_right"].mean() >= 0.60


def test_profiles_say_what_made_them(default_results):
    path = default_results / f"workspace/profiles/simulated/ORF1/ORF1_{FEATURE_SET}.parquet"
    made_by = read_provenance(path)
    version = re.search(r'version = "(.+)"', (PROJECT / "pyproject.toml").read_text())[1]
    assert made_by["workflow"] == f"platewise {version}"
    assert made_by["parameters"]["feature_select"]["correlation"] == 0.9
    assert made_by["libraries"]["pycytominer"]
    assert made_by["inputs"]
    assert len(get_features(read_profiles(path))) > 50


def test_it_says_that_it_is_simulated(default_results):
    assert "SIMULATED" in (default_results / "images/simulated/images/ORF1/README.txt").read_text()


@pytest.mark.parametrize("selected", [FEATURE_SET, None])
def test_its_cells_are_normalized_and_opened_by_scanpy(default_results, tmp_path, selected):
    stem = normalize_plate(default_results, "simulated", "COMPOUND1", tmp_path, selected)
    cells = scanpy.read_h5ad(stem.with_suffix(".h5ad"))
    wells = read_profiles(default_results / "workspace/profiles/simulated/COMPOUND1/COMPOUND1.parquet")
    assert cells.n_obs == wells["Metadata_Count_Cells"].sum()
    assert set(cells.var["compartment"]) == {"Cells", "Cytoplasm", "Nuclei"}
    assert cells.obs["Metadata_broad_sample"].notna().all()
    assert (cells.obsm["spatial"] > 0).all()
    np.testing.assert_array_equal(cells.X, anndata.read_zarr(stem.with_suffix(".zarr")).X)
    assert largest_difference(default_results, "simulated", "COMPOUND1", stem) < 1e-5
