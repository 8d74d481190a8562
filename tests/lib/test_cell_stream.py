"""Cells well by well: the same cells in any order of the table, with few reads where wells lie together."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib import cell_stream
from lib.cell_stream import group_wells, iterate_wells, read_codes
from lib.errors import InputError

pytestmark = pytest.mark.unit

WELLS = ["A01", "A02", "A03", "B01"]


def write(path, wells, rows=4):
    table = pa.table({"Metadata_Well": pa.array(wells, pa.string()), "Cells_A": np.arange(len(wells))})
    pq.write_table(table, path, row_group_size=rows)
    return pq.ParquetFile(path)


@pytest.mark.parametrize("at_once", [1, 5, 100])
@pytest.mark.parametrize("scattered", [False, True])
def test_every_kept_cell_once_in_the_order_of_the_wells(tmp_path, monkeypatch, at_once, scattered):
    monkeypatch.setattr(cell_stream, "ROWS", at_once)
    generator = np.random.default_rng(0)
    wells = np.repeat(WELLS[:2] + WELLS[3:], [5, 1, 14])
    wells = generator.permutation(wells) if scattered else wells
    file = write(tmp_path / "cells.parquet", wells)
    codes = read_codes(file, WELLS)
    np.testing.assert_array_equal(np.array(WELLS)[codes], wells)
    kept = generator.random(len(wells)) < 0.7
    found = list(iterate_wells(file, codes, kept, ["Cells_A"]))
    assert [well for well, _, _ in found] == sorted({*codes[kept].tolist()})
    for well, rows, cells in found:
        np.testing.assert_array_equal(rows, np.flatnonzero(kept & (codes == well)))
        assert cells["Cells_A"].to_pylist() == rows.tolist()


def test_no_cell_and_no_kept_cell(tmp_path):
    file = write(tmp_path / "none.parquet", [])
    assert list(iterate_wells(file, read_codes(file, WELLS), np.zeros(0, bool), ["Cells_A"])) == []
    file = write(tmp_path / "some.parquet", ["A01", "A02"])
    assert list(iterate_wells(file, read_codes(file, WELLS), np.zeros(2, bool), ["Cells_A"])) == []


def test_a_well_without_a_profile(tmp_path):
    with pytest.raises(InputError, match="C01"):
        read_codes(write(tmp_path / "cells.parquet", ["A01", "C01"]), WELLS)


def test_wells_are_taken_together_up_to_a_number_of_cells(monkeypatch):
    monkeypatch.setattr(cell_stream, "ROWS", 10)
    found = [wells.tolist() for wells in group_wells(np.array([4, 6, 0, 1, 30, 2]))]
    assert found == [[0, 1], [3], [4], [5]]
