"""The tables of flagged cells, and what the profiles make of them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import flag_cells
from aggregate import aggregate
from aggregate import main as write_profiles_of
from lib.errors import InputError
from lib.tables import read_profiles, read_provenance

pytestmark = pytest.mark.unit

AREA = "Nuclei_AreaShape_Area"
SETTINGS = {
    "sets": [],
    "rules": {"large": {"conditions": {AREA: 1.5}, "z": "plain", "over": "plate"}},
    "exclude_flagged": True,
}


def write_plate(folder, areas, sites=()):
    """A single-cell table of (well, site, area), and its Image table with the `sites` without cells, too."""
    rows = [
        ("P", well, site, number, number, area) for number, (well, site, area) in enumerate(areas, start=1)
    ]
    names = ["Metadata_Plate", "Metadata_Well", "Metadata_Site", "Metadata_ImageNumber"]
    cells = pd.DataFrame(rows, columns=[*names, "Metadata_ObjectNumber", AREA])
    cells = cells.astype({AREA: "float32", **dict.fromkeys(names[:3], "str")})
    cells["Nuclei_AreaShape_FormFactor"] = cells["Nuclei_AreaShape_Eccentricity"] = cells[AREA]
    table = pa.Table.from_pandas(cells, preserve_index=False)
    pq.write_table(table, folder / "cells.parquet", row_group_size=2)
    image = cells[names[:3]].drop_duplicates()
    more = pd.DataFrame([("P", *site) for site in sites], columns=names[:3])
    pd.concat([image, more]).to_parquet(folder / "image.parquet")
    return folder / "cells.parquet", folder / "image.parquet"


def flag(folder, paths, settings=SETTINGS):
    outputs = {"flags": folder / "flags.parquet", "counts": folder / "flags.csv"}
    flag_cells.main(*paths, outputs, settings, "P")
    counts = pd.read_csv(outputs["counts"], dtype={"Metadata_Site": str, "Metadata_Well": str})
    return pq.read_table(outputs["flags"]).to_pandas(), counts


AREAS = [("A01", "1", 10), ("A01", "1", 11), ("A01", "2", 90), ("B01", "1", 9), ("B01", "10", 95)]
AREAS += [("B01", "2", 10), ("C01", "1", 99)] + [("D01", "1", 10)] * 6


def test_flags_and_counts_by_hand(tmp_path):
    paths = write_plate(tmp_path, AREAS, [("E01", "1")])
    flags, counts = flag(tmp_path, paths)
    assert np.flatnonzero(flags["flagged"]).tolist() == [2, 4, 6]
    assert flags["flagged"].equals(flags["large"].rename("flagged"))
    assert counts["Metadata_Well"].tolist() == ["A01", "A01", "B01", "B01", "B01", "C01", "D01", "E01"]
    assert counts["Metadata_Site"].tolist() == ["1", "2", "1", "2", "10", "1", "1", "1"]
    assert counts["cells"].tolist() == [2, 1, 1, 1, 1, 1, 6, 0]
    assert counts["flagged"].tolist() == counts["large"].tolist() == [0, 1, 0, 0, 1, 1, 0, 0]


def test_flagged_cells_are_left_out_of_profiles_if_the_config_says_so(tmp_path):
    paths = write_plate(tmp_path, AREAS)
    flag(tmp_path, paths)
    kept, counted = (
        aggregate(*paths, "mean", [], flags=tmp_path / "flags.parquet", exclude_flagged=exclude)
        for exclude in (True, False)
    )
    assert kept["Metadata_Count_Cells_Flagged"].tolist() == [1, 1, 1, 0]
    assert counted["Metadata_Count_Cells_Flagged"].tolist() == [1, 1, 1, 0]
    assert kept["Metadata_Count_Cells"].tolist() == [2, 2, 0, 6]
    assert counted["Metadata_Count_Cells"].tolist() == [3, 3, 1, 6]
    np.testing.assert_allclose(kept[AREA], [10.5, 9.5, np.nan, 10])
    np.testing.assert_allclose(counted[AREA], [37, 38, 99, 10])


def test_a_flagged_cell_on_an_excluded_site_is_not_counted_twice(tmp_path):
    paths = write_plate(tmp_path, AREAS)
    flag(tmp_path, paths)
    flags = tmp_path / "flags.parquet"
    table = aggregate(*paths, "mean", [], {("A01", "2")}, flags=flags, exclude_flagged=True)
    assert table["Metadata_Count_Cells"].tolist() == [2, 2, 0, 6]
    assert table["Metadata_Count_Cells_Flagged"].tolist() == [0, 1, 1, 0]
    assert table["Metadata_Count_Sites_Excluded"].tolist() == [1, 0, 0, 0]


def test_the_profiles_say_how_many_cells_were_flagged(tmp_path):
    paths = write_plate(tmp_path, AREAS)
    flag(tmp_path, paths)
    parameters = {"plate": "P", "operation": "mean", "exclude_features": [], "unwanted": []}
    parameters |= {"exclude_flagged_cells": True, "trim": 0.1, "column": "control_type", "negcon": "negcon"}
    out = tmp_path / "profiles.parquet"
    write_profiles_of(*paths, out, parameters, cell_flags=tmp_path / "flags.parquet")
    assert read_profiles(out)["Metadata_Count_Cells_Flagged"].tolist() == [1, 1, 1, 0]
    made = read_provenance(out)
    assert made["parameters"]["flagged_cells"] == 3
    assert made["parameters"]["exclude_flagged_cells"] is True
    assert "trim" not in made["parameters"]
    assert "flags.parquet" in made["inputs"]


def test_flags_of_other_cells_are_refused(tmp_path):
    flag(tmp_path, write_plate(tmp_path, AREAS))
    paths = write_plate(tmp_path, AREAS[:-1])
    with pytest.raises(InputError, match="does not have the cells"):
        aggregate(*paths, "mean", [], flags=tmp_path / "flags.parquet")


@pytest.mark.parametrize("areas", [[], [("A01", "1", 5)], [("A01", "1", np.nan), ("A01", "1", np.nan)]])
def test_no_cell_one_cell_and_no_value(tmp_path, areas):
    flags, counts = flag(tmp_path, write_plate(tmp_path, areas, [("A02", "1")]))
    assert len(flags) == len(areas)
    assert not flags["flagged"].any()
    assert counts["flagged"].sum() == 0


def test_all_cells_can_be_flagged(tmp_path):
    """Two rules that together flag everything that differs from the mean."""
    rules = {
        name: {"conditions": {AREA: limit}, "z": "robust", "over": "well"}
        for name, limit in (("low", -0.01), ("high", 0.01))
    }
    paths = write_plate(tmp_path, [("A01", "1", 1), ("A01", "1", 2), ("A02", "1", 7), ("A02", "1", 9)])
    flags, counts = flag(tmp_path, paths, {**SETTINGS, "rules": rules})
    assert flags["flagged"].all()
    assert counts["flagged"].tolist() == [2, 2]
    assert counts["low"].tolist() == counts["high"].tolist() == [1, 1]
    table = aggregate(*paths, "mean", [], flags=tmp_path / "flags.parquet", exclude_flagged=True)
    assert table["Metadata_Count_Cells"].tolist() == [0, 0]
    assert table[AREA].isna().all()


def test_two_sets_count_a_cell_once(tmp_path):
    settings = {**SETTINGS, "sets": ["elongated_nuclei"]}
    flags, counts = flag(tmp_path, write_plate(tmp_path, [*AREAS, *[("F01", "1", 10)] * 30]), settings)
    assert list(flags.columns[-3:]) == ["flagged", "elongated_nuclei", "large"]
    assert flags["elongated_nuclei"].sum() == flags["large"].sum() == counts["flagged"].sum() == 3
