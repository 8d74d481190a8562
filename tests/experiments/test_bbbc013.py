"""BBBC013 through the whole chain: two channels of 8-bit palette TIFF, and controls that must separate."""

import tarfile

import numpy as np
import pandas as pd
import pytest
import scanpy

from clean_runs import find_unexpected_lines
from lib.tables import get_features, read_profiles
from normalized_cells import largest_difference, normalize_plate
from workflow import copy_of_config, snakemake

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def results(shared, tmp_path_factory):
    """The results of the plate's 48 wells."""
    config = copy_of_config("bbbc013", tmp_path_factory.mktemp("bbbc013") / "experiment")
    images = config.parent / "results/images/BBBC013/images/1049"
    images.mkdir(parents=True)
    with tarfile.open(shared / "bbbc013_plate" / "images.tar.xz") as archive:
        archive.extractall(images, filter="data")
    (config.parent / "output.txt").write_text(snakemake("--configfile", config).stdout)
    return config.parent / "results"


def test_clean_images_get_no_message(results):
    assert find_unexpected_lines((results.parent / "output.txt").read_text()) == []


@pytest.fixture(scope="module")
def profiles(results):
    folder = results / "workspace/profiles/BBBC013/1049"
    names = ("augmented", "normalized_negcon", "normalized_feature_select_negcon_plate")
    return {name: read_profiles(folder / f"1049_{name}.parquet") for name in names}


def test_every_well_has_cells(profiles):
    wells = profiles["augmented"]
    assert len(wells) == 48
    assert wells["Metadata_Count_Cells"].min() > 50


def test_three_compartments_and_two_channels_are_measured(profiles):
    features = get_features(profiles["augmented"])
    for compartment in ("Nuclei", "Cells", "Cytoplasm"):
        for channel in ("DNA", "GFP"):
            assert f"{compartment}_Intensity_MeanIntensity_{channel}" in features


def test_gfp_is_in_the_nucleus_of_the_positive_controls(profiles):
    """FKHR-GFP moves into the nucleus: its ratio to the cytoplasm separates the controls completely."""
    wells = profiles["augmented"].set_index("Metadata_Well")
    ratio = wells["Nuclei_Intensity_MeanIntensity_GFP"] / wells["Cytoplasm_Intensity_MeanIntensity_GFP"]
    kind = wells["Metadata_control_type"]
    assert ratio[kind == "poscon"].min() > 2 * ratio[kind == "negcon"].max()


def test_selected_profiles_separate_the_controls(profiles):
    selected = profiles["normalized_feature_select_negcon_plate"]
    correlation = np.corrcoef(selected[get_features(selected)].to_numpy(float))
    positive = (selected["Metadata_control_type"] == "poscon").to_numpy()
    negative = (selected["Metadata_control_type"] == "negcon").to_numpy()
    alike = correlation[np.ix_(positive, positive)][np.triu_indices(positive.sum(), 1)]
    across = correlation[np.ix_(positive, negative)]
    assert np.median(alike) > 0.5
    assert np.median(across) < 0.2


def test_high_doses_replicate(results):
    """All high doses look alike, so the null of other doses is high, and the highest falls below it."""
    folder = results / "benchmark/percent_replicating/normalized_feature_select_negcon_plate"
    table = pd.read_parquet(folder / "compound_U2OS_1_perturbations.parquet").set_index("perturbation")
    assert (table["replicates"] == 4).all()
    assert table.loc[["dose_6", "dose_7", "dose_8", "dose_9"], "replicating"].all()
    assert not table.loc[["dose_1", "dose_2"], "replicating"].any()


def test_both_compounds_move_gfp_into_the_nucleus_at_their_own_doses_and_spare_the_cells(results):
    """Wortmannin inhibits PI3 kinase at nanomolar doses, LY294002 at micromolar ones."""
    table = pd.read_csv(results / "benchmark/dose_response.csv").set_index("compound")
    assert table.index.tolist() == ["Wortmannin", "LY294002"], "the most potent first"
    assert (table["unit"] == "nM").all()
    assert table["cell_count_benchmark_dose"].isna().all()
    assert 0.5 < table.loc["Wortmannin", "point_of_departure"] < 5
    assert 100 < table.loc["LY294002", "point_of_departure"] < 2000
    folder = results / "benchmark/dose_response/normalized_feature_select_negcon_plate"
    curves = pd.read_csv(folder / "compound_U2OS_1_curves.csv")
    nuclei = curves[curves["response"] == "Nuclei GFP"].set_index("compound")
    assert nuclei["counts"].all()
    assert 3 < nuclei.loc["Wortmannin", "ec50"] < 30
    assert 1000 < nuclei.loc["LY294002", "ec50"] < 10_000
    assert (nuclei["benchmark_dose"] < nuclei["ec50"]).all()
    assert (nuclei["benchmark_dose_low"] <= nuclei["benchmark_dose_high"]).all()


def test_its_cells_are_normalized_and_opened_by_scanpy(results, profiles, tmp_path):
    stem = normalize_plate(results, "BBBC013", "1049", tmp_path, "normalized_feature_select_negcon_plate")
    cells = scanpy.read_h5ad(stem.with_suffix(".h5ad"))
    assert cells.n_obs == profiles["augmented"]["Metadata_Count_Cells"].sum()
    assert cells.obs.groupby("Metadata_Well", observed=True).size().gt(50).all()
    assert largest_difference(results, "BBBC013", "1049", stem) < 1e-5
