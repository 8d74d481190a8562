"""Two plates that start from the same wells."""

import gzip

import pandas as pd
import pytest

from cases.case import case
from lib.errors import InputError
from lib.shared_inputs import check_shared_inputs
from microscope_files import write_harmony_index
from planned_experiment import build_experiment

pytestmark = pytest.mark.unit
PATTERN = r"(?P<plate>\w+)_(?P<well>[A-P]\d\d)_(?P<channel>\d)\.tif"


def check(*plates, folder="/experiment", **config):
    """Check an experiment of these plates."""
    named = [{"plate": f"P{number}", **plate} for number, plate in enumerate(plates, start=1)]
    check_shared_inputs(build_experiment(named, folder, **config))


def refuse(*plates, **how):
    """Return the error of an experiment of these plates."""
    with pytest.raises(InputError) as error:
        check(*plates, **how)
    return str(error.value)


def profiles(plate, file="p.csv", **row):
    """A plate that starts with profiles."""
    return {"plate": plate, "profiles": file, "level": "aggregated", **row}


@case(
    "images",
    kind="two plates of the sample sheet that name one folder of images, or of CellProfiler's tables (also "
    "through a link, or one inside the other)",
    comes_from="a row that was copied: every well was its own replicate",
    says="Several plates start from the same wells, so that each well would be its own replicate: images: "
    "/experiment/i: P1 (batch B), P2 (batch B) Correct /experiment/...",
    happens="nothing runs; an image table with Metadata_Plate, or a group `plate` in images.pattern, serves "
    "several plates",
)
def test_one_folder_for_two_plates(tmp_path):
    check({"images": "i"}, {"images": "j"}, {"cellprofiler": "i"})
    with pytest.raises(InputError, match=r"cellprofiler: /experiment/t: P1 .*, P3"):
        check({"cellprofiler": "t"}, {"images": "j"}, {"cellprofiler": "./t/"})
    with pytest.raises(InputError, match="s3://b/i: P1"):
        check({"images": "s3://b/i/"}, {"images": "s3://b/i"})
    assert "/t/a/b is inside /t," in refuse({"cellprofiler": "/t/"}, {"cellprofiler": "/t/a/b"})
    check({"cellprofiler": "/t/a"}, {"cellprofiler": "/t/ab"}, {"images": "/t"}, {"images": "/t/a"})
    (tmp_path / "i").mkdir()
    (tmp_path / "link").symlink_to("i")
    assert "i: P1 (batch B), P2" in refuse({"images": "i"}, {"images": "link"}, folder=tmp_path)
    return refuse({"images": "i"}, {"images": "j/../i"})


def test_what_may_be_shared():
    check({"images": "load_data.csv"}, {"images": "load_data.csv"})
    check({"profiles": "p.csv", "level": "augmented"}, {"profiles": "p.csv", "level": "augmented"})
    check({"images": "i"}, {"images": "i"}, images={"pattern": PATTERN})
    check({"images": "i"}, {"images": "i"}, images={"pattern": "index"})


@case(
    "plan",
    kind="two plates of the sample sheet that take the same plate of a file: 00123 and 123, of which the "
    "file has one; one plate in two batches; a copy of a file of profiles",
    comes_from="barcodes that a spreadsheet had changed; a row that was copied: every well was its own "
    "replicate, and Percent Replicating 100 %",
    says="Several plates start from the same wells, so that each well would be its own replicate: profiles: "
    "...: 00123 (batch B), 123 (batch B) Correct ...",
    happens="nothing runs; where the file is fetched first, the plate stops",
)
def test_one_plate_of_a_file_for_two(tmp_path):
    (tmp_path / "p.csv").write_text("Metadata_Plate,Metadata_Well,F\n123,A01,1\n")
    message = refuse(profiles("00123"), profiles("123"), folder=tmp_path)
    # Both are in the file, under their own names.
    (tmp_path / "p.csv").write_text("Metadata_Plate,Metadata_Well,F\n123,A01,1\n00123,A01,2\n")
    check(profiles("00123"), profiles("123"), folder=tmp_path)
    # One plate is in two batches, whatever the file says, and wherever it is.
    assert "P (batch B), P (batch C)" in refuse(profiles("P"), profiles("P", batch="C"), folder=tmp_path)
    assert "P (batch B), P" in refuse(profiles("P", "s3://p.csv"), profiles("P", "s3://p.csv", batch="C"))
    # A file that cannot be read is reported by the step that reads it.
    (tmp_path / "p.csv").write_bytes(b"PK\x03\x04")
    check(profiles("00123"), profiles("123"), folder=tmp_path)
    return message


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_plates_of_a_file_are_read_under_any_usual_name(tmp_path, ending):
    table = pd.DataFrame({"Barcode": [7, 8], "Metadata_Well": "A01", "F": [1.0, 2.0]})
    path = tmp_path / f"p.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    named = f"p.{ending}"
    message = refuse(profiles("7", named), profiles("8", named), profiles("007", named), folder=tmp_path)
    assert "7 (batch B), 007 (batch B)" in message
    assert "8 (batch" not in message


def test_a_copy_of_a_file_of_profiles_is_that_file(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("Metadata_Well,F\nA01,1\n")
    (tmp_path / "c.csv").write_text("Metadata_Well,F\nA01,2\n")
    message = refuse(*(profiles(name, f"{name}.csv") for name in "abc"), folder=tmp_path)
    assert "a.csv: a (batch B), b (batch B) (a.csv, b.csv have the same content)" in message
    assert "c (batch" not in message
    # Each plate's folder may hold a copy of a file of several plates.
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("Metadata_Plate,Metadata_Well,F\na,A01,1\nb,A01,2\n")
    check(profiles("a", "a.csv"), profiles("b", "b.csv"), folder=tmp_path)
    # Copies of an image table name other images, relative to their folders.
    for name in ("d", "e"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "load_data.csv").write_text("Metadata_Well,FileName_DNA\nA01,a.tif\n")
    check({"images": "d/load_data.csv"}, {"images": "e/load_data.csv"}, folder=tmp_path)


def test_shared_images_must_be_of_different_plates(tmp_path):
    one, other = {"plate": "00123", "images": "t.csv"}, {"plate": "123", "images": "t.csv"}
    table = tmp_path / "t.csv"
    table.write_text("Metadata_Plate,Metadata_Well,FileName_DNA\n123,A01,a.tif\n")
    assert "t.csv: 00123 (batch B), 123" in refuse(one, other, folder=tmp_path)
    check(one, {**other, "plate": "P"}, folder=tmp_path)  # its own job misses plate P
    table.write_text("Metadata_Well,FileName_DNA\nA01,a.tif\n")  # without plates, all rows are of each
    assert "t.csv: 00123 (batch B), P" in refuse(one, {**other, "plate": "P"}, folder=tmp_path)
    assert "P (batch B), P (batch C)" in refuse(
        {"plate": "P", "images": "i"},
        {"plate": "P", "batch": "C", "images": "i"},
        images={"pattern": PATTERN},
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_barcode_that_is_not_a_plate_is_no_plate_of_its_own(tmp_path, ending):
    """Each plate would get all rows of the table, since its only barcode is neither plate's."""

    def write(*barcodes):
        table = pd.DataFrame({"Metadata_Barcode": barcodes, "Metadata_Well": "A01", "FileName_DNA": "a.tif"})
        path = tmp_path / f"t.{ending}"
        table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)

    rows = [{"plate": plate, "images": f"t.{ending}"} for plate in ("P1", "P2")]
    for barcodes in (["AU1", "AU1"], ["P1", "P1"], ["P1", "NA"]):
        write(*barcodes)
        assert f"t.{ending}: P1 (batch B), P2 (batch B)" in refuse(*rows, folder=tmp_path)
    write("P1", "P2")
    check(*rows, folder=tmp_path)


def test_an_image_table_behind_a_link_is_read_by_its_content(tmp_path):
    """Data managers keep files under other names: what the link leads to has no ending."""
    (tmp_path / "t.csv.gz").symlink_to(tmp_path / "content")
    text = "Metadata_Plate,Metadata_Well,FileName_DNA\n123,A01,a.tif\n"
    for content in (text.encode(), gzip.compress(text.encode())):
        (tmp_path / "content").write_bytes(content)
        rows = [{"plate": plate, "images": "t.csv.gz"} for plate in ("00123", "123")]
        assert "00123 (batch B), 123" in refuse(*rows, folder=tmp_path)


def test_an_index_of_one_plate_serves_one_row(tmp_path):
    rows, index = ({"images": "i"}, {"images": "i"}), tmp_path / "i" / "Index.idx.xml"
    index.parent.mkdir()
    write_harmony_index(index, ["A01"], {1: "DNA"}, plates=["P1"])
    assert "i: P1 (batch B), P2" in refuse(*rows, folder=tmp_path, images={"pattern": "index"})
    write_harmony_index(index, ["A01"], {1: "DNA"}, plates=["P1", "P2"])
    check(*rows, folder=tmp_path, images={"pattern": "index"})
