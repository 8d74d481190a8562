"""Profiles of sites: hand-computed, against pycytominer, and what is left out or refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pycytominer import aggregate as pycytominer_aggregate

from aggregate_sites import KEYS, aggregate_sites, main
from lib.errors import InputError
from lib.tables import get_features, read_profiles, read_provenance

pytestmark = pytest.mark.unit

SITES = [("B01", "1"), ("A10", "2"), ("A02", "2"), ("A02", "1"), ("A02", "10")]


def write(folder: Path, cells: pd.DataFrame, sites: list = SITES, **measured: list) -> tuple[Path, Path]:
    """Write a table of cells, in the order of `cells`, and one of sites."""
    cells.insert(0, "Metadata_Plate", "P")
    cells.to_parquet(folder / "cells.parquet", row_group_size=3)
    image = pd.DataFrame(sites, columns=KEYS[1:]).assign(Metadata_Plate="P", **measured)
    image.to_parquet(folder / "image.parquet")
    return folder / "cells.parquet", folder / "image.parquet"


def make_cells(wells: list[str], sites: list[str], **values: list) -> pd.DataFrame:
    return pd.DataFrame({"Metadata_Well": wells, "Metadata_Site": sites, **values})


def few_cells() -> pd.DataFrame:
    return make_cells(
        ["A02", "B01", "A02", "A02", "A02"],
        ["1", "1", "10", "1", "1"],
        Cells_Area=[1.0, 5.0, 7.0, 2.0, 6.0],
        Nuclei_Mean=[np.nan, 3.0, np.nan, 4.0, 8.0],
        Cells_Parent_Nuclei=[1, 1, 1, 2, 3],
    )


@pytest.mark.parametrize(("operation", "middle"), [("mean", 3.0), ("median", 2.0)])
def test_hand_computed(tmp_path, operation, middle):
    table = aggregate_sites(*write(tmp_path, few_cells()), operation, ["^Parent_"])
    assert list(table) == [*KEYS, "Metadata_Count_Cells", "Cells_Area", "Nuclei_Mean"]
    # by well, and within a well as the table of sites has them
    found = list(zip(table["Metadata_Well"], table["Metadata_Site"], strict=True))
    assert found == [("A02", "2"), ("A02", "1"), ("A02", "10"), ("A10", "2"), ("B01", "1")]
    assert table["Metadata_Count_Cells"].tolist() == [0, 3, 1, 0, 1]
    np.testing.assert_array_equal(table["Cells_Area"], [np.nan, middle, 7, np.nan, 5])
    np.testing.assert_array_equal(table["Nuclei_Mean"], [np.nan, 6, np.nan, np.nan, 3])


@pytest.mark.parametrize("operation", ["mean", "median"])
def test_as_pycytominer(tmp_path, operation):
    rng = np.random.default_rng(0)
    number = 600
    values = {f"Cells_F{at}": rng.lognormal(size=number) for at in range(5)}
    wells, sites = rng.choice(["A01", "A02", "B01"], number), rng.choice(["1", "2", "3"], number)
    cells = make_cells(list(wells), list(sites), **values)
    every = [(well, site) for well in ("A01", "A02", "B01") for site in "123"]
    table = aggregate_sites(*write(tmp_path, cells, every), operation, [])
    theirs = pycytominer_aggregate(
        cells, strata=KEYS, features=list(values), operation=operation, compute_object_count=False
    ).sort_values(KEYS, ignore_index=True)
    np.testing.assert_allclose(table[list(values)], theirs[list(values)], rtol=1e-9)
    assert table[KEYS].to_numpy().tolist() == theirs[KEYS].to_numpy().tolist()


def test_excluded_sites_and_flagged_cells_are_left_out(tmp_path):
    cells = few_cells().assign(Metadata_ImageNumber=[1, 2, 3, 1, 1], Metadata_ObjectNumber=[1, 1, 1, 2, 3])
    flags = tmp_path / "flags.parquet"
    numbers = cells[["Metadata_ImageNumber", "Metadata_ObjectNumber"]]
    numbers.assign(flagged=[False, False, False, False, True]).to_parquet(flags)
    paths = write(tmp_path, cells)
    table = aggregate_sites(*paths, "mean", ["^Parent_"], {("A02", "10"), ("A10", "2")}, flags=flags)
    assert table["Metadata_Site"].tolist() == ["2", "1", "1"]
    assert table["Metadata_Count_Cells"].tolist() == [0, 2, 1]
    np.testing.assert_array_equal(table["Cells_Area"], [np.nan, 1.5, 5])


def test_measurements_of_images_join_those_of_cells(tmp_path):
    measured = {"Intensity_Mean_DNA": [1.0, 2.0, 3.0, 4.0, np.inf], "Image_Other": [1, 2, 3, 4, 5]}
    paths = write(tmp_path, few_cells(), **measured)
    table = aggregate_sites(*paths, "mean", ["^Parent_"], unwanted=["Image_Other"], image_features=True)
    assert get_features(table) == ["Cells_Area", "Nuclei_Mean", "Image_Intensity_Mean_DNA"]
    np.testing.assert_array_equal(table["Image_Intensity_Mean_DNA"], [np.nan, 4, np.nan, np.nan, 1])


def test_sites_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"image.parquet has no row for A02 site 10"):
        aggregate_sites(*write(tmp_path, few_cells(), SITES[:4]), "mean", [])
    with pytest.raises(InputError, match="well A02 has site 10 twice"):
        aggregate_sites(*write(tmp_path, few_cells(), [*SITES, SITES[-1]]), "mean", [])


def test_the_file_says_how_it_was_made(tmp_path):
    flags = tmp_path / "flags.csv"
    flags.write_text("Metadata_Well,Metadata_Site,excluded\nA10,2,True\nA02,2,False\n")
    given = {"operation": "mean", "exclude": ["^Parent_"], "unwanted": [], "image_features": False}
    output = tmp_path / "out.parquet"
    main(*write(tmp_path, few_cells()), output, {"batch": "B", "plate": "P", **given}, flags)
    assert len(read_profiles(output)) == 4
    parameters = read_provenance(output)["parameters"]
    assert parameters["operation"] == "mean"
    assert parameters["excluded_sites"] == ["A10 site 2"]
