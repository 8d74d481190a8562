"""The page's answers: the table of hits, and how many perturbations are active."""

import pytest

from report_page.hits import count_hits, make_hits_table
from report_page.results import Results

pytestmark = pytest.mark.unit


def write(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return make_hits_table(Results(tmp_path), name, "condition-1-hits")


def get_rows(hits):
    return [[cell.text for cell in row] for row in hits.table.rows]


def test_active_and_toxic_perturbations_are_counted_once(tmp_path):
    first = write(tmp_path, "a.csv", "feature_set,name,active,toxic\nf,A,True,False\nf,B,False,True\nf,C,,\n")
    second = write(tmp_path, "b.csv", "feature_set,name,active\nf,A,True\n")
    entries = [
        {"feature_set": "f", "hits": first},
        {"feature_set": "f", "hits": second},
        # another feature set has the same perturbations
        {"feature_set": "g", "hits": first},
        {"feature_set": "f", "hits": None},
    ]
    assert count_hits(entries) == {"called": 3, "active": 2, "toxic": 1, "counted": 2}
    assert count_hits([]) == {"called": 0, "active": 0, "toxic": 0, "counted": 0}


def test_rows_have_the_names_that_people_know(tmp_path):
    hits = write(
        tmp_path,
        "a.csv",
        "feature_set,name,Metadata_pert_iname,Metadata_gene,Metadata_target,active,active_rule,strongest_1,"
        "strongest_1_score,neighbor_1,neighbor_1_name,neighbor_1_cosine,wells\n"
        "f,007,aspirin,PTGS1,PTGS1,True,q < 0.05 of x,Cells Texture ER down,12.345,B,,0.5,4\n"
        "f,B,,,,False,q < 0.05 of x,,,007,aspirin,0.5,4\n",
    )
    assert hits.table.columns == [
        *(
            "perturbation",
            "name",
            "gene",
            "active",
            "strongest change",
            "strength",
            "nearest neighbor",
            "cosine",
        )
    ]
    assert get_rows(hits) == [
        ["007", "aspirin", "PTGS1", "yes", "Cells Texture ER down", "12.3", "B", "0.5"],
        ["B", "B", "", "no", "", "", "aspirin", "0.5"],
    ]
    assert hits.table.notes[0] == "Active: q < 0.05 of x."


def test_targets_that_differ_from_genes_and_rules_that_differ_are_reported(tmp_path):
    hits = write(
        tmp_path,
        "a.csv",
        "feature_set,name,Metadata_gene,Metadata_target,active,active_rule\n"
        "f,A,X,Y,True,one\nf,B,Y,Y,False,one\nf,C,Z,,,two\n",
    )
    assert hits.table.columns == ["perturbation", "gene", "target", "active"]
    assert get_rows(hits)[2] == ["C", "Z", "", ""]
    assert hits.table.notes == [
        "Active: one (2); two (1).",
        "Toxicity is not known, because the profiles have no numbers of cells.",
    ]
    assert (hits.called, hits.active) == (2, 1)


def test_names_of_any_kind_missing_columns_and_no_rows(tmp_path):
    hits = write(tmp_path, "a.csv", 'feature_set,name\nf,"a ""b"", c"\nf,<script>\nf,细胞\nf,None\n')
    assert get_rows(hits) == [['a "b", c'], ["<script>"], ["细胞"], ["None"]]
    assert (hits.called, hits.active, hits.toxic) == (0, 0, 0)
    assert write(tmp_path, "b.csv", "feature_set,name,active\n") is None
    assert make_hits_table(Results(tmp_path), "missing.csv", "x") is None


def test_hits_without_a_call_say_so(tmp_path):
    hits = write(
        tmp_path, "a.csv", "feature_set,name,active,active_rule,toxic\nf,A,,few,False\nf,B,,few,True\n"
    )
    assert (hits.called, hits.counted, hits.toxic) == (0, 2, 1)
    assert "active" in hits.table.columns
    assert sum("no call" in str(row) for row in hits.table.rows) == 2


def test_components_have_no_strongest_change_and_the_page_says_why(tmp_path):
    hits = write(
        tmp_path,
        "a.csv",
        "feature_set,name,active,active_rule,toxic,neighbor_1,neighbor_1_cosine\n"
        "f,A,True,one,False,B,0.5\nf,B,False,one,False,A,0.5\n",
    )
    assert not any("Toxicity" in note for note in hits.table.notes)
    assert "components" in hits.table.notes[1]
    assert hits.table.notes[2].startswith("Nearest neighbor")
