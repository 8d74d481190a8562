"""A sample of an experiment's cells: the same number from every well, and the features of every plate."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import scanpy

from cell_plate import FEATURES, write_plate
from lib.errors import InputError
from sample_cells import choose_rows, draw, find_common_features, get_share
from test_normalize_cells import NUMBERS, run

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    """Normalized cells of two plates of one name in two batches; the second lacks a feature."""
    found = []
    for batch, features in (("B1", FEATURES), ("B2", FEATURES[1:])):
        folder = tmp_path_factory.mktemp(batch)
        paths = write_plate(folder, NUMBERS, batch=batch, features=features)
        found.append(run(paths, folder)[0])
    return found


def test_share_of_each_well_by_hand():
    numbers = np.array([9, 12, 5, 20, 1])
    assert get_share(numbers, 1000) == 20
    assert get_share(numbers, 26) == 6  # 7 + 7 + 5 + 7 + 1 = 27 is too many
    assert get_share(numbers, 27) == 7
    assert get_share(numbers, 2) == 1


def test_a_sample_of_two_plates_of_one_name(plates):
    sample = draw(plates, 54, 1, ["DNA", "ER"])
    counts = sample.obs.groupby(["Metadata_Batch", "Metadata_Well"], observed=True).size()
    assert counts.tolist() == [7, 7, 5, 7, 1] * 2
    assert sample.obs_names.is_unique
    assert sample.var_names.tolist() == list(FEATURES[1:])
    assert (sample.uns["features_not_common"], sample.uns["cells_per_well"]) == (1, 7)
    for path, batch in zip(plates, ("B1", "B2"), strict=True):
        table = pq.read_table(path).to_pandas()
        part = sample[sample.obs["Metadata_Batch"] == batch]
        keys = ["Metadata_Well", "Metadata_ObjectNumber"]
        expected = table.set_index([table[key].astype(str) for key in keys])
        index = list(zip(*(part.obs[key].astype(str) for key in keys), strict=True))
        np.testing.assert_array_equal(part.X, expected.loc[index, list(FEATURES[1:])])


def test_scanpy_opens_the_sample(plates, tmp_path):
    sample = draw(plates, 54, 1, ["DNA", "ER"])
    sample.write_h5ad(tmp_path / "sample.h5ad")
    found = scanpy.read_h5ad(tmp_path / "sample.h5ad")
    np.testing.assert_array_equal(found.X, sample.X)
    assert found.obs_names.tolist() == sample.obs_names.tolist()
    assert found.obs["Metadata_Batch"].cat.categories.tolist() == ["B1", "B2"]


def test_all_cells_if_there_are_fewer(plates):
    assert draw(plates, 10**6, 1, []).n_obs == 2 * sum(NUMBERS.values())


def test_the_choice_depends_on_the_well_and_the_seed_alone():
    first = choose_rows(100, 10, 1, "B:P:A01")
    np.testing.assert_array_equal(first, choose_rows(100, 10, 1, "B:P:A01"))
    assert not np.array_equal(first, choose_rows(100, 10, 2, "B:P:A01"))
    assert not np.array_equal(first, choose_rows(100, 10, 1, "B:P:A02"))


def test_plates_without_a_common_feature(plates, tmp_path):
    paths = write_plate(tmp_path, NUMBERS, features=["Cells_AreaShape_Area"])
    with pytest.raises(InputError, match="no feature in common"):
        find_common_features([plates[0], run(paths, tmp_path)[0]])
