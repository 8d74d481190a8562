"""Plate maps, annotation, sample sheets and controls as people write them."""

import logging

import pandas as pd
import pytest

from annotate import annotate
from cases.case import case
from import_profiles import add_annotation, read_plate_profiles
from lib.conditions import is_judged
from lib.config import complete_config, read_schema
from lib.controls import find_control_kinds
from lib.errors import InputError
from lib.image_tables import read_image_table
from lib.layouts import find_near_samples, find_suspects
from lib.levels import get_levels
from lib.plate_contents import join_annotation, read_annotation, read_known_wells, read_plate_map
from lib.plates import read_plates
from lib.rankings import get_label_sets
from lib.replicates import label_wells
from lib.sides import collect_side
from lib.tables import read_profiles
from lib.values import WORDS_FOR_NOTHING, MissingValues, is_same_value, number_in_one_spelling, unify_spelling
from normalize import choose_reference_wells
from plot_benchmark import add_published
from splits import find_units, split_wells
from workflow import PROJECT

pytestmark = pytest.mark.unit

WORDS = ["", " ", *WORDS_FOR_NOTHING, *(word.lower() for word in WORDS_FOR_NOTHING), "NULL", "NaN", " NA "]
PLATE = {
    "batch": "B",
    "plate": "P1",
    "plate_map": "map.txt",
    "perturbation": "compound",
    "cell_line": "U2OS",
    "timepoint": "48",
    "profiles": "x",
    "level": "augmented",
}
COMPLETE = complete_config({"results": "r", "plates": "plates.tsv"}, "config.yaml")
MEASURED = pd.DataFrame(
    {
        "Metadata_Plate": "P1",
        "Metadata_Well": ["A01", "A02", "A03"],
        "Metadata_Count_Cells": [90, 80, 70],
        "Metadata_Count_Sites": 9,
        "Cells_F": [1.0, 2, 3],
    }
)


@pytest.fixture
def write(tmp_path):
    """Write a text table from rows of values; gives its path."""

    def written(name, *rows, separator="\t"):
        path = tmp_path / name
        path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows))
        return path

    return written


# --- words for nothing --------------------------------------------------------------------------


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
    happens="the value of `controls.negcon` is never nothing, nor is a `broad_sample` of which the "
    "annotation says something",
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


# --- how a table is saved -----------------------------------------------------------------------


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


# --- numbers ------------------------------------------------------------------------------------

SPELLINGS = [
    ("1", ["1", "1.0", "1.", "+1", "1e0", "1E+00", "1.000"]),
    ("10", ["10", "10.0", "1e1", "1E1", "1.0e+01"]),
    ("0.1", ["0.1", ".1", "0.10", "1e-1", "0.1000000000000000055", "1.0E-01"]),
    ("-1", ["-1", "-1.0", "-1e0"]),
    ("0", ["0", "0.0", "-0", "0e5", ".0"]),
    ("1e-05", ["1e-05", "1e-5", "0.00001", "1E-5", "0.000010"]),
]


@case(
    "tables",
    kind="one number written in several ways: 1 and 1.0, 10 and 1e1, .1 and 0.10, 15 on one plate and "
    "15.0 on another",
    comes_from="pandas writes 15.0 where a column has an empty cell, a person writes 15",
    happens="one value wherever wells are grouped, joined or chosen: doses, identifiers, genes, controls,"
    " splits",
)
@pytest.mark.parametrize(("number", "written"), SPELLINGS)
def test_a_number_is_one_value_in_every_column_that_groups(write, tmp_path, number, written):
    assert {number_in_one_spelling(text) for text in written} == {number}
    columns = pd.DataFrame({"Metadata_x": written, "Metadata_y": "a"}, dtype="str")
    assert label_wells(columns, "Metadata_x").unique().tolist() == [number]
    assert label_wells(columns, ["Metadata_y", "Metadata_x"]).unique().tolist() == [f"a|{number}"]
    assert find_control_kinds(columns["Metadata_x"], written[-1]).unique().tolist() == [written[-1]]
    wells = pd.DataFrame({"Metadata_gene": written, "Metadata_Well": "A01"}).assign(
        perturbation=list("abcdefg")[: len(written)]
    )
    assert set(collect_side(wells, "Metadata_gene", 1).genes) == {frozenset([number])}
    assert find_units(wells, wells["perturbation"], ["Metadata_gene"]).nunique() == 1
    # A plate map with one spelling finds the annotation with another.
    for at, text in enumerate(written):
        plate_map = write(f"map{at}.txt", ("well_position", "broad_sample"), ("A01", text))
        known = write("known.txt", ("broad_sample", "gene"), (written[0], "G"))
        assert read_known_wells(plate_map, known, "gene", "P1")["gene"].tolist() == ["G"]
        path = write(
            f"p{at}.csv", ("Metadata_Well", "Metadata_dose", "Cells_F"), ("A01", text, 1), separator=","
        )
        assert read_profiles(path)["Metadata_dose"].tolist() == [number]
    profiles = columns.assign(Metadata_Well="A01", Cells_F=1.0)
    assert choose_reference_wells(profiles, "negcon", "x", written[0], 1, "P").all()


def test_numbers_and_words_for_nothing_in_the_sample_sheet(write):
    header = (*(name for name in PLATE if name != "level"), "level", "density")
    rows = [{**PLATE, "plate": f"P{n}"} for n in range(3)]
    given = [("NA", "48", "1e2"), ("-", "48.0", "100"), ("U2OS", "48", "100.0")]
    table = [
        [{**row, "cell_line": line, "timepoint": hours, "density": density}[name] for name in header]
        for row, (line, hours, density) in zip(rows, given, strict=True)
    ]
    plates = read_plates(write("plates.tsv", header, *table), get_levels(COMPLETE))
    assert [plate["cell_line"] for plate in plates] == ["", "", "U2OS"]
    assert {plate["timepoint"] for plate in plates} == {"48"}
    assert {plate["density"] for plate in plates} == {"100"}
    where = {"benchmark": {"where": {"timepoint": "48.0", "density": "1e2"}}}
    assert all(is_judged(plate, where) for plate in plates)


def test_published_values_are_compared_with_nulls_of_four_wells_only(write, caplog):
    published = write("published.csv", ("cell_line", "percent_replicating"), ("U2OS", 60), separator=",")
    scores = pd.DataFrame(
        {
            "cell_line": ["U2OS"] * 4,
            "feature_set": "f",
            "plates": 1,
            "null_size": ["matched", "matched", "4", "2"],
            "replicates_min": [2, 4, 2, 4],
            "replicates_max": [4, 4, 8, 4],
        }
    )
    found = add_published(scores, published, "percent_replicating")["published"]
    assert found.fillna(0).tolist() == [0, 60, 60, 0]
    assert "set benchmark.null_size to 4" in caplog.text


@case(
    "profiles",
    kind="a plate with fewer wells than normalizing needs",
    comes_from="a held-out plate of two wells",
    says="Plate P: only 1 wells have cells; normalizing to all wells needs 3 "
    "(normalize.minimum_wells). Set that lower, or take the plate out of the sample sheet, since "
    "its batch and the benchmark wait for it.",
    happens="the plate stops at normalization",
)
def test_too_few_wells_names_the_key_and_the_remedy():
    profiles = pd.DataFrame({"Metadata_Well": ["A01", "A02"], "Cells_F": [1.0, None]})
    with pytest.raises(InputError) as error:
        choose_reference_wells(profiles, "all", "control_type", "negcon", 3, "P")
    return str(error.value)


def test_a_split_by_a_number():
    metadata = pd.DataFrame(
        {
            "Metadata_Plate": ["P1", "P2"],
            "Metadata_Well": "A01",
            "Metadata_broad_sample": ["a", "b"],
            "Metadata_timepoint": ["24.0", "48"],
        }
    )
    found = split_wells(metadata, {"column": "timepoint", "train": [24], "test": ["48.0"]})
    assert found["Metadata_split"].tolist() == ["train", "test"]


@case(
    "tables",
    kind="identifiers of digits: 0012, 007 beside 7, 1E5 beside a clone 2F7, numbers of more than 15 digits",
    comes_from="barcodes and clone names",
    happens="they stay as they are written: a number has no zero before its digits, and exponents and "
    "fractions are read as numbers only where every value of the column that begins as a number "
    "is one",
)
def test_identifiers_keep_their_spelling():
    same = ["0012", "007", "7", "1E5", "2F7", "1.10", "123456789012345678", "00.5", "BR1"]
    assert unify_spelling(same) == same
    assert unify_spelling(["15.0", "2F7", "007.0"]) == ["15", "2F7", "007.0"]
    assert is_same_value("48", "48.0")
    assert not is_same_value("0048", "48")


def test_decimal_commas_are_read_where_they_must_be_some():
    assert unify_spelling(["0,1", "2,50", "10", "DMSO"]) == ["0.1", "2.5", "10", "DMSO"]
    # Two genes by their number, or a thousand.
    assert unify_spelling(["672,675", "1,234"]) == ["672,675", "1,234"]
    assert unify_spelling(["0,1", "0.2"]) == ["0,1", "0.2"]


# --- names that look alike ----------------------------------------------------------------------


@case(
    "tables",
    kind="names that look alike but differ: accents and micro signs of two kinds, no-break and double "
    "blanks, spaces of no width, line ends in a cell, hyphens of other kinds",
    comes_from="copied from web pages and Word; macOS composes accents otherwise; two keys for µ",
    happens="they are one name in every table",
)
def test_names_that_look_the_same_are_one_name(write, tmp_path):
    written = [
        ("café", "café"),
        ("x µg", "x μg"),
        ("BRD-K1", "BRD‐K1", "BRD‑K1", "BRD–K1", "BRD-​K1", "﻿BRD-K1"),
        ("a b", "a  b", "a b", " a b "),
    ]
    for names in written:
        assert set(MissingValues().clean(names, "broad_sample")) == {names[0]}
        frame = pd.DataFrame({"Metadata_x": names}, dtype="str")
        assert label_wells(frame, "Metadata_x").unique().tolist() == [names[0]]
        for at, name in enumerate(names):
            plate_map = write(f"map{at}.txt", ("well_position", "broad_sample"), ("A01", name))
            known = write("known.txt", ("broad_sample", "gene"), (names[0], "G"))
            assert read_known_wells(plate_map, known, "gene", "P1")["gene"].tolist() == ["G"]
    table = pd.DataFrame({"Metadata_Well": ["A01"], "Metadata_n": ["a\nb\u200b"], "Cells_F": [1.0]})
    table.to_csv(tmp_path / "p.csv", index=False)
    table.to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv", "p.parquet"):
        assert read_profiles(tmp_path / name)["Metadata_n"].tolist() == ["a b"]
    assert MissingValues().clean(["N/A\u00a0", "\u2014", "\u200b"]) == ["", "", ""]


@case(
    "tables",
    kind="amounts: 10 uM, 10uM, 10.0 µM and 10 μM, 0,5 mg/ml",
    comes_from="plate maps of several people",
    happens="one value; a compound called 5-FU beside them keeps its name",
)
def test_amounts_in_one_spelling():
    assert set(unify_spelling(["10 uM", "10uM", "10.0 µM", "1e1 uM", "+10 uM"])) == {"10 uM"}
    assert unify_spelling(["0,5 mg/ml", "0.50mg/ml", "10 %", "10%"]) == ["0.5 mg/ml"] * 2 + ["10 %"] * 2
    same = ["5-FU", "10.0 uM", "17-AAG"]
    assert unify_spelling(same) == same
    assert unify_spelling(["1,000 uM", "2 uM"]) == ["1,000 uM", "2 uM"]
    labeled = label_wells(
        pd.DataFrame({"Metadata_x": ["1 uM", "1.0uM"], "Metadata_y": "a"}), ["Metadata_y", "Metadata_x"]
    )
    assert labeled.unique().tolist() == ["a|1 uM"]


@case(
    "tables",
    kind="several genes, targets or mechanisms of a compound, separated by ; or by commas and slashes",
    comes_from="annotation from other databases",
    says="target has EGFR, ERBB2, A/B: several genes are separated by | or ;",
    happens="`|` and `;` separate genes; a warning names values with other separators, which count as "
    "one gene",
)
def test_separators_of_genes(write):
    wells = pd.DataFrame(
        {"Metadata_gene": ["A;B", "A | C", "D; "], "perturbation": list("xyz"), "Metadata_Well": "A01"}
    )
    assert collect_side(wells, "Metadata_gene", 1).genes == [{"A", "B"}, {"A", "C"}, {"D"}]
    units = find_units(wells, wells["perturbation"], ["Metadata_gene"])
    assert units.tolist() == [0, 0, 1]
    assert get_label_sets(wells, ["Metadata_gene"])["Metadata_gene"][0] == {"A", "B"}
    plain = write("plain.txt", ("broad_sample", "target"), ("x", "A|B"), ("y", "A;B"), ("z", "HLA-A"))
    assert find_suspects(plain, MissingValues()) == []
    known = write("known.txt", ("broad_sample", "target"), ("x", "EGFR, ERBB2"), ("y", "A/B"))
    return " ".join(find_suspects(known, MissingValues()))


@case(
    "tables",
    kind="controls in other capitals: Negcon, NEGCON, dmso beside DMSO, TRUE beside True",
    comes_from="plate maps of several people; R writes TRUE, Python True",
    happens="they are negative controls, and not a kind of positive ones",
)
def test_controls_in_any_case():
    kinds = find_control_kinds(pd.Series(["negcon", "Negcon", "NEGCON ", "poscon", "", "TRT"]), "negcon")
    assert kinds.tolist() == ["negcon"] * 3 + ["poscon", "", ""]
    assert find_control_kinds(pd.Series(["TRUE", "FALSE"]), "True").tolist() == ["True", ""]
    several = pd.Series(["dmso", "Untreated", "x", "y", "z"], name="Metadata_compound")
    assert find_control_kinds(several, "DMSO|untreated").tolist() == ["DMSO|untreated"] * 2 + [""] * 3
    profiles = pd.DataFrame(
        {"Metadata_Well": ["A01", "A02"], "Metadata_c": ["NegCon", ""], "Cells_F": [1.0, 2]}
    )
    assert choose_reference_wells(profiles, "negcon", "c", "negcon", 1, "P").tolist() == [True, False]


@case(
    "tables",
    kind="genes that a spreadsheet turned into dates, clones that are numbers (1E5), names that differ in "
    "capitals only",
    comes_from="Excel makes 2-Sep of SEPT2",
    says="gene has 2-Sep, 1-Mar: did a spreadsheet make dates of names (SEPT2, MARCH1)? ... broad_sample has "
    "1E5, read as numbers; write a letter before a name ... broad_sample has Abc and ABC, which differ in "
    "capitals only",
    happens="a warning before anything runs; the values stay as they are",
)
def test_values_that_a_program_changed(write):
    known = write(
        "known.txt",
        ("broad_sample", "gene", "plated_date"),
        *(("1E5", "2-Sep", "2-Sep"), ("Abc", "1-Mar", "3-Sep"), ("ABC", "TP53", "")),
    )
    clean = write("clean.txt", ("broad_sample", "gene"), ("BRD-K1", "SEPTIN2"), ("7", "MARCHF1"), ("1e", "x"))
    assert find_suspects(clean, MissingValues()) == []
    found = find_suspects(known, MissingValues())
    return " ".join([*found[2:], found[0], found[1]])


def test_words_of_ones_own_count_in_the_sample_sheet(write):
    row = {**PLATE, "cell_line": "mock"}
    sheet = write("plates.tsv", tuple(row), tuple(row.values()))
    levels = get_levels(COMPLETE)
    assert read_plates(sheet, levels)[0]["cell_line"] == "mock"
    assert read_plates(sheet, levels, MissingValues(("mock",)))[0]["cell_line"] == ""


# --- headings and wells -------------------------------------------------------------------------


@case(
    "tables",
    kind="headings with other capitals or blanks: Well_Position, WELL, Plate Map, IMAGES, Broad_Sample",
    comes_from="tables of people",
    says="columns are named in lower-case letters, unlike `Plate Map` (write plate_map), `Images` (write "
    "images). ... Is it WELL? Call that column well_position. ... Is it Broad_Sample? Call that column "
    "broad_sample.",
    happens="nothing runs, or the plate stops; the message gives the right name",
)
def test_headings_in_other_letters(write):
    names = [{"plate_map": "Plate Map", "profiles": "Images"}.get(name, name) for name in PLATE]
    sheet = write("plates.tsv", names, PLATE.values())
    told = []
    with pytest.raises(InputError) as error:
        read_plates(sheet, get_levels(COMPLETE))
    told.append(str(error.value))
    for header in (("WELL", "broad_sample"), ("well_position", "Broad_Sample")):
        with pytest.raises(InputError) as error:
            read_plate_map(write("map.txt", header, ("A01", "x")))
        told.append(str(error.value))
    return " ".join(told)


@case(
    "tables",
    kind="a plate map with row and column of each well, a row without a well, a well beyond a 1536-well "
    "plate, a drawing of the plate",
    comes_from="tables of robots and of people",
    says="has rows without a well: 3 (the header is row 1). ... `AG01` is not a well of a plate: the largest,"
    " of 1536 wells, end at AF48. ... Is this a drawing of the plate? Write one row per well instead.",
    happens="row and column are read; otherwise, the plate stops",
)
def test_wells_of_plate_maps(write):
    for row in ("A", "1", "1.0"):
        placed = write("placed.txt", ("row", "column", "broad_sample"), (row, "3", "x"))
        assert read_plate_map(placed)["well"].tolist() == ["A03"]
    told = []
    for rows in (
        [("well", "broad_sample"), ("A1", "x"), ("", "y")],
        [("well", "broad_sample"), ("AG01", "x")],
        [("", "1", "2"), ("A", "x", "y")],
    ):
        with pytest.raises(InputError) as error:
            read_plate_map(write("map.txt", *rows))
        told.append(str(error.value))
    with pytest.raises(InputError, match="A49"):
        read_plate_map(write("map.txt", ("well", "broad_sample"), ("A49", "x")))
    return " ".join(told)


# --- columns whose names clash ------------------------------------------------------------------


def annotated(plate_map, annotation=None, plate=PLATE):
    known = None if annotation is None else pd.DataFrame(annotation, dtype=str)
    return annotate(MEASURED, pd.DataFrame(plate_map, dtype=str), known, plate)


@case(
    "tables",
    kind="a plate map with a column perturbation, cell_line, Batch or Count_Cells",
    comes_from="plate maps that name the compound so, or the cells that were seeded",
    says="the plate map has a column ..., and so has the workflow or its sample sheet: theirs is "
    "Metadata_..., and the plate map's is kept as Metadata_plate_map_...",
    happens="the sample sheet and the count of cells win; nothing is lost",
)
@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("perturbation", "compound"),
        ("cell_line", "U2OS"),
        ("Batch", "B"),
        ("Count_Cells", 90),
        ("timepoint", "48"),
    ],
)
def test_a_column_that_the_workflow_has_too(caplog, name, taken):
    caplog.set_level(logging.WARNING)
    wells = {"well": ["A01", "A02", "A03"], "broad_sample": ["x", "y", "z"], name: ["a", "b", "c"]}
    result = annotated(wells)
    assert result[f"Metadata_{name}"].iloc[0] == taken
    assert result[f"Metadata_plate_map_{name}"].tolist() == ["a", "b", "c"]
    return caplog.text


def test_a_column_that_says_what_the_sheet_says_is_no_clash(caplog):
    result = annotated({"well": ["A01", "A02", "A03"], "broad_sample": "x", "cell_line": "U2OS"})
    assert caplog.text == ""
    assert not [name for name in result if name.startswith("Metadata_plate_map_")]


@case(
    "tables",
    kind="an empty column of the plate map that the annotation has, too",
    comes_from="templates of plate maps with columns that nobody filled",
    says="the plate map's column pert_iname is empty: the annotation's is taken",
    happens="the annotation's column is taken",
)
def test_an_empty_column_hides_nothing(caplog):
    wells = {"well": ["A01", "A02", "A03"], "broad_sample": ["x", "y", "x"], "pert_iname": ""}
    known = {"broad_sample": ["x", "y"], "pert_iname": ["Aspirin", "Ibuprofen"]}
    assert annotated(wells, known)["Metadata_pert_iname"].tolist() == ["Aspirin", "Ibuprofen", "Aspirin"]
    return caplog.text


@case(
    "tables",
    kind="a column that plate map and annotation both have",
    comes_from="plate maps that were exported together with the annotation",
    says="plate map and annotation have a column gene: the plate map's is taken",
    happens="the plate map's column is taken",
)
def test_a_column_of_both_is_the_plate_maps(caplog):
    wells = {"well": ["A01", "A02", "A03"], "broad_sample": ["x", "y", "x"], "gene": ["G1", "", "G1"]}
    known = {"broad_sample": ["x", "y"], "gene": ["H1", "H2"]}
    assert annotated(wells, known)["Metadata_gene"].fillna("").tolist() == ["G1", "", "G1"]
    return caplog.text


def test_columns_that_differ_in_capitals_are_named(caplog):
    wells = {"well": ["A01", "A02", "A03"], "broad_sample": ["x", "y", "x"], "Gene": ["1", "2", "3"]}
    annotated(wells, {"broad_sample": ["x", "y"], "gene": ["H1", "H2"]})
    assert "Gene and gene are two columns, which differ in capitals only" in caplog.text


def test_a_broad_sample_that_differs_in_capitals_or_a_dash_is_recognized():
    found = find_near_samples(["brd-k2", "BRD\u2010K3", "other"], ["BRD-K1", "BRD-K2", "BRD-K3"])
    assert found == ["BRD\u2010K3 (is it BRD-K3?)", "brd-k2 (is it BRD-K2?)", "other"]


# --- controls -----------------------------------------------------------------------------------


@case(
    "tables",
    kind="a control column that names the compound in each well, with six compounds or fewer",
    comes_from="small screens whose `controls.column` is the compound's name",
    happens="the compounds are treatments, not kinds of positive control",
)
def test_a_column_of_few_compounds_marks_the_negative_controls_alone():
    compounds = [f"compound {i}" for i in range(6)]
    values = pd.Series(["DMSO"] * 4 + compounds * 2 + [""] * 3, dtype="str", name="Metadata_pert_iname")
    assert set(find_control_kinds(values, "DMSO")) == {"DMSO", ""}
    # The same names beside many empty wells, in the column that names perturbations.
    many = pd.Series(["DMSO", *compounds, *[""] * 80], dtype="str", name="broad_sample")
    assert set(find_control_kinds(many, "DMSO")) == {"DMSO", ""}
    # Kinds of controls stay kinds of controls, also on a plate that has nothing else.
    kinds = pd.Series(["negcon", "poscon_cp", "poscon_orf", "poscon_cp"], dtype="str", name="control_type")
    assert find_control_kinds(kinds, "negcon").tolist() == kinds.tolist()
    marked = pd.Series(["vehicle", "reference", "trt", "", "trt"], dtype="str", name="role")
    assert find_control_kinds(marked, "vehicle").tolist() == ["vehicle", "reference", "", "", ""]


def test_the_annotation_fills_an_empty_column_of_published_profiles(caplog):
    profiles = pd.DataFrame(
        {
            "Metadata_Well": ["A01", "A02"],
            "Metadata_broad_sample": ["x", "y"],
            "Metadata_gene": [None, None],
            "Cells_F": [1.0, 2],
        }
    )
    joined = add_annotation(profiles, pd.DataFrame({"broad_sample": ["x", "y"], "gene": ["G", "H"]}))
    assert joined["Metadata_gene"].tolist() == ["G", "H"]
    assert "Metadata_gene is empty in the profiles: the annotation's is taken" in caplog.text


def test_known_wells_of_an_empty_annotation_are_the_plate_maps():
    wells = pd.DataFrame({"well": ["A01"], "broad_sample": ["x"], "gene": [""]})
    assert join_annotation(wells, None)["gene"].tolist() == [""]


def test_a_sheet_that_says_otherwise_than_the_profiles_wins_and_is_named(write, caplog):
    path = write(
        "p.csv", ("Metadata_Well", "Metadata_cell_line", "Cells_F"), ("A01", "A549", 1), separator=","
    )
    found = read_plate_profiles(path, PLATE)
    assert found["Metadata_cell_line"].tolist() == ["U2OS"]
    assert found["Metadata_profiles_cell_line"].tolist() == ["A549"]
    assert "the sample sheet says U2OS for Metadata_cell_line" in caplog.text
    assert read_plate_profiles(path, {**PLATE, "cell_line": ""})["Metadata_cell_line"].tolist() == ["A549"]
