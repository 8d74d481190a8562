"""What the header of a file of profiles shows before anything runs."""

import gzip

import pytest

from lib.errors import InputError
from lib.profile_files import find_header_problems, read_start, refuse_twice

pytestmark = pytest.mark.unit
GOOD = "Metadata_Plate,Metadata_Well,Cells_AreaShape_Area\nP1,A01,1.5\n"


def problems(tmp_path, content, plates=("P1",)):
    path = tmp_path / "profiles.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(find_header_problems(path, plates))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("gzipped", [False, True])
def test_text_with_any_separator_has_no_problem(tmp_path, separator, gzipped):
    content = GOOD.replace(",", separator).encode()
    assert problems(tmp_path, gzip.compress(content) if gzipped else content) == []


def test_wells_may_be_given_by_row_and_column(tmp_path):
    assert problems(tmp_path, "Row,Column,F\n1,2,3\n") == []


@pytest.mark.parametrize(
    ("content", "plates", "words"),
    [
        ("", ["P1"], "is empty"),
        ("Metadata_Well,F\n", ["P1"], "has a header and no rows"),
        ("Plate,F\nP1,1\n", ["P1"], "has no column Metadata_Well"),
        (
            "Metadata_Well,F\nA01,1\n",
            ["P1", "P2"],
            "has no column Metadata_Plate, and the sample sheet takes 2",
        ),
        ("Metadata_Well,F,F\nA01,1,2\n", ["P1"], "has the column F twice"),
        (b"PK\x03\x04" + b"\0" * 20, ["P1"], "is an Excel workbook or another zip file"),
        (b"SQLite format 3\0", ["P1"], "is an SQLite database"),
        ("Metadata_Well,F\nA01,\u00e4\n".encode("latin-1"), ["P1"], "is not UTF-8 text"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-12], ["P1"], ""),
    ],
)
def test_what_will_stop_a_plate_is_reported(tmp_path, content, plates, words):
    found = problems(tmp_path, content, plates)
    assert len(found) == 1
    assert words in found[0]


def test_a_column_without_a_name_may_occur_twice(tmp_path):
    refuse_twice(["", "", "Unnamed: 0", "Unnamed: 0", "F"], tmp_path)
    with pytest.raises(InputError, match="column F twice"):
        refuse_twice(["F", "F"], tmp_path)


def test_the_separator_is_the_one_in_the_header(tmp_path):
    (tmp_path / "p.csv").write_text("\ufeffMetadata_Well;F\nA01;1,5\n")
    start = read_start(tmp_path / "p.csv")
    assert (start.header, start.separator, start.rows) == (["Metadata_Well", "F"], ";", [["A01", "1,5"]])
