"""Measures of a site, by hand."""

import numpy as np
import pandas as pd
import pytest

from plate_quality.measures import compute_robust_z, measure_sites, name_image_measures

pytestmark = pytest.mark.unit


def test_images_as_they_were_taken_count():
    columns = [
        "ImageQuality_MeanIntensity_OrigDNA",
        "ImageQuality_MeanIntensity_IllumDNA",
        "ImageQuality_MeanIntensity_DNA",
        "ImageQuality_PercentMaximal_OrigDNA",
        "Intensity_MeanIntensity_OrigDNA",
        "Intensity_Percentile_5_OrigDNA",
        "ImageQuality_MinIntensity_OrigDNA",
        "ImageQuality_FocusScore_OrigDNA",
    ]
    assert name_image_measures(columns) == {
        "ImageQuality_MeanIntensity_OrigDNA": "MeanIntensity_DNA",
        "Intensity_Percentile_5_OrigDNA": "Background_DNA",
        "ImageQuality_PercentMaximal_OrigDNA": "PercentMaximal_DNA",
    }
    assert name_image_measures(["ImageQuality_MinIntensity_GFP"]) == {
        "ImageQuality_MinIntensity_GFP": "Background_GFP"
    }


def test_measures_of_a_site_by_hand(tmp_path):
    image = pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_Well": ["A01", "A02"],
            "Metadata_Site": ["1", "1"],
            "Metadata_ImageNumber": [1, 2],
            "ImageQuality_PowerLogLogSlope_OrigDNA": [-2.0, -0.1],
        }
    )
    cells = pd.DataFrame(
        {
            "Metadata_Well": ["A01"] * 3,
            "Metadata_Site": ["1"] * 3,
            "Nuclei_AreaShape_Area": [10.0, 30.0, 90.0],
            "Cells_Intensity_MeanIntensity_DNA": [0.1, 0.2, 0.6],
        }
    )
    image.to_parquet(tmp_path / "image.parquet")
    cells.to_parquet(tmp_path / "cells.parquet")
    sites = measure_sites(tmp_path / "image.parquet", tmp_path / "cells.parquet").set_index("Metadata_Well")
    assert sites["Count_Cells"].tolist() == [3, 0]
    assert sites.at["A01", "Nuclei_Area"] == 30
    assert sites.at["A01", "CellIntensity_DNA"] == pytest.approx(0.3)
    assert np.isnan(sites.at["A02", "Nuclei_Area"])
    assert sites["PowerLogLogSlope_DNA"].tolist() == [-2.0, -0.1]


def test_robust_z_by_hand():
    assert compute_robust_z(pd.Series([1.0, 2, 3, 4, 10])).round(3).tolist() == [
        -1.349,
        -0.674,
        0,
        0.674,
        4.721,
    ]
    assert compute_robust_z(pd.Series([1.0, 1, 1, 5])).tolist()[:3] == [0, 0, 0]
    assert np.isnan(compute_robust_z(pd.Series([1.0, 1, 1, 5])).iloc[3])
