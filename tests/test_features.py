"""CellProfiler's runs and the assay's schema, as far as they go without CellProfiler itself."""

import array
import csv
import json
import os
import stat
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import features
import illumination
from lib import cellprofiler
from lib.assay import find_assay_problems, get_compartments
from lib.cellprofiler_logs import read_last_lines
from lib.errors import InputError
from lib.schema import read_schema as config_schema
from lib.schema import read_values

pytestmark = pytest.mark.unit

SCRIPTS = Path(features.__file__).parent
PIPELINE = "CellProfiler Pipeline: http://www.cellprofiler.org\nModuleCount:0\n"
SITES = [("A01", "1"), ("A01", "2"), ("B02", "1"), ("B02", "2"), ("C03", "01")]

# Stands in for CellProfiler: writes what the real one would for rows -f to -l, unless told to fail.
FAKE = """#!{python}
import csv, json, os, sys, time
options = dict(zip(sys.argv[1:], sys.argv[2:]))
how = json.load(open({settings!r}))
out = options["-o"]
rows = list(csv.DictReader(open(options["--data-file"])))
numbers = list(range(int(options.get("-f", 1)), int(options.get("-l", len(rows))) + 1))
assert "--always-continue" not in sys.argv
assert os.environ["OMP_NUM_THREADS"] == "1" and os.environ["MPLBACKEND"] == "Agg"
print("Traceback (most recent call last):\\n  File \\"x\\"\\nModuleNotFoundError: No module named 'MySQLdb'")
time.sleep(how.get("sleep", 0))
if how.get("error"):
    print("Traceback (most recent call last):\\n" + how["error"])
kept = [n for n in numbers if n not in how.get("without", [])] + how.get("again", [])
with open(out + "/Image.csv", "w") as file:
    print("ImageNumber,Metadata_Well,Metadata_Site,Count_Nuclei", file=file)
    for n in kept:
        row = rows[how.get("order", list(range(1, 6)))[n - 1] - 1]
        if n == how.get("strange"):
            row["Metadata_Site"] = "99"
        if n == how.get("same"):
            row = rows[0]
        count = how.get("skipped", n % 3) if n in how.get("flagged", []) else n % 3
        print(n, row["Metadata_Well"], int(row["Metadata_Site"]), count, sep=",", file=file)
for name in how.get("tables", ["Nuclei"]):
    with open(out + "/" + name + ".csv", "w") as file:
        print("ImageNumber,ObjectNumber,AreaShape_Area", file=file)
        found = [n for n in numbers if n not in how.get("flagged", [])]
        lines = [f"{{n}},{{o + 1}},7.5" for n in found for o in range(n % 3)]
        lines = lines[: how.get("lines", len(lines))]
        file.write("\\n".join(lines)[: how.get("bytes")] + ("" if how.get("bytes") else "\\n"))
open(options["-d"], "w").write(how.get("done", "Complete"))
sys.exit(how.get("status", 0))
"""


@pytest.fixture
def plate(tmp_path):
    """A plate of five sites with a stand-in for CellProfiler; `plate.run(chunk, chunks, **how)`."""
    load_data = tmp_path / "load_data.csv"
    with load_data.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Metadata_Plate", "Metadata_Well", "Metadata_Site"])
        writer.writerows(["P1", well, site] for well, site in SITES)
    (tmp_path / "analysis.cppipe").write_text(PIPELINE)
    settings = tmp_path / "how.json"
    command = tmp_path / "with space" / "cellprofiler"
    command.parent.mkdir()
    command.write_text(FAKE.format(python=sys.executable, settings=str(settings)))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    output = tmp_path / "analysis" / "chunk_0"

    def run(chunk=0, chunks=1, timeout="600", engine="stock", **how):
        settings.write_text(json.dumps(how))
        arguments = ["--cellprofiler", str(command), "--pipeline", tmp_path / "analysis.cppipe"]
        arguments += ["--load-data", str(load_data), "--plate", "P1", "--objects", "Nuclei"]
        arguments += ["--chunk", str(chunk), "--chunks", str(chunks), "--timeout", timeout]
        arguments += ["--engine", engine, "--log", str(tmp_path / "log"), "--output", str(output)]
        return subprocess.run(
            [sys.executable, str(SCRIPTS / "features.py"), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    return types.SimpleNamespace(run=run, output=output)


@given(rows=st.integers(0, 4000), chunks=st.integers(1, 500))
def test_chunks_cover_each_row_once_in_order(rows, chunks):
    parts = [features.get_chunk_rows(rows, chunk, chunks) for chunk in range(chunks)]
    covered = [row for part in parts if part for row in range(part[0], part[1] + 1)]
    assert covered == list(range(1, rows + 1))
    sizes = [part[1] - part[0] + 1 if part else 0 for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_chunk_rows_by_hand():
    assert [features.get_chunk_rows(10, chunk, 4) for chunk in range(4)] == [
        (1, 2),
        (3, 5),
        (6, 7),
        (8, 10),
    ]
    assert [features.get_chunk_rows(1, chunk, 2) for chunk in range(2)] == [None, (1, 1)]
    with pytest.raises(ValueError, match="chunk 4 is not one of 4"):
        features.get_chunk_rows(10, 4, 4)


@pytest.mark.run
def test_the_command_line_runs_where_the_runner_cannot(plate, tmp_path):
    done = plate.run(engine="platewise")
    assert done.returncode == 0, done.stderr
    assert (plate.output / "Nuclei.csv").exists()
    assert (
        "has no package cellprofiler_core: CellProfiler's command line runs" in (tmp_path / "log").read_text()
    )


@pytest.mark.run
def test_chunk_is_put_in_place_with_its_sites(plate):
    done = plate.run(chunk=1, chunks=2)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((plate.output / "sites.json").read_text())
    assert manifest["rows"] == [3, 5]
    # Image 3 has 0 objects, image 4 has 1, image 5 has 2.
    assert manifest["objects"] == {"Nuclei": 3}
    assert [(s["image_number"], s["well"], s["site"]) for s in manifest["sites"]] == [
        (3, "B02", "1"),
        (4, "B02", "2"),
        (5, "C03", "1"),
    ]
    assert [path.name for path in plate.output.parent.iterdir()] == ["chunk_0"]


@pytest.mark.run
def test_the_image_table_says_which_sites_a_chunk_holds(plate):
    """CellProfiler numbers sites in the order of its groups, which need not be the order of the table."""
    held = []
    for chunk in range(2):
        done = plate.run(chunk=chunk, chunks=2, order=[3, 1, 5, 2, 4])
        assert done.returncode == 0, done.stderr
        manifest = json.loads((plate.output / "sites.json").read_text())
        held.append([(s["image_number"], s["well"], s["site"]) for s in manifest["sites"]])
    assert held[0] == [(1, "B02", "1"), (2, "A01", "1")]
    assert held[1] == [(3, "C03", "1"), (4, "A01", "2"), (5, "B02", "2")]


@pytest.mark.run
def test_chunk_replaces_an_empty_folder_and_an_older_chunk(plate):
    plate.output.mkdir(parents=True)
    assert plate.run().returncode == 0
    (plate.output / "old").touch()
    assert plate.run().returncode == 0
    assert not (plate.output / "old").exists()


@pytest.mark.run
def test_foreign_folder_is_not_replaced(plate):
    plate.output.mkdir(parents=True)
    (plate.output / "mine.txt").touch()
    done = plate.run()
    assert done.returncode == 1
    assert "move it away" in done.stderr
    assert (plate.output / "mine.txt").exists()


@pytest.mark.run
def test_chunk_without_sites_says_so(plate):
    assert plate.run(chunk=0, chunks=9).returncode == 0
    manifest = json.loads((plate.output / "sites.json").read_text())
    assert (manifest["rows"], manifest["sites"], manifest["objects"]) == (None, [], {"Nuclei": 0})


@pytest.mark.run
@pytest.mark.parametrize("value", ["nan", "", "0.0"])
def test_sites_that_a_flag_skips_have_no_objects(plate, value):
    done = plate.run(flagged=[1, 4], skipped=value)
    assert done.returncode == 0, done.stderr
    # A count that is present needs its objects.
    done = plate.run(flagged=[1, 4], skipped="1")
    assert "A01 site 1 (0 of 1)" in done.stderr


@pytest.mark.run
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"done": "Failure"}, "done-file: Failure"),
        ({"status": 3}, "exit status 3"),
        ({"done": "Failure", "error": "OSError: no tiff"}, "OSError: no tiff"),
        ({"without": [4]}, "missing: B02 site 2"),
        ({"again": [2]}, "more than once: A01 site 2"),
        ({"again": [2], "without": [1]}, "missing: A01 site 1; more than once: A01 site 2"),
        ({"strange": 2}, "sites that the image table lacks: A01 site 99"),
        ({"same": 2}, "sites with several ImageNumbers: A01 site 1"),
        ({"tables": []}, "wrote no Nuclei.csv"),
        ({"lines": 4}, "C03 site 1 (0 of 2)"),
        ({"bytes": 44}, "Nuclei.csv is incomplete"),
    ],
)
def test_incomplete_runs_are_refused(plate, how, message):
    done = plate.run(**how)
    assert done.returncode == 1
    assert message in done.stderr
    assert "P1" in done.stderr
    assert "error" not in how or "MySQL" not in done.stderr
    assert not plate.output.exists()
    assert list(plate.output.parent.iterdir()) == []


@pytest.mark.run
@pytest.mark.parametrize("word", ["OSError: [Errno 28] No space left on device", "H5 error: Errno 28"])
def test_a_full_disk_is_named(plate, word):
    done = plate.run(done="Failure", error=word)
    assert done.returncode == 1
    assert "Plate P1, chunk 0 of 1" in done.stderr
    assert "the disk is full. Free space, or name another folder as `results` in the config" in done.stderr
    assert list(plate.output.parent.iterdir()) == []


def test_a_disk_with_little_space_is_full(tmp_path, monkeypatch):
    """A run that ends by a signal says nothing."""
    (tmp_path / "log").write_text("starting\n")
    assert cellprofiler.explain_full_disk(tmp_path, tmp_path / "log") is None
    monkeypatch.setattr(cellprofiler.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=4096))
    assert "4,096 bytes were left" in cellprofiler.explain_full_disk(tmp_path, tmp_path / "log")


@pytest.mark.run
def test_failure_names_the_sites_and_the_log(plate):
    output = plate.run(chunk=1, chunks=2, done="Failure").stderr
    assert "Plate P1, chunk 1 of 2 (ImageNumber 3 to 5 of 5 sites)" in output
    assert str(plate.output.parents[1] / "log") in output


@pytest.mark.run
def test_a_run_that_hangs_is_stopped(plate):
    done = plate.run(timeout="2", sleep=60)
    assert done.returncode == 1
    assert "Plate P1, chunk 0 of 1" in done.stderr
    assert "CellProfiler was stopped after 2.0 s" in done.stderr
    assert "Give it more time in the config (cellprofiler.timeout), or more chunks" in done.stderr
    assert list(plate.output.parent.iterdir()) == []


def test_last_words_start_at_the_last_error(tmp_path):
    log = tmp_path / "log"
    missing = "Traceback (most):\n  import MySQLdb\nModuleNotFoundError: No module named 'MySQLdb'\n"
    log.write_text(missing + "going on\n" * 50 + "Traceback (most):\nValueError: bad\nstopping\n")
    assert read_last_lines(log).split() == ["Traceback", "(most):", "ValueError:", "bad", "stopping"]
    log.write_text(missing + "line\n" * 50)
    assert read_last_lines(log).split() == ["line"] * 20


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_npy_is_read_as_numpy_wrote_it(tmp_path, dtype):
    written = np.arange(12, dtype=dtype).reshape(3, 4) / 7
    np.save(tmp_path / "a.npy", written)
    shape, values = illumination.read_npy(tmp_path / "a.npy")
    assert shape == (3, 4)
    assert isinstance(values, array.array)
    assert np.array_equal(np.array(values, dtype).reshape(shape), written)


def test_illumination_functions_are_checked(tmp_path):
    np.save(tmp_path / "P_1_IllumDNA.npy", np.ones((4, 5), "<f4"))
    np.save(tmp_path / "IllumRNA.npy", np.ones((4, 5), "<f4"))
    found = illumination.check_functions(["DNA", "RNA"], tmp_path, "P1", "Divide")
    assert [path.name for path in found.values()] == ["P_1_IllumDNA.npy", "IllumRNA.npy"]
    with pytest.raises(InputError, match=r"wrote 0 files IllumNA\.npy"):
        illumination.check_functions(["NA"], tmp_path, "P1", "Divide")
    for wrong, message in (
        (np.full((4, 5), np.nan, "<f4"), "P1: .* RNA holds numbers that are not finite"),
        (np.ones((5, 4), "<f4"), "differ in shape"),
        (np.ones((4, 5, 3), "<f4"), "not gray"),
        (np.array([{}]), "instead of numbers"),
        (np.zeros((4, 5), "<f4"), "P1: 20 of 20 pixels of the illumination function of channel RNA are 0"),
        (np.eye(4, 5, dtype="<f4"), "16 of 20 pixels .* and images are divided by it"),
    ):
        np.save(tmp_path / "IllumRNA.npy", wrong, allow_pickle=True)
        with pytest.raises(InputError, match=message):
            illumination.check_functions(["DNA", "RNA"], tmp_path, "P1", "Divide")
    np.save(tmp_path / "IllumRNA.npy", np.eye(4, 5, dtype="<f4"))
    for how in ("Subtract", "None", "own"):
        assert illumination.check_functions(["DNA", "RNA"], tmp_path, "P1", how)
    whole = (tmp_path / "P_1_IllumDNA.npy").read_bytes()
    (tmp_path / "P_1_IllumDNA.npy").write_bytes(whole[:-8])
    with pytest.raises(InputError, match="cut off"):
        illumination.check_functions(["DNA"], tmp_path, "P1", "Divide")


ASSAY = {
    "channels": [{"name": "DNA", "image": "1"}, {"name": "RNA", "image": "2"}],
    "nuclei": {"channel": "DNA"},
    "cells": {"channel": "RNA"},
}


def complete(values, schema):
    return read_values(values, schema, defaults=True)


def test_schema_is_strict_and_explained():
    def walk(schema, where):
        if "object" in np.atleast_1d(schema.get("type", "")):
            assert schema["additionalProperties"] is False, where
            for name, part in schema["properties"].items():
                assert part["description"], f"{where}.{name}"
                required = name in schema.get("required", ())
                optional = (where, name) in {("assay", "cells"), ("assay.cells", "channel")}
                assert required != ("default" in part) or optional, f"{where}.{name}"
                walk(part, f"{where}.{name}")
        elif "items" in schema:
            walk(schema["items"], where)

    schema = config_schema()["properties"]["assay"]
    Draft202012Validator.check_schema(schema)
    walk(schema, "assay")
    Draft202012Validator(schema).validate(complete(ASSAY, schema))


def test_compartments():
    schema = config_schema()["properties"]["assay"]
    assert get_compartments(complete(ASSAY, schema)) == ["Nuclei", "Cells", "Cytoplasm"]
    assert get_compartments(complete({**ASSAY, "cytoplasm": False}, schema)) == [
        "Nuclei",
        "Cells",
    ]
    assert get_compartments(complete({k: ASSAY[k] for k in ("channels", "nuclei")}, schema)) == ["Nuclei"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nuclei": {"channel": "DAPI"}}, "nuclei: channel DAPI is unknown; the channels are DNA, RNA"),
        ({"cells": {"channel": "ER"}}, "cells: channel ER is unknown"),
        ({"cells": {}}, "cells: the method Watershed - Image needs `channel`"),
        ({"nuclei": {"channel": "DNA", "diameter": [9, 3]}}, "diameter: [9, 3] is not a range"),
        ({"channels": [{"name": "DNA", "image": "1"}, {"name": "DNA", "image": "2"}]}, "name DNA"),
        ({"channels": [{"name": "DNA", "image": "1"}, {"name": "RNA", "image": "1"}]}, "image 1"),
        (
            {"cells": {"channel": "RNA", "threshold": {"bounds": [0.5, 0.1]}}},
            "cells: threshold: bounds [0.5, 0.1]",
        ),
        (
            {"nuclei": {"channel": "DNA", "threshold": {"method": "Sauvola"}}},
            "nuclei: threshold: the method Sauvola needs `strategy: Adaptive`",
        ),
    ],
)
def test_assay_problems(change, message):
    schema = config_schema()["properties"]["assay"]
    assert find_assay_problems(complete(ASSAY, schema)) == []
    assert find_assay_problems(complete({"cells": {"method": "Distance - N"}, **ASSAY}, schema)) == []
    assert message in "\n".join(find_assay_problems(complete({**ASSAY, **change}, schema)))


@pytest.mark.run
def test_scripts_in_cellprofilers_python_need_the_standard_library_only():
    code = "import sys; sys.path.insert(0, '.'); import features, illumination, pipelines"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=SCRIPTS, env={**os.environ}, check=False
    )
    assert done.returncode == 0
