"""Tables of objects, read in parts: the number of chunks and the format of the tables change no value."""

import hashlib

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import single_cells
from cell_tables import ALL, image, join, objects, site
from lib import object_tables
from lib.tables import read_provenance

pytestmark = pytest.mark.unit


def chunked(root, sizes, cells, columnar):
    """The same sites divided into chunks of `sizes` sites."""
    number, folders = 0, []
    for size in sizes:
        folder = root / f"chunk_{len(folders)}"
        rows = {name: [] for name in ("Image", *ALL)}
        for _ in range(size):
            number += 1
            rows["Image"].append((number, "P", f"A{number:02d}", 1))
            for i in range(1, cells[number - 1] + 1):
                rows["Cells"].append((number, i, number / 7 + i, i))
                rows["Cytoplasm"].append((number, i, number / 3 + i, i, i))
                rows["Nuclei"].append((number, i, number / 9 + i, 1))
        image(folder, rows.pop("Image"))
        objects(folder, *rows.values())
        for name in ("Image", *ALL) if columnar else ():
            table = pl.read_csv(folder / f"{name}.csv").to_arrow()
            (folder / f"{name}.csv").unlink()
            if columnar == ".parquet":
                pq.write_table(table, folder / f"{name}.parquet", row_group_size=4)
            else:
                with pa.ipc.new_file(folder / f"{name}.arrow", table.schema) as file:
                    file.write_table(table, max_chunksize=4)
        folders.append(folder)
    return folders


def test_the_bytes_do_not_depend_on_the_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(single_cells, "ROWS", 7)
    # Of columnar tables, few rows at a time: an image set may be cut by a record batch.
    monkeypatch.setattr(object_tables, "PART", 3)
    cells = [5, 0, 12, 3, 1, 9]
    digests = set()
    for name, sizes, columnar in (
        ("a", (6,), None),
        ("b", (1, 2, 3), None),
        ("c", (4, 2), ".parquet"),
        ("d", (5, 1), ".arrow"),
    ):
        folders = chunked(tmp_path / name, sizes, cells, columnar)
        table, _ = join(folders, tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name / "cells.parquet").read_bytes()).hexdigest())
        assert len(table) == sum(cells)
    assert len(digests) == 1
    with pq.ParquetFile(tmp_path / "a" / "cells.parquet") as file:
        groups = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
    assert groups == [7, 7, 7, 7, 2]
    assert read_provenance(tmp_path / "a" / "cells.parquet")["parameters"]["plate"] == "P"


@pytest.mark.parametrize("wrong", ["x", "parent"])
def test_a_bad_site_in_the_middle_of_a_chunk(tmp_path, wrong):
    (folder,) = chunked(tmp_path, (4,), [3, 2, 4, 1], columnar=False)
    lines = (folder / "Cytoplasm.csv").read_text().splitlines()
    values = lines[4].split(",")
    assert values[:2] == ["2", "1"]
    lines[4] = ",".join([*values[:2], "x", *values[3:]] if wrong == "x" else [*values[:3], "9", "9"])
    (folder / "Cytoplasm.csv").write_text("\n".join(lines) + "\n")
    cells, sites = join([folder], tmp_path, bad_sites="drop")
    assert cells["Metadata_ImageNumber"].to_list() == [1, 1, 1, 3, 3, 3, 3, 4]
    for name in ("Cells", "Cytoplasm", "Nuclei"):
        part = cells[f"{name}_AreaShape_Area"] - cells["Metadata_ObjectNumber"]
        by = {"Cells": 7, "Cytoplasm": 3, "Nuclei": 9}[name]
        np.testing.assert_allclose(part, cells["Metadata_ImageNumber"] / by, rtol=1e-5)
    assert [status.partition(":")[0] for status in sites["status"]] == ["ok", "dropped", "ok", "ok"]


def test_missing_values_and_images_of_arrow_tables(tmp_path):
    folder = tmp_path / "chunk"
    site(folder, 3, 2, well="B02", name="01")
    nothing, infinite = float("nan"), float("inf")
    tables = {
        "Image": {
            "ImageNumber": [3],
            "Metadata_Plate": ["P"],
            "Metadata_Well": ["B02"],
            "Metadata_Site": ["01"],
            "FileName_DNA": ["a.tif"],
            "Zero": [0.0],
            "Nothing": [nothing],
        },
        "Cells": {
            "ImageNumber": [3, 3],
            "ObjectNumber": [1, 2],
            "AreaShape_Area": [nothing, infinite],
            "Parent_Nuclei": [1.0, 2.0],
        },
    }
    for name, columns in tables.items():
        (folder / f"{name}.csv").unlink()
        pl.DataFrame(columns).write_ipc(folder / f"{name}.arrow")
    cells, sites = join([folder], tmp_path)
    assert cells["Cells_AreaShape_Area"].to_list() == [None, infinite]
    assert sites["status"].to_list() == ["ok"]
    images = pl.read_parquet(tmp_path / "image.parquet")
    assert images.drop("Metadata_ImageNumber").to_dicts() == [
        {
            "Metadata_Plate": "P",
            "Metadata_Well": "B02",
            "Metadata_Site": "1",
            "FileName_DNA": "a.tif",
            "Zero": 0.0,
            "Nothing": None,
        }
    ]
