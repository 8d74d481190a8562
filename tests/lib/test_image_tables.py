"""The plates of a user's image table."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.errors import InputError
from lib.image_tables import read_image_table, take_rows_of_plate

pytestmark = pytest.mark.unit


def test_a_barcode_may_be_written_as_a_number(caplog):
    def take(plate, *plates):
        rows = [{"Metadata_Plate": name, "Metadata_Well": "A01"} for name in plates]
        return take_rows_of_plate(Path("t.csv"), list(rows[0]), rows, plate)

    with caplog.at_level("INFO"):
        assert len(take("123", "123", "00123")) == 1
        assert not caplog.text
        assert len(take("00123", "123", "123", "5")) == 2
    assert "t.csv: plate 00123 is called 123 there; its rows are used" in caplog.text
    with pytest.raises(InputError, match="has no plate 00123, and 0123, 123 are the same number"):
        take("00123", "123", "0123")


def test_a_parquet_table_with_a_column_twice_is_refused(tmp_path):
    path, column = tmp_path / "t.parquet", pa.array(["A01"])
    for names in (["Metadata_Well", "Metadata_Well"], ["Metadata_Well", "Image_Metadata_Well"]):
        pq.write_table(pa.Table.from_arrays([column] * 2, names=names), path)
        with pytest.raises(InputError, match="has the column Metadata_Well twice"):
            read_image_table(path)
    # Columns without a name are not used.
    pq.write_table(pa.Table.from_arrays([column] * 3, names=["", "Metadata_Well", ""]), path)
    assert read_image_table(path) == (["Metadata_Well"], [{"Metadata_Well": "A01"}])
