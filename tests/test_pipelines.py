"""A user's own pipeline: the copy that runs, and the errors before anything is measured."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import compare_cellprofiler
from lib.cellprofiler import CellProfiler
from lib.cellprofiler import get_environment as environment_variables
from lib.pipeline_files import read_pipeline
from workflow import PROJECT

pytestmark = pytest.mark.run

SUPPORT = Path(__file__).parent / "support"
ASSAY = {"channels": [{"name": name, "measure": True} for name in ("DNA", "RNA", "ER", "AGP", "Mito")]}
HEADER = "CellProfiler Pipeline: http://www.cellprofiler.org\nVersion:5\nDateRevision:300\nGitHash:\n"
OLD = """MeasureColocalization:[module_num:1|svn_version:'Unknown'|variable_revision_number:3|notes:[]]
    Hidden:5
    Hidden:1
    Select an image to measure:DNA
    Select an image to measure:RNA
    Select an image to measure:ER
    Select an image to measure:AGP
    Select an image to measure:Mito
    Set threshold as percentage of maximum intensity for the images:15.0
    Select where to measure correlation:Within objects
    Select an object to measure:Nuclei
    Run all metrics?:Yes
    Calculate correlation and slope metrics?:Yes
    Calculate the Manders coefficients?:Yes
    Calculate the Rank Weighted Colocalization coefficients?:Yes
    Calculate the Overlap coefficients?:Yes
    Calculate the Manders coefficients using Costes auto threshold?:Yes
"""
WINDOW_INPUT = """Images:[module_num:1|svn_version:'Unknown'|variable_revision_number:2|notes:[]|enabled:True]
    :
    Filter images?:Images only
    Select the rule criteria:and (extension does isimage)

Metadata:[module_num:2|svn_version:'Unknown'|variable_revision_number:6|notes:[]|enabled:True]
    Extract metadata?:No

NamesAndTypes:[module_num:3|svn_version:'Unknown'|variable_revision_number:8|notes:[]|enabled:True]
    Assign a name to:All images
    Match metadata:().__class__.__base__.__subclasses__()

Groups:[module_num:4|svn_version:'Unknown'|variable_revision_number:2|notes:[]|enabled:True]
    Do you want to group your images?:No
"""


PLUGIN = """from cellprofiler_core.module import Module
from cellprofiler_core.setting.subscriber import LabelSubscriber
from {helper} import half


class MeasureHalves(Module):
    module_name = "MeasureHalves"
    category = "Measurement"
    variable_revision_number = 1

    def create_settings(self):
        self.objects = LabelSubscriber("Select the objects", "None")

    def settings(self):
        return [self.objects]

    def run(self, workspace):
        areas = workspace.object_set.get_objects(self.objects.value).areas
        workspace.add_measurement(self.objects.value, "Halves_Area", half(areas))

    def get_measurement_columns(self, pipeline):
        return [(self.objects.value, "Halves_Area", "float")]
"""
HALVES = """MeasureHalves:[module_num:1|svn_version:'Unknown'|variable_revision_number:1|notes:[]]
    Select the objects:Nuclei
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory, cellprofiler_environment) -> dict[str, str]:
    """The modules of a small pipeline of the tests' by name, as text."""
    folder = tmp_path_factory.mktemp("pipelines")
    python = cellprofiler_environment / "bin" / "python"
    subprocess.run([python, SUPPORT / "runner_pipelines.py", folder], check=True, capture_output=True)
    blocks = (folder / "database.cppipe").read_text().split("\n\n")[1:]
    return {block.split(":")[0]: block.strip() + "\n" for block in blocks}


@pytest.fixture
def written(tmp_path, cellprofiler_environment):
    """Write a pipeline of some modules' text, have the copy made, and return its modules, or the error."""

    def write(
        *blocks: str, seed: str = "1", objects: dict | None = None, plugins: Path | None = None
    ) -> tuple[list, str]:
        own, copy, log = tmp_path / "own.cppipe", tmp_path / f"copy_{seed}.cppipe", tmp_path / "log"
        count = sum("variable_revision_number" in line for block in blocks for line in block.splitlines())
        own.write_text(f"{HEADER}ModuleCount:{count}\nHasImagePlaneDetails:False\n\n" + "\n".join(blocks))
        copy.unlink(missing_ok=True)
        command = [sys.executable, PROJECT / "scripts/pipelines.py", "analysis", "--own", own, "--log", log]
        command += ["--cellprofiler", cellprofiler_environment / "bin" / "cellprofiler"]
        command += ["--assay", json.dumps({**ASSAY, **(objects or {})}), "--output", copy]
        command += ["--own-plugins", plugins] if plugins else []
        result = subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=False
        )
        assert copy.exists() == (result.returncode == 0), result.stderr
        return read_pipeline(copy) if copy.exists() else [], log.read_text() + result.stderr

    return write


def draw_site(path: Path, seed: int) -> None:
    """A small image of some round nuclei on noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:80, :96]
    light = sum(np.exp(-((rows - i) ** 2 + (columns - j) ** 2) / 40) for i in (20, 55) for j in (20, 50, 78))
    pixels = 500 + 20000 * np.minimum(light, 1) + 300 * random.random(light.shape)
    PIL.Image.fromarray(pixels.astype(np.uint16)).save(path, compression="tiff_lzw")


def settings(modules: list, name: str) -> dict[str, str]:
    """The settings of the first module of a name."""
    return dict(next(module for module in modules if module.name == name).settings)


def test_every_cellprofiler_process_has_the_same_hash_seed(monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert environment_variables(1)["PYTHONHASHSEED"] == "0"


def test_an_old_pipeline_is_brought_up_to_date_once_and_alike(modules, written):
    start = modules["LoadData"], modules["IdentifyPrimaryObjects"]
    copies = [
        written(*start, OLD, modules["ExportToSpreadsheet"], seed=seed)[0] for seed in ("1", "2", "random")
    ]
    images = [settings(copy, "MeasureColocalization")["Select images to measure"] for copy in copies]
    assert len(set(images)) == 1
    assert sorted(images[0].split(", ")) == ["AGP", "DNA", "ER", "Mito", "RNA"]
    revision = next(module for module in copies[0] if module.name == "MeasureColocalization").attributes
    assert revision["variable_revision_number"] > 3
    assert [module.settings for module in copies[0]] == [module.settings for module in copies[1]]


def test_names_in_a_list_may_have_no_blank_between_them(modules, written):
    """Older CellProfilers wrote `OrigAGP,OrigDNA`, in which version 4 sees one image."""
    start = modules["LoadData"], modules["IdentifyPrimaryObjects"]
    copy, _ = written(*start, OLD)
    new = next(module for module in copy if module.name == "MeasureColocalization")
    revision = new.attributes["variable_revision_number"]
    lines = [f"    {text}:{value.replace(', ', ',')}" for text, value in new.settings]
    attributes = f"module_num:3|svn_version:'Unknown'|variable_revision_number:{revision}|notes:[]"
    head = f"MeasureColocalization:[{attributes}]"
    again, log = written(*start, "\n".join([head, *lines]) + "\n", seed="2")
    measured = settings(again, "MeasureColocalization")
    assert measured["Select images to measure"] == dict(new.settings)["Select images to measure"]
    assert len(measured["Select images to measure"].split(", ")) == 5
    assert "MeasureColocalization (module 3) takes `Select images to measure` as " in log


def test_the_windows_modules_of_images_are_replaced_by_load_data(modules, written):
    copy, log = written(
        WINDOW_INPUT,
        modules["IdentifyPrimaryObjects"],
        modules["MeasureImageIntensity"],
        modules["ExportToSpreadsheet"],
    )
    names = [module.name for module in copy]
    assert names == [
        "LoadData",
        "ImageMath",
        "IdentifyPrimaryObjects",
        "MeasureImageIntensity",
        "ExportToSpreadsheet",
    ]
    assert settings(copy, "LoadData")["Select metadata tags for grouping"] == "Plate,Well,Site"
    assert settings(copy, "ImageMath")["Name the output image"] == "DNA"
    assert "OrigDNA" in settings(copy, "ImageMath").values()
    assert "NamesAndTypes is replaced by LoadData" in log


def test_tables_are_exported_where_the_workflow_looks_for_them(modules, written):
    elsewhere = modules["ExportToSpreadsheet"].replace(
        "Default Output Folder|", "Elsewhere...|/nobodys/folder"
    )
    start = modules["LoadData"], modules["IdentifyPrimaryObjects"]
    copy, log = written(*start, elsewhere)
    assert settings(copy, "ExportToSpreadsheet")["Output file location"] == "Default Output Folder|"
    assert "as Default Output Folder|, not Elsewhere...|/nobodys/folder" in log
    copy, log = written(*start, modules["ExportToDatabase"])
    assert [module.name for module in copy][-2:] == ["ExportToDatabase", "ExportToSpreadsheet"]
    assert "ExportToSpreadsheet is added" in log


@pytest.mark.oracle
def test_a_copy_runs_with_both_engines_and_gives_the_same(
    modules, written, tmp_path, cellprofiler_environment
):
    """A pipeline of CellProfiler's window with ExportToDatabase only, as labs publish them."""
    measure = modules["MeasureObjectIntensity"].replace("DNA, RNA", "DNA").replace("Nuclei, Rings", "Nuclei")
    header = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
    rows = [["P1", "A01", "1"], ["P1", "A02", "1"]]
    for channel in ("DNA", "RNA", "ER", "AGP", "Mito"):
        header += [f"FileName_Orig{channel}", f"PathName_Orig{channel}"]
        for site, row in enumerate(rows):
            name = f"{channel}{site}.tif"
            draw_site(tmp_path / name, seed=site + 10 * len(channel))
            row += [name, str(tmp_path)]
    with (tmp_path / "load_data.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "measurehalves.py").write_text(PLUGIN.format(helper="halving"))
    (plugins / "halving.py").write_text("def half(areas):\n    return areas / 2\n")
    blocks = (WINDOW_INPUT, modules["IdentifyPrimaryObjects"], OLD, measure, HALVES)
    written(*blocks, modules["ExportToDatabase"], seed="2", plugins=plugins)
    command = str(cellprofiler_environment / "bin" / "cellprofiler")
    for engine, faster in (
        ("stock", compare_cellprofiler.FETCHING),
        ("platewise", compare_cellprofiler.PLUGINS),
    ):
        (tmp_path / engine).mkdir()
        with (tmp_path / f"{engine}.log").open("w") as log:
            cellprofiler = CellProfiler(
                command, tmp_path / "copy_2.cppipe", engine=engine, plugins=faster, own_plugins=plugins
            )
            cellprofiler.run(tmp_path / "load_data.csv", tmp_path / engine, log, "Plate P1")
        assert (tmp_path / engine / "own.db").exists()
    tables = compare_cellprofiler.compare(tmp_path / "stock", tmp_path / "platewise")
    assert {row["table"] for row in tables} == {"Image", "Nuclei"}
    for row in tables:
        assert row["different"] == row["columns_of_one_only"] == 0, row
        assert row["rows"] > 1
    nuclei = list(csv.DictReader((tmp_path / "stock" / "Nuclei.csv").open()))
    assert all(float(row["Halves_Area"]) > 10 for row in nuclei)


def test_a_plugin_that_cannot_be_imported_is_named(modules, written, tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "measurehalves.py").write_text(PLUGIN.format(helper="nobodys_package"))
    start = modules["LoadData"], modules["IdentifyPrimaryObjects"]
    _, message = written(*start, HALVES, plugins=plugins)
    assert (
        "measurehalves.py cannot be imported (ModuleNotFoundError: No module named 'nobodys_package')"
        in message
    )
    assert "cellprofiler.environment" in message
    # One that the pipeline does not need may lie beside the others.
    copy, _ = written(*start, modules["ExportToSpreadsheet"], plugins=plugins)
    assert [module.name for module in copy][-1] == "ExportToSpreadsheet"
    _, message = written(*start, HALVES)
    assert "the module MeasureHalves cannot be loaded" in message
    assert "cellprofiler.plugins" in message


def test_what_cannot_run_is_reported_with_module_and_remedy(modules, written):
    start = modules["LoadData"], modules["IdentifyPrimaryObjects"]
    _, message = written(modules["LoadData"], start[1].replace("image:DNA", "image:Tubulin"))
    assert "IdentifyPrimaryObjects (module 2) takes the image Tubulin" in message
    assert "OrigRNA" in message
    assert "assay.channels" in message
    _, message = written(*start, OLD.replace("MeasureColocalization:", "RunCellpose:"))
    assert "the module RunCellpose cannot be loaded" in message
    assert "engine: stock" not in message
    cut_off = modules["ExportToSpreadsheet"].rsplit("\n", 3)[0]
    _, message = written(*start, cut_off)
    assert "the settings of the module ExportToSpreadsheet cannot be read" in message
    assert "cut off" in message
    _, message = written(*start, objects={"cells": {}, "cytoplasm": False})
    assert "makes no objects Cells; it makes Nuclei" in message
    _, message = written(*start, OLD.replace("notes:[]", "notes:[print('it ran')]"))
    assert "the attribute notes of MeasureColocalization is not a literal" in message
    assert "it ran\n" not in message


def test_values_that_a_module_does_not_take_are_named(modules, written):
    """CellProfiler alone would run with other values, without a message."""
    identify = modules["IdentifyPrimaryObjects"].replace(
        "Use advanced settings?:No", "Use advanced settings?:Yes"
    )
    values = {
        "Threshold strategy": ("Global", "Globall", "Globall is not one of Global,Adaptive"),
        "(Min,Max)": ("6,40", "6;40", "must be separated by a comma"),
        "Threshold correction factor": ("1.0", "0,9", "Value not in decimal format"),
        "touching the border of the image?": ("Yes", "Y", "not Yes or No"),
    }
    for setting, (old, new, _) in values.items():
        assert f"{setting}:{old}\n" in identify
        identify = identify.replace(f"{setting}:{old}\n", f"{setting}:{new}\n")
    copy, message = written(modules["LoadData"], identify)
    assert copy == []
    for setting, (_, new, reason) in values.items():
        assert re.search(rf"the value {new} for `[^`]*{re.escape(setting)}` \([^;]*{reason}", message)
    # A value that CellProfiler's own upgrade of an old module makes is written to the log.
    copy, message = written(
        modules["LoadData"],
        modules["IdentifyPrimaryObjects"],
        OLD.replace("Run all metrics?:Yes", "Run all metrics?:Faster"),
    )
    assert copy
    assert "MeasureColocalization (module 3) received the value Faster for `Run all metrics?`" in message
    # CellProfiler's own examples have the word of another setting there.
    new = OLD.replace("Run all metrics?:Yes", "Run all metrics?:Accurate").replace("number:3", "number:5")
    new = re.sub("    Hidden:.*\n", "", new).replace(
        "    Select an object to measure", "    Select objects to measure"
    )
    new = re.sub("(    Select an image to measure:.*\n)+", "    Select images to measure:DNA, RNA\n", new)
    copy, message = written(
        modules["LoadData"],
        modules["IdentifyPrimaryObjects"],
        new + "    Method for Costes thresholding:Fast\n",
    )
    assert copy, message
    assert (
        "the value Accurate for `Run all metrics?` (not Yes or No), which CellProfiler takes as No" in message
    )
    # The metadata that ExportToDatabase may choose from are those of an image table that is not there yet.
    database = modules["ExportToDatabase"]
    for old, new in (
        ("properties file?:No", "properties file?:Yes"),
        ("plate metadata:None", "plate metadata:Plate"),
    ):
        assert old in database
        database = database.replace(old, new)
    copy, message = written(modules["LoadData"], modules["IdentifyPrimaryObjects"], database)
    assert copy, message
