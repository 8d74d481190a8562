"""What a user's pipeline would have loaded by its own input modules: images by their names, and metadata."""

import io
from types import SimpleNamespace

import pytest

from cellprofiler_pipelines.own import METADATA, Changes
from cellprofiler_pipelines.own_loaded import (
    add_measured_images,
    find_files_beside,
    find_missing_controls,
    find_missing_metadata,
    select_loaded_images,
)
from lib.errors import InputError

pytestmark = pytest.mark.unit

IMAGES = ["OrigDNA", "OrigER", "IllumDNA", "IllumER"]


def value(text: str) -> SimpleNamespace:
    return SimpleNamespace(value=text)


def make_pipeline(*modules: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(modules=lambda: modules)


def flag_image(measurement: str) -> SimpleNamespace:
    setting = type("Measurement", (SimpleNamespace,), {})(value=measurement)
    return SimpleNamespace(module_name="FlagImage", visible_settings=lambda: [setting])


@pytest.mark.parametrize(
    ("measurement", "name"),
    [
        ("ImageQuality_PowerLogLogSlope_DNA", "DNA"),
        ("ImageQuality_FocusScore_D_NA", "D_NA"),
        ("ImageQuality_Correlation_ER_20", "ER"),
        ("ImageQuality_ThresholdOtsu_ER_2W", "ER"),
        ("ImageQuality_FocusScore_OrigDNA", None),  # the image table's own name
        ("ImageQuality_FocusScore_Corrected", None),  # made by another module
        ("Intensity_MeanIntensity_DNA", None),
    ],
)
def test_an_image_whose_quality_is_looked_up_is_needed(measurement, name):
    needed = {}
    add_measured_images(make_pipeline(flag_image(measurement)), needed, IMAGES)
    assert list(needed) == ([name] if name else [])


@pytest.mark.parametrize(
    ("needed", "aliases", "expected"),
    [
        (["OrigDNA"], {}, None),
        (["DNA", "ER"], {"DNA": "OrigDNA", "ER": "OrigER"}, "DNA, ER"),
        (["DNA", "IllumDNA"], {"DNA": "OrigDNA"}, "DNA, OrigER, IllumDNA"),
        (["DNA", "OrigDNA"], {"DNA": "OrigDNA"}, "DNA, OrigDNA, OrigER"),
    ],
)
def test_the_quality_of_all_loaded_images_is_that_of_the_pipelines_own_names(needed, aliases, expected):
    names = value("")
    quality = SimpleNamespace(
        module_name="MeasureImageQuality",
        module_num=2,
        images_choice=value("All loaded images"),
        image_groups=[SimpleNamespace(image_names=names)],
    )
    log = io.StringIO()
    select_loaded_images(make_pipeline(quality), needed, IMAGES, aliases, Changes("own.cppipe", log))
    assert quality.images_choice.value == ("Select..." if expected else "All loaded images")
    assert names.value == (expected or "")
    assert (f"measures, as all loaded images, {expected}" in log.getvalue()) == bool(expected)


@pytest.mark.parametrize(
    ("folder", "method", "name", "missing"),
    [
        ("", "Single name", r"\g<Plate>_\g<Well>", []),
        ("", "Single name", r"\g<Cycle>_\g<Well>_\g<Cycle>", ["Cycle"]),
        (r"\g<Tile>", "From image filename", r"\g<Cycle>", ["Tile"]),
    ],
)
def test_metadata_that_the_image_table_lacks(folder, method, name, missing):
    module = SimpleNamespace(
        pathname=SimpleNamespace(dir_choice="Default Output Folder sub-folder", custom_path=folder),
        file_name_method=value(method),
        single_file_name=value(name),
        wants_file_name_suffix=value(False),
        file_name_suffix=value(r"\g<Unused>"),
    )
    assert find_missing_metadata(module, METADATA) == missing
    # Another folder is replaced by the workflow's.
    module.pathname.dir_choice = "Elsewhere..."
    assert find_missing_metadata(module, METADATA) == [tag for tag in missing if tag != "Tile"]


@pytest.mark.parametrize(
    ("measurement", "missing"),
    [("Metadata_Control", ["Control"]), ("Metadata_Well", []), ("Intensity_MeanIntensity_DNA", [])],
)
def test_controls_that_the_image_table_does_not_name(measurement, missing):
    assert find_missing_controls(flag_image(measurement), METADATA) == missing


def test_a_file_of_rules_is_read_from_beside_the_pipeline(tmp_path):
    folder = type("Directory", (SimpleNamespace,), {})(value="Elsewhere...|/nobody")
    folder.get_absolute_path = lambda: folder.value.split("|")[1]
    file = type("Filename", (SimpleNamespace,), {})(value="rules.txt")
    module = SimpleNamespace(
        module_name="FlagImage", module_num=4, visible_settings=lambda: [file, folder, file]
    )
    log = io.StringIO()
    changes = Changes("own.cppipe", log)
    with pytest.raises(InputError, match=r"FlagImage \(module 4\) reads the file rules\.txt\. Put it beside"):
        find_files_beside(module, tmp_path / "own.cppipe", changes)
    (tmp_path / "rules.txt").touch()
    find_files_beside(module, tmp_path / "own.cppipe", changes)
    assert folder.value == f"Elsewhere...|{tmp_path}"
    assert "reads rules.txt from beside the pipeline" in log.getvalue()
    # A file that is where the module looks for it is left there.
    find_files_beside(module, tmp_path / "other" / "own.cppipe", changes)
    assert folder.value == f"Elsewhere...|{tmp_path}"
    # Other modules write their files.
    module.module_name = "SaveImages"
    find_files_beside(module, tmp_path / "other" / "own.cppipe", changes)
