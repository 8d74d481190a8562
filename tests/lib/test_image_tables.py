"""The plates of a user's image table."""

from pathlib import Path

import pandas as pd
import pytest

from lib.errors import InputError
from lib.image_tables import read_image_columns, take_rows_of_plate

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


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_columns_are_read_without_rows(tmp_path, ending):
    table = pd.DataFrame({"Image_Metadata_Plate": ["P"], "FileName_DNA": ["a.tif"]})
    path = tmp_path / f"t.{ending}"
    table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    assert read_image_columns(path) == ["Metadata_Plate", "FileName_DNA"]
    path.write_bytes(b"")
    with pytest.raises(InputError):
        read_image_columns(path)
