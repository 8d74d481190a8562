"""Chains in a run: every level is there, one plate's change reruns what depends on it, and no more."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from lib.tables import get_features, read_profiles, read_provenance, write_profiles
from simulated_profiles import plates
from workflow import planned, snakemake

pytestmark = pytest.mark.run

CHAINS = {
    "own": ["normalize", {"rank_int": {"over": "experiment"}}, {"sphere": {"over": "condition"}}],
    "each": [{"normalize": {"method": "standardize"}}, {"feature_select": {"over": "plate"}}],
}
LAST = "own_normalize_rank_int_sphere"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three plates with two chains, run to the profiles of both."""
    folder = tmp_path_factory.mktemp("chains")
    rows = []
    for name, profiles in plates(8, 3, effect=1, features=12, controls=12, prefix="C").items():
        write_profiles(profiles, folder / name, {})
        rows.append(
            {
                "batch": "B",
                "plate": Path(name).stem,
                "plate_map": "",
                "perturbation": "compound",
                "cell_line": "U2OS",
                "timepoint": "48",
                "profiles": name,
                "level": "augmented",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "plates.tsv", sep="\t", index=False)
    config = {
        "results": "results",
        "plates": "plates.tsv",
        "chains": CHAINS,
        "benchmark": {"draws": 200, "matching": [], "feature_sets": ["own", "each"]},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    snakemake("benchmark/percent_replicating.csv", "--configfile", folder / "config.yaml")
    return folder


def jobs(experiment: Path, *arguments: str) -> Counter[str]:
    return planned(
        "benchmark/percent_replicating.csv", "--configfile", str(experiment / "config.yaml"), *arguments
    )


def test_each_plate_has_the_last_level_of_each_chain(experiment):
    folder = experiment / "results" / "workspace" / "profiles"
    together = read_profiles(folder / "chains" / LAST / "all.parquet")
    for number in range(3):
        name = f"Cplate{number}"
        own = read_profiles(folder / "B" / name / f"{name}_{LAST}.parquet")
        expected = together[together["Metadata_Plate"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, expected)
        scores = read_profiles(folder / "B" / name / f"{name}_each_normalize_feature_select.parquet")
        controls = scores[scores["Metadata_control_type"] == "negcon"]
        np.testing.assert_allclose(controls[get_features(scores)].mean(), 0, atol=1e-9)
    steps = read_provenance(folder / "chains" / LAST / "all.parquet")["parameters"]["steps"]
    assert [step["step"] for step in steps] == ["normalize", "rank_int", "sphere"]
    assert steps[0]["reference_wells"] == 12
    table = pd.read_csv(experiment / "results" / "benchmark" / "percent_replicating.csv")
    assert set(table["feature_set"]) == {LAST, "each_normalize_feature_select"}


def test_nothing_is_to_be_done_again(experiment):
    assert jobs(experiment) == {}


def test_a_plate_again_reruns_its_own_steps_and_those_of_all_plates(experiment):
    again = "results/workspace/profiles/B/Cplate1/Cplate1_own_normalize.parquet"
    counted = jobs(experiment, "--forcerun", again.removeprefix("results/"))
    # the plate's normalization; rank_int and sphere over all plates; each plate's part of them
    assert counted["chain_step_of_plate"] == 1
    assert counted["chain_step"] == 2
    assert counted["chain_plate"] == 3
    assert counted["percent_replicating"] == 1
    assert "import_profiles" not in counted


def test_an_option_of_a_late_step_reruns_that_step_and_what_follows(experiment):
    config = experiment / "config.yaml"
    before = config.read_text()
    changed = yaml.safe_load(before)
    changed["chains"]["own"][2] = {"sphere": {"over": "condition", "epsilon": 0.01}}
    config.write_text(yaml.safe_dump(changed))
    try:
        counted = jobs(experiment)
    finally:
        config.write_text(before)
    assert counted["chain_step"] == 1
    assert counted["chain_plate"] == 3
    assert "chain_step_of_plate" not in counted


@pytest.mark.parametrize(("order", "repeated"), [("name", 0), ("sample_sheet", 2)])
def test_another_order_of_the_sample_sheet_repeats_the_steps_that_take_it(experiment, order, repeated):
    """`rank_int` and `sphere` process all plates; the normalization of each plate has no order."""
    config, sheet = experiment / "config.yaml", experiment / "plates.tsv"
    before = {file: file.read_text() for file in (config, sheet)}
    chains = {**CHAINS, "own": {"steps": CHAINS["own"], "plate_order": order}}
    config.write_text(yaml.safe_dump(yaml.safe_load(before[config]) | {"chains": chains}))
    header, *rows = before[sheet].splitlines()
    try:
        assert jobs(experiment) == {}
        sheet.write_text("\n".join([header, *rows[::-1]]) + "\n")
        counted = jobs(experiment)
    finally:
        for file, text in before.items():
            file.write_text(text)
    assert counted["chain_step"] == repeated
    assert "chain_step_of_plate" not in counted
