"""Normalized cells: the arithmetic of wells, in any order of the table, and the errors."""

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import export_cells
import normalize_cells
from cell_plate import CENTER, CONTROLS, FEATURES, write_plate
from lib.errors import InputError
from lib.tables import read_profiles, read_provenance, write_profiles

pytestmark = pytest.mark.unit

NUMBERS = {"A01": 9, "A02": 12, "A03": 5, "B01": 20, "B02": 0, "B03": 1}
COLUMNS = (*CENTER, *FEATURES)
PARAMETERS = {
    "plate": "P",
    "method": "mad_robustize",
    "reference": "negcon",
    "column": "control_type",
    "negcon": "negcon",
    "exclude_features": ["^Location_"],
    "unwanted": [],
    "exclude_flagged_cells": False,
}


def run(paths, folder, selected=None, flags=None, cell_flags=None, **changed):
    outputs = {"cells": folder / "out.parquet", "dropped": folder / "dropped.csv"}
    inputs = {"cells": paths["cells"], "profiles": paths["profiles"], "selected": selected}
    inputs |= {"flags": flags, "cell_flags": cell_flags}
    normalize_cells.main(inputs, outputs, PARAMETERS | changed)
    return outputs["cells"], pd.read_csv(outputs["dropped"])


def change(path, **columns):
    """Replace columns of a table of cells."""
    table = pq.read_table(path)
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, path, row_group_size=7)


@pytest.mark.parametrize("method", ["mad_robustize", "standardize"])
def test_the_arithmetic_by_hand(tmp_path, method):
    paths = write_plate(tmp_path, NUMBERS, features=COLUMNS)
    path, dropped = run(paths, tmp_path, method=method)
    assert dropped.empty
    raw, found = pq.read_table(paths["cells"]).to_pandas(), pq.read_table(path).to_pandas()
    controls = raw[raw["Metadata_Well"].isin(CONTROLS)]
    spreads = {name: np.std(controls[name].astype(float)) for name in FEATURES}
    for name in FEATURES:
        values = controls[name].astype(float)
        if method == "standardize":
            center, spread = values.mean(), max(spreads[name], np.median(list(spreads.values())))
        else:
            center = values.median()
            spread = 1.4826 * (values - center).abs().median()
        expected = (raw[name].astype(float) - center) / spread
        np.testing.assert_allclose(found[name], expected.astype("float32"), rtol=1e-6)


def test_means_per_well_equal_the_arithmetic_of_wells(tmp_path):
    paths = write_plate(tmp_path, NUMBERS, features=COLUMNS)
    path, _ = run(paths, tmp_path)
    cells, wells = (
        pq.read_table(path).to_pandas(),
        read_profiles(paths["profiles"]).set_index("Metadata_Well"),
    )
    raw = pq.read_table(paths["cells"]).to_pandas()
    reference = raw.loc[raw["Metadata_Well"].isin(CONTROLS), list(FEATURES)].astype(float)
    center = reference.median()
    spread = 1.4826 * (reference - center).abs().median()
    means = cells.groupby("Metadata_Well", observed=True)[list(FEATURES)].mean()
    expected = (wells.loc[means.index, list(FEATURES)] - center) / spread
    np.testing.assert_allclose(means, expected, rtol=1e-5, atol=1e-6)


def test_a_row_group_per_well_in_plate_order_with_keys_plate_map_and_position(tmp_path):
    paths = write_plate(tmp_path, NUMBERS, features=COLUMNS)
    path, _ = run(paths, tmp_path)
    file = pq.ParquetFile(path)
    groups = [file.read_row_group(group).to_pandas() for group in range(file.num_row_groups)]
    assert [group["Metadata_Well"].unique().tolist() for group in groups] == [
        [well] for well, number in NUMBERS.items() if number
    ]
    assert [len(group) for group in groups] == [9, 12, 5, 20, 1]
    table = pd.concat(groups)
    assert list(table.columns) == [
        *("Metadata_Batch", "Metadata_Plate", "Metadata_Well", "Metadata_broad_sample"),
        *("Metadata_control_type", "Metadata_Site", "Metadata_ImageNumber", "Metadata_ObjectNumber"),
        *("Metadata_Position_X", "Metadata_Position_Y", *FEATURES),
    ]
    assert set(table["Metadata_broad_sample"]) == {f"S-{well}" for well, number in NUMBERS.items() if number}
    assert table["Metadata_control_type"].isna().sum() == 21
    raw = pq.read_table(paths["cells"]).to_pandas()
    np.testing.assert_array_equal(table["Metadata_Position_X"], raw[CENTER[0]])
    assert read_provenance(path)["parameters"]["reference_cells"] == 26


def test_the_order_of_the_table_does_not_matter(tmp_path):
    order = np.random.default_rng(3).permutation(np.repeat(list(NUMBERS), list(NUMBERS.values())))
    paths = write_plate(tmp_path, NUMBERS, order=order)
    scattered, _ = run(paths, tmp_path)
    table = pq.read_table(paths["cells"]).to_pandas()
    table = table.sort_values(["Metadata_Well", "Metadata_ObjectNumber"], kind="stable")
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), paths["cells"])
    before = pq.read_table(scattered)
    after = pq.read_table(run(paths, tmp_path)[0])
    for name in FEATURES:
        np.testing.assert_allclose(before[name].to_numpy(), after[name].to_numpy(), rtol=1e-6)


def test_the_blocks_of_features_do_not_matter(tmp_path, monkeypatch):
    paths = write_plate(tmp_path, NUMBERS)
    before = pq.read_table(run(paths, tmp_path)[0])
    monkeypatch.setattr(normalize_cells, "BLOCK_BYTES", 1)
    assert pq.read_table(run(paths, tmp_path)[0]).equals(before)


def test_features_of_a_selection(tmp_path):
    paths = write_plate(tmp_path, NUMBERS)
    selected = tmp_path / "selected.parquet"
    write_profiles(
        read_profiles(paths["profiles"])[["Metadata_Well", FEATURES[2], FEATURES[0]]], selected, {}
    )
    path, _ = run(paths, tmp_path, selected=selected)
    names = pq.read_schema(path).names
    assert [name for name in names if not name.startswith("Metadata_")] == [FEATURES[2], FEATURES[0]]
    write_profiles(pd.DataFrame({"Metadata_Well": ["A01"], "X_1": [1.0]}), selected, {})
    with pytest.raises(InputError, match="X_1"):
        run(paths, tmp_path, selected=selected)


def test_without_location_features_there_is_no_position(tmp_path):
    path, _ = run(write_plate(tmp_path, NUMBERS), tmp_path)
    assert not [name for name in pq.read_schema(path).names if "Position" in name]


def test_missing_values_stay_missing_and_flat_features_are_dropped(tmp_path):
    paths = write_plate(tmp_path, NUMBERS)
    number = sum(NUMBERS.values())
    values = np.arange(number, dtype="float32")
    values[[0, 30]] = [np.nan, np.inf]
    change(paths["cells"], **{FEATURES[0]: values, FEATURES[1]: np.full(number, 0.1, "float32")})
    path, dropped = run(paths, tmp_path)
    assert dropped.to_numpy().tolist() == [[FEATURES[1], "MAD is 0 in the reference cells"]]
    found = pq.read_table(path)[FEATURES[0]].to_numpy()
    assert np.flatnonzero(np.isnan(found)).tolist() == [0, 30]


def test_a_feature_that_no_control_has(tmp_path):
    paths = write_plate(tmp_path, NUMBERS)
    values = np.arange(sum(NUMBERS.values()), dtype="float32")
    values[:26] = np.nan
    change(paths["cells"], **{FEATURES[0]: values})
    for method in ("mad_robustize", "standardize"):
        _, dropped = run(paths, tmp_path, method=method)
        assert dropped["feature"].tolist() == [FEATURES[0]]


def test_no_feature_is_left(tmp_path):
    paths = write_plate(tmp_path, NUMBERS, features=FEATURES[:1])
    change(paths["cells"], **{FEATURES[0]: np.ones(sum(NUMBERS.values()), "float32")})
    with pytest.raises(InputError, match="every feature is constant over the 26 reference cells"):
        run(paths, tmp_path)


def test_controls_without_cells(tmp_path):
    paths = write_plate(tmp_path, {"A01": 0, "A02": 0, "A03": 0, "B01": 13})
    with pytest.raises(InputError, match=r"no well of negative controls \(control_type = negcon\) has cells"):
        run(paths, tmp_path)
    path, _ = run(paths, tmp_path, reference="all")
    assert len(pq.read_table(path)) == 13


def test_wells_with_one_cell_or_none(tmp_path):
    """Three control cells give a median and a spread; a well with one cell is a row group of one row."""
    paths = write_plate(tmp_path, {"A01": 1, "A02": 1, "A03": 1, "B01": 0, "B02": 1}, features=COLUMNS)
    path, _ = run(paths, tmp_path)
    with pq.ParquetFile(path) as file:
        assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [1] * 4
    found = pq.read_table(path).to_pandas()
    assert found["Metadata_Well"].tolist() == ["A01", "A02", "A03", "B02"]
    assert np.isfinite(found[list(FEATURES)].to_numpy()).all()
    one = write_plate(tmp_path / "one", {"A01": 1, "B02": 2}, features=COLUMNS)
    with pytest.raises(InputError, match="constant over the 1 reference cells"):
        run(one, tmp_path / "one")


def test_other_types_of_metadata_are_kept(tmp_path):
    paths = write_plate(tmp_path, NUMBERS)
    profiles = pd.read_parquet(paths["profiles"])
    number = len(profiles)
    more = {
        "Metadata_dose": np.linspace(0, 1, number),
        "Metadata_is_sealed": [True, None] * (number // 2) + [True] * (number % 2),
        "Metadata_name": ['细胞 "x"'] * number,
    }
    write_profiles(profiles.assign(**more), paths["profiles"], {})
    path, _ = run(paths, tmp_path)
    cells = pq.read_table(path).to_pandas()
    doses = dict(zip(profiles["Metadata_Well"], more["Metadata_dose"], strict=True))
    found = cells["Metadata_dose"].astype(float)
    np.testing.assert_allclose(found, cells["Metadata_Well"].astype(str).map(doses))
    assert set(cells["Metadata_name"]) == {'细胞 "x"'}
    export_cells.main(path, tmp_path / "out.h5ad", ["DNA"])
    assert anndata.read_h5ad(tmp_path / "out.h5ad").n_obs == len(cells)


def write_flags(paths, flagged):
    keys = pq.read_table(paths["cells"], columns=["Metadata_ImageNumber", "Metadata_ObjectNumber"])
    table = keys.append_column("flagged", pa.array(flagged)).append_column("large", pa.array(flagged))
    path = paths["cells"].with_name("flags.parquet")
    pq.write_table(table, path)
    return path


def test_flagged_cells_are_left_out_or_named(tmp_path):
    paths = write_plate(tmp_path, NUMBERS)
    flagged = np.arange(sum(NUMBERS.values())) % 3 == 0
    flags = write_flags(paths, flagged)
    path, _ = run(paths, tmp_path, cell_flags=flags, exclude_flagged_cells=True)
    assert len(pq.read_table(path)) == (~flagged).sum()
    assert read_provenance(path)["parameters"]["reference_cells"] == (~flagged[:26]).sum()
    path, _ = run(paths, tmp_path, cell_flags=flags)
    table = pq.read_table(path)
    assert (np.array(table["Metadata_Flags"].to_pylist()) == np.where(flagged, "large", "")).all()


def test_cells_of_excluded_sites_are_left_out(tmp_path):
    paths = write_plate(tmp_path, NUMBERS)
    flags = tmp_path / "flags.csv"
    flags.write_text("Metadata_Well,Metadata_Site,excluded\nB01,1,True\nA01,1,False\n")
    path, _ = run(paths, tmp_path, flags=flags)
    assert len(pq.read_table(path)) == 27


def test_the_same_cells_give_the_same_bytes(tmp_path):
    paths = write_plate(tmp_path, NUMBERS)
    first = run(paths, tmp_path)[0].read_bytes()
    assert run(paths, tmp_path)[0].read_bytes() == first
