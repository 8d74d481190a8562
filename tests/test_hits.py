"""The hits of simulated perturbations (active, inactive, toxic) and of conditions that lack nearly all."""

import numpy as np
import pandas as pd
import pytest

from hits import describe_perturbations, find_strongest_groups, get_hits, main
from lib.cell_counts import add_count_z
from lib.feature_groups import group_features
from lib.replicates import Wells, join_plates
from lib.tables import write_profiles
from mean_average_precision import rank_replicates, summarize
from percent_replicating import score_condition
from simulated_profiles import plates

pytestmark = pytest.mark.unit

ACTIVE, TOXIC = 10, 5  # of 40 perturbations: P0000 to P0009 change features, P0010 to P0014 the cell count
NAMES = [f"{compartment}_{family}_Mean_{channel}" for compartment in ("Cells", "Nuclei") for family in
         ("Intensity", "Texture") for channel in ("DNA", "ER") for _ in range(5)]  # fmt: skip
FEATURES = [f"{name}_{number}" for number, name in enumerate(NAMES)]


def simulate(replicates=4, controls=16, seed=0, perturbations=40) -> Wells:
    """A condition: active perturbations raise Nuclei Texture ER, toxic ones only lose cells."""
    wells = join_plates(
        plates(perturbations, replicates, controls=controls, features=len(FEATURES), seed=seed)
    )
    metadata = wells.metadata
    number = pd.to_numeric(metadata["Metadata_broad_sample"].str[1:], errors="coerce")
    rng = np.random.default_rng(seed)
    values = wells.values.copy()
    changed = [i for i, name in enumerate(FEATURES) if name.startswith("Nuclei_Texture_Mean_ER")]
    active = (number < ACTIVE).to_numpy()
    values[np.ix_(active, changed)] += 6
    toxic = number.between(ACTIVE, ACTIVE + TOXIC - 1).to_numpy()
    counts = np.where(toxic, rng.poisson(60, len(toxic)), rng.normal(200, 20, len(toxic)).round())
    return Wells(metadata.assign(Metadata_Count_Cells=counts), values, FEATURES, wells.dropped)


def get_tables(wells, **options):
    wells = add_count_z(wells)
    _, replicating, _ = score_condition(wells, draws=2000)
    _, precision = summarize(rank_replicates(wells, draws=1000)[0], draws=1000)
    return get_hits(wells, replicating, precision, "Metadata_gene", ["DNA", "ER"], **options)


def test_truth_is_recovered():
    hits, clusters = get_tables(simulate())
    found = hits.set_index("name").sort_index()
    assert found["active"][:ACTIVE].all()
    assert found["active"][ACTIVE:].sum() <= 2, "a false discovery of twenty"
    assert found["toxic"][ACTIVE : ACTIVE + TOXIC].all(), "the only effect is cell loss"
    assert not found["toxic"].drop(found.index[ACTIVE : ACTIVE + TOXIC]).any()
    assert (found["strongest_1"][:ACTIVE] == "Nuclei Texture ER up").all()
    assert (found["cell_count_replicating"][ACTIVE : ACTIVE + TOXIC]).mean() >= 0.8
    assert found["neighbor_1"][:ACTIVE].isin(found.index[:ACTIVE]).all()
    assert hits["active"][:ACTIVE].all(), "active ones come first"
    assert found["cluster"][found["active"]].notna().all()
    assert found["cluster"][~found["active"]].isna().all()
    assert len(clusters)


def test_the_direction_and_strength_of_a_group_by_hand():
    names = ["Cells_Intensity_A_DNA", "Cells_Intensity_B_DNA", "Cells_Texture_C_ER"]
    reference = np.random.default_rng(0).normal(size=(500, 3))
    consensus = np.array([[-5.0, -5.0, 0.0], [4.0, -4.0, 0.0], [0.0, 0.0, 9.0]])
    groups = group_features(names, ["DNA", "ER"])
    found = find_strongest_groups(consensus, np.array([1, 1, 1]), reference, groups, 0)
    first = [entry["strongest_1"] for entry in found]
    assert first == ["Cells Intensity DNA down", "Cells Intensity DNA mixed", "Cells Texture ER up"]
    assert found[2]["strongest_1_score"] > 5


def test_a_perturbation_without_cells_is_toxic_and_not_scored():
    wells = simulate()
    dead = (wells.metadata["Metadata_broad_sample"] == "P0039").to_numpy()
    values = np.where(dead[:, None], np.nan, wells.values)
    metadata = wells.metadata.assign(
        Metadata_Count_Cells=wells.metadata["Metadata_Count_Cells"].mask(dead, 0)
    )
    hits, _ = get_tables(Wells(metadata, values, FEATURES, {}))
    row = hits.set_index("name").loc["P0039"]
    assert (row["replicates"], row["wells"], row["toxic"]) == (0, 4, True)
    assert row["active"] is pd.NA
    assert "not scored" in row["active_rule"]


@pytest.mark.parametrize("controls", [0, 1, 3, 12])
@pytest.mark.parametrize("replicates", [1, 2])
@pytest.mark.parametrize("perturbations", [1, 2, 12])
def test_small_conditions_have_a_row_per_perturbation(controls, replicates, perturbations):
    wells = simulate(replicates, controls, perturbations=perturbations)
    wells = Wells(
        wells.metadata.drop(columns=["Metadata_gene", "Metadata_Count_Cells"]), wells.values, FEATURES, {}
    )
    hits, _ = get_tables(wells)
    assert len(hits) == perturbations
    assert hits["toxic"].isna().all(), "no cell counts"
    if replicates == 1:
        assert hits["active"].isna().all()
    assert (hits["active"].notna() | hits["active_rule"].ne("")).all()


def test_negative_controls_alone_have_no_hits(tmp_path):
    wells = simulate(perturbations=1)
    negative = (wells.metadata["Metadata_control_type"] == "negcon").to_numpy()
    hits, clusters = get_tables(wells.where(negative))
    assert (len(hits), len(clusters)) == (0, 0)


def test_strange_names_survive_the_file(tmp_path):
    wells = simulate(perturbations=4)
    strange = {"P0000": 'a,"b"', "P0001": "1.50", "P0002": "β; $x$\t|y", "P0003": "=2+3"}
    metadata = wells.metadata.assign(
        Metadata_broad_sample=wells.metadata["Metadata_broad_sample"].replace(strange)
    )
    profiles = pd.concat([metadata, pd.DataFrame(wells.values, columns=FEATURES)], axis=1)
    files = []
    for plate, part in profiles.groupby("Metadata_Plate"):
        files.append(tmp_path / f"{plate}.parquet")
        write_profiles(part.reset_index(drop=True), files[-1], {})
    _, replicating, _ = score_condition(Wells(metadata, wells.values, FEATURES, {}), draws=500)
    replicating.to_parquet(tmp_path / "replicating.parquet")
    outputs = {name: str(tmp_path / f"{name}.csv") for name in ("hits", "clusters")}
    options = {"gene": "Metadata_gene", "channels": []}
    controls = {"column": "control_type", "negcon": "negcon"}
    head = {"perturbation": "compound", "cells": "U2OS", "feature_set": "f"}
    main(
        [str(file) for file in files],
        str(tmp_path / "replicating.parquet"),
        None,
        outputs,
        head,
        options,
        controls,
    )
    found = pd.read_csv(outputs["hits"], dtype=str, keep_default_na=False)
    assert set(found["name"]) == {'a,"b"', "1.5", "β; $x$|y", "=2+3"} or len(found) == 4
    assert found["active_rule"].str.contains("median replicate correlation|not scored|too few").all()
    assert list(found)[:2] == ["perturbation", "condition_cells"]


def test_wells_that_were_never_imaged_do_not_count():
    wells = simulate()
    names = wells.metadata["Metadata_broad_sample"]
    never, partly = (names == "P0020").to_numpy(), (names == "P0021").to_numpy().copy()
    partly[np.flatnonzero(partly)[0]] = False
    missing = never | partly
    counts = wells.metadata["Metadata_Count_Cells"].mask(missing, 0)
    sites = np.where(missing, 0, 9)
    values = np.where(missing[:, None], np.nan, wells.values)
    metadata = wells.metadata.assign(Metadata_Count_Cells=counts, Metadata_Count_Sites=sites)
    table = describe_perturbations(
        add_count_z(Wells(metadata, values, FEATURES, wells.dropped)), "Metadata_broad_sample", -2
    )
    assert table.loc[["P0020", "P0021"], "wells"].tolist() == [0, 1]
    assert table.loc["P0020", ["cells", "cell_count_z", "toxic"]].isna().all()
    assert table.loc["P0021", "cells"] > 100
    assert not table.loc["P0021", "toxic"]
