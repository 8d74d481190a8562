"""Numbers in tables as people write them."""

import pandas as pd
import pytest

from cases.case import case
from cases.tables import COMPLETE, PLATE
from lib.conditions import is_judged
from lib.controls import find_control_kinds
from lib.errors import InputError
from lib.levels import get_levels
from lib.plate_contents import read_known_wells
from lib.plates import read_plates
from lib.replicates import label_wells
from lib.sides import collect_side
from lib.tables import read_profiles
from lib.values import is_same_value, number_in_one_spelling, unify_spelling
from normalize import choose_reference_wells
from plot_benchmark import add_published
from splits import find_units, split_wells

pytestmark = pytest.mark.unit


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
    "(normalize.minimum_wells). Set that lower, or remove the plate from the sample sheet, since "
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
    "fractions are read as numbers only if every value of the column that begins like a number is one",
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
