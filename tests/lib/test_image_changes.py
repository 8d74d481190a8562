"""Which images changed since they were measured: content decides, time does not."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib.image_changes import find_former_folder, get_contents, list_images, write_digests

pytestmark = pytest.mark.unit

PATTERN = r"(?P<well>[A-P]\d\d)_(?P<channel>\d)\.tif$"


@pytest.fixture
def plate(tmp_path):
    """A folder of four files that stand for images, measured once; `look` plans a run."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("A01_1", "A01_2", "A02_1", "A02_2"):
        (folder / f"{name}.tif").write_bytes(name.encode() * 100)
        os.utime(folder / f"{name}.tif", (1_700_000_000, 1_700_000_000))
    shutil.copytree(folder, tmp_path / "kept")

    class Plate:
        record, seen = tmp_path / "digests.csv", tmp_path / "seen.json"

        def __init__(self):
            self.folder, self.kept = folder, tmp_path / "kept"
            self.first = self.look()
            self.measure()

        def look(self):
            return get_contents(self.folder, PATTERN, self.record, self.seen)

        def measure(self):
            write_digests(self.folder, PATTERN, self.record, 2)

    return Plate()


def test_nothing_changed(plate):
    assert plate.look() == plate.first
    plate.seen.unlink()
    assert plate.look() == plate.first


def test_another_time_changes_nothing(plate):
    for path in plate.folder.iterdir():
        path.touch()
    assert plate.look() == plate.first
    shutil.rmtree(plate.folder)
    shutil.copytree(plate.kept, plate.folder)
    assert plate.look() == plate.first


@pytest.mark.parametrize("time", [1_600_000_000, 1_800_000_000])
@pytest.mark.parametrize("content", [b"A01_3" * 100, b"short"])
def test_another_content_counts_whatever_its_time(plate, time, content):
    path = plate.folder / "A01_1.tif"
    path.write_bytes(content)
    os.utime(path, (time, time))
    changed = plate.look()
    assert changed != plate.first
    assert plate.look() == changed
    plate.measure()
    assert plate.look() == changed
    shutil.copy2(plate.kept / "A01_1.tif", path)
    assert plate.look() == plate.first != changed


def test_a_change_and_back_before_anything_is_measured_again(plate):
    path = plate.folder / "A01_1.tif"
    path.write_bytes(b"cut")
    assert plate.look() != plate.first
    shutil.copy(plate.kept / "A01_1.tif", path)
    assert plate.look() == plate.first


def test_images_come_and_go_and_other_files_do_not_count(plate):
    (plate.folder / "notes.txt").write_text("x")
    (plate.folder / ".A03_1.tif").write_text("x")
    assert plate.look() == plate.first
    (plate.folder / "A03_1.tif").write_text("x")
    assert plate.look() != plate.first
    (plate.folder / "A03_1.tif").unlink()
    (plate.folder / "A01_1.tif").unlink()
    assert plate.look() != plate.first


def test_the_images_of_a_table(tmp_path):
    (tmp_path / "load_data.csv").write_text(
        "Metadata_Well,FileName_OrigDNA,PathName_OrigDNA,FileName_RNA\n"
        "A01,a.tif,sub,b.tif\nA02,c.tif,s3://bucket/x,d.tif\n"
    )
    assert list_images(tmp_path / "load_data.csv", "phenix") == {
        "b.tif": f"{tmp_path}/b.tif",
        "d.tif": f"{tmp_path}/d.tif",
        "sub/a.tif": f"{tmp_path}/sub/a.tif",
    }


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_images_of_a_table_with_urls(tmp_path, ending):
    table = pd.DataFrame(
        {
            "Metadata_Well": ["A01", "A02", "A03"],
            "URL_OrigDNA": [f"file:{tmp_path}/my%20images/a.tif", "s3://bucket/x/b.tif", None],
            "FileName_RNA": ["below/r.tif", None, "/elsewhere/r.tif"],
            "PathName_RNA": ["NA", None, "sub"],
            "URL_RNA": "file:/not/used.tif",
        }
    )
    path = tmp_path / f"load_data.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    found = list_images(path, "phenix")
    assert list(found.values()) == sorted(
        ["/elsewhere/r.tif", f"{tmp_path}/below/r.tif", f"{tmp_path}/my images/a.tif"]
    )
    assert list(found)[1:] == ["below/r.tif", "my images/a.tif"]


def test_the_images_of_a_table_in_the_folder_of_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("FileName_DNA,PathName_DNA\na.tif,\nb.tif,sub\nc.tif,/\n")
    found = list_images(Path("t.csv"), "phenix")
    assert list(found.values()) == ["/c.tif", "a.tif", "sub/b.tif"]
    assert list(found)[1:] == ["a.tif", "sub/b.tif"]


def test_a_table_that_load_data_will_refuse_does_not_stop_planning(tmp_path):
    path = tmp_path / "t.parquet"
    names = ["FileName_DNA", "FileName_DNA"]
    pq.write_table(pa.Table.from_arrays([pa.array(["a.tif"])] * 2, names=names), path)
    assert get_contents(path, PATTERN, tmp_path / "record", tmp_path / "seen") == ""


def test_results_that_were_copied_name_the_images_they_were_made_of(plate, tmp_path):
    table = tmp_path / "load_data.csv"
    assert find_former_folder(table, plate.folder, PATTERN) is None
    table.write_text(f"Metadata_Well,FileName_OrigDNA,PathName_OrigDNA\nA01,A01_1.tif,{plate.folder}\n")
    assert find_former_folder(table, plate.folder, PATTERN) is None
    assert find_former_folder(table, plate.folder.parent, PATTERN) is None
    assert find_former_folder(table, plate.kept, PATTERN) == str(plate.folder)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "wells").symlink_to(plate.folder)
    assert find_former_folder(table, linked, PATTERN) is None


def test_hidden_folders_are_left_out(tmp_path):
    for folder in (".", ".snapshot/hourly.0", ".AppleDouble", "below"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "A01_s1_w1.tif").touch()
    assert list(list_images(tmp_path, "imagexpress")) == ["A01_s1_w1.tif", "below/A01_s1_w1.tif"]
