"""A pipeline file is read as text; nothing in it runs."""

from pathlib import Path

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
    for data in (b"", b"\x89HDF\r\n", b'{"version": "v6"}'):
        path.write_bytes(data)
        with pytest.raises(InputError, match="its first line is not that of a CellProfiler pipeline"):
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
