"""Joining published tables of CellProfiler."""

import csv
import gzip

import numpy as np
import polars as pl
import pytest

from cell_tables import join
from lib.errors import InputError

pytestmark = pytest.mark.data


HUMAN_NAMES = r"_(?P<well>[A-P]\d\d)f(?P<site>\d\d)d"


@pytest.mark.data
def test_examplehuman(shared, tmp_path):
    folder = shared / "examplehuman"
    with pytest.raises(InputError, match="nothing says which well and site it is"):
        join(folder, tmp_path)
    cells, sites = join(folder, tmp_path, site_pattern=HUMAN_NAMES)
    assert sites.rows() == [("D03", 0, 1, 289, 0, "ok")]
    assert len(cells) == 289
    for name, columns in (("Cells", 104), ("Cytoplasm", 103), ("Nuclei", 105)):
        table = pl.read_csv(folder / f"{name}.csv", infer_schema_length=None)
        assert len([c for c in cells.columns if c.startswith(f"{name}_")]) == columns - 2
        np.testing.assert_allclose(
            cells[f"{name}_AreaShape_Area"], table["AreaShape_Area"].cast(pl.Float32), rtol=0
        )


@pytest.mark.data
def test_jump_single_cells(shared, tmp_path):
    folder, plate = shared / "jump_single_cells", "BR00121431"
    with pytest.raises(InputError, match="there is no table Cells, Cytoplasm, Nuclei") as error:
        join(folder, tmp_path, plate=plate)
    assert "A01, site 2" in str(error.value)
    assert "A02, site 2" in str(error.value)
    cells, sites = join(folder, tmp_path, plate=plate, bad_sites="drop")
    assert sites["cells"].to_list() == [89, 0, 36, 0]
    assert len(cells.unique(["Metadata_ImageNumber", "Metadata_ObjectNumber"])) == 125
    main = next(folder.rglob("*_main.csv.gz"))
    with gzip.open(main, "rt") as lines:
        published = set(next(csv.reader(lines)))
    ours = set(cells.columns)
    assert {name for name in published - ours if not name.startswith("Metadata_")} == set()
    # The published mean per well leaves out only the two columns by which it joined.
    assert {name for name in ours - published if not name.startswith("Metadata_")} == {
        "Cytoplasm_Parent_Cells",
        "Cytoplasm_Parent_Nuclei",
    }


@pytest.mark.data
def test_edge_cases(shared, tmp_path):
    folder, plate = shared / "single_cell_edge_cases", "SQ00015116"
    with pytest.raises(InputError) as error:
        join(folder, tmp_path, plate=plate)
    assert "3 sites of plate SQ00015116" in str(error.value)
    _, sites = join(folder, tmp_path, plate=plate, bad_sites="drop")
    status = {f"{row[0]}-{row[1]}": row[-1] for row in sites.rows()}
    assert status == {
        "A01-1": "ok",
        "A01-2": "ok",
        "B01-1": "ok",
        "B01-2": "ok",
        "E17-4": "dropped: Cells.csv is empty (0 bytes); Nuclei.csv is empty (0 bytes)",
        # Its one cell breaks off after 564 of 586 values.
        "J21-2": "dropped: Cells.csv is cut off: a line has 564 of 586 values",
        "N23-5": "dropped: Image.csv has no row",
    }


@pytest.mark.data
def test_stock_output_as_a_columnar_chunk(shared, tmp_path):
    folder = shared / "cpjump1" / "stock_output"
    cells, _ = join([folder], tmp_path, plate="FIELDS")
    assert len(cells) == 310
    assert len([name for name in cells.columns if not name.startswith("Metadata_")]) == 5795
    assert not cells.select(pl.col(pl.Float32).is_nan().any()).row(0).count(True)
