"""Tables that are text, as programs save them: encodings, compression, row numbers, empty rows."""

import gzip

import pytest

from cases.case import case
from cases.profiles import make_profiles
from cases.profiles import read as read_profiles_of_plate
from lib.errors import InputError
from lib.plate_contents import read_plate_map
from lib.plates import read_table

pytestmark = pytest.mark.unit

MAP = "well_position\tbroad_sample\tdose\nA01\t5 µM x\t0.1\nA02\ty\t\n"
WELLS = [["A01", "5 µM x", "0.1"], ["A02", "y", ""]]


def read(path, content) -> list[list[str]]:
    """The wells of a plate map with this content."""
    path.write_bytes(content)
    return read_plate_map(path)[["well", "broad_sample", "dose"]].to_numpy().tolist()


def get_refusal(path, content) -> str:
    """The messages about a plate map with this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as error:
        read_plate_map(path)
    return str(error.value)


@case(
    "tables",
    kind="UTF-16 or UTF-32 with or without a byte-order mark, line ends of old Mac programs, a table "
    "compressed by "
    "gzip or not, whatever its name ends in",
    comes_from="PowerShell and SQL Server write UTF-16 without a mark; files that were renamed or unpacked",
    happens="the table is read",
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_of_unicode(tmp_path, encoding):
    content = MAP.encode(encoding)
    for name in ("map.txt", "map.txt.gz"):
        assert read(tmp_path / name, content) == WELLS
        assert read(tmp_path / name, gzip.compress(content)) == WELLS
    assert read(tmp_path / "mac.txt", MAP.replace("\n", "\r").encode(encoding)) == WELLS
    assert read(tmp_path / "dos.txt", (MAP.replace("\n", "\r\n") + "\x1a").encode(encoding)) == WELLS
    profiles = make_profiles().to_csv(index=False)
    for content in (profiles.encode(encoding), gzip.compress(profiles.replace("\n", "\r").encode(encoding))):
        (tmp_path / "p.csv").write_bytes(content)
        assert len(read_profiles_of_plate(tmp_path / "p.csv")) == 6


@case(
    "tables",
    kind="a plate map that is a Parquet file, a web page, a pointer of Git LFS, an old workbook",
    comes_from="downloads that went wrong; files of another step",
    says="is a Parquet file, which is not read. Save the table as `CSV UTF-8`. ... is a web page ... is a "
    "pointer of Git LFS, not the file itself. Get the file with `git lfs pull`. ... is an old Excel workbook",
    happens="the plate stops; the message names the format",
)
def test_other_formats_are_named(tmp_path):
    starts = (
        *(b"PAR1", b"<!doctype html>", b"version https://git-lfs.github.com/spec/v1\n"),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    )
    return " ".join(get_refusal(tmp_path / "map.txt", start + bytes(60)) for start in starts)


@case(
    "tables",
    kind="a first column that numbers the rows",
    comes_from="pandas' to_csv and R's write.csv; R's write.table, whose header lacks a name for it",
    happens="the column is ignored",
)
@pytest.mark.parametrize(
    "text",
    [
        "\twell_position\tbroad_sample\n0\tA01\tx\n1\tA02\ty\n",
        '""\t"well_position"\t"broad_sample"\n"1"\t"A01"\t"x"\n"2"\t"A02"\t"y"\n',
        "Unnamed: 0\twell_position\tbroad_sample\n0\tA01\tx\n1\tA02\ty\n",
        '"well_position"\t"broad_sample"\n"1"\t"A01"\t"x"\n"2"\t"A02"\t"y"\n',
    ],
)
def test_row_numbers(tmp_path, text):
    (tmp_path / "map.txt").write_text(text)
    columns, rows = read_table(tmp_path / "map.txt")
    assert columns == ["well_position", "broad_sample"]
    assert [list(row.values()) for row in rows] == [["A01", "x"], ["A02", "y"]]


@case(
    "tables",
    kind="a table separated by blanks",
    comes_from="R's write.table as it is called by default",
    says="is separated by blanks. Save it separated by tabs or commas (in R, write.table with sep = '\\t' "
    "and "
    "row.names = FALSE).",
    happens="the plate stops; a table separated by bars is read",
)
def test_a_table_separated_by_blanks(tmp_path):
    assert read(tmp_path / "bars.txt", MAP.replace("\t", "|").encode()) == WELLS
    return get_refusal(tmp_path / "map.txt", '"well_position" "broad_sample"\n"1" "A01" "x"\n')


@case(
    "tables",
    kind="headings and values with characters that cannot be seen (no-break blanks, spaces without width, "
    "marks of "
    'the direction of text, line ends); values that Excel keeps as text (="0012")',
    comes_from="copies from mail programs and web pages; exports for Excel",
    happens="they are left out of the names",
)
def test_characters_that_cannot_be_seen(tmp_path):
    text = 'well_position\u200b\t\ufeff"broad\u00a0sample"\tdose\u200e\n="A01"\t="0012"\t\u202d0.1\u202c\n'
    text = text.replace('"broad\u00a0sample"', "broad_sample\u00a0")
    assert read(tmp_path / "map.txt", text.encode()) == [["A01", "0012", "0.1"]]
    table = make_profiles().rename(
        columns={"Metadata_control_type": "Metadata_control_type\u200b", "Metadata_Plate": "Metadata_Plate\n"}
    )
    table.to_csv(tmp_path / "p.csv", index=False)
    table.to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv", "p.parquet"):
        found = read_profiles_of_plate(tmp_path / name)
        assert found["Metadata_control_type"].tolist()[2] == "negcon"


@case(
    "profiles",
    kind="rows and columns without any value, at the end or between others",
    comes_from="spreadsheets keep the cells that once had a value",
    happens="they are left out, in text and in Parquet",
)
def test_empty_rows_and_columns(tmp_path, expected_profiles, caplog):
    lines = make_profiles().to_csv(index=False).splitlines()
    empty = "," * lines[0].count(",")
    text = "\n".join(f"{line},," for line in [*lines[:3], empty, *lines[3:], empty, f" {empty}"])
    (tmp_path / "p.csv").write_text(text + "\n\n")
    table = make_profiles().reindex(range(8))
    table.to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv", "p.parquet"):
        found = read_profiles_of_plate(tmp_path / name)
        assert found["Metadata_Well"].tolist() == expected_profiles["Metadata_Well"].tolist()
        assert found["Metadata_Count_Cells"].tolist() == [90, 80, 70, 60, 50, 40]
    assert caplog.text == ""


@case(
    "tables",
    kind="lists of targets as Python, NumPy and JSON write them: ['EGFR', 'ERBB2']",
    comes_from="pandas' to_csv of a column that holds lists",
    happens="they are several genes, as if `|` separated them",
)
def test_lists_of_targets(tmp_path):
    from lib.plate_contents import read_annotation

    values = {
        "['EGFR', 'ERBB2']": "EGFR|ERBB2",
        '["EGFR","ERBB2"]': "EGFR|ERBB2",
        "['EGFR' 'ERBB2']": "EGFR|ERBB2",
        "[]": "",
        "[nan]": "",
        "[3H]thymidine": "[3H]thymidine",
    }
    rows = [f"s{at}\t{value}" for at, value in enumerate(values)]
    (tmp_path / "a.txt").write_text("\n".join(["broad_sample\ttarget", *rows]) + "\n")
    assert read_annotation(tmp_path / "a.txt", "target")["gene"].tolist() == list(values.values())


@case(
    "tables",
    kind="a table of the wells of many plates in which a row has no plate, or whose column of plates has "
    "another name "
    "(Barcode, Assay_Plate_Barcode)",
    comes_from="merged cells of a spreadsheet; exports of a database",
    says="has rows without a plate: 3 (the header is row 1). Write the plate into Barcode, or remove "
    "these rows.",
    happens="only the plate's own rows are used; a row without a plate stops the plate",
)
def test_wells_of_many_plates(write):
    header = ("Barcode", "well", "broad_sample")
    table = write("maps.txt", header, ("P1", "A01", "x"), ("P2", "A02", "y"))
    assert read_plate_map(table, "P1")["well"].tolist() == ["A01"]
    with pytest.raises(InputError) as error:
        read_plate_map(write("maps.txt", header, ("P1", "A01", "x"), ("", "A02", "y")), "P1")
    return str(error.value)


@case(
    "tables",
    kind="wells written A-01, A_1, A:1 or A1.0, in full-width letters, or with a Cyrillic or Greek letter "
    "that looks "
    "like a Latin one",
    comes_from="robots; programs that join a letter and a decimal number; keyboards of other languages",
    happens="they are read as A01",
)
def test_wells_in_other_spellings(write):
    written = ("A-01", "A_1", "A:1", "A1.0", "\uff21\uff10\uff11", "\u041001", "\u039101", "A01\u200e")
    for text in written:
        assert read_plate_map(write("m.txt", ("well", "broad_sample"), (text, "x")))["well"].tolist() == [
            "A01"
        ]


@case(
    "tables",
    kind="doses with decimal commas or separators of thousands that may be something else (1,5; 1,000)",
    comes_from="spreadsheets of other languages",
    says="dose has 1,5, 1,000, which are not read as numbers: write decimal points, and no separators of "
    "thousands",
    happens="a warning before anything runs; they are read as decimal commas if a value begins with `0,`",
)
def test_commas_in_doses(write):
    from lib.suspects import find_suspects
    from lib.values import MissingValues

    header = ("well", "broad_sample", "dose")
    read_as_numbers = write("m.txt", header, ("A01", "x", "0,5"), ("A02", "x", "1,5"))
    assert read_plate_map(read_as_numbers)["dose"].tolist() == ["0.5", "1.5"]
    path = write("m.txt", header, ("A01", "x", "1,5"), ("A02", "x", "1,000"))
    return " ".join(find_suspects(path, MissingValues()))


@case(
    "tables",
    kind="plates called 10_1 and 101, which Python reads as one number",
    comes_from="batch and plate joined by an underscore",
    says="has no well of plate 10_1; it has 101 in Metadata_Plate.",
    happens="they are different plates",
)
def test_an_underscore_in_a_number_is_part_of_a_name(tmp_path):
    from cases.profiles import PLATE

    make_profiles().assign(Metadata_Plate=101).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(InputError) as error:
        read_profiles_of_plate(tmp_path / "p.csv", {**PLATE, "plate": "10_1"}, ("10_1",))
    return str(error.value)
