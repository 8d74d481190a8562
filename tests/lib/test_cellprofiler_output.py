"""CellProfiler's Image tables, as other programs merge and convert them."""

import pandas as pd
import pytest

from lib.cellprofiler_output import Folder, read_image_rows

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_a_column_with_and_without_its_prefix(tmp_path, ending):
    """A merged table has both: the plain one counts, and the sites are not lost."""
    table = pd.DataFrame(
        {
            "ImageNumber": [1, 2],
            "Metadata_Well": ["A01", "A02"],
            "Image_Metadata_Well": ["B01", "B02"],
            "Image_Metadata_Site": [1, 2],
        }
    )
    path = tmp_path / f"Image.{ending}"
    if ending == "csv":
        table.to_csv(path, index=False)
    elif ending == "parquet":
        table.to_parquet(path)
    else:
        table.to_feather(path, compression="uncompressed")
    rows = read_image_rows(Folder(tmp_path, path, {}))
    assert [row["Metadata_Well"] for row in rows] == ["A01", "A02"]
    # Metadata is text, whether it has the prefix or not.
    assert [row["Metadata_Site"] for row in rows] == ["1", "2"]
