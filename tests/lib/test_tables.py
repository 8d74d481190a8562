"""Tables are written completely or not at all, with their provenance, and read with their types."""

import logging

import numpy as np
import pandas as pd
import pytest

from lib.errors import InputError
from lib.tables import (
    get_features,
    is_of_workflow,
    read_feature_names,
    read_metadata,
    read_profiles,
    read_provenance,
    stack_profiles,
    write_profiles,
)

pytestmark = pytest.mark.unit
PROFILES = pd.DataFrame(
    {
        "Metadata_Plate": ["0012", "0012"],
        "Metadata_Well": ["A01", "A02"],
        "Metadata_Count_Cells": [3, 5],
        "Cells_AreaShape_Area": [1.5, np.nan],
        "Nuclei_AreaShape_Area": np.array([1, 2], np.float32),
    }
)


def test_profiles_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "p.parquet"
    write_profiles(PROFILES, path, {"parameters": {"a": 1}})
    read = read_profiles(path)
    assert read["Metadata_Plate"].tolist() == ["0012", "0012"]  # a barcode keeps its zeros
    assert read["Metadata_Count_Cells"].tolist() == [3, 5]
    assert read["Nuclei_AreaShape_Area"].dtype == float
    assert np.isnan(read["Cells_AreaShape_Area"][1])
    assert read_provenance(path)["parameters"] == {"a": 1}
    assert read_feature_names(path) == get_features(PROFILES) == list(PROFILES.columns[3:])
    assert list(read_metadata(path)) == list(PROFILES.columns[:3])
    assert [file.name for file in tmp_path.iterdir()] == ["p.parquet"]


def test_only_the_asked_features_are_read(tmp_path):
    write_profiles(PROFILES, tmp_path / "p.parquet", {})
    read = read_profiles(tmp_path / "p.parquet", features=["Nuclei_AreaShape_Area"])
    assert list(read) == [*PROFILES.columns[:3], "Nuclei_AreaShape_Area"]


def test_infinite_values_are_missing_and_named(tmp_path, caplog):
    infinite = PROFILES.assign(Cells_AreaShape_Area=[np.inf, 1])
    write_profiles(infinite, tmp_path / "p.parquet", {})
    with caplog.at_level(logging.WARNING):
        read = read_profiles(tmp_path / "p.parquet")
    assert np.isnan(read["Cells_AreaShape_Area"][0])
    assert "Cells_AreaShape_Area is infinite in well A01" in caplog.text


def test_a_file_of_someone_else_is_not_of_the_workflow(tmp_path):
    PROFILES.to_parquet(tmp_path / "other.parquet")
    PROFILES.to_csv(tmp_path / "other.csv", index=False)
    assert not is_of_workflow(tmp_path / "other.parquet")
    assert not is_of_workflow(tmp_path / "other.csv")
    write_profiles(PROFILES, tmp_path / "own.parquet", {})
    assert is_of_workflow(tmp_path / "own.parquet")


def test_a_cut_off_file_is_named_with_what_to_do(tmp_path):
    write_profiles(PROFILES, tmp_path / "p.parquet", {})
    whole = (tmp_path / "p.parquet").read_bytes()
    (tmp_path / "p.parquet").write_bytes(whole[:-20])
    with pytest.raises(InputError, match=r"p\.parquet cannot be read .*Delete it"):
        read_profiles(tmp_path / "p.parquet")


def test_plates_with_other_metadata_and_features_are_stacked():
    other = PROFILES.drop(columns="Nuclei_AreaShape_Area").assign(Metadata_arm="1p", Cells_X=1.0)
    stacked, partial = stack_profiles([PROFILES, other])
    assert partial == ["Cells_X", "Nuclei_AreaShape_Area"]
    assert list(stacked) == [*PROFILES.columns[:3], "Metadata_arm", "Cells_AreaShape_Area"]
    assert stacked["Metadata_arm"].isna().tolist() == [True, True, False, False]
    assert len(stacked) == 4


def test_reading_many_features_gives_no_warning_of_pandas(tmp_path, recwarn):
    values = np.arange(600.0).reshape(2, 300)
    profiles = pd.DataFrame(values, columns=[f"Cells_F{number}" for number in range(300)])
    profiles.insert(0, "Metadata_Well", ["A01", "A02"])
    write_profiles(profiles, tmp_path / "p.parquet", {})
    read = read_profiles(tmp_path / "p.parquet")
    assert read.assign(Metadata_new="x")["Cells_F299"].tolist() == [299.0, 599.0]
    assert len(recwarn) == 0
