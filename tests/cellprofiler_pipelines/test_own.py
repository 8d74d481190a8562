"""A user's own pipeline: formats that CellProfiler 4 no longer writes, and illumination functions."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cellprofiler_pipelines.own import count_widest_table
from cellprofiler_pipelines.own_functions import find_misused_function
from illumination import find_function
from lib.config import complete_config
from lib.errors import InputError
from lib.pipeline_files import read_pipeline
from workflow import PROJECT

CHANNELS = ("DNA", "BrightfieldH")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("aggregates", "tables", "columns"),
    [
        # Of 5 columns of images, 10 of nuclei and 20 of cells; 7 of another object are not exported.
        ([], "One table per object type", 20),
        ([], "Single object table", 30),
        ([], "Single object view", 30),
        (["Mean"], "Single object table", 5 + 30),
        (["Mean", "Median", "StDev"], "One table per object type", 5 + 3 * 30),
    ],
)
def test_columns_of_the_widest_table_of_a_database(aggregates, tables, columns):
    counts = {"Experiment": 3, "Image": 5, "Nuclei": 10, "Cells": 20, "Speckles": 7}
    features = [(owner, f"F_{at}", "float") for owner, count in counts.items() for at in range(count)]
    module = SimpleNamespace(
        agg_names=aggregates,
        separate_object_tables=SimpleNamespace(value=tables),
        ignore_feature=lambda owner, feature, strict: owner in ("Experiment", "Speckles"),
    )
    pipeline = SimpleNamespace(get_measurement_columns=lambda: features)
    assert count_widest_table(pipeline, module) == columns


@pytest.mark.unit
@pytest.mark.parametrize(
    ("does", "rescale", "message"),
    [
        ("Divide", "Minimum", None),
        ("Divide", "Median", None),
        ("Subtract", "None", None),
        (
            "Subtract",
            "Minimum",
            "Subtract the function IllumDNA, .* to divide by .*: Minimum.* to None",
        ),
        ("Divide", "None", "Divide the function IllumDNA, .* to subtract .*: None.* to Minimum"),
    ],
)
def test_functions_are_used_as_they_are_made(does, rescale, message):
    image = SimpleNamespace(
        illum_correct_function_image_name=SimpleNamespace(value="IllumDNA"),
        divide_or_subtract=SimpleNamespace(value=does),
    )
    apply = SimpleNamespace(
        module_name="CorrectIlluminationApply", module_num=3, images=[image], settings=lambda: []
    )
    pipeline = SimpleNamespace(modules=lambda: [apply])
    found = find_misused_function(pipeline, rescale)
    assert re.search(message, found) if message else found is None
    # A function that the pipeline calculates itself may be used in any way.
    name = type("ImageName", (SimpleNamespace,), {})(value="IllumDNA")
    calculate = SimpleNamespace(module_name="CorrectIlluminationCalculate", settings=lambda: [name])
    assert find_misused_function(SimpleNamespace(modules=lambda: [calculate, apply]), rescale) is None


@pytest.mark.unit
def test_a_function_is_found_by_the_channel_however_it_is_written(tmp_path):
    for name in ("P1_IllumDNA", "P1_Illum_Brightfield_H", "illumBrightfield-L"):
        (tmp_path / f"{name}.npy").touch()
    assert find_function("BrightfieldH", tmp_path).stem == "P1_Illum_Brightfield_H"
    assert find_function("DNA", tmp_path).stem == "P1_IllumDNA"
    assert find_function("BrightfieldL", tmp_path).stem == "illumBrightfield-L"
    with pytest.raises(InputError, match=r"wrote 0 files IllumNA\.npy"):
        find_function("NA", tmp_path)
    (tmp_path / "P1_IllumD_NA.npy").touch()
    with pytest.raises(InputError, match="wrote 2 files"):
        find_function("DNA", tmp_path)


@pytest.fixture
def write(tmp_path, cellprofiler_environment):
    """Write an illumination pipeline, generated or the copy of a user's; returns its file and the log."""

    def run(name: str, own: Path | None = None) -> tuple[Path, str]:
        channels = [{"name": channel, "image": channel} for channel in CHANNELS]
        assay = {"channels": channels, "nuclei": {"channel": "DNA"}}
        complete = complete_config({"results": "r", "plates": "p.tsv", "assay": assay}, "config.yaml")
        command = [sys.executable, PROJECT / "scripts/pipelines.py", "illumination"]
        command += ["--cellprofiler", cellprofiler_environment / "bin" / "cellprofiler"]
        command += ["--assay", json.dumps(complete["assay"]), "--log", tmp_path / "log"]
        command += ["--output", tmp_path / name, *(["--own", own] if own else [])]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return tmp_path / name, (tmp_path / "log").read_text() + result.stderr

    return run


@pytest.mark.run
def test_each_channel_gets_its_function_as_npy(write, tmp_path):
    generated, _ = write("generated.cppipe")
    text = generated.read_text()
    # A channel with an underscore, functions as TIFF files, and one that is not saved at all.
    text = text.replace("BrightfieldH", "Brightfield_H").replace(
        "Saved file format:npy", "Saved file format:tiff"
    )
    last = text.rindex("SaveImages:")
    count = text.count("module_num:")
    text = text[:last].rstrip().replace(f"ModuleCount:{count}", f"ModuleCount:{count - 1}")
    (tmp_path / "own.cppipe").write_text(text + "\n")
    copy, message = write("copy.cppipe", tmp_path / "own.cppipe")
    saved = [dict(module.settings) for module in read_pipeline(copy) if module.name == "SaveImages"]
    assert [settings["Saved file format"] for settings in saved] == ["npy", "npy"]
    assert [settings["Enter single file name"] for settings in saved] == ["IllumDNA", "IllumBrightfieldH"]
    assert saved[1]["Select the image to save"] == "UpsampledIllumBrightfield_H"
    assert "saves the function as .npy" in message
    assert "is added for the illumination function of BrightfieldH" in message
    text = text.replace("All: Across cycles", "Each")
    (tmp_path / "own.cppipe").write_text(text + "\n")
    copy, message = write("each.cppipe", tmp_path / "own.cppipe")
    assert not copy.exists()
    assert "no illumination function over all images of channel DNA" in message
