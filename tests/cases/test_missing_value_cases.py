"""Words for missing values in tables, as people write them."""

import pandas as pd
import pytest

from cases.case import case
from cases.tables import COMPLETE
from lib.config import read_schema
from lib.controls import find_control_kinds
from lib.errors import InputError
from lib.image_tables import read_image_table
from lib.levels import get_levels
from lib.plate_contents import read_annotation, read_known_wells, read_plate_map
from lib.plates import read_plates
from lib.replicates import label_wells
from lib.sides import collect_side
from lib.tables import read_profiles
from lib.values import WORDS_FOR_NOTHING, MissingValues
from splits import find_units
from workflow import PROJECT

pytestmark = pytest.mark.unit


WORDS = ["", " ", *WORDS_FOR_NOTHING, *(word.lower() for word in WORDS_FOR_NOTHING), "NULL", "NaN", " NA "]


@case(
    "tables",
    kind="NA, nan, None, NULL, n/a, #N/A, -, unknown, untreated and the like in any table, in any case",
    comes_from="R writes NA, pandas nan or None, Excel #N/A, JUMP's maps JCP2022_999999 for wells without "
    "compound",
    happens="the cell counts as empty in plate maps, annotation, published profiles, controls, genes and "
    "groups; `missing_values.words` adds words of your own",
)
@pytest.mark.parametrize("word", WORDS)
def test_words_for_nothing_are_nothing_to_every_reader(write, tmp_path, word):
    plate_map = write(
        "map.txt", ("well_position", "broad_sample", "dose"), ("A01", word, word), ("A02", "x", "1")
    )
    known = write(
        "known.txt", ("broad_sample", "gene", "control_type"), ("x", word, word), ("y", "G", "negcon")
    )
    assert read_plate_map(plate_map)[["broad_sample", "dose"]].to_numpy().tolist() == [["", ""], ["x", "1"]]
    assert read_annotation(known, "gene")["gene"].tolist() == ["", "G"]
    joined = read_known_wells(plate_map, known, "gene", "P1")
    assert joined[["broad_sample", "gene", "control_type"]].to_numpy().tolist()[1] == ["x", "", ""]
    frame = pd.DataFrame(
        {"Metadata_Well": ["A01", "A02"], "Metadata_gene": [word, "G"], "Cells_F": [1.0, 2.0]}
    )
    frame.to_csv(tmp_path / "p.csv", index=False)
    frame.to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv", "p.parquet"):
        assert read_profiles(tmp_path / name)["Metadata_gene"].isna().tolist() == [True, False]
    text = pd.DataFrame({"Metadata_x": [word, "y"]}, dtype="str")
    assert label_wells(text, "Metadata_x").isna().tolist() == [True, False]
    assert find_control_kinds(pd.Series([word, "negcon"], dtype="str"), "negcon").tolist() == ["", "negcon"]
    wells = pd.DataFrame(
        {"Metadata_gene": [word, "G"], "perturbation": ["a", "b"], "Metadata_Well": ["A01", "A02"]}
    )
    assert collect_side(wells, "Metadata_gene", 1).names.tolist() == ["b"]
    assert find_units(wells, wells["perturbation"], ["Metadata_gene"]).tolist() == [0, 1]
    # Several columns that group, columns of any name, and the profiles' other formats.
    several = text.assign(Metadata_y=["a", "a"])
    assert label_wells(several, ["Metadata_y", "Metadata_x"]).isna().tolist() == [True, False]
    dosed = frame.rename(columns={"Metadata_gene": "Metadata_dose"})
    dosed.to_csv(tmp_path / "p.tsv", index=False, sep="\t")
    dosed.to_feather(tmp_path / "p.feather")
    for name in ("p.tsv", "p.feather"):
        assert read_profiles(tmp_path / name)["Metadata_dose"].isna().tolist() == [True, False]
    sheet = write(
        "plates.tsv",
        (
            "batch",
            "plate",
            "plate_map",
            "perturbation",
            "cell_line",
            "timepoint",
            "profiles",
            "level",
            "dose",
        ),
        ("B", "P1", "m", "compound", word, word, "x", "augmented", word),
    )
    (plate,) = read_plates(sheet, get_levels(COMPLETE))
    assert (plate["cell_line"], plate["timepoint"], plate["dose"]) == ("", "", "")


@pytest.mark.parametrize("word", ["NA", "nan", "None", "-", "#N/A"])
def test_words_for_nothing_in_an_image_table_of_ones_own(write, tmp_path, word):
    rows = [
        ("Metadata_Well", "Metadata_Site", "FileName_OrigDNA"),
        ("A01", word, "a.tif"),
        ("A02", "1", word),
    ]
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for path in (write("t.csv", *rows, separator=","), tmp_path / "t.csv.gz", tmp_path / "t.parquet"):
        _, found = read_image_table(path)
        assert [row["Metadata_Site"] for row in found] == ["", "1"]
        assert [row["FileName_OrigDNA"] for row in found] == ["a.tif", ""]


def test_several_genes_of_which_some_are_nothing():
    assert MissingValues().clean(["A|NA|B", "NA|nan", "NA|B"]) == ["A|B", "", "B"]
    assert MissingValues().clean(["672.0|675", "675.0 | 672"]) == ["672|675", "675|672"]


@case(
    "tables",
    kind="a word of your own for an empty well (mock), a gene that is really called NAN",
    comes_from="labs have words of their own; gene symbols may be words for nothing",
    happens="`missing_values: {words: [mock], names: {gene: [NAN]}}`; the gene is written `NAN (name)` in"
    " all tables",
)
def test_words_of_ones_own_and_genes_that_are_called_so(write, tmp_path):
    missing = MissingValues(("mock",), {"gene": ["NAN"], "target": ["None"]})
    plate_map = write("map.txt", ("well_position", "broad_sample"), ("A01", "Mock"), ("A02", "x"))
    assert read_plate_map(plate_map, missing=missing)["broad_sample"].tolist() == ["", "x"]
    known = write("known.txt", ("broad_sample", "target"), ("x", "NAN|TP53"), ("y", "None"), ("z", "NA"))
    assert read_annotation(known, "target", missing)["gene"].tolist() == [
        "NAN (name)|TP53",
        "None (name)",
        "",
    ]
    path = write(
        "p.csv",
        ("Metadata_Well", "Metadata_gene", "Cells_F"),
        ("A01", "NAN", 1),
        ("A02", "NA", 2),
        separator=",",
    )
    genes = read_profiles(path, missing)["Metadata_gene"]
    assert genes.tolist()[0] == "NAN (name)"
    assert genes.isna().tolist() == [False, True]
    # What a later step reads is a name, too.
    assert label_wells(pd.DataFrame({"Metadata_gene": genes}), "Metadata_gene").notna().tolist() == [
        True,
        False,
    ]


@case(
    "tables",
    kind="negative controls that are called untreated or none",
    comes_from="screens whose control is the untreated well",
    happens="the value of `controls.negcon` never counts as missing, nor does a `broad_sample` that the "
    "annotation describes",
)
def test_a_control_that_is_called_by_a_word_for_nothing(write):
    missing = MissingValues(control=("treatment", "untreated"))
    plate_map = write(
        "map.txt",
        ("well_position", "broad_sample", "treatment"),
        ("A01", "untreated", "untreated"),
        ("A02", "x", "trt"),
    )
    rows = read_plate_map(plate_map, missing=missing)
    assert rows["treatment"].tolist() == ["untreated", "trt"]
    assert find_control_kinds(rows["treatment"], "untreated").tolist() == ["untreated", ""]
    known = write(
        "known.txt", ("broad_sample", "control_type"), ("untreated", "negcon"), ("x", ""), ("NA", "NA")
    )
    assert read_known_wells(plate_map, known, None, "P1")["control_type"].tolist() == ["negcon", ""]


def test_the_list_of_words_is_in_the_schema_and_the_words_found_are_counted():
    described = read_schema()["properties"]["missing_values"]["properties"]["words"]["description"]
    named = (
        "NA",
        "nan",
        "None",
        "null",
        "n/a",
        "#N/A",
        "-",
        "empty",
        "unknown",
        "untreated",
        "JCP2022_999999",
    )
    assert all(word in described for word in named)
    assert {word.casefold() for word in named} <= {word.casefold() for word in WORDS_FOR_NOTHING}
    found = MissingValues().words_found(["NA", "NA", "", "empty", "JCP2022_999999", "x"])
    assert dict(found) == {"NA": 2}
    page = (PROJECT / "config" / "README.md").read_text()
    assert all(f"`{word}`" in page for word in WORDS_FOR_NOTHING)


@case(
    "tables",
    kind="a table saved by Excel as Unicode Text (UTF-16), with a first line `sep=;`, or below empty lines",
    comes_from="Excel's ways to save a table",
    says="is an Excel workbook or another zip file, which is not read. Save the table as `CSV UTF-8`.",
    happens="the table is read; a workbook is named",
)
def test_tables_as_excel_saves_them(tmp_path):
    text = "well_position\tbroad_sample\nA01\t5 µM x\n"
    for name, content in {
        "unicode.txt": text.encode("utf-16"),
        "separator.csv": b"sep=;\r\n" + text.replace("\t", ";").encode(),
        "bar.csv": b"\xef\xbb\xbfSEP=|\n" + text.replace("\t", "|").encode(),
        "below.txt": b"\n \n" + text.encode(),
    }.items():
        (tmp_path / name).write_bytes(content)
        wells = read_plate_map(tmp_path / name)
        assert wells[["well", "broad_sample"]].to_numpy().tolist() == [["A01", "5 µM x"]], name
    (tmp_path / "map.xlsx").write_bytes(b"PK\x03\x04" + bytes(40))
    with pytest.raises(InputError) as error:
        read_plate_map(tmp_path / "map.xlsx")
    return str(error.value)
