"""The data of a condition in the page."""

import json
import re

import pandas as pd
import pytest

import lib.targets
import report
import report_page.matches
import report_page.perturbations
from lib.repeated_wells import tell_plates_apart
from report_page.matches import get_matches
from report_page.perturbations import name_plates
from report_page.results import Results
from synthetic_report import write_report, write_results

pytestmark = pytest.mark.unit

WELLS = [f"{row}{column:02d}" for row in "ABCD" for column in range(1, 7)]


def write_small(folder, plates=2, conditions=1, feature_sets=("normalized_negcon",)):
    """Write the results of plates of 24 wells, of which 20 are of perturbations."""
    small = {"pixels": (60, 40), "wells": WELLS, "features": 6, "side": 24}
    return write_results(folder, plates, conditions, feature_sets=feature_sets, **small)


def test_plates_of_one_name_in_two_batches_are_found_by_the_names_in_the_tables():
    keys = [("b1", "12"), ("b2", "12"), ("b1", "3")]
    ids = {key: f"plate-{number}" for number, key in enumerate(keys)}
    wells = pd.DataFrame(keys, columns=["Metadata_Batch", "Metadata_Plate"])
    in_tables = tell_plates_apart(wells)["Metadata_Plate"]
    assert in_tables.map(name_plates(keys, ids)).tolist() == ["plate-0", "plate-1", "plate-2"]


def read_blocks(page):
    """Return the blocks of data of a page by name."""
    found = re.findall(r'id="data-([^"]*)">(.*?)</script>', page.read_text(), re.DOTALL)
    return {name: json.loads(data) for name, data in found}


def read_conditions(page):
    """Return the data of a page's conditions, in their order."""
    blocks = read_blocks(page)
    return [blocks[name] for name in blocks if name.startswith("condition-")]


def count_bytes(data):
    """Count the bytes of the perturbations of a condition in the page."""
    return sum(len(json.dumps(data[part])) for part in ("perturbations", "hits", "changes"))


@pytest.mark.parametrize("feature_sets", [["normalized_negcon"], ["normalized_negcon", "normalized"]])
@pytest.mark.parametrize("conditions", [1, 2])
def test_conditions_share_the_bytes_of_their_perturbations(tmp_path, monkeypatch, conditions, feature_sets):
    options = write_small(tmp_path, conditions=conditions, feature_sets=feature_sets)
    whole = read_conditions(write_report(tmp_path, options))
    assert len(whole) == conditions * len(feature_sets)
    assert all("left_out" not in data for data in whole)
    size = sum(count_bytes(data) for data in whole)
    options["config"] = {**options["config"], "report": {**options["config"]["report"], "perturbations": 1}}
    # a table of scores names its best 50 in the figures, which is more than these wells have
    monkeypatch.setattr(report_page.perturbations, "find_named", lambda *_: ["BRD-00000023"])
    for budget, is_whole in ((2 * size, True), (size // 2, False), (0, False)):
        monkeypatch.setattr(report_page.perturbations, "BYTES_OF_PERTURBATIONS", budget)
        found = read_conditions(write_report(tmp_path, options))
        if is_whole:
            assert found == whole
            continue
        assert sum(count_bytes(data) for data in found) < 1.2 * max(budget, 5000)
        for data, complete in zip(found, whole, strict=True):
            names = set(data["hits"])
            assert "BRD-00000023" in names
            assert {row["name"] for row in data["perturbations"]} == names
            assert set(data["changes"]["perturbations"]) == names
            assert data["hits"] == {name: complete["hits"][name] for name in data["hits"]}
            assert [row for row in complete["perturbations"] if row["name"] in names] == data["perturbations"]
            left_out = data["left_out"]
            assert (left_out["shown"], left_out["total"]) == (len(names), 20)
            places = [row["name"] for row in complete["perturbations"]]
            ranks = [1 + places.index(row["name"]) for row in data["perturbations"]]
            assert left_out["ranks"] == ranks
            assert left_out["clusters"] == {
                cluster: sum(str(hit["cluster"]) == cluster for hit in complete["hits"].values())
                for cluster in left_out["clusters"]
            }
            assert data["plates"] == complete["plates"]
            assert data["points"] == complete["points"]


def test_one_more_than_there_is_room_for_and_the_first_is_left_out(tmp_path, monkeypatch):
    options = write_small(tmp_path)
    monkeypatch.setattr(report_page.perturbations, "find_named", lambda *_: [])
    monkeypatch.setattr(report_page.perturbations, "measure_bytes", lambda *_: 100)
    for budget, shown in ((2000, None), (1999, 19)):
        monkeypatch.setattr(report_page.perturbations, "BYTES_OF_PERTURBATIONS", budget)
        (data,) = read_conditions(write_report(tmp_path, options))
        assert data.get("left_out", {}).get("shown") == shown
        assert len(data["hits"]) == (shown or 20)


@pytest.mark.parametrize("without", ["hits", "calls", "scores"])
def test_a_condition_without_hits_calls_or_scores_has_room_for_some_too(tmp_path, monkeypatch, without):
    options = write_small(tmp_path)
    (condition,) = options["manifest"]["conditions"]
    hits = tmp_path / condition["hits"]
    if without == "hits":
        hits.unlink()
    elif without == "calls":
        pd.read_csv(hits).drop(columns=["active", "toxic"]).to_csv(hits, index=False)
    else:
        (tmp_path / condition["perturbations"]).unlink()
    monkeypatch.setattr(report_page.perturbations, "find_named", lambda *_: [])
    monkeypatch.setattr(report_page.perturbations, "measure_bytes", lambda *_: 100)
    monkeypatch.setattr(report_page.perturbations, "BYTES_OF_PERTURBATIONS", 800)
    (data,) = read_conditions(write_report(tmp_path, options))
    assert (data["left_out"]["shown"], data["left_out"]["total"]) == (8, 20)
    assert len(data["hits"]) == (0 if without == "hits" else 8)
    assert len(data["perturbations"]) == (0 if without == "scores" else 8)
    assert data["left_out"]["scored"] == (0 if without == "scores" else 20)
    table = condition["perturbations" if without == "hits" else "hits"]
    assert data["left_out"]["link"] == f"../{table}"


def test_points_and_pairs_have_a_share_of_the_page(tmp_path, monkeypatch):
    options = write_small(tmp_path, conditions=2)
    monkeypatch.setattr(report_page.perturbations, "MOST_POINTS", 60)
    first, second = read_conditions(write_report(tmp_path, options))
    # a condition has one plate of 24 wells and six axes
    assert len(first["points"]["well"]) == len(second["points"]["well"]) == 24
    monkeypatch.setattr(report_page.perturbations, "MOST_POINTS", 20)
    first, second = read_conditions(write_report(tmp_path, options))
    assert len(first["points"]["well"]) == len(first["points"]["axes"]["PC1"]) == 10
    assert [first["points"]["well"][at] for at in (0, -1)] == ["A01", "D06"]
    pairs = {"perturbation_a": list("abc"), "perturbation_b": list("def"), "genes": "G"}
    pairs = pd.DataFrame({**pairs, "median_correlation": [0.1, -0.9, 0.3]})
    pairs.to_parquet(tmp_path / "pairs.parquet")
    files = [{"pairs": "pairs.parquet", "label": "x"}, {"pairs": "none.parquet", "label": "y"}]
    (whole,) = get_matches(Results(tmp_path), files)
    assert whole["a"] == ["a", "b", "c"]
    assert "total" not in whole
    monkeypatch.setattr(report_page.matches, "MOST_PAIRS", 2)
    (some,) = get_matches(Results(tmp_path), files)
    assert (some["a"], some["total"], some["link"]) == (["a", "c"], 3, "../pairs.parquet")


def test_an_index_has_the_wells_of_as_many_plates_as_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(lib.targets, "MOST_PLATES", 1)
    options = write_small(tmp_path, plates=4)
    whole = read_blocks(write_report(tmp_path, options))
    assert [plate["id"] for plate in whole["experiment"]["plates"]] == [f"plate-{i}" for i in (1, 2, 3, 4)]
    assert "all_plates" not in whole["experiment"]
    size = len(json.dumps(whole["plate-1"], separators=(",", ":")))
    monkeypatch.setattr(report, "BYTES_OF_WELLS", size)
    some = read_blocks(write_report(tmp_path, options))
    # the first of them, and the one in the middle, which is the first that exceeds the bytes
    assert [plate["id"] for plate in some["experiment"]["plates"]] == ["plate-1", "plate-3"]
    assert some["experiment"]["all_plates"] == 4
    assert "plate-2" not in some
    assert some["plate-3"] == whole["plate-3"]
    assert set(some["condition-1"]["points"]["plate"]) == {"plate-1", "plate-3"}
    assert some["condition-1"]["plates"] == whole["condition-1"]["plates"]
    assert some["experiment"]["pages"] == whole["experiment"]["pages"]
