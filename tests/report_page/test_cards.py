"""The content of a card: the rows of hits, clusters and dose-response curves, whatever the tables lack."""

import base64

import numpy as np
import pandas as pd
import pytest

from report_page.cards import get_clusters, get_doses, get_hits, read_hits
from report_page.results import Results

pytestmark = pytest.mark.unit


def test_a_hit_is_reported_as_the_table_has_it(tmp_path):
    table = pd.DataFrame(
        {
            "perturbation": "compound",
            "feature_set": "f",
            "name": ["007", "NA"],
            "wells": [4, 1],
            "active": [True, None],
            "active_rule": ["q < 0.05", "not scored: one replicate"],
            "cell_count_z": [-2.5, None],
            "strongest_1": ["Cells Texture ER down", None],
            "strongest_1_score": [60.39, None],
            "neighbor_1": ["NA", None],
            "neighbor_1_cosine": [0.22, None],
            "neighbor_1_annotation": ["GENE", None],
            "neighbor_1_name": ["sodium", None],
            "cluster": [1, None],
        }
    )
    table.to_csv(tmp_path / "hits.csv", index=False)
    found = get_hits(read_hits(Results(tmp_path), "hits.csv"))
    assert set(found) == {"007", "NA"}
    assert found["007"]["active"] is True
    assert found["007"]["strongest"] == [["Cells Texture ER down", 60.4]]
    assert found["007"]["neighbors"] == [["NA", 0.22, "GENE", "sodium"]]
    assert found["007"]["cluster"] == 1
    assert found["NA"] == {
        "active_rule": "not scored: one replicate",
        "wells": 1,
        "strongest": [],
        "neighbors": [],
    }


def test_a_cluster_names_the_classes_that_are_enriched(tmp_path):
    table = pd.DataFrame({"feature_set": "f", "cluster": [1, 1, 2], "class": ["A", "B", None]})
    table.assign(q_value=[0.01, 0.2, None]).to_csv(tmp_path / "clusters.csv", index=False)
    assert get_clusters(Results(tmp_path), "clusters.csv") == {"1": [["A", 0.01]]}
    table.head(0).assign(q_value=[]).to_csv(tmp_path / "empty.csv", index=False)
    assert get_clusters(Results(tmp_path), "empty.csv") == {}
    assert get_clusters(Results(tmp_path), "nothing.csv") == {}
    assert get_hits(read_hits(Results(tmp_path), "")) == {}


def test_doses_keep_curves_and_wells_of_plates_in_the_page(tmp_path):
    about = {"feature_set": "f"}
    compounds = pd.DataFrame({**about, "compound": ["12", "b"], "unit": ["uM", "uM"]})
    compounds.assign(point_of_departure=[0.5, None]).to_csv(tmp_path / "doses.csv", index=False)
    curves = {"compound": ["12", "b"], "response": "all features", "bottom": [1.0, None], "top": [3.0, None]}
    curves |= {"ec50": [2.0, None], "slope": 1.0, "counts": [True, False], "message": [None, "too few doses"]}
    pd.DataFrame({**about, **curves}).to_csv(tmp_path / "curves.csv", index=False)
    wells = {"Metadata_Plate": ["01", "01", "99"], "Metadata_Well": ["A01", "A02", "A03"]}
    wells |= {"compound": ["12", None, "b"], "dose": [1.5, 0, 2], "all_features": [2.5, 1, 7]}
    pd.DataFrame({**about, **wells}).to_csv(tmp_path / "wells.csv", index=False)
    condition = {"doses": "doses.csv", "dose_curves": "curves.csv", "dose_wells": "wells.csv"}
    found = get_doses(Results(tmp_path), condition, {"01": "plate-1"})
    assert found["plate"] == ["plate-1", "plate-1"]
    assert found["compound"] == {"values": ["12"], "codes": [0, -1]}
    assert found["dose"] == [1.5, 0]
    assert found["unit"] == "uM"
    assert found["compounds"]["12"]["point_of_departure"] == 0.5
    assert found["compounds"]["12"]["curves"]["all features"] == [1, 3, 2, 1, None, None, None, True, ""]
    assert found["compounds"]["b"]["curves"]["all features"][-2:] == [False, "too few doses"]
    assert np.frombuffer(base64.b64decode(found["values"]), "<f2").tolist() == [2.5, 1]
    assert get_doses(Results(tmp_path), {**condition, "doses": "none.csv"}, {"01": "plate-1"}) is None
    assert get_doses(Results(tmp_path), condition, {}) is None


def test_of_many_wells_with_doses_those_of_the_most_potent_compounds_are_kept(tmp_path):
    about = {"feature_set": "f"}
    names = ["c", "a", "b"]  # in the order of the table, the most potent first
    pd.DataFrame({**about, "compound": names, "doses": 2}).to_csv(tmp_path / "doses.csv", index=False)
    curves = pd.DataFrame({**about, "compound": names, "response": "all features", "counts": True})
    curves.to_csv(tmp_path / "curves.csv", index=False)
    # c and a are on plate 1, b on plate 2; each plate has a well of the solvent
    wells = {"Metadata_Plate": ["1"] * 5 + ["2"] * 3, "Metadata_Well": [f"A{i:02d}" for i in range(1, 9)]}
    wells |= {"compound": [None, "c", "c", "a", "a", None, "b", "b"], "dose": [0, 1, 2, 1, 2, 0, 1, 2]}
    pd.DataFrame({**about, **wells, "all_features": 1.0}).to_csv(tmp_path / "wells.csv", index=False)
    condition = {"doses": "doses.csv", "dose_curves": "curves.csv", "dose_wells": "wells.csv"}
    plates = {"1": "plate-1", "2": "plate-2"}

    def get(most):
        return get_doses(Results(tmp_path), condition, plates, most)

    assert get(8) == get(None)
    assert "left_out" not in get(8)
    for most, compounds, number in ((7, {"c", "a"}, 5), (5, {"c", "a"}, 5), (4, {"c"}, 3), (2, set(), 0)):
        found = get(most)
        assert found["left_out"] == {"compounds": len(compounds), "total": 3, "link": "../doses.csv"}
        assert set(found["compounds"]) == compounds
        assert len(found["well"]) == number
