"""Values of plate maps and annotation that a program changed, or that look alike."""

import pytest

from lib.config import complete_config
from lib.suspects import find_alike_names, find_suspect_values, find_suspects, report_missing_words
from lib.values import MissingValues
from small_config import SMALL

pytestmark = pytest.mark.unit


def write(folder, text):
    path = folder / "table.tsv"
    path.write_text(text)
    return path


def test_words_for_missing_values_are_counted(tmp_path):
    path = write(tmp_path, "well\tbroad_sample\nA01\tNA\nA02\tna\nA03\ta\n")
    assert report_missing_words(path, MissingValues()) == [
        "NA in 1 rows of broad_sample",
        "na in 1 rows of broad_sample",
    ]


def test_commas_that_are_not_read_as_decimal_ones_are_named(tmp_path):
    path = write(tmp_path, "well\tbroad_sample\tdose\nA01\ta\t1,5\nA02\tb\t1,000\n")
    assert find_suspects(path, MissingValues()) == [
        "dose has 1,5, 1,000, which are not read as numbers: write decimal points, and no separators of "
        "thousands"
    ]
    for doses in (("0,5", "1,5"), ("0.5", "1.5"), ("5", "1,4-dioxane")):
        rows = "".join(f"A0{at}\ta\t{dose}\n" for at, dose in enumerate(doses, start=1))
        assert find_suspects(write(tmp_path, f"well\tbroad_sample\tdose\n{rows}"), MissingValues()) == []
    pairs = {"coordinates": ["1,2", "3,4"]}
    assert find_suspect_values(pairs, MissingValues()) == []
    assert find_suspect_values({"coordinates": ["1,2", "3"]}, MissingValues()) != []
    assert find_suspect_values({"Conc_uM": ["1,2", "3,4"]}, MissingValues()) != []
    assert find_suspect_values(pairs, MissingValues(), {"coordinates"}) != []
    genes = write(tmp_path, "broad_sample\tgene\na\t672,675\n")
    assert find_suspects(genes, MissingValues()) == []


@pytest.mark.parametrize(
    ("values", "pairs"),
    [
        (["0,1 \u00b5M", "0,1", "2 uM", "2"], "0,1 \u00b5M and 0,1; 2 uM and 2"),
        (["10uM", "10.0"], "10uM and 10.0"),
        (["1e-7 M", "1E-7"], "1e-7 M and 1E-7"),
        (["1,000 nM", "1,000"], "1,000 nM and 1,000"),
        (["48 h", "48"], "48 h and 48"),
    ],
)
def test_amounts_with_and_without_a_unit_are_named(values, pairs):
    found = find_suspect_values({"dose": values}, MissingValues())
    assert (
        f"dose has {pairs}: a number with a unit and one without are different values, which splits "
        "replicates. Write the unit in every row, or in none"
    ) in found


@pytest.mark.parametrize(
    "values",
    [
        ["0.1 uM", "2 uM", "10uM"],
        ["0.1", "2", "10"],
        ["", "0", "1 uM", "10 uM"],
        ["0 uM", "0", "5 uM"],
        ["0.0 uM", "0.0", "5 uM"],
        ["5-FU", "5", "17-AAG", "17"],
        ["2F7", "2", "1h2", "1"],
        ["10 uM", "10 nM", "100"],
        ["1,000 uM", "1"],
    ],
)
def test_amounts_in_one_way_are_not_suspicious(values):
    assert find_suspect_values({"dose": values}, MissingValues()) == []


def test_names_that_look_alike_are_named():
    assert find_alike_names(["Abc", "ABC", "x"]) == ["Abc and ABC differ only in capitalization"]
    cyrillic = "\u0410BC"
    assert find_alike_names([cyrillic, "ABC"]) == [
        f"{cyrillic} and ABC differ only in capitalization, or in letters that look alike"
    ]


def test_a_word_in_the_column_that_says_what_is_in_a_well_is_reported_once(tmp_path):
    text = "well_position,genotype\nC6,WT\nC7,Null\nD6,Null\n"
    (tmp_path / "map.csv").write_text(text)
    config = complete_config({**SMALL, "plate_maps": {"sample": "genotype"}}, "config.yaml")
    missing = MissingValues.of_config(config)
    assert report_missing_words(tmp_path / "map.csv", missing) == ["Null in 2 rows of genotype"]
