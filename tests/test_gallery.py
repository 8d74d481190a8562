"""Results in the form of the Cell Painting Gallery, against its published structure."""

import csv
import re
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import gallery
import gallery_embeddings
import gallery_metadata
import gallery_uploads
from lib.errors import InputError
from lib.gallery_tables import add_urls, get_full_name
from lib.image_tables import split_urls

pytestmark = pytest.mark.unit
PREFIX = "s3://cellpainting-gallery/cpg9999-test/source_1"
FULL = "BR1__2024-05-06T01_02_03-Measurement 1"


def make_table(folder: Path, name="r01c01f01p01-ch5sk1fk1fl1.tiff") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Metadata_Plate": ["BR1"],
            "Metadata_Well": ["A01"],
            "Metadata_Site": ["1"],
            "FileName_OrigDNA": [name],
            "PathName_OrigDNA": [str(folder)],
            "FileName_IllumDNA": ["BR1_IllumDNA.npy"],
            "PathName_IllumDNA": ["/anywhere/illum/BR1"],
        }
    )


def test_urls_are_those_of_the_published_example(tmp_path):
    images = tmp_path / FULL / "Images"
    table = add_urls(make_table(images), images, PREFIX, "2020_11_04_B", "BR1")
    assert list(table) == ["URL_OrigDNA", "URL_IllumDNA", "Metadata_Plate", "Metadata_Well", "Metadata_Site"]
    assert table["URL_OrigDNA"][0] == (
        f"{PREFIX}/images/2020_11_04_B/images/{FULL}/Images/r01c01f01p01-ch5sk1fk1fl1.tiff"
    )
    assert table["URL_IllumDNA"][0] == f"{PREFIX}/images/2020_11_04_B/illum/BR1/BR1_IllumDNA.npy"


def test_a_folder_without_the_plates_name_gets_it(tmp_path):
    assert get_full_name(tmp_path / "x" / "Images", "BR1") == (tmp_path / "x" / "Images", "BR1")
    assert get_full_name(tmp_path / FULL / "Images", "BR1") == (tmp_path / FULL, FULL)


def test_images_in_storage_keep_their_address():
    table = add_urls(make_table(Path("s3:/bucket/p")), Path("/x"), PREFIX, "B", "BR1")
    assert table["URL_OrigDNA"][0] == "s3://bucket/p/r01c01f01p01-ch5sk1fk1fl1.tiff"


def test_what_a_table_of_the_gallery_cannot_say_is_refused(tmp_path):
    with pytest.raises(InputError, match="Write them as single planes"):
        add_urls(make_table(tmp_path, "a.tif<project=max>"), tmp_path, PREFIX, "B", "BR1")
    with pytest.raises(InputError, match="1 images are not in the plate's folder"):
        add_urls(make_table(tmp_path / "other"), tmp_path / "BR1", PREFIX, "B", "BR1")


@pytest.mark.parametrize("kind", ["arrow", "csv"])
def test_a_folder_per_site(tmp_path, kind):
    chunk = tmp_path / "chunk_0"
    chunk.mkdir()
    images = {"ImageNumber": [1, 2], "Metadata_Well": ["A01", "A01"], "Metadata_Site": [1, 2]}
    cells = {"ImageNumber": [1, 1], "ObjectNumber": [1, 2], "AreaShape_Area": [0.1, 1 / 3]}
    for name, table in (("Image", images), ("Cells", cells)):
        if kind == "csv":
            pl.DataFrame(table).write_csv(chunk / f"{name}.csv")
        else:
            made = pa.table(table)
            with (
                pa.OSFile(str(chunk / f"{name}.arrow"), "wb") as sink,
                pa.ipc.new_file(sink, made.schema) as file,
            ):
                file.write_table(made)
    gallery.write_analysis([chunk], "BR1", tmp_path / "out")
    written = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.csv")
    )
    assert written == [
        f"analysis/BR1-A01-{site}/{name}.csv" for site in (1, 2) for name in ("Cells", "Image")
    ]
    with (tmp_path / "out" / "analysis" / "BR1-A01-1" / "Cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["AreaShape_Area"]) for row in rows] == [0.1, 1 / 3]
    assert (tmp_path / "out" / "analysis" / "BR1-A01-2" / "Cells.csv").read_text().count("\n") == 1


def test_plate_maps_and_their_plates(tmp_path, write_table):
    one = write_table("compounds.tsv", [["well_position", "broad_sample"], ["a1", "X"], ["A02", ""]])
    plates = [{"plate": "BR1"}, {"plate": "BR2"}]
    gallery_metadata.write_metadata(plates, [one, one], tmp_path / "B")
    text = (tmp_path / "B" / "barcode_platemap.csv").read_text()
    assert text == "Assay_Plate_Barcode,Plate_Map_Name\nBR1,compounds\nBR2,compounds\n"
    table = pd.read_csv(tmp_path / "B" / "platemap" / "compounds.txt", sep="\t", dtype=str)
    assert list(table)[:2] == ["plate_map_name", "well_position"]
    assert list(table["well_position"]) == ["A01", "A02"]


def test_embeddings_of_each_site(tmp_path):
    cells = pl.DataFrame(
        {
            "Metadata_Well": ["A01", "A01", "B02"],
            "Metadata_Site": ["1", "2", "1"],
            "Embedding_DNA_0001": [1.0, 2, 3],
        }
    )
    cells.write_parquet(tmp_path / "cells.parquet")
    gallery_embeddings.write_embeddings(tmp_path / "cells.parquet", tmp_path / "out")
    written = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.parquet")
    )
    assert written == [f"{site}/embedding.parquet" for site in ("A01-1", "A01-2", "B02-1")]


def test_what_is_uploaded_where(tmp_path):
    images = tmp_path / FULL / "Images"
    plates = [
        {"batch": "B", "plate": "BR1", "images": "x"},
        {"batch": "B", "plate": "P2", "images": "s3://b/p"},
    ]
    table = gallery_uploads.list_uploads(plates, [images, Path("s3://b/p")], PREFIX)
    assert table.to_numpy().tolist() == [[str(images.parent), f"{PREFIX}/images/B/images/{FULL}"]]
    assert re.fullmatch(r"s3://[^/]+/[^/]+/[^/]+/images/B/images/.+", table["address"][0])


def test_urls_are_read_as_images(tmp_path):
    columns, rows = split_urls(
        ["URL_OrigDNA", "Metadata_Well"], [{"URL_OrigDNA": "s3://b/x/a.tiff", "Metadata_Well": "A01"}]
    )
    assert rows[0]["PathName_OrigDNA"] == "s3://b/x"
    assert rows[0]["FileName_OrigDNA"] == "a.tiff"
    assert columns == ["URL_OrigDNA", "Metadata_Well", "FileName_OrigDNA", "PathName_OrigDNA"]
