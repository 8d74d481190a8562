"""Names in tables that look alike."""

import pandas as pd
import pytest

from cases.case import case
from cases.tables import COMPLETE, PLATE
from lib.controls import find_control_kinds
from lib.levels import get_levels
from lib.plate_contents import read_known_wells
from lib.plates import read_plates
from lib.rankings import get_label_sets
from lib.replicates import label_wells
from lib.sides import collect_side
from lib.suspects import describe_equal_amounts, find_suspects
from lib.tables import read_profiles
from lib.values import MissingValues, unify_spelling
from normalize import choose_reference_wells
from splits import find_units

pytestmark = pytest.mark.unit


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
    kind="doses with a unit in some rows and without one in others: 0,1 µM and 0,1",
    comes_from="plate maps of several people",
    says="dose has 0,1 µM and 0,1; 2 uM and 2: a number with a unit and one without are different values, "
    "which splits replicates. Write the unit in every row, or in none",
    happens="a warning before anything runs; the values stay different",
)
def test_amounts_with_and_without_a_unit(write):
    header = ("well", "broad_sample", "dose")
    doses = ("0,1 µM", "0,1", "2 uM", "2")
    plate_map = write("map.txt", header, *((f"A0{at}", "x", dose) for at, dose in enumerate(doses, start=1)))
    clean = write("clean.txt", header, ("A01", "x", "0,1 µM"), ("A02", "x", "2 uM"), ("A03", "DMSO", "0"))
    assert find_suspects(clean, MissingValues()) == []
    (sentence,) = find_suspects(plate_map, MissingValues())
    return sentence


@case(
    "tables",
    kind="one amount in two units: 1 uM, 1000 nM and 0.001 mM; 5 ug/mL and 5 mg/L",
    comes_from="own trial: plate maps of several people",
    says="dose has 1 uM and 1000 nM and 0.001 mM; 5 ug/mL and 5 mg/L: the same amount in two units is two "
    "values, which splits replicates. Write one unit in all rows",
    happens="a warning before anything runs; the values stay different",
)
def test_one_amount_in_two_units():
    doses = (
        "1 uM",
        "1000 nM",
        "5 ug/mL",
        "2 uM",
        "0.001 mM",
        "2 nM",
        "5 mg/L",
        "0 uM",
        "0 nM",
        "5 %",
        "1 g/L",
    )
    (sentence,) = describe_equal_amounts("dose", doses)
    assert describe_equal_amounts("dose", ["100 nM", "1 uM", "1 µM"]) == []
    return sentence


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
    kind="controls with other capitalization: Negcon, NEGCON, dmso beside DMSO, TRUE beside True",
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
    kind="genes that a spreadsheet turned into dates, clones that are numbers (1E5), names that differ only "
    "in capitalization",
    comes_from="Excel turns SEPT2 into 2-Sep",
    says="gene has 2-Sep, 1-Mar: did a spreadsheet turn names (SEPT2, MARCH1) into dates? ... broad_sample "
    "has 1E5, read as numbers; write a letter before a name ... broad_sample: Abc and ABC differ only in "
    "capitalization",
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
