"""Rankings by columns against copairs, calibrated on noise, and with columns that leave nothing to rank."""

import numpy as np
import pandas as pd
import pytest
from copairs import map as copairs_map

from lib.errors import InputError
from lib.rankings import Relation, find_pairs, rank_pairs
from lib.replicates import join_plates
from lib.tables import write_profiles
from rankings import main, name_controls, rank_wells
from simulated_profiles import plates

pytestmark = pytest.mark.unit

GROUP = "Metadata_broad_sample"
RELATIONS = {
    "controls of the plate": (([GROUP], []), (["Metadata_Plate"], ["Metadata_control_type"])),
    "treatments of the plate": (([GROUP], []), (["Metadata_Plate"], [GROUP])),
    "replicates on other plates": (([GROUP], ["Metadata_Plate"]), ([], ["Metadata_control_type"])),
    "mechanism in other wells": (
        (["Metadata_gene"], [GROUP, "Metadata_Well"]),
        (["Metadata_Plate"], ["Metadata_gene"]),
    ),
}


def simulate(effect=1.0, seed=0, perturbations=12, replicates=4, controls=6):
    wells = join_plates(
        plates(perturbations, replicates, effect=effect, controls=controls, genes=4, seed=seed)
    )
    metadata = wells.metadata.replace("nan", np.nan)
    return type(wells)(metadata, wells.values, wells.features, wells.dropped)


@pytest.mark.parametrize("kind", RELATIONS)
def test_average_precision_is_copairs(kind):
    wells = simulate()
    metadata = name_controls(wells.metadata, GROUP)
    metadata["Metadata_gene"] = metadata["Metadata_gene"].fillna("of no gene")
    positive, negative = (Relation(*map(tuple, part)) for part in RELATIONS[kind])
    pairs = find_pairs(metadata, positive, negative, np.arange(len(metadata)))
    found = rank_pairs(wells.values, pairs)
    expected = copairs_map.average_precision(
        metadata,
        wells.values,
        pos_sameby=list(positive.same),
        pos_diffby=list(positive.different),
        neg_sameby=list(negative.same),
        neg_diffby=list(negative.different),
        progress_bar=False,
    )["average_precision"].to_numpy()
    assert len(pairs.rows) > 30
    assert found == pytest.approx(expected[pairs.rows], abs=1e-12)


def test_several_labels_are_the_same_if_one_is_shared():
    metadata = pd.DataFrame({"Metadata_moa": ["a|b", "b|c", "c", "d", ""], "Metadata_Well": list("12345")})
    relation = Relation(("Metadata_moa",), ())
    pairs = find_pairs(metadata, relation, Relation((), ("Metadata_moa",)), np.arange(5))
    assert dict(zip(pairs.rows.tolist(), [rows.tolist() for rows in pairs.positives], strict=True)) == {
        0: [1],
        1: [0, 2],
        2: [1],
    }
    assert [rows.tolist() for rows in pairs.negatives] == [[2, 3], [3], [0, 3]], (
        "a missing value differs from none"
    )


def test_strong_effects_are_retrieved_and_noise_is_not():
    options = {"positives": {"same": [GROUP], "different": []}, "draws": 1000}
    options["negatives"] = {"same": ["Metadata_Plate"], "different": ["Metadata_control_type"]}
    row, table = rank_wells(simulate(effect=1.5, controls=12), **options)
    assert row["percent_retrieved"] > 80
    assert row["groups"] == len(table) == 12
    found = [rank_wells(simulate(0, seed), **options)[1]["p_value"] for seed in range(10)]
    p = np.concatenate(found)
    assert (p < 0.05).mean() <= 0.12
    assert (
        sum((rank_wells(simulate(0, seed), **options)[1]["q_value"] < 0.05).any() for seed in range(10)) <= 2
    )


@pytest.mark.parametrize(
    ("replicates", "controls", "negatives"),
    [(1, 4, ["Metadata_control_type"]), (2, 0, ["Metadata_control_type"])],
)
def test_nothing_to_rank_is_reported(tmp_path, replicates, controls, negatives):
    files = []
    for name, table in plates(4, replicates, controls=controls).items():
        files.append(str(tmp_path / name))
        write_profiles(table, files[-1], {})
    options = {"positives": {"same": [GROUP], "different": []}}
    options["negatives"] = {"same": ["Metadata_Plate"], "different": negatives}
    outputs = {"score": str(tmp_path / "score.csv"), "groups": str(tmp_path / "groups.parquet")}
    head = {"cell_line": "U2OS", "ranking": "r", "feature_set": "f"}
    main(files, outputs, head, options, {"column": "control_type", "negcon": "negcon"})
    row = pd.read_csv(outputs["score"]).iloc[0]
    assert row["message"] == "no well has both a positive and a negative"
    assert len(pd.read_parquet(outputs["groups"])) == 0


def test_an_unknown_column_is_refused():
    with pytest.raises(InputError, match="no column Metadata_moa"):
        rank_wells(
            simulate(),
            {"same": ["Metadata_moa"], "different": []},
            {"same": [], "different": ["Metadata_control_type"]},
        )
