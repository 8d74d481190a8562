"""A user's ExportToSpreadsheet writes the workflow's tables under the workflow's names."""

import io
from types import SimpleNamespace

import pytest

from cellprofiler_pipelines.own import Changes
from cellprofiler_pipelines.own_exports import add_missing_tables, name_tables

pytestmark = pytest.mark.unit


class YesOrNo:
    """A setting that is written Yes or No and read as True or False, as CellProfiler's Binary."""

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def value(self) -> bool:
        return self.text == "Yes"

    @value.setter
    def value(self, text: str) -> None:
        self.text = text


def make_table(
    name: str, file: str = "DATA.csv", automatic: str = "Yes", together: str = "No"
) -> SimpleNamespace:
    return SimpleNamespace(
        name=SimpleNamespace(value=name),
        file_name=SimpleNamespace(value=file),
        wants_automatic_file_name=YesOrNo(automatic),
        previous_file=YesOrNo(together),
    )


def make_exporter(*tables: SimpleNamespace, everything: str = "No") -> SimpleNamespace:
    module = SimpleNamespace(object_groups=list(tables), wants_everything=YesOrNo(everything), module_num=9)
    module.add_object_group = lambda: module.object_groups.append(make_table("None", automatic="No"))
    return module


def test_tables_get_the_names_of_their_objects_and_files_of_their_own():
    reported = []
    named = make_table("Image", r"\g<Batch>_\g<Plate>.csv", automatic="No")
    right = make_table("Nuclei", "Nuclei.csv", automatic="No")
    joined = make_table("Cells", together="Yes")
    name_tables(make_exporter(named, right, joined), reported.append)
    assert named.wants_automatic_file_name.value
    assert not right.wants_automatic_file_name.value
    assert not joined.previous_file.value
    assert reported == [
        r"names the table of Image Image.csv, not \g<Batch>_\g<Plate>.csv",
        "writes a table of Cells of its own",
    ]
    # If all tables are written, the list is not used.
    name_tables(
        make_exporter(make_table("Image", "x.csv", automatic="No"), everything="Yes"), reported.append
    )
    assert len(reported) == 2


def test_tables_that_no_module_writes_are_added_to_the_last():
    log = io.StringIO()
    first, last = (
        make_exporter(make_table("Image")),
        make_exporter(make_table("Speckles"), make_table("Cells")),
    )
    add_missing_tables([first, last], ["Nuclei", "Cells"], Changes("own.cppipe", log))
    assert [table.name.value for table in last.object_groups] == ["Speckles", "Cells", "Nuclei"]
    assert last.object_groups[-1].wants_automatic_file_name.value
    assert "ExportToSpreadsheet (module 9) also writes the table of Nuclei" in log.getvalue()
    everything = make_exporter(make_table("Image"), everything="Yes")
    add_missing_tables([everything], ["Nuclei"], Changes("own.cppipe", log))
    assert len(everything.object_groups) == 1
