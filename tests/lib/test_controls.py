"""Which wells are controls, by hand."""

import pandas as pd
import pytest

from lib.controls import find_control_kinds

pytestmark = pytest.mark.unit


def kinds(values, column="pert_type", negcon="negcon"):
    return find_control_kinds(pd.Series(values, name=f"Metadata_{column}", dtype="str"), negcon).tolist()


def test_a_column_that_marks_controls():
    assert kinds(["trt", "negcon", "poscon", "", "treated"]) == ["", "negcon", "poscon", "", ""]


def test_words_for_missing_values_are_not_kinds():
    assert kinds(["NA", "negcon", None, "unknown"]) == ["", "negcon", "", ""]


def test_a_column_that_names_compounds_has_negative_controls_only():
    assert kinds(["aspirin", "DMSO", "", "caffeine"], "broad_sample", "DMSO") == ["", "DMSO", "", ""]


def test_more_than_six_other_values_are_names_of_compounds():
    assert kinds([*"abcdefg", "negcon"]) == [""] * 7 + ["negcon"]


def test_names_of_controls_may_outnumber_the_treated_wells():
    values = ["poscon_cp", "poscon_orf", "poscon_cp", "", "negcon"]
    assert kinds(values) == ["poscon_cp", "poscon_orf", "poscon_cp", "", "negcon"]


def test_other_values_that_outnumber_the_treated_wells_are_names_of_compounds():
    assert kinds(["aspirin", "caffeine", "", "negcon"]) == ["", "", "", "negcon"]


def test_numbers_that_mark_controls_have_one_spelling():
    assert kinds(["-1.0", "-1", "0", "1"], "SBS_Controls", "-1")[:2] == ["-1", "-1"]


def test_the_value_of_the_negative_control_may_be_a_word_for_missing_values():
    assert kinds(["untreated", "trt"], "pert_type", "untreated") == ["untreated", ""]
