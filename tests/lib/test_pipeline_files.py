"""A pipeline file is read as text; nothing in it runs."""

import json
from pathlib import Path

import h5py
import pytest

from lib.errors import InputError
from lib.pipeline_files import read_pipeline, split_attributes, write_pipeline

pytestmark = pytest.mark.unit

HEADER = "CellProfiler Pipeline: http://www.cellprofiler.org\nVersion:5\nDateRevision:424\nGitHash:\nModuleCount:{}\n\n"
ATTRIBUTES = (
    "module_num:1|svn_version:'Unknown'|variable_revision_number:6|show_window:True|notes:{}|enabled:{}"
)


def pipeline(
    path: Path, notes: str = "[]", enabled: str = "True", setting: str = "Name of the file:x.csv"
) -> Path:
    """A pipeline of one module."""
    attributes = ATTRIBUTES.format(notes, enabled)
    path.write_text(f"{HEADER.format(1)}LoadData:[{attributes}]\n    {setting}\n")
    return path


def test_modules_settings_and_attributes(tmp_path):
    (module,) = read_pipeline(pipeline(tmp_path / "own.cppipe", notes="['a: b|c', \"d\"]"))
    assert (module.name, module.line, module.enabled) == ("LoadData", 7, True)
    assert module.settings == (("Name of the file", "x.csv"),)
    assert module.attributes["notes"] == ["a: b|c", "d"]
    assert module.attributes["variable_revision_number"] == 6


@pytest.mark.parametrize(
    "notes",
    [
        "[__import__('os').system('touch ran')]",
        "__import__('os').system('touch ran')",
        "[open('ran', 'w')]",
        "[1][exec('x=1')]",
        "(lambda: [])()",
        "f'{1}'",
        "['a']+[open('ran','w').name]",
        # The character codes that CellProfiler decodes before it evaluates.
        r"\x5B__import__(\'os\').system(\'touch ran\')\x5D",
        # What follows a text that looks like the end of the notes is an attribute of its own to CellProfiler.
        '[\'x]|enabled:__import__("os").system("touch ran")|y\']',
        " [open('ran','w')]",
        "[it's] + open('ran', 'w')",
        "array(open('ran','w'))",
        "array([], dtype=open('ran','w'))",
    ],
)
def test_an_attribute_that_is_not_a_literal_is_refused(tmp_path, monkeypatch, notes):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"own\.cppipe, line 7: the attribute \w+ of LoadData is not a literal"
    ):
        read_pipeline(pipeline(tmp_path / "own.cppipe", notes=notes))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "notes", ["[]", "['it''s']", "[it's plain text]", "array([], dtype=uint8)", "array(b'', dtype='S1')"]
)
def test_what_cellprofiler_itself_writes_is_read(tmp_path, notes):
    assert len(read_pipeline(pipeline(tmp_path / "own.cppipe", notes=notes))) == 1


def test_attributes_are_cut_as_cellprofiler_cuts_them():
    assert split_attributes("[a:1|notes:['x|y']|b:2]") == ["a:1", "notes:['x|y']", "b:2"]
    assert split_attributes("[a:1|b:array('', dtype='|S1')]") == ["a:1", "b:array('', dtype='S1')"]


def test_a_file_that_is_not_a_pipeline(tmp_path):
    path = tmp_path / "own.cppipe"
    for data, message in (
        (b"", "its first line is not that of a CellProfiler pipeline"),
        (b"\x89HDF\r\n", "its first line is not that of a CellProfiler pipeline"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file without a CellProfiler pipeline"),
        (b'{"version": "v6"}', "not a CellProfiler pipeline in JSON"),
        (b'{"modules": [1]}', "not a CellProfiler pipeline in JSON"),
        (b"{cut off", "not a CellProfiler pipeline in JSON"),
        (b"CellProfiler Pipeline: http://www.cellprofiler.org\nVersion:1\n\n", "gives no number of modules"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            read_pipeline(path)


def test_a_file_that_is_cut_off(tmp_path):
    path = pipeline(tmp_path / "own.cppipe")
    path.write_text(path.read_text().replace("ModuleCount:1", "ModuleCount:2"))
    with pytest.raises(InputError, match="cut off: its header gives 2 modules, and it has 1"):
        read_pipeline(path)
    path.write_text(path.read_text().replace("Name of the file:x.csv", "no setting"))
    with pytest.raises(InputError, match=r"line 8: this is not a setting"):
        read_pipeline(path)


def test_a_windows_file_in_another_encoding(tmp_path):
    path = pipeline(tmp_path / "own.cppipe", setting="Name of the file:Grösse.csv")
    path.write_bytes(path.read_text().replace("\n", "\r\n").encode("latin1"))
    (module,) = read_pipeline(path)
    assert module.settings == (("Name of the file", "Grösse.csv"),)


def test_what_is_written_is_read_again(tmp_path):
    modules = read_pipeline(pipeline(tmp_path / "own.cppipe", notes="['a|b']", enabled="False"))
    write_pipeline(modules, tmp_path / "copy.cppipe")
    (copy,) = read_pipeline(tmp_path / "copy.cppipe")
    assert (copy.name, copy.settings, copy.enabled) == ("LoadData", modules[0].settings, False)
    assert copy.attributes["notes"] == []


def test_a_byte_order_mark_is_no_part_of_a_pipeline(tmp_path):
    path = tmp_path / "own.cppipe"
    head = "CellProfiler Pipeline: http://www.cellprofiler.org\nVersion:5\nModuleCount:1\n"
    text = f"{head}\nCrop:[module_num:1]\n    a:b\n"
    path.write_text(text, encoding="utf-8-sig")
    assert [module.name for module in read_pipeline(path)] == ["Crop"]


def test_a_pipeline_of_cellprofiler_2_has_no_number_of_modules(tmp_path):
    path = tmp_path / "old.cp"
    module = "Crop:[module_num:{}|svn_version:\\'11587\\'|notes:\\x5B\\'a\\'\\x5D]\n    a:b\n"
    path.write_text(
        "CellProfiler Pipeline: http://www.cellprofiler.org\nVersion:1\nSVNRevision:11710\n\n"
        + "\n".join(module.format(number) for number in (1, 2, 3))
    )
    modules = read_pipeline(path)
    assert [module.name for module in modules] == ["Crop"] * 3
    assert modules[0].attributes["notes"] == ["a"]
    assert modules[0].attributes["svn_version"] == "11587"


def test_modules_that_were_deleted_by_hand_are_not_missing(tmp_path):
    # The modules 2 and 3 of 4 were deleted with a text editor; the header was not corrected.
    path = tmp_path / "edited.cppipe"
    modules = "\n".join(f"Crop:[module_num:{number}|enabled:True]\n    a:b\n" for number in (1, 4))
    path.write_text(HEADER.format(4) + modules)
    assert [module.attributes["module_num"] for module in read_pipeline(path)] == [1, 4]
    path.write_text(HEADER.format(5) + modules)
    with pytest.raises(InputError, match="its header gives 5 modules, and it has 2"):
        read_pipeline(path)


@pytest.mark.parametrize("escaped", [False, True], ids=["CellProfiler 4", "CellProfiler 2 and 3"])
def test_the_pipeline_of_a_project_is_that_of_its_last_run(tmp_path, escaped):
    written = pipeline(tmp_path / "own.cppipe", setting=r"Name of the file:\g<Plate>\x7C.csv")
    text = written.read_text()
    if escaped:
        text = text.encode("unicode_escape").decode()
        assert "\n" not in text
    path = tmp_path / "own.cpproj"
    with h5py.File(path, "w") as file:
        for run, value in (("2020-01-01-00-00-00", "an older one"), ("2021-01-01-00-00-00", text)):
            file[f"Measurements/{run}/Experiment/Pipeline_Pipeline/data"] = ["the first", value]
    assert read_pipeline(path) == read_pipeline(written)


def test_a_pipeline_in_json_is_read_and_written_as_text(tmp_path):
    attributes = {
        "module_num": 1,
        "notes": ["__import__('os').system('touch ran')"],
        "svn_version": "Unknown",
        "enabled": False,
        "variable_revision_number": 6,
        "module_name": "LoadData",
        "batch_state": "array([], dtype=uint8)",
    }
    settings = [
        {"name": "cellprofiler_core.setting.text.Text", "text": "Name: of the file", "value": "a:b.csv"}
    ]
    path = tmp_path / "own.json"
    path.write_text(
        json.dumps({"version": "v6", "modules": [{"attributes": attributes, "settings": settings}]})
    )
    (module,) = read_pipeline(path)
    assert (module.name, module.enabled) == ("LoadData", False)
    assert module.settings == (("Name of the file", "a:b.csv"),)
    assert "notes" not in module.attributes
    write_pipeline([module], tmp_path / "copy.cppipe")
    (copy,) = read_pipeline(tmp_path / "copy.cppipe")
    assert (copy.name, copy.settings, copy.enabled) == (module.name, module.settings, False)
    for name, value in (("Load Data", "x"), ("LoadData", "two\nlines")):
        attributes["module_name"], settings[0]["value"] = name, value
        path.write_text(json.dumps({"modules": [{"attributes": attributes, "settings": settings}]}))
        with pytest.raises(InputError, match=r"module 1, .* has a name or a setting that no pipeline has"):
            read_pipeline(path)
