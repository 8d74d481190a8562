"""The table of everything that was left out, from small tables of every stage."""

from pathlib import Path

import pandas as pd
import pytest

from aggregate import get_excluded_features
from left_out import READERS, gather, group_by_reason, main
from lib.tables import write_profiles
from report_page.left_out import get_totals
from report_page.results import Results

pytestmark = pytest.mark.unit

QUALITY = "workspace/quality_control/B/P1/"
PROFILES = "workspace/profiles/B/P1/P1"


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Results of one plate in which every stage left something out; gives its tables."""
    tables = {
        f"{QUALITY}dropped_sites.csv": [
            "Metadata_Plate,Metadata_Well,Metadata_Site,reason",
            "P1,A01,1,a.tif is empty (0 bytes)",
            "P1,A02,3,/data/b.tif is empty (7 bytes)",
        ],
        f"{QUALITY}sites.csv": [
            "Metadata_Well,Metadata_Site,Metadata_ImageNumber,cells,unpaired_objects,status",
            "A01,2,1,5,0,ok",
            "A02,1,2,0,0,no cells",
            "A02,2,3,0,4,Cells.csv is empty (0 bytes)",
        ],
        f"{QUALITY}flags.csv": [
            "Metadata_Plate,Metadata_Well,Metadata_Site,region,flag,excluded,reason",
            "P1,B01,1,,out of focus,True,blurred",
            "P1,B02,1,,empty,False,0 cells",
            "P1,B03,,,edge,False,x",
        ],
        f"{PROFILES}_unmatched_wells.csv": ["Metadata_Well,reason", "C01,not in the plate map"],
        f"{PROFILES}_normalized_negcon_dropped.csv": [
            "feature,reason",
            "Cells_A,MAD is 0 in the reference wells",
            "Cells_B,MAD is 0 in the reference wells",
        ],
        f"{PROFILES}_normalized_negcon_incomplete_wells.csv": [
            "Metadata_Plate,Metadata_Well,reason",
            "P1,D01,lacks 30 % of the features",
            "P1,D02,lacks 90 % of the features",
        ],
        f"{PROFILES}_normalized_feature_select_negcon_plate_dropped.csv": [
            "feature,operation,reason",
            "Cells_C,blocklist,",
            "Cells_C,correlation_threshold,r",
            "Cells_D,correlation_threshold,r",
        ],
        "workspace/profiles/B/B_normalized_feature_select_negcon_batch_dropped.csv": [
            "feature,operation,reason",
            "Cells_E,common_features,",
        ],
    }
    for name, lines in tables.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
    counts = {"Metadata_Count_Cells": [0, 7, 0], "Metadata_Count_Sites": [2, 2, 0]}
    wells = pd.DataFrame({"Metadata_Well": ["A01", "A02", "A03"], **counts, "Cells_A": 1.0})
    write_profiles(wells, tmp_path / f"{PROFILES}.parquet", {})
    scores = {
        "perturbation": "compound", "cell_line": "U2OS", "timepoint": 48, "feature_set": "f", "plates": 1,
        "wells": 9, "wells_without_perturbation": 4, "wells_incomplete": 0, "features_not_common": 2,
        "perturbations": 10, "perturbations_with_replicates": 7, "message": "",
    }  # fmt: skip
    (tmp_path / "benchmark").mkdir()
    pd.DataFrame([scores]).to_csv(tmp_path / "benchmark/percent_replicating.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return {
        "tables": list(tables),
        "first": [f"{PROFILES}.parquet"],
        "scores": ["benchmark/percent_replicating.csv"],
    }


def test_everything_that_left_is_counted_and_named(results):
    not_scored = [{"batch": "B", "plate": "P9", "why": "not in benchmark.where"}]
    table = gather(Path(), results, not_scored)
    found = [(row.stage, row.what, row.number, row.names) for row in table.itertuples()]
    assert found == [
        ("sample sheet", "plate", 1, ""),
        ("load_data", "site", 2, "A01 site 1, A02 site 3"),
        ("single_cells", "site", 1, "A02 site 2"),
        ("single_cells", "object", 4, ""),
        ("quality", "site", 1, "B01 site 1"),
        ("aggregate", "well", 1, "A01"),
        ("annotate", "well", 1, "C01"),
        ("normalize", "feature", 2, "Cells_A, Cells_B"),
        ("normalize", "well", 2, "D01, D02"),
        ("feature_select", "feature", 1, "Cells_C"),
        ("feature_select", "feature", 1, "Cells_D"),
        ("feature_select", "feature", 1, "Cells_E"),
        ("benchmark", "well", 4, ""),
        ("benchmark", "feature", 2, ""),
        ("benchmark", "perturbation", 3, ""),
    ]
    assert set(table["plate"].iloc[1:11]) == {"P1"}
    assert set(table["batch"]) == {"B", ""}
    assert table["table"].iloc[1:].map(len).all()
    why = dict(zip(table["names"], table["why"], strict=True))
    assert why["D01, D02"] == "lacks ... % of the features"
    assert why["Cells_A, Cells_B"] == "MAD is 0 in the reference wells"
    assert table.loc[table["names"] == "D01, D02", "level"].tolist() == ["normalized_negcon"]
    assert table.loc[table["stage"] == "benchmark", "condition"].unique().tolist() == ["compound U2OS 48"]


def test_notices_on_published_profiles_are_listed(tmp_path):
    path = tmp_path / f"{PROFILES}.parquet"
    path.parent.mkdir(parents=True)
    wells = pd.DataFrame({"Metadata_Well": ["A01"], "Cells_A": 1.0})
    write_profiles(wells, path, {"notices": ["taken as empty: NA in 3 rows of Metadata_gene"]})
    (row,) = gather(tmp_path, {"first": [f"{PROFILES}.parquet"]}, []).itertuples()
    assert (row.what, row.number, row.stage, row.plate) == ("notice", 1, "import_profiles", "P1")
    assert row.why == "taken as empty: NA in 3 rows of Metadata_gene"


def test_copies_of_results_in_a_storage_give_the_same_table(results, tmp_path, monkeypatch):
    files = {kind: results.get(kind, []) for kind in READERS}
    Path("benchmark/here.csv").parent.mkdir(exist_ok=True)
    main(files, [], "benchmark/here.csv")
    monkeypatch.chdir(Path(__file__).parent)
    copies = {kind: [str(tmp_path / path) for path in paths] for kind, paths in files.items()}
    main(copies, [], str(tmp_path / "benchmark/there.csv"))
    here = (tmp_path / "benchmark/here.csv").read_text()
    assert (tmp_path / "benchmark/there.csv").read_text() == here
    assert f"{QUALITY}dropped_sites.csv" in here


def test_totals_are_sentences(results, tmp_path):
    table = gather(Path(), results, [{"batch": "B", "plate": "P9", "why": "not in benchmark.where"}])
    table.to_csv(tmp_path / "left_out.csv", index=False)
    totals = get_totals(Results(tmp_path), "left_out.csv")
    assert totals[0] == "sample sheet: 1 plate (not in benchmark.where)"
    assert "load_data: 2 sites (... is empty (... bytes))" in totals
    each = "1 feature (blocklist); 1 feature (correlation threshold); 1 feature (common features)"
    assert f"feature_select: {each}" in totals
    assert "benchmark: 3 perturbations (fewer replicates than benchmark.minimum_replicates)" in totals
    assert get_totals(Results(tmp_path), "nowhere.csv") == []


def test_nothing_left_out_is_an_empty_table(tmp_path):
    table = gather(Path(), {}, [])
    assert table.empty
    table.to_csv(tmp_path / "left_out.csv", index=False)
    assert get_totals(Results(tmp_path), "left_out.csv") == []
    assert list(group_by_reason([], [])) == []


def test_the_config_the_chains_and_consensus_leave_out_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wells = pd.DataFrame(
        {"Metadata_Well": ["A01", "A02"], "Metadata_few_cells": ["True", pd.NA], "Cells_A": [1.0, 2.0]}
    )
    made_by = {
        "": {"excluded_features": {"exclude_features": ["Image_X", "Image_Y"]}},
        "_augmented": {},
        "_normalized": {"left_out": {"values": {"A02 Cells_A": "-50,000"}}},
    }
    for suffix, record in made_by.items():
        write_profiles(wells, f"{PROFILES}{suffix}.parquet", record)
    joint = "workspace/profiles/chains/own_variance/all_dropped.csv"
    own = f"{PROFILES}_own_drop_missing_wells_dropped.csv"
    for name in (joint, own):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / joint).write_text(
        "feature,reason\nCells_B,does not vary\nP1 A02,lacks 40 % of the features\n"
    )
    (tmp_path / own).write_text("feature,reason\nP1 A01,fewer cells than minimum_cells\n")
    consensus = "benchmark/consensus/spherized/compound_48_median.parquet"
    left_out = {"wells": {"P1 A01": "more than a tenth"}, "features": {"Cells_C": "missing in a well"}}
    write_profiles(wells, consensus, {"left_out": left_out})
    table = gather(
        Path(),
        {
            "first": [f"{PROFILES}.parquet"],
            "annotated": [f"{PROFILES}_augmented.parquet"],
            "scaled": [f"{PROFILES}_normalized.parquet"],
            "chains": [joint, own],
            "consensus": [consensus],
        },
        [],
    )
    columns = ["stage", "what", "number", "names", "level", "plate", "condition"]
    assert [tuple(row) for row in table[columns].to_numpy().tolist()] == [
        ("aggregate", "feature", 2, "Image_X, Image_Y", "", "P1", ""),
        ("annotate", "well", 1, "A01", "augmented", "P1", ""),
        ("normalize", "value", 1, "A02 Cells_A (-50,000)", "normalized", "P1", ""),
        ("chains", "well", 1, "P1 A02", "own_variance", "", "all"),
        ("chains", "feature", 1, "Cells_B", "own_variance", "", "all"),
        ("chains", "well", 1, "P1 A01", "own_drop_missing_wells", "P1", ""),
        ("consensus", "feature", 1, "Cells_C", "spherized", "", "compound_48_median"),
        ("consensus", "well", 1, "P1 A01", "spherized", "", "compound_48_median"),
    ]
    assert table["why"].iloc[0] == "exclude_features in the config"
    table.to_csv("left_out.csv", index=False)
    each = "chains: 1 well (lacks 40 % of the features); 1 well (fewer cells than minimum_cells)"
    assert each in get_totals(Results(tmp_path), "left_out.csv")


def test_a_config_may_take_out_features_in_two_ways():
    columns = [
        "Cells_Number_Object_Number",
        "Cells_Location_Center_X",
        "Cells_AreaShape_Area",
        "Cells_Intensity_1",
        "Cells_Texture_1",
    ]
    usual = ["^Number_Object_Number$", "^Location_"]
    assert get_excluded_features(columns, usual, []) == {}
    assert get_excluded_features(columns, [*usual, "^Texture_"], ["*_Area"]) == {
        "aggregate.exclude_features": ["Cells_Texture_1"],
        "exclude_features": ["Cells_AreaShape_Area"],
    }


def test_flagged_cells_are_counted_with_their_wells(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path("workspace/quality_control/B/P/cell_flags.csv")
    file.parent.mkdir(parents=True)
    rows = ["Metadata_Plate,Metadata_Well,Metadata_Site,cells,flagged,large,dim"]
    rows += ["P,A01,1,9,2,2,1", "P,A01,2,5,1,0,1", "P,A02,1,7,0,0,0", "P,B01,1,1,1,1,0"]
    file.write_text("\n".join(rows) + "\n")
    table = gather(Path(), {"tables": [str(file)]}, [])
    assert table[["what", "number", "stage", "batch", "plate"]].values.tolist() == [
        ["cell", 4, "cell_quality", "B", "P"]
    ]
    assert table["why"][0] == "flagged by large (3), dim (2)"
    assert table["names"][0] == "A01 (3), B01 (1)"
