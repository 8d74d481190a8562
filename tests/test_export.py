"""Exported profiles: csv.gz under the recipe's names, AnnData; nothing lost, the same bytes each time."""

import json
import time

import anndata
import numpy as np
import pandas as pd
import pytest

from export import convert_to_anndata, describe_features, main, make_categories
from lib.errors import InputError
from lib.feature_names import get_channels
from lib.levels import LEVELS, get_exported_levels
from lib.tables import get_features, read_profiles, write_profiles
from simulated_profiles import plates

pytestmark = pytest.mark.unit

MADE_BY = {"workflow": "platewise 0", "parameters": {"freq_cut": 0.05, "only": None}, "inputs": {"a": "0f"}}


@pytest.fixture
def profile(tmp_path):
    """A plate's profiles on disk, with what is awkward: missing text, a missing value, counts."""
    (table,) = plates(6, 1, controls=3, features=4).values()
    table["Metadata_Count_Cells"] = range(len(table))
    table["Metadata_note"] = pd.NA
    table.loc[2, "Cells_F1"] = np.nan
    table["Metadata_Well"] = [f"A{i + 1:02d}" for i in range(len(table))]
    path = tmp_path / "P.parquet"
    write_profiles(table.astype({"Metadata_note": "str"}), path, MADE_BY)
    return path


@pytest.mark.parametrize("kind", ["csv.gz", "h5ad"])
def test_an_export_holds_every_well_and_value(profile, tmp_path, kind):
    exported = str(tmp_path / f"P.{kind}")
    main(str(profile), exported, "augmented", [])
    table = read_profiles(profile)
    if kind == "csv.gz":
        pd.testing.assert_frame_equal(read_profiles(exported), table, check_exact=True)
        return
    read = anndata.read_h5ad(exported)
    features = get_features(table)
    assert list(read.var_names) == features
    assert list(read.obs_names) == [f"Pplate0:A{i + 1:02d}" for i in range(9)]
    np.testing.assert_array_equal(read.X, table[features].to_numpy())
    assert np.isnan(read.X[2, 1])
    assert list(read.obs.columns) == [name for name in table if name not in features]
    for name in read.obs:
        ours, theirs = table[name], read.obs[name]
        assert theirs.isna().tolist() == ours.isna().tolist(), name
        assert theirs.dropna().astype(str).tolist() == ours.dropna().astype(str).tolist(), name
    assert read.obs["Metadata_Count_Cells"].dtype.kind == "i"
    assert read.uns["level"] == "augmented"
    assert json.loads(read.uns["provenance"]) == MADE_BY


@pytest.mark.parametrize("kind", ["csv.gz", "h5ad"])
def test_the_same_profiles_give_the_same_bytes(profile, tmp_path, kind):
    first, again = tmp_path / f"first.{kind}", tmp_path / f"again.{kind}"
    main(str(profile), str(first), "augmented", [])
    time.sleep(1.1)  # time stamps in files are whole seconds
    main(str(profile), str(again), "augmented", [])
    assert first.read_bytes() == again.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_features_are_described_by_their_names():
    features = [
        "Cells_Intensity_MeanIntensity_DNA",
        "Cytoplasm_Correlation_Manders_AGP_DNA",
        "Nuclei_Texture_Contrast_RNA_3_00_256",
        "Nuclei_AreaShape_Area",
        "Cells_Intensity_MeanIntensity_AGP",
        "Cells_F1",
        "efficientnet_0012",
    ]
    table = describe_features(features, ["RNA"]).astype(object)
    assert table.where(table.notna(), None).to_numpy().tolist() == [
        ["Cells", "Intensity", "DNA"],
        ["Cytoplasm", "Correlation", "AGP|DNA"],
        ["Nuclei", "Texture", "RNA"],
        ["Nuclei", "AreaShape", None],
        ["Cells", "Intensity", "AGP"],
        ["Cells", None, None],
        ["efficientnet", None, None],
    ]
    assert get_channels(features, ["RNA"]) == ["RNA", "DNA", "AGP"]


def test_text_becomes_categories_and_numbers_stay():
    text = make_categories(pd.Series(["b", None, "a"], dtype="str"))
    assert text.cat.categories.dtype == object
    assert text.cat.categories.tolist() == ["a", "b"]
    assert make_categories(pd.Series([1, 2])).dtype == int
    empty = make_categories(pd.Series([None, None], dtype="str"))
    assert len(empty.cat.categories) == 0


def test_an_anndata_can_be_subset_and_written_again(profile, tmp_path):
    converted = convert_to_anndata(read_profiles(profile), MADE_BY, "normalized")
    treated = converted[
        converted.obs["Metadata_control_type"] != "negcon", converted.var["compartment"] == "Cells"
    ]
    assert treated.shape == (6, 4)
    treated.copy().write_h5ad(tmp_path / "treated.h5ad")
    assert anndata.read_h5ad(tmp_path / "treated.h5ad").shape == (6, 4)


@pytest.mark.data
def test_the_published_profiles_of_a_plate(shared, tmp_path):
    file = shared / "cpjump1/profiles/BR00117010_normalized_feature_select_negcon_batch.csv.gz"
    table = read_profiles(file)
    write_profiles(table, tmp_path / "P.parquet", MADE_BY)
    main(str(tmp_path / "P.parquet"), str(tmp_path / "P.h5ad"), "normalized", [])
    read = anndata.read_h5ad(tmp_path / "P.h5ad")
    assert read.shape == (384, 904)
    np.testing.assert_array_equal(read.X, table[get_features(table)].to_numpy())
    assert set(read.var["compartment"]) == {"Cells", "Cytoplasm", "Nuclei"}
    assert {"DNA", "RNA", "ER", "AGP", "Mito"} <= set(read.var["channel"].dropna())
    assert read.var["channel"][read.var["family"] == "AreaShape"].isna().all()
    assert read.obs["Metadata_control_type"].value_counts()["negcon"] == 64


def test_every_level_is_exported_unless_some_are_named():
    assert get_exported_levels({"export_levels": None}, LEVELS) == list(LEVELS)
    assert get_exported_levels({"export_levels": ["augmented"]}, LEVELS) == ["augmented"]
    with pytest.raises(
        InputError, match="export_levels: there is no level selected; the levels are aggregated, augmented"
    ):
        get_exported_levels({"export_levels": ["selected"]}, LEVELS)


def test_the_recipe_names_its_files_so():
    recipe = {
        "aggregated": "",
        "augmented": "_augmented",
        "normalized": "_normalized",
        "normalized_negcon": "_normalized_negcon",
        "normalized_feature_select_plate": "_normalized_feature_select_plate",
        "normalized_feature_select_negcon_plate": "_normalized_feature_select_negcon_plate",
        "normalized_feature_select_batch": "_normalized_feature_select_batch",
        "normalized_feature_select_negcon_batch": "_normalized_feature_select_negcon_batch",
    }
    assert {level: LEVELS[level].suffix for level in recipe} == recipe
