"""A run stores only its own rows of the image table, with the command line's numbers, groups and values."""

import csv
import subprocess

import numpy as np
import PIL.Image
import pytest

from lib.cellprofiler import CellProfiler
from lib.chunk_tables import read_arrow
from workflow import PROJECT, SUPPORT

pytestmark = pytest.mark.oracle

# Wells, sites, doses and notes of a table that is in no order: the fourth dose is a fraction, the last note a
# text, the third code has more digits than a number of 32 bits.
WELLS = ["B02", "A10", "A02", "B02", "A02", "A10", "B02", "AA1"]
SITES = ["2", "10", "1", "1", "10", "2", "10", "3"]
DOSES = ["1", "2", "2", "0.50", "1", "2", "1", "3"]
CODES = ["007", "12", "123456789012", "4", "5", "6", "7", "8"]
NOTES = ["1", "02", "3", "4.0", "5", "", "7", 'none, or "none"']
GROUPINGS = {
    "none": None,
    "well": "Well",
    "site": "Site",
    "dose": "Dose",
    "well and site": "Well,Site",
    "note and code": "Note,Code",
}


@pytest.fixture(scope="module")
def plate(tmp_path_factory, cellprofiler_environment):
    """A folder with a small plate's images, its image table, and pipelines with different groups."""
    folder = tmp_path_factory.mktemp("plate")
    header = [f"Metadata_{name}" for name in ("Plate", "Well", "Site", "Dose", "Code", "Note")]
    header += ["FileName_DNA", "PathName_DNA"]
    rows = []
    for number, metadata in enumerate(zip(WELLS, SITES, DOSES, CODES, NOTES, strict=True), start=1):
        pixels = np.full((20, 24), 1000 * number, np.uint16)
        PIL.Image.fromarray(pixels).save(folder / f"s{number}.tif")
        rows.append(["P1", *metadata, f"s{number}.tif", str(folder)])
    with (folder / "load_data.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    subprocess.run(
        [cellprofiler_environment / "bin" / "python", SUPPORT / "runner_pipelines.py", folder],
        check=True,
        capture_output=True,
    )
    text = (folder / "images.cppipe").read_text()
    assert text.count("grouping:Plate,Well,Site") == text.count("by metadata?:Yes") == 1
    for name, tags in GROUPINGS.items():
        own = text.replace("grouping:Plate,Well,Site", f"grouping:{tags or ''}")
        own = own if tags else own.replace("by metadata?:Yes", "by metadata?:No")
        (folder / f"{name}.cppipe").write_text(own)
    return folder


@pytest.fixture(scope="module")
def run(plate, cellprofiler_environment):
    """Run a pipeline over some rows; its Image table without what differs from run to run."""

    def run(pipeline, engine, rows):
        output = plate / f"{pipeline} {engine} {rows}"
        output.mkdir()
        with (plate / f"{output.name}.log").open("w") as log:
            CellProfiler(
                str(cellprofiler_environment / "bin" / "cellprofiler"),
                plate / f"{pipeline}.cppipe",
                engine=engine,
                plugins=None if engine == "stock" else PROJECT / "scripts" / "cellprofiler_plugins",
                timeout=1000,
            ).run(plate / "load_data.csv", output, log, "Plate P1", rows)
        if engine == "stock":
            with (output / "Image.csv").open(newline="") as file:
                header, *lines = csv.reader(file)
            table = dict(zip(header, zip(*lines, strict=True), strict=True))
        else:
            table = read_arrow(output / "Image.arrow").to_pydict()
        names = [name for name in table if not name.startswith("ExecutionTime")]
        return {name: [read(name, value) for value in table[name]] for name in names}

    return run


def read(name, value):
    """The value of a column: metadata as text, others as numbers, or as text if they are none."""
    try:
        return value if name.startswith("Metadata_") else float(value)
    except ValueError:
        return value


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_rows_are_numbered_and_grouped_as_by_the_command_line(run, grouping):
    stock = run(grouping, "stock", (1, 8))
    assert sorted(stock["Metadata_Well"]) == sorted(WELLS)
    for rows in ((1, 8), (4, 6), (8, 8)):
        found = run(grouping, "platewise", rows)
        assert list(found) == list(stock)
        for name, values in found.items():
            expected = stock[name][rows[0] - 1 : rows[1]]
            # The command line writes float32 with nine digits.
            numbers = isinstance(values[0], float)
            assert values == (pytest.approx(expected, rel=1e-7) if numbers else expected), (rows, name)


def test_the_first_rows_of_the_table_are_not_the_first_of_the_groups(run):
    assert run("well", "platewise", (1, 3))["Metadata_Well"] == ["A02", "A02", "A10"]
    assert run("none", "platewise", (2, 4))["Metadata_Well"] == ["A10", "A02", "B02"]
