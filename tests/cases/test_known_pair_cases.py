"""Files of known pairs as databases write them."""

import gzip

import pytest

from cases.case import case
from known_pairs import read_pairs
from lib.errors import InputError

pytestmark = pytest.mark.unit

SETS = "one\tlink\tTP53,1.0\tMDM2,0.5\ntwo\t\tA\tB\tC\n"
PAIRS = {("MDM2", "TP53"), ("A", "B"), ("A", "C"), ("B", "C")}


@case(
    "scores",
    kind="known pairs as sets: a GMT file (also compressed, in UTF-16, with weights as in Enrichr, with "
    "comments), or a "
    "table with one column of lists (TP53;MDM2); several names in a cell of a table of pairs",
    comes_from="MSigDB, Enrichr, CORUM",
    happens="every two names of a set are a pair",
)
def test_sets_of_names(tmp_path):
    for name, content in {
        "a.gmt": SETS.encode(),
        "b.GMT": ("# x\ty\tz\tw\n" + SETS).encode("utf-16"),
        "c.gmt.gz": gzip.compress(SETS.replace("\n", "\r").encode()),
        "d.csv": b"genes\nTP53;MDM2\nA|B|C\n",
        "e.csv": b"x,y\nMDM2,TP53\nA|B,C\nA,B\n",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert read_pairs(tmp_path / name) == PAIRS, name


@case(
    "scores",
    kind="a GMT file without descriptions, or separated by blanks",
    comes_from="sets that a script wrote: the name and the genes",
    says="2 of 3 sets have a gene in the place of their description (TP53, C), which is not read. Write a "
    "description, or an empty value, between the name of each set and its first gene. ... line 2: no tab. In "
    "a GMT file, tabs separate the name of a set, a description (which may be empty) and each gene.",
    happens="the score stops: each set would lose its first gene",
)
def test_a_gmt_file_without_descriptions(tmp_path):
    path, messages = tmp_path / "a.gmt", []
    # TP53 is a gene of the condition, C of another set; X is known from nowhere
    for text in ("one\tTP53\tMDM2\tMDM4\ntwo\tC\tA\tB\nthree\tX\tA\tC\n", "a\t\tA\tB\ntwo X A C\n"):
        path.write_text(text)
        with pytest.raises(InputError) as error:
            read_pairs(path, ["TP53", "MDM2"])
        messages.append(str(error.value))
    return " ".join(messages)


def test_one_set_that_is_described_by_a_gene_is_read(tmp_path, caplog):
    path = tmp_path / "a.gmt"
    path.write_text("p53 pathway\tTP53\tMDM2\tMDM4\ntwo\tna\tTP53\tB\n\nthree\t\tA\tB\t\t\nfour\t\n")
    assert read_pairs(path) == {("MDM2", "MDM4"), ("B", "TP53"), ("A", "B")}
    assert "taken as descriptions, although they are also genes: TP53" in caplog.text


def test_names_of_sets_that_are_repeated_as_descriptions_are_read(tmp_path, caplog):
    path = tmp_path / "neighbors.gmt"
    path.write_text("EGFR\tEGFR\tERBB2\tGRB2\nTP53\tTP53\tMDM2\tMDM4\n")
    assert read_pairs(path, ["EGFR", "TP53"]) == {("ERBB2", "GRB2"), ("MDM2", "MDM4")}
    assert caplog.text == ""


@case(
    "scores",
    kind="known pairs in another encoding, or without names of columns",
    comes_from="spreadsheets; STRING's and BioGRID's lists that were cut",
    says="cannot be read as UTF-8 text ... the first line must name the columns; here it is the pair TP53, "
    "MDM2.",
    happens="the score stops: the first pair would be lost",
)
def test_pairs_that_cannot_be_read(tmp_path):
    messages = []
    (tmp_path / "a.gmt").write_bytes("S\td\u00e9\tA\tB\n".encode("latin-1"))
    (tmp_path / "b.csv").write_text("TP53,MDM2\nA,B\n")
    for name in ("a.gmt", "b.csv"):
        with pytest.raises(InputError) as error:
            read_pairs(tmp_path / name, ["A", "B", "TP53", "MDM2"])
        messages.append(str(error.value))
    return " ".join(messages)
