"""Recall of known pairs: files of pairs, recall by hand, noise, and conditions without any known pair."""

import numpy as np
import pandas as pd
import pytest

from known_pairs import get_profiles_of_names, main, measure_recall, read_pairs
from lib.errors import InputError
from lib.replicates import join_plates
from lib.tables import write_profiles
from lib.values import MissingValues
from simulated_profiles import plates

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("name", "text", "pairs"),
    [
        ("a.csv", "x,y\nB,A\nA,B\nA,A\nC, D \n", {("A", "B"), ("C", "D")}),
        ("a.tsv", "x\ty\tsource\nA\tB\tz\n\tC\t\n", {("A", "B")}),
        ("a.csv", "x;y\nB;A\n", {("A", "B")}),
        ("a.txt", "x\ty\n672.0\t675\nNA\t675\n", {("672", "675")}),
        ("a.gmt", "one\tlink\tA\tB\tC\ntwo\t\tC\tD\t\n", {("A", "B"), ("A", "C"), ("B", "C"), ("C", "D")}),
    ],
)
def test_pairs_are_read_from_tables_and_sets(tmp_path, name, text, pairs):
    file = tmp_path / name
    file.write_text(text)
    assert read_pairs(file) == pairs


@pytest.mark.parametrize(("name", "text"), [("a.csv", "x,y\n"), ("a.gmt", "one\tlink\tA\n"), ("b.csv", "")])
def test_a_file_without_pairs_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=r"no pair|is empty"):
        read_pairs(tmp_path / name)


def test_pairs_without_a_header_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("TP53,MDM2\nMDM2,MDM4\n")
    with pytest.raises(InputError, match="first line must name the columns; here it is the pair TP53, MDM2"):
        read_pairs(tmp_path / "a.csv")


def test_words_that_are_names_are_names_in_pairs(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\nNAN,TP53\nmock,TP53\n")
    missing = MissingValues(("mock",), {"": ["NAN"]})
    assert read_pairs(tmp_path / "a.csv", (), missing) == {("NAN (name)", "TP53")}


def test_recall_by_hand():
    # 40 names at random, and two pairs of equal and of opposite profiles
    rng = np.random.default_rng(0)
    profiles = rng.normal(size=(40, 30))
    profiles[1], profiles[3] = profiles[0], -profiles[2]
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)
    names = [f"N{i:02d}" for i in range(40)]
    known = {("N00", "N01"), ("N02", "N03"), ("N00", "other")}
    row = measure_recall(names, profiles, known, 0)
    assert (row["known_pairs"], row["pairs_in_condition"]) == (3, 2)
    assert (row["in_top"], row["in_bottom"], row["recall"]) == (1, 1, 100)
    assert row["p_value"] < 0.05


def test_noise_is_recalled_by_chance():
    rng = np.random.default_rng(1)
    names = [f"N{i:03d}" for i in range(150)]
    profiles = rng.normal(size=(150, 50))
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)
    known = {(names[i], names[j]) for i in range(150) for j in range(i + 1, min(i + 10, 150))}
    row = measure_recall(names, profiles, known, 0)
    assert 7 < row["recall"] < 13
    assert row["p_value"] > 0.01


def test_genes_with_several_perturbations_have_one_profile():
    wells = join_plates(plates(12, 3, effect=1, controls=8, genes=4))
    names, profiles = get_profiles_of_names(wells, "Metadata_gene", "Metadata_broad_sample", True)
    assert names == [f"G{i:04d}" for i in range(4)]
    assert np.linalg.norm(profiles, axis=1) == pytest.approx(np.ones(4))
    names, _ = get_profiles_of_names(wells, "Metadata_target", "Metadata_broad_sample", True)
    assert len(names) == 12, "without a gene, perturbations are names"


def test_a_condition_without_known_pairs_says_so(tmp_path):
    files = []
    for name, table in plates(6, 2, controls=4).items():
        files.append(str(tmp_path / name))
        write_profiles(table, files[-1], {})
    (tmp_path / "pairs.csv").write_text("a,b\nX,Y\n")
    options = {
        "gene": "Metadata_gene",
        "group": "Metadata_broad_sample",
        "positive_controls": True,
        "seed": 0,
        "missing": {"words": [], "names": {}},
    }
    controls = {"column": "control_type", "negcon": "negcon"}
    output = str(tmp_path / "out.csv")
    main(
        files,
        [str(tmp_path / "pairs.csv")],
        output,
        {"cell_line": "U", "feature_set": "f"},
        options,
        controls,
    )
    found = pd.read_csv(output)
    (message,) = found["message"]
    assert message.startswith("no known pair is in the condition: the pairs are of ")
    assert found["recall"].isna().all()
