"""Published deep features: columns of arrays, and DeepProfiler's files of single cells."""

import numpy as np
import pandas as pd
import pytest

from import_profiles import read_plate_profiles
from lib.deep_profiles import expand_arrays, read_deepprofiler
from lib.errors import InputError
from lib.tables import get_features, read_profiles

pytestmark = pytest.mark.unit
PLATE = {"batch": "B", "plate": "P1", "perturbation": "orf", "cell_line": "U2OS", "timepoint": "48"}


def gallery() -> pd.DataFrame:
    """Wells as in the Gallery's workspace_dl/profiles."""
    return pd.DataFrame(
        {
            "source": "source_4",
            "batch": "2021_04_26_Batch1",
            "plate": ["P1", "P1", "P2"],
            "well": ["A1", "A02", "A01"],
            "dna_emb": [np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0])],
            "er_emb": [np.array([7.0]), None, np.array([9.0])],
        }
    )


def test_arrays_become_features(tmp_path):
    gallery().to_parquet(tmp_path / "deep.parquet")
    profiles = read_profiles(tmp_path / "deep.parquet")
    assert get_features(profiles) == ["dna_emb_0", "dna_emb_1", "er_emb_0"]
    assert profiles["Metadata_Well"].tolist() == ["A01", "A02", "A01"]
    assert profiles["dna_emb_1"].tolist() == [2, 4, 6]
    np.testing.assert_array_equal(profiles["er_emb_0"], [7, np.nan, 9])
    assert profiles["Metadata_source"].tolist() == ["source_4"] * 3
    own = read_plate_profiles(tmp_path / "deep.parquet", PLATE, ["P1", "P2"])
    assert own["dna_emb_0"].tolist() == [1, 3]
    assert own["Metadata_Batch"].tolist() == ["B", "B"]


def test_arrays_that_are_not_profiles_are_named(tmp_path):
    table = gallery()
    table.at[1, "dna_emb"] = np.array([1.0])
    with pytest.raises(InputError, match=r"arrays of column dna_emb differ in length \(1, 2\)"):
        expand_arrays(table, tmp_path / "x.parquet")
    table = gallery().assign(dna_emb=[["a"], ["b"], [1.0]])
    with pytest.raises(InputError, match="arrays of column dna_emb do not hold numbers"):
        expand_arrays(table, tmp_path / "x.parquet")
    plain = pd.DataFrame({"a": [1.0, None], "b": ["x", None]})
    pd.testing.assert_frame_equal(expand_arrays(plain, tmp_path), plain)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_lists_of_text_are_joined_and_a_text_beside_them_is_kept(tmp_path, kind):
    values = [kind(["EGFR", "ERBB2"]), "EGFR", None, kind(["TP53"])]
    for order in ([0, 1, 2, 3], [1, 0, 2, 3], [2, 1, 3, 0]):
        table = pd.DataFrame({"target": pd.Series([values[at] for at in order], dtype=object)})
        texts = ["EGFR|ERBB2", "EGFR", "", "TP53"]
        found = expand_arrays(table, tmp_path)
        assert found["target"].tolist() == [texts[at] for at in order]


@pytest.mark.parametrize("name", ["P1/A01/{}.npz", "A01/{}.npz", "A01_{}.npz", "P1/A1_{}.npz"])
def test_a_well_is_the_mean_of_its_cells(tmp_path, name):
    rng = np.random.default_rng(0)
    sites = [rng.normal(size=(4, 3)), rng.normal(size=(7, 3)), np.empty((0, 3))]
    for number, cells in enumerate(sites, start=1):
        file = tmp_path / name.format(number)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, features=cells, metadata=np.array({"model": "x"}, dtype=object), locations=cells)
    profiles = read_profiles(tmp_path)
    assert profiles["Metadata_Well"].tolist() == ["A01"]
    assert profiles["Metadata_Count_Cells"].tolist() == [11]
    assert get_features(profiles) == ["deep_0", "deep_1", "deep_2"]
    np.testing.assert_allclose(profiles[get_features(profiles)], [np.concatenate(sites).mean(axis=0)])
    assert read_plate_profiles(tmp_path, PLATE, ["P1"])["deep_0"].notna().all()


def test_wells_without_cells_and_files_that_cannot_be_read(tmp_path):
    np.savez(tmp_path / "A01_1.npz", features=np.empty((0, 2)))
    np.savez(tmp_path / "A02_1.npz", features=np.ones((3, 2)))
    found = read_deepprofiler(tmp_path)
    assert found["Metadata_Count_Cells"].tolist() == [0, 3]
    assert found["deep_0"].isna().tolist() == [True, False]
    np.savez(tmp_path / "A03_1.npz", features=np.ones((3, 5)))
    with pytest.raises(InputError, match=r"A03_1.npz has 5 features per cell, and the files before it 2"):
        read_deepprofiler(tmp_path)
    (tmp_path / "A03_1.npz").write_bytes((tmp_path / "A02_1.npz").read_bytes()[:60])
    with pytest.raises(InputError, match=r"A03_1\.npz cannot be read"):
        read_deepprofiler(tmp_path)
    np.savez(tmp_path / "A03_1.npz", other=np.ones(3))
    with pytest.raises(InputError, match="has no array `features`"):
        read_deepprofiler(tmp_path)
    (tmp_path / "A03_1.npz").unlink()
    np.savez(tmp_path / "notes.npz", features=np.ones((3, 2)))
    with pytest.raises(InputError, match="neither its name nor its folder is a well"):
        read_deepprofiler(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"a folder without \.npz files"):
        read_profiles(tmp_path / "empty")
