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
