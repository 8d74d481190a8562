"""Annotation, normalization and feature selection: hand-computed numbers and pycytominer's traps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pycytominer import feature_select as pycytominer_feature_select
from pycytominer import normalize as pycytominer_normalize
from pycytominer.operations import correlation_threshold

from annotate import annotate, find_unmatched_wells
from import_profiles import add_annotation, read_plate_profiles
from lib.errors import InputError
from lib.plate_contents import read_annotation
from lib.selection import correlate_pairwise, find_correlated_features, find_dropped_features
from lib.tables import (
    get_features,
    get_provenance,
    read_profiles,
    read_provenance,
    stack_profiles,
    write_profiles,
)
from normalize import STANDARDIZE, choose_reference_wells, mad_robustize, normalize, standardize

pytestmark = pytest.mark.unit

PLATE = {
    "batch": "B1",
    "plate": "P1",
    "plate_map": "maps/map.txt",
    "perturbation": "compound",
    "cell_line": "U2OS",
    "timepoint": "48",
    "images": "x",
    "density": "",
}
SETTINGS = {
    "freq_cut": 0.05,
    "unique_cut": 0.1,
    "correlation": 0.9,
    "na_cutoff": 0.05,
    "blocklist": True,
}


def profiles_of(wells, **features) -> pd.DataFrame:
    frame = pd.DataFrame({"Metadata_Plate": "P1", "Metadata_Well": wells})
    frame["Metadata_Count_Cells"] = 5
    frame["Metadata_Count_Sites"] = 1
    return frame.assign(**features)


def random_profiles(wells: int, features: int, seed: int = 0) -> pd.DataFrame:
    """Correlated features, so that the correlation threshold has something to find."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(wells, max(2, features // 4)))
    values = shared @ rng.normal(size=(shared.shape[1], features)) + rng.normal(size=(wells, features)) * 0.3
    names = [f"Cells_F{number}" for number in range(features)]
    metadata = pd.DataFrame(
        {
            "Metadata_Plate": "P1",
            "Metadata_Well": [f"A{n:02d}" for n in range(wells)],
            "Metadata_control_type": ["negcon" if n % 3 == 0 else "" for n in range(wells)],
        }
    )
    return pd.concat([metadata, pd.DataFrame(values, columns=names)], axis=1)


def test_every_well_is_there_after_annotation():
    plate_map = pd.DataFrame({"well": ["A01", "A03"], "broad_sample": ["drug", ""], "solvent": "DMSO"})
    about = pd.DataFrame({"broad_sample": ["drug", ""], "gene": ["G1", ""], "control_type": ["", "negcon"]})
    annotated = annotate(profiles_of(["A01", "A02"], Cells_X=[1.0, 2.0]), plate_map, about, PLATE)
    assert annotated["Metadata_Well"].tolist() == ["A01", "A02", "A03"]
    assert annotated["Cells_X"].tolist()[:2] == [1.0, 2.0]
    assert np.isnan(annotated["Cells_X"][2])
    assert annotated["Metadata_Count_Cells"].tolist() == [5, 5, 0]
    assert annotated["Metadata_broad_sample"].tolist()[::2] == ["drug", "DMSO"]
    assert annotated["Metadata_control_type"][2] == "negcon"
    assert annotated["Metadata_gene"][0] == "G1"
    assert annotated.loc[1, ["Metadata_broad_sample", "Metadata_gene"]].isna().all()
    assert set(annotated["Metadata_cell_line"]) == {"U2OS"}
    assert annotated["Metadata_density"].isna().all()
    assert "Metadata_images" not in annotated


def test_wells_that_only_one_side_knows_are_named():
    plate_map = pd.DataFrame({"well": ["A01", "A03"], "broad_sample": ["x", "y"]})
    assert find_unmatched_wells(profiles_of(["A01", "A02"]), plate_map) == [
        ("A02", "not in the plate map"),
        ("A03", "on the plate map, but without a site"),
    ]


def test_mad_robustize_by_hand():
    # Reference 1, 2, 3, 4, 100: median 3, absolute deviations 2, 1, 0, 1, 97, MAD 1.
    reference = np.array([[1.0], [2.0], [3.0], [4.0], [100.0]])
    values, mad = mad_robustize(np.array([[3.0], [4.4826], [np.nan], [np.inf]]), reference)
    assert values[:2, 0] == pytest.approx([0, 1])
    assert np.isnan(values[2:, 0]).all()
    assert mad[0] == 1


def test_standardize_by_hand():
    """Standard deviations of 1, 3 and 0.001 in the controls: the median, 1, is the least spread."""
    reference = np.array([[1.0, 0.0, 0.501], [3.0, 6.0, 0.499], [1.0, 0.0, 0.501], [3.0, 6.0, 0.499]])
    values, constant = standardize(np.array([[4.0, 9.0, 0.6], [np.nan, np.inf, 0.5]]), reference)
    np.testing.assert_allclose(values[0], [2.0, 2.0, 0.1], rtol=1e-9)
    assert np.isnan(values[1, :2]).all()
    assert constant.tolist() == [False, False, False]
    values, constant = standardize(np.array([[1.0, 2.0]]), np.array([[0.5, 3.0], [0.5, 5.0], [0.5, np.nan]]))
    assert constant.tolist() == [True, False]
    assert values[0, 1] == -2.0


def test_features_of_a_network_that_hardly_vary_do_not_explode():
    """ReLU features that are almost always 0: mad_robustize drops or explodes them, standardize does not."""
    generator = np.random.default_rng(0)
    quiet = np.where(generator.random((40, 300)) < 0.3, generator.random((40, 300)) * 1e-4, 0)
    usual = generator.normal(1, 0.1, (40, 300))
    usual[30:] += 0.3
    quiet[30:] += 0.05
    names = [f"Embedding_DNA_{number:04d}" for number in range(600)]
    profiles = pd.DataFrame(np.hstack([usual, quiet]), columns=names)
    profiles.insert(0, "Metadata_Well", [f"A{number:02d}" for number in range(40)])
    normalized, dropped, _ = normalize(profiles, profiles[:30], method=STANDARDIZE)
    values = normalized[get_features(normalized)].to_numpy()
    assert dropped == {}
    assert np.abs(values).max() < 30
    robust, _, _ = normalize(profiles, profiles[:30])
    assert np.abs(robust[get_features(robust)].to_numpy()).max() > 300


def test_normalizing_equals_pycytominer():
    profiles = random_profiles(40, 30)
    mine, dropped, _ = normalize(profiles, profiles[profiles["Metadata_control_type"] == "negcon"])
    theirs = pycytominer_normalize(
        profiles,
        features=get_features(profiles),
        meta_features=["Metadata_Plate", "Metadata_Well", "Metadata_control_type"],
        samples="Metadata_control_type == 'negcon'",
        method="mad_robustize",
    )
    assert dropped == {}
    np.testing.assert_allclose(mine[get_features(mine)], theirs[get_features(mine)], rtol=1e-9)


def test_a_feature_with_mad_0_is_dropped_and_listed_not_1e18():
    profiles = random_profiles(12, 2).assign(Cells_Flat=[5.0] * 11 + [6.0], Cells_Gone=np.nan)
    reference = profiles.iloc[:9]
    normalized, dropped, _ = normalize(profiles, reference)
    assert list(dropped) == ["Cells_Flat", "Cells_Gone"]
    assert np.abs(normalized[get_features(normalized)].to_numpy()).max() < 1e6
    theirs = pycytominer_normalize(
        profiles, features=["Cells_Flat"], meta_features=["Metadata_Well"], method="mad_robustize"
    )
    assert theirs["Cells_Flat"].abs().max() > 1e17, "pycytominer's trap has gone: use it again"


def test_rounding_of_equal_means_is_not_spread():
    profiles = random_profiles(6, 1).assign(Cells_Flat=[0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3, 7.0])
    _, dropped, _ = normalize(profiles, profiles.iloc[:5])
    assert list(dropped) == ["Cells_Flat"]


def test_too_few_negative_controls_name_the_empty_ones():
    profiles = random_profiles(9, 3)
    profiles.loc[profiles["Metadata_Well"] == "A03", get_features(profiles)] = np.nan
    with pytest.raises(InputError) as error:
        choose_reference_wells(profiles, "negcon", "control_type", "negcon", 3, "P1")
    assert "Plate P1: 2 negative control wells" in str(error.value)
    assert " and A03 have none" in str(error.value)
    assert "normalize.to to [all]" in str(error.value)


def test_a_plate_without_the_control_column():
    profiles = random_profiles(9, 3).drop(columns="Metadata_control_type")
    with pytest.raises(InputError, match="no column Metadata_control_type"):
        choose_reference_wells(profiles, "negcon", "control_type", "negcon", 3, "P1")


def test_wells_without_cells_are_not_a_reference():
    profiles = random_profiles(9, 3)
    profiles.loc[0, get_features(profiles)] = np.nan
    assert choose_reference_wells(profiles, "all", "", "", 3, "P1").tolist() == [False] + [True] * 8


@settings(deadline=None, max_examples=40)
@given(st.integers(5, 30), st.integers(3, 25), st.integers(0, 10_000), st.floats(0.3, 0.95))
def test_correlated_features_are_pycytominers(wells, features, seed, threshold):
    profiles = random_profiles(wells, features, seed)
    values = profiles[get_features(profiles)]
    # Rounding decides which of two features with equal sums is dropped (two features always have equal sums).
    assume(np.diff(np.sort(values.corr().abs().sum())).min() > 1e-9)
    theirs = correlation_threshold(profiles, list(values), threshold=threshold)
    assert set(find_correlated_features(values, threshold)) == set(theirs)


def test_pairwise_correlation_with_missing_values_is_pandas():
    values = random_profiles(30, 8)[[f"Cells_F{n}" for n in range(8)]]
    values = values.mask(np.random.default_rng(1).random(values.shape) < 0.1).assign(flat=2.0)
    np.testing.assert_allclose(correlate_pairwise(values.to_numpy()), values.corr(), atol=1e-12)


def test_selected_features_are_pycytominers():
    """pycytominer's feature_select names the paper's first operation frequency_threshold since 1.7."""
    profiles = random_profiles(60, 40).assign(
        Cells_Rare=[0.0] * 58 + [1.0, 2.0],
        Cells_Sparse=[np.nan] * 10 + list(np.linspace(0, 1, 50)),
        Nuclei_Correlation_Manders_AGP_DNA=np.linspace(0, 3, 60) ** 2,
    )
    dropped = find_dropped_features(profiles, SETTINGS)
    theirs = pycytominer_feature_select(
        profiles,
        features=get_features(profiles),
        operation=["frequency_threshold", "correlation_threshold", "drop_na_columns", "blocklist"],
        freq_cut=0.05,
        unique_cut=0.1,
        corr_threshold=0.9,
        na_cutoff=0.05,
    )
    assert set(get_features(profiles)) - set(dropped["feature"]) == set(get_features(theirs))
    reasons = dropped.set_index("feature")["operation"]
    assert "frequency_threshold" in set(reasons.loc[["Cells_Rare"]])
    assert "drop_na_columns" in set(reasons.loc[["Cells_Sparse"]])
    assert "blocklist" in set(reasons.loc[["Nuclei_Correlation_Manders_AGP_DNA"]])


def test_wells_without_cells_do_not_make_features_missing():
    profiles = random_profiles(40, 10)
    profiles.loc[:5, get_features(profiles)] = np.nan
    assert "drop_na_columns" not in set(find_dropped_features(profiles, SETTINGS)["operation"])


def test_features_that_not_every_plate_has_are_named():
    together, partial = stack_profiles([random_profiles(4, 3), random_profiles(4, 2)])
    assert get_features(together) == ["Cells_F0", "Cells_F1"]
    assert partial == ["Cells_F2"]


def test_profiles_are_written_with_what_made_them(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("Metadata_Well,Cells_X\nA01,1\n")
    profiles = read_profiles(source)
    write_profiles(profiles, tmp_path / "out.parquet", get_provenance({"method": "x"}, [source]))
    assert read_profiles(tmp_path / "out.parquet").equals(profiles)
    made_by = read_provenance(tmp_path / "out.parquet")
    assert made_by["parameters"] == {"method": "x"}
    assert set(made_by["inputs"]) == {"in.csv"}
    assert "pycytominer" in made_by["libraries"]


def test_a_corrupt_profile_says_what_to_do(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match="Delete it so that the workflow makes it again"):
        read_profiles(path)


def test_text_in_a_feature_names_the_column(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("Metadata_Well,Cells_X\nA01,high\n")
    with pytest.raises(InputError, match="column Cells_X holds text"):
        read_profiles(path)


def test_published_profiles_in_other_hands_formats(tmp_path):
    """Tab-separated, with pandas' row numbers, with the well as index, with the barcode as a number."""
    table = pd.DataFrame(
        {"Metadata_Plate": [12, 12], "Metadata_Well": ["A1", "b02"], "Image_Granularity_1_DNA": [1.0, 2.0]}
    )
    table.to_csv(tmp_path / "p.tsv.gz", sep="\t", index=False)
    table.to_csv(tmp_path / "p.csv")
    table.set_index(["Metadata_Plate", "Metadata_Well"]).to_parquet(tmp_path / "index.parquet")
    table.astype({"Metadata_Plate": float}).to_parquet(tmp_path / "float.parquet")
    for name in ("p.tsv.gz", "p.csv", "index.parquet", "float.parquet"):
        profiles = read_plate_profiles(tmp_path / name, {**PLATE, "plate": "0012"})
        assert profiles["Metadata_Plate"].tolist() == ["0012"] * 2, name
        assert profiles["Metadata_Well"].tolist() == ["A01", "B02"], name
        assert get_features(profiles) == ["Image_Granularity_1_DNA"], name


def test_an_empty_value_of_the_sheet_hides_none_of_the_file(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("Metadata_Well,Metadata_cell_line,Cells_X\nA01,A549,1\n")
    profiles = read_plate_profiles(path, {**PLATE, "cell_line": ""})
    assert profiles["Metadata_cell_line"].tolist() == ["A549"]


def test_published_profiles_of_one_plate_of_many(tmp_path):
    path = tmp_path / "all.csv"
    path.write_text("Image_Metadata_Plate,Image_Metadata_Well,Cells_X\nP1,a1,1\nP2,A01,2\n")
    profiles = read_plate_profiles(path, PLATE)
    assert profiles["Metadata_Well"].tolist() == ["A01"]
    assert profiles["Cells_X"].tolist() == [1.0]
    assert profiles["Metadata_cell_line"].tolist() == ["U2OS"]
    with pytest.raises(InputError, match="has no well of plate P9; it has P1, P2"):
        read_plate_profiles(path, {**PLATE, "plate": "P9"})


def test_published_profiles_get_what_they_lack_from_the_annotation(tmp_path):
    path = tmp_path / "annotation.tsv"
    path.write_text("broad_sample\ttarget\tcontrol_type\tmoa\nX\tEGFR|ERBB2\t\tinhibitor\n\t\tnegcon\t\n")
    annotation = read_annotation(path, "target")
    profiles = pd.DataFrame(
        {
            "Metadata_Well": ["A01", "A02", "A03"],
            "Metadata_broad_sample": ["X", None, "Y"],
            "Metadata_moa": ["of the file"] * 3,
            "Cells_X": [1.0, 2.0, 3.0],
        }
    )
    found = add_annotation(profiles, annotation)
    assert get_features(found) == list(found)[-1:] == ["Cells_X"]
    assert found["Cells_X"].tolist() == [1.0, 2.0, 3.0]
    assert found["Metadata_gene"].fillna("").tolist() == ["EGFR|ERBB2", "", ""]
    assert found["Metadata_control_type"].fillna("").tolist() == ["", "negcon", ""]
    assert found["Metadata_moa"].tolist() == ["of the file"] * 3
    assert found["Metadata_broad_sample"].fillna("").tolist() == ["X", "", "Y"]
    jump = profiles.rename(columns={"Metadata_broad_sample": "Metadata_JCP2022"})
    of_jump = add_annotation(jump, annotation)
    assert of_jump["Metadata_broad_sample"].fillna("").tolist() == ["X", "", "Y"]
    assert of_jump["Metadata_gene"].fillna("").tolist() == ["EGFR|ERBB2", "", ""]
    without = profiles.drop(columns="Metadata_broad_sample")
    pd.testing.assert_frame_equal(add_annotation(without, annotation), without)


@pytest.mark.data
def test_bbbc021_normalized_as_expected(shared):
    """The published table was normalized over all wells of the batch; 189 features are in both."""
    folder = shared / "bbbc021_profiles"
    raw = read_profiles(folder / "ljosa_jbiomolscreen_2013_per_well_mean.csv.gz")
    expected = read_profiles(folder / "expected" / "BBBC021_feature_selected_mad_robustize.csv")
    normalized, _, _ = normalize(raw, raw)
    keys = ["Metadata_Plate", "Metadata_Well"]
    common = [name for name in get_features(expected) if name in normalized]
    mine = expected[keys].merge(normalized, on=keys, how="left", validate="1:1")
    assert len(common) == 189
    np.testing.assert_allclose(mine[common], expected[common], atol=1e-9, rtol=0)


@pytest.mark.parametrize("method", ["robustize", "standardize"])
def test_other_methods_are_pycytominers(method):
    rng = np.random.default_rng(3)
    profiles = pd.DataFrame(rng.normal(3, 2, size=(40, 5)), columns=[f"Cells_F{n}" for n in range(5)])
    profiles["Cells_Flat"] = 0.3
    profiles.insert(0, "Metadata_Plate", "P")
    reference = profiles.iloc[:15]
    mine, dropped, _ = normalize(profiles, reference, method=method, floored=False)
    theirs = pycytominer_normalize(
        profiles.assign(Metadata_negative=["y"] * 15 + [""] * 25),
        features=[f"Cells_F{n}" for n in range(5)],
        meta_features=["Metadata_Plate"],
        samples="Metadata_negative == 'y'",
        method=method,
    )
    assert list(dropped) == ["Cells_Flat"]
    np.testing.assert_allclose(mine[theirs.columns[1:]], theirs[theirs.columns[1:]], rtol=1e-9, atol=1e-9)
