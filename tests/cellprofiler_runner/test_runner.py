"""The runner gives the results of CellProfiler's command line, site by site, and ends correctly."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import PIL.Image
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import compare_cellprofiler
import features
import single_cells
from lib.cellprofiler import CellProfiler
from lib.cellprofiler import get_environment as environment_variables
from lib.cellprofiler_output import find_chunk_folders
from lib.chunk_tables import read_arrow
from lib.errors import InputError
from workflow import PROJECT, SUPPORT

pytestmark = pytest.mark.oracle

SCRIPTS = PROJECT / "scripts"
PLUGINS = SCRIPTS / "cellprofiler_plugins"
SIZE = (72, 88)
# Rows of the image table: well, and how many nuclei are drawn.
SITES = [("A01", 4), ("A02", 5), ("B01", 0), ("B02", 3), ("C01", 4)]
ROWS = (2, 4)


def draw(folder, site, nuclei):
    """Two images of a site, nuclei as smooth disks on noise; their file names."""
    random = np.random.default_rng(site)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    light = np.zeros(SIZE)
    for nucleus in range(nuclei):
        middle = 20 + 16 * (nucleus // 3) * 2, 18 + 26 * (nucleus % 3)
        light += np.exp(-((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2) / 40)
    names = {}
    for channel, strength in (("DNA", 20000), ("RNA", 9000)):
        pixels = 500 + strength * np.minimum(light, 1) + 200 * random.random(SIZE)
        names[channel] = f"s{site}_{channel}.tif"
        PIL.Image.fromarray(pixels.astype(np.uint16)).save(folder / names[channel], compression="tiff_lzw")
    return names


@pytest.fixture(scope="module")
def plate(tmp_path_factory, cellprofiler_environment):
    """A folder with a small plate's images, its image table and the users' pipelines."""
    folder = tmp_path_factory.mktemp("plate")
    header = ["Metadata_Plate", "Metadata_Well", "Metadata_Site", "Metadata_Control", "Metadata_Dose"]
    rows = []
    for number, (well, nuclei) in enumerate(SITES, start=1):
        names = draw(folder, number, nuclei)
        values = ["P1", well, "1", int(well.startswith("A")), number / 2]
        rows.append(values + [value for name in names.values() for value in (name, str(folder))])
    header += [f"{what}_{channel}" for channel in ("DNA", "RNA") for what in ("FileName", "PathName")]
    with (folder / "load_data.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    subprocess.run(
        [cellprofiler_environment / "bin" / "python", SUPPORT / "runner_pipelines.py", folder],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def run(plate, cellprofiler_environment):
    """Run one of the pipelines over the middle rows; its folder of tables."""

    def run(pipeline, engine, folder=None, rows=ROWS, load_data=None, plugins=PLUGINS):
        output = plate / (folder or f"{pipeline}_{engine}")
        output.mkdir()
        with (plate / f"{output.name}.log").open("w") as log:
            CellProfiler(
                str(cellprofiler_environment / "bin" / "cellprofiler"),
                plate / f"{pipeline}.cppipe",
                engine=engine,
                plugins=None if engine == "stock" else plugins,
                timeout=1000,
            ).run(load_data or plate / "load_data.csv", output, log, "Plate P1", rows)
        return output

    return run


@pytest.fixture(scope="module")
def everything(run):
    """The tables of both engines of the pipeline that exports all it has."""
    return {engine: run("everything", engine) for engine in ("stock", "platewise")}


def differences(stock, found):
    """The rows of the comparison, of the tables that hold measurements."""
    return {row["table"]: row for row in compare_cellprofiler.compare(stock, found)}


def test_the_tables_are_those_of_the_command_line(everything):
    tables = differences(everything["stock"], everything["platewise"])
    assert set(tables) == {"Experiment", "Image", "Nuclei", "Rings"}
    for row in tables.values():
        assert row["different"] == row["columns_of_one_only"] == 0, row
    assert tables["Nuclei"]["rows"] == 8
    assert tables["Image"]["rows"] == 3
    assert tables["Image"]["columns"] > 150  # means over objects among them


def test_columns_and_their_order_are_those_of_the_command_line(everything):
    for name in ("Image", "Nuclei", "Rings"):
        with (everything["stock"] / f"{name}.csv").open(newline="") as file:
            header = next(csv.reader(file))
        assert read_arrow(everything["platewise"] / f"{name}.arrow").column_names == header


def test_image_number_is_the_row_of_the_image_table(everything):
    images = pl.from_arrow(read_arrow(everything["platewise"] / "Image.arrow"))
    assert images["ImageNumber"].to_list() == [2, 3, 4]
    assert images["Metadata_Well"].to_list() == ["A02", "B01", "B02"]
    assert images["Count_Nuclei"].to_list() == [5, 0, 3]
    nuclei = pl.from_arrow(read_arrow(everything["platewise"] / "Nuclei.arrow"))
    assert nuclei["ImageNumber"].to_list() == [2] * 5 + [4] * 3
    assert nuclei["ObjectNumber"].to_list() == [1, 2, 3, 4, 5, 1, 2, 3]


def test_measurements_are_stored_as_float64(everything):
    table = read_arrow(everything["platewise"] / "Nuclei.arrow")
    kinds = {
        str(table.schema.field(name).type) for name in table.column_names if name.startswith("Intensity_")
    }
    assert kinds == {"double"}


def test_pictures_are_saved_as_the_command_line_saves_them(everything):
    pictures = {
        engine: {file.name: file.read_bytes() for file in (folder / "pictures").iterdir()}
        for engine, folder in everything.items()
    }
    assert sorted(pictures["stock"]) == ["A02_1.png", "B01_1.png", "B02_1.png"]
    assert pictures["stock"] == pictures["platewise"]


def test_the_log_and_a_file_say_where_it_is(everything, plate):
    log = (plate / "everything_platewise.log").read_text()
    assert "Done: plate P1, well B02, site 1 (ImageNumber 4, 3 of 3)" in log
    assert "Starting Java" not in log
    report = json.loads((plate / "everything_platewise.progress.json").read_text())
    assert (report["state"], report["number"], report["of"], report["well"]) == ("complete", 3, 3, "B02")


def test_modules_that_look_back_find_all_sites(run):
    stock, found = (run("kept", engine) for engine in ("stock", "platewise"))
    tables = differences(stock, found)
    for row in tables.values():
        assert row["different"] == row["columns_of_one_only"] == 0, row

    def experiment(folder):
        with (folder / "Experiment.csv").open(newline="") as file:
            return {row[0]: row[1] for row in csv.reader(file)}

    left, right = experiment(stock), experiment(found)
    statistics = [name for name in left if name.startswith(("Zfactor", "Vfactor", "EC50", "Threshold"))]
    assert len(statistics) > 50
    # Of image quality's measurements, whose last digits the accelerated module adds up in another order.
    expected = {name: float(left[name]) for name in statistics}
    found = {name: float(right[name]) for name in statistics}
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9, nan_ok=True)


def test_tables_with_other_names_are_written_as_the_command_line_does(run, everything):
    found = run("named", "platewise")
    assert sorted(path.name for path in found.iterdir()) == ["Image.csv", "my_nuclei.csv", "pictures"]
    with (found / "my_nuclei.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    nuclei = read_arrow(everything["platewise"] / "Nuclei.arrow").to_pylist()
    assert [float(row["AreaShape_Area"]) for row in rows] == [row["AreaShape_Area"] for row in nuclei]
    log = (found.parent / "named_platewise.log").read_text()
    assert "it names the table of Nuclei my_nuclei.csv: the tables are written as CSV" in log


@pytest.mark.parametrize(("rows", "nuclei"), [((3, 3), 0), ((3, 5), 7), ((2, 3), 5)])
def test_sites_that_a_flag_skips_have_no_objects(run, rows, nuclei):
    """The third site is flagged and skipped: it alone, as the first of three, as the last of two."""
    name = f"{rows[0]}_{rows[1]}"
    folders = [run("skipped", engine, f"skipped_{name}_{engine}", rows) for engine in ("stock", "platewise")]
    tables = differences(*folders)
    for row in tables.values():
        assert row["different"] == row["columns_of_one_only"] == 0, row
    # The command line writes no table of objects if there is none.
    assert (tables["Nuclei"]["rows"] if nuclei else len(tables) - 2) == nuclei
    assert tables["Image"]["rows"] == rows[1] - rows[0] + 1


def test_a_module_that_fails_is_named_with_its_site(run, plate):
    table = (plate / "load_data.csv").read_text().replace("s3_RNA.tif", "missing.tif")
    (plate / "broken.csv").write_text(table)
    with pytest.raises(InputError) as raised:
        run("everything", "platewise", folder="broken", load_data=plate / "broken.csv")
    message = str(raised.value)
    assert "failed at plate P1, well B01, site 1 (ImageNumber 3, 2 of 3)" in message
    assert "LoadData (module 1)" in message
    assert "missing.tif" in message
    assert json.loads((plate / "broken.progress.json").read_text())["state"] == "failed"


def test_a_database_is_written_and_a_feature_measured_twice_is_one_column(run):
    """Also where MySQL's client, which the built-in module imports together with SQLite, is not installed."""
    folder = run("database", "platewise")
    nuclei = read_arrow(folder / "Nuclei.arrow")
    assert len(set(nuclei.column_names)) == len(nuclei.column_names)
    with closing(sqlite3.connect(folder / "own.db")) as database:
        feature = "Nuclei_Intensity_MeanIntensity_DNA"
        order = "ImageNumber, Nuclei_Number_Object_Number"
        rows = database.execute(
            f"select ImageNumber, {feature} from My_Per_Nuclei order by {order}"
        ).fetchall()
        assert [number for (number,) in database.execute("select ImageNumber from My_Per_Image")] == [2, 3, 4]
    assert [number for number, _ in rows] == nuclei["ImageNumber"].to_pylist() == [2] * 5 + [4] * 3
    assert [mean for _, mean in rows] == pytest.approx(nuclei["Intensity_MeanIntensity_DNA"].to_pylist())


def test_no_module_gathers_what_its_window_would_show(run, plate, tmp_path):
    (tmp_path / "measureimageintensity.py").write_text(
        "import cellprofiler.modules.measureimageintensity as builtin\n\n\n"
        "class MeasureImageIntensity(builtin.MeasureImageIntensity):\n"
        "    def run(self, workspace):\n"
        "        super().run(workspace)\n"
        "        print('window', self.show_window, flush=True)\n"
    )
    assert "MeasureImageIntensity:[" in (plate / "everything.cppipe").read_text()
    run("everything", "platewise", "shown", plugins=tmp_path)
    lines = (plate / "shown.log").read_text().split("\n")
    assert [line for line in lines if line.startswith("window")] == ["window False"] * 3
    experiment = (plate / "shown" / "Experiment.csv").read_text()
    assert "show_window:True" in experiment
    assert "show_window:False" not in experiment


def test_a_module_that_there_is_not(run, plate):
    text = (plate / "everything.cppipe").read_text().replace("MeasureImageIntensity:", "MeasureNothing:")
    (plate / "unknown.cppipe").write_text(text)
    with pytest.raises(InputError, match="the module MeasureNothing cannot be loaded") as raised:
        run("unknown", "platewise")
    assert "engine: stock" not in str(raised.value)


def chunk(plate, command, pipeline="everything"):
    """The command line of the features step for the middle chunk of three, and its folder."""
    output = plate / "analysis" / "chunk_1"
    arguments = ["--cellprofiler", command, "--pipeline", plate / f"{pipeline}.cppipe", "--plate", "P1"]
    arguments += ["--load-data", plate / "load_data.csv", "--objects", "Nuclei", "Rings"]
    arguments += ["--chunk", "1", "--chunks", "3", "--engine", "platewise", "--plugins", PLUGINS]
    arguments += ["--timeout", "1000", "--log", plate / "features.log", "--output", output]
    return [sys.executable, SCRIPTS / "features.py", *arguments], output


def test_a_chunk_is_checked_and_put_in_place(plate, cellprofiler_environment):
    command, output = chunk(plate, cellprofiler_environment / "bin" / "cellprofiler")
    subprocess.run(command, check=True, env=environment_variables(1))
    manifest = json.loads((output / features.MANIFEST).read_text())
    assert (manifest["rows"], manifest["objects"]) == ([2, 3], {"Nuclei": 5, "Rings": 5})
    assert json.loads((plate / "features.progress.json").read_text())["state"] == "complete"


def test_a_killed_run_leaves_nothing(plate, cellprofiler_environment):
    command, output = chunk(plate, cellprofiler_environment / "bin" / "cellprofiler")
    command[-1] = output.with_name("killed")
    progress = plate / "features.progress.json"
    progress.unlink(missing_ok=True)
    process = subprocess.Popen(command, env=environment_variables(1))
    until = time.monotonic() + 600
    while not progress.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert progress.exists()
    process.send_signal(signal.SIGTERM)
    assert process.wait(600) == 143
    assert [path.name for path in output.parent.iterdir() if path != output] == []
    marker = str(output.with_name(".killed.part"))
    running = [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if marker in path.read_bytes().decode(errors="replace")
    ]
    assert running == []


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (
            lambda table: table.slice(0, table.num_rows - 1),
            r"Nuclei\.arrow is incomplete: B02 site 1 \(2 of 3\)",
        ),
        (None, r"Nuclei\.arrow is incomplete"),
    ],
)
def test_a_table_that_is_not_whole(everything, tmp_path, cut, message):
    import pyarrow as pa

    images = features.check_images(
        everything["platewise"] / "Image.arrow",
        ROWS,
        [(well, "1") for well, _ in SITES],
        "P1",
    )
    source = everything["platewise"] / "Nuclei.arrow"
    file = tmp_path / "Nuclei.arrow"
    if cut is None:
        file.write_bytes(source.read_bytes()[:-100])
    else:
        table = cut(read_arrow(source))
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(InputError, match=message):
        features.check_objects(file, images, "P1")
    assert features.check_objects(source, images, "P1") == 8


@pytest.mark.long
def test_memory_does_not_grow_with_the_sites(plate, cellprofiler_environment):
    """40 more sites may take no more than 8 MiB more, an eighth of what a kept measurement would."""
    header, *rows = (plate / "load_data.csv").read_text().splitlines()
    peaks = []
    for sites in (8, 48):
        table = plate / f"{sites}_sites.csv"
        lines = [rows[at % len(rows)].replace(",1,", f",{at},", 1) for at in range(sites)]
        table.write_text("\n".join([header, *lines]) + "\n")
        code = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        python = os.fspath(cellprofiler_environment / "bin" / "python")
        output = plate / f"{sites}_sites"
        output.mkdir()
        arguments = [python, SCRIPTS / "run_cellprofiler.py", "--pipeline", plate / "everything.cppipe"]
        arguments += ["--data-file", table, "--last", str(sites), "--output", output]
        arguments += ["--temporary", output, "--done", output / "done", "--plugins", PLUGINS]
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=environment_variables(1),
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.splitlines()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 8, peaks


def test_the_plates_cells_are_those_of_the_command_lines_tables(everything, tmp_path):
    joined = {}
    for engine, folder in everything.items():
        outputs = {name: str(tmp_path / f"{engine}_{name}.parquet") for name in ("cells", "image", "sites")}
        parameters = {
            "plate": "P1",
            "batch": "B",
            "compartments": ["Nuclei"],
            "site_pattern": None,
            "bad_sites": "error",
        }
        single_cells.main(find_chunk_folders([folder], ["Nuclei"]), outputs, parameters)
        joined[engine] = [pl.read_parquet(outputs[name]) for name in ("cells", "image")]
    (cells, images), (found, found_images) = joined.values()
    assert cells.shape == (8, found.width)
    assert_frame_equal(found, cells, rel_tol=1e-6, abs_tol=1e-9)
    assert_frame_equal(found_images, images, rel_tol=1e-6, abs_tol=1e-9)
