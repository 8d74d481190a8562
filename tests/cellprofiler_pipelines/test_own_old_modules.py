"""Tests of replacing modules that CellProfiler 4 cannot read."""

import io

import pytest

from cellprofiler_pipelines.own import Changes
from cellprofiler_pipelines.own_old_modules import replace_old_module
from lib.pipeline_files import PipelineModule

pytestmark = pytest.mark.unit


def save_images(*settings: tuple[str, str]) -> PipelineModule:
    return PipelineModule("SaveImages", 1, {"enabled": True}, settings)


@pytest.mark.parametrize(("old", "new"), [("mat", "npy"), ("bmp", "png"), ("tif", "tif")])
@pytest.mark.parametrize("text", ["Saved file format", "Select the file format to use"])
def test_formats_that_are_gone(text, old, new):
    log = io.StringIO()
    module = save_images(("Select the image to save", "mat"), (text, old))
    found = replace_old_module(module, Changes("own.cppipe", log))
    # Only the format changes, not an image that has its name.
    assert found.settings == (("Select the image to save", "mat"), (text, new))
    assert (f"saves .{new}: CellProfiler 4 writes no .{old} files" in log.getvalue()) == (old != new)


def test_saved_objects_are_left_out():
    log = io.StringIO()
    module = save_images(("Select the type of image to save", "Objects"))
    assert replace_old_module(module, Changes("own.cppipe", log)) is None
    assert "SaveImages is left out" in log.getvalue()


@pytest.mark.parametrize(("revision", "kept"), [(7, False), (10, False), (11, True), (16, True)])
def test_pictures_whose_settings_cellprofiler_4_would_read_in_a_wrong_order_are_left_out(revision, kept):
    log = io.StringIO()
    module = PipelineModule("SaveImages", 1, {"variable_revision_number": revision}, (("a", "b"),))
    assert (replace_old_module(module, Changes("own.cppipe", log)) is not None) == kept
    assert (f"cannot read its revision {revision}" in log.getvalue()) != kept


def test_the_skeleton_of_morph_becomes_a_module_of_its_own():
    log = io.StringIO()
    settings = (
        ("Select the input image", "bw"),
        ("Name the output image", "skeleton"),
        ("Select the operation to perform", "skel"),
        ("Number of times to repeat operation", "Forever"),
    )
    module = PipelineModule("Morph", 7, {"module_num": 3, "variable_revision_number": 4}, settings)
    found = replace_old_module(module, Changes("own.cppipe", log))
    assert (found.name, found.settings) == ("MorphologicalSkeleton", settings[:2])
    assert found.attributes == {"module_num": 3, "variable_revision_number": 1}
    assert "is replaced by MorphologicalSkeleton" in log.getvalue()


@pytest.mark.parametrize("operations", [["thin"], ["skel", "spur"], []])
def test_other_operations_of_morph_stay(operations):
    log = io.StringIO()
    settings = tuple(("Select the operation to perform", name) for name in operations)
    module = PipelineModule("Morph", 7, {}, settings)
    assert replace_old_module(module, Changes("own.cppipe", log)) is module
    assert not log.getvalue()
