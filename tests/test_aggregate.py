"""Wells from cells: hand-computed, against pycytominer, and the same bytes with any threads."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pycytominer import aggregate as pycytominer_aggregate
from scipy.stats import median_abs_deviation, trim_mean, wasserstein_distance

import aggregate
from lib import aggregation
from lib.cells import find_features
from lib.errors import InputError
from lib.tables import read_profiles

pytestmark = pytest.mark.unit

SCRIPTS = Path(aggregate.__file__).parent


def write(tmp_path, cells, wells, rows=3):
    """A single-cell table and its Image table (one site a name in `wells`)."""
    cells = pd.DataFrame(cells)
    cells.insert(0, "Metadata_Plate", "P")
    features = [name for name in cells if not name.startswith("Metadata_")]
    cells = cells.astype(dict.fromkeys(features, "float32"))
    table = pa.Table.from_pandas(cells, preserve_index=False)
    pq.write_table(table, tmp_path / "cells.parquet", row_group_size=rows)
    image = pd.DataFrame({"Metadata_Plate": "P", "Metadata_Well": wells})
    image.to_parquet(tmp_path / "image.parquet")
    return tmp_path / "cells.parquet", tmp_path / "image.parquet"


def random_plate(tmp_path, wells=12, cells=50, features=40):
    """Cells of many wells in mixed order, a tenth of the values missing."""
    generator = np.random.default_rng(0)
    names = [f"{chr(65 + at // 6)}{at % 6 + 1:02d}" for at in range(wells)]
    values = generator.lognormal(0, 3, (wells * cells, features))
    values[generator.random(values.shape) < 0.1] = np.nan
    table = {"Metadata_Well": generator.permutation(np.repeat(names, cells))}
    table |= {f"Cells_F{at}": values[:, at] for at in range(features)}
    return write(tmp_path, table, names, rows=100)


@pytest.mark.parametrize(("operation", "middle"), [("mean", [3.0, 5.0]), ("median", [2.0, 5.0])])
def test_hand_computed(tmp_path, operation, middle):
    cells = {
        "Metadata_Well": ["B01", "A02", "A02", "A02"],
        "Cells_AreaShape_Area": [5, 1, 2, 6],
        "Nuclei_Intensity": [np.nan, np.nan, 4, 8],
        "Nuclei_Number_Object_Number": [1, 1, 2, 3],
        "Cells_Parent_Nuclei": [1, 1, 2, 3],
    }
    paths = write(tmp_path, cells, ["A02", "A10", "A02", "B01"])
    table = aggregate.aggregate(*paths, operation, ["^Parent_"])
    assert list(table.columns) == [
        "Metadata_Plate",
        "Metadata_Well",
        "Metadata_Count_Cells",
        "Metadata_Count_Sites",
        "Cells_AreaShape_Area",
        "Nuclei_Intensity",
    ]
    assert table["Metadata_Well"].tolist() == ["A02", "A10", "B01"]
    assert table["Metadata_Count_Cells"].tolist() == [3, 0, 1]
    assert table["Metadata_Count_Sites"].tolist() == [2, 1, 1]
    np.testing.assert_array_equal(table["Cells_AreaShape_Area"], [middle[0], np.nan, middle[1]])
    np.testing.assert_array_equal(table["Nuclei_Intensity"], [6, np.nan, np.nan])


@pytest.mark.parametrize("operation", ["mean", "median"])
def test_as_pycytominer(tmp_path, operation, monkeypatch):
    monkeypatch.setattr(aggregation, "BLOCK_BYTES", 600 * 8 * 7)
    cells, image = random_plate(tmp_path)
    table = aggregate.aggregate(cells, image, operation, [])
    single = pd.read_parquet(cells)
    features = [name for name in single if name.startswith("Cells_")]
    single = single.astype(dict.fromkeys(features, float))
    expected = pycytominer_aggregate(
        single, strata=["Metadata_Plate", "Metadata_Well"], features=features, operation=operation
    )
    assert table["Metadata_Well"].tolist() == expected["Metadata_Well"].tolist()
    np.testing.assert_allclose(table[features], expected[features], rtol=1e-12)


@pytest.mark.run
def test_the_bytes_do_not_depend_on_the_threads(tmp_path):
    cells, image = random_plate(tmp_path, cells=400)
    written = []
    for threads in (1, 2, 4):
        out = tmp_path / f"{threads}.parquet"
        code = (
            f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
            f"from lib.cells import use_threads; use_threads({threads})\n"
            "import aggregate, polars\n"
            f"assert polars.thread_pool_size() == {threads}\n"
            "parameters = {'plate': 'P', 'operation': 'mean', 'exclude_features': [], 'unwanted': []}\n"
            f"aggregate.main({str(cells)!r}, {str(image)!r}, {str(out)!r}, parameters)\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        written.append(out.read_bytes())
    assert written[0] == written[1] == written[2]
    assert read_profiles(out)["Metadata_Count_Cells"].tolist() == [400] * 12


def test_a_plate_without_a_cell(tmp_path):
    cells = {"Metadata_Well": np.array([], dtype=str), "Cells_A": np.array([])}
    table = aggregate.aggregate(*write(tmp_path, cells, ["A01"]), "mean", [])
    assert table["Metadata_Count_Cells"].tolist() == [0]
    assert table["Cells_A"].isna().all()


def test_cells_in_a_well_without_a_site(tmp_path):
    paths = write(tmp_path, {"Metadata_Well": ["C01"], "Cells_A": [1]}, ["A01"])
    with pytest.raises(InputError, match="C01"):
        aggregate.aggregate(*paths, "mean", [])


def test_an_unknown_operation(tmp_path):
    paths = write(tmp_path, {"Metadata_Well": ["A01"], "Cells_A": [1]}, ["A01"])
    with pytest.raises(InputError, match="neither mean nor median"):
        aggregate.aggregate(*paths, "max", [])


def test_patterns_look_at_the_name_without_its_compartment():
    names = ["Metadata_Well", "Cells_Location_X", "Location_Parent_X", "Nuclei_Number_Object_Number"]
    assert find_features(names, ["^Location_"]) == ["Location_Parent_X"]


def test_an_object_with_an_underscore_in_its_name():
    columns = ["Number_Object_Number", "Location_Center_X", "AreaShape_Area"]
    names = [f"Filtered_Nuclei_{name}" for name in columns] + [f"Cells_{name}" for name in columns]
    found = find_features(names, ["^Location_"])
    assert found == ["Filtered_Nuclei_AreaShape_Area", "Cells_AreaShape_Area"]


# --- other summaries of a well ----------------------------------------------------------------------


SUMMARIES = {
    "trimmed_mean": lambda cells, _: trim_mean(cells, 0.2),
    "mad": lambda cells, _: median_abs_deviation(cells),
    "quantile_25": lambda cells, _: np.quantile(cells, 0.25),
    "emd": lambda cells, controls: (
        wasserstein_distance(cells, controls) * np.sign(np.median(cells) - np.median(controls))
    ),
}


@pytest.mark.parametrize("operation", SUMMARIES)
def test_summaries_of_every_well_equal_scipys(tmp_path, operation, monkeypatch):
    monkeypatch.setattr(aggregation, "BLOCK_BYTES", 600 * 8 * 7)
    cells, image = random_plate(tmp_path)
    controls = ["A01", "B03"]
    table = aggregate.aggregate(cells, image, operation, [], trim=0.2, controls=controls)
    single = pd.read_parquet(cells)
    for name in ("Cells_F0", "Cells_F39"):
        values = single[name].astype(float)
        reference = values[single["Metadata_Well"].isin(controls)].dropna()
        for well, found in zip(table["Metadata_Well"], table[name], strict=True):
            expected = SUMMARIES[operation](values[single["Metadata_Well"] == well].dropna(), reference)
            assert found == pytest.approx(expected, rel=1e-9), (well, name)


def test_wells_with_one_cell_and_without_cells_have_summaries_as_far_as_possible(tmp_path):
    cells = {"Metadata_Well": ["A01", "A01", "B01"], "Cells_A": [1, 3, 7]}
    paths = write(tmp_path, cells, ["A01", "A02", "B01"])
    expected = {"trimmed_mean": [2, np.nan, 7], "mad": [1, np.nan, 0], "quantile_90": [2.8, np.nan, 7]}
    expected["emd"] = [0, np.nan, 5]
    for operation, values in expected.items():
        found = aggregate.aggregate(*paths, operation, [], controls=["A01"])
        np.testing.assert_allclose(found["Cells_A"], values, err_msg=operation)


def test_a_distance_to_controls_without_cells_is_refused(tmp_path):
    paths = write(tmp_path, {"Metadata_Well": ["B01"], "Cells_A": [1]}, ["A01", "B01"])
    with pytest.raises(InputError, match="none of the 1 wells of negative controls has a cell"):
        aggregate.aggregate(*paths, "emd", [], controls=["A01"])
    annotated = tmp_path / "annotated.parquet"
    pd.DataFrame({"Metadata_Well": ["A01"]}).to_parquet(annotated)
    with pytest.raises(InputError, match="no column Metadata_kind"):
        aggregate.read_control_wells(annotated, "kind", "negcon", "P")
