"""Image-level features: which columns they are, and their summary over the sites of a well."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pycytominer.cyto_utils.util import extract_image_features

import aggregate
from lib.errors import InputError
from lib.image_features import find_measurements, summarize_images
from lib.tables import read_provenance

pytestmark = pytest.mark.unit

SITES = pd.DataFrame(
    {
        "Metadata_Plate": "P",
        "Metadata_Well": ["A01", "A01", "A02", "A03"],
        "Metadata_Site": ["1", "2", "1", "1"],
        "FileName_OrigDNA": "x.tiff",
        "Count_Nuclei": [3.0, 4, 5, 0],
        "Height_OrigDNA": [1080, 1080, 1080, 1080],
        "Granularity_1_DNA": [1.0, 3, 5, 9],
        "Intensity_MeanIntensity_OrigDNA": [1.0, np.nan, np.inf, 9],
        "ImageQuality_Correlation_OrigDNA_20": [1, 2, 3, 4],
        "ExecutionTime_05Crop": [1.0, 2, 3, 4],
    }
)
FEATURES = [
    "Image_Granularity_1_DNA",
    "Image_Intensity_MeanIntensity_OrigDNA",
    "Image_ImageQuality_Correlation_OrigDNA_20",
]


@pytest.fixture
def paths(tmp_path):
    """The cells of A01 and A02 (A03 has none), and the sites."""
    cells = pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_Well": ["A01", "A01", "A02"],
            "Metadata_Site": ["1", "2", "1"],
            "Cells_X": np.array([1, 3, 5], np.float32),
        }
    )
    SITES.to_parquet(tmp_path / "image.parquet")
    cells.to_parquet(tmp_path / "cells.parquet")
    return tmp_path / "cells.parquet", tmp_path / "image.parquet"


def test_the_features_are_those_of_pycytominer(paths):
    found = find_measurements(pq.read_schema(paths[1]))
    assert list(found) == FEATURES
    categories = ["Granularity", "Intensity", "ImageQuality"]
    theirs = extract_image_features(categories, SITES, ["Metadata_Site"], ["Metadata_Well"])
    assert set(found) == {name for name in theirs if name.startswith("Image_")}


@pytest.mark.parametrize(("operation", "first"), [("mean", [2.0, 1.0, 1.5]), ("median", [2.0, 1.0, 1.5])])
def test_sites_are_summarized_by_hand(paths, operation, first):
    table = summarize_images(paths[1], ["A02", "A01"], operation)
    assert list(table) == FEATURES
    np.testing.assert_array_equal(table.iloc[1], first)
    np.testing.assert_array_equal(table.iloc[0], [5, np.nan, 3])
    without = summarize_images(paths[1], ["A01"], operation, np.array([True, False, True, True]))
    np.testing.assert_array_equal(without.iloc[0], [1, 1, 1])


def test_they_join_the_profile_of_wells_with_cells(paths):
    table = aggregate.aggregate(*paths, "mean", [], excluded={("A01", "1")}, image_features=True)
    assert list(table)[-4:] == ["Cells_X", *FEATURES]
    assert table["Image_Granularity_1_DNA"].tolist()[:2] == [3, 5]
    assert table.loc[2, FEATURES].isna().all()  # A03 has no cells
    fewer = aggregate.aggregate(*paths, "mean", [], unwanted=["Image_Gran*"], image_features=True)
    assert list(fewer)[-2:] == FEATURES[1:]
    assert "Image_Granularity_1_DNA" not in aggregate.aggregate(*paths, "mean", [])
    without = aggregate.aggregate(*paths, "mean", [], unwanted=["Image_*"], image_features=True)
    assert not [name for name in without if name.startswith("Image_")]
    assert [name for name in without if name.startswith("Cells_")]


def test_those_that_the_config_excludes_are_named(paths, tmp_path):
    parameters = {
        "batch": "B",
        "plate": "P",
        "operation": "mean",
        "exclude_features": [],
        "unwanted": ["Image_Gran*"],
        "image_features": True,
    }
    aggregate.main(*paths, tmp_path / "profiles.parquet", parameters)
    found = read_provenance(tmp_path / "profiles.parquet")
    assert found["excluded_features"] == {"exclude_features": ["Image_Granularity_1_DNA"]}


def test_a_table_without_measurements_is_answered(tmp_path):
    SITES.iloc[:, :6].to_parquet(tmp_path / "image.parquet")
    with pytest.raises(InputError, match="no measurement of entire images"):
        summarize_images(tmp_path / "image.parquet", ["A01"], "mean")
