"""Planted batch effects: the corrections restore the truth, and the judged table says so."""

import numpy as np
import pandas as pd
import pytest

from chain_step import run_step
from judge_chains import compare
from judge_level import judge
from lib.chains import complete_chain
from lib.errors import InputError
from lib.replicates import join_plates
from lib.tables import get_features

pytestmark = pytest.mark.unit

PLATES, PERTURBATIONS, CONTROLS, FEATURES = 8, 30, 18, 40
FEATURE_NAMES = [f"Cells_F{number}" for number in range(FEATURES)]
GROUP = "Metadata_broad_sample"
OPTIONS = {
    "group": GROUP,
    "batch": "Metadata_Plate",
    "draws": 500,
    "percentile": 95,
    "minimum_replicates": 2,
    "most_wells": 10_000,
    "seed": 1,
}


def simulate(
    plate_effect: float = 0.0, position_effect: float = 0.0, count_only: int = 0, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Simulate eight plates with different layouts; return the wells, and their values without the effects.

    Parameters
    ----------
    plate_effect : of each plate's shift and (in logarithms) scale of each feature.
    position_effect : of each position, the same on all plates.
    count_only : number of perturbations that change nothing but the number of cells, on which all features
        depend linearly.
    seed : of the simulation.
    """
    rng = np.random.default_rng(seed)
    size = PERTURBATIONS + CONTROLS
    names = [f"C{number:02d}" for number in range(PERTURBATIONS)]
    directions = 0.9 * rng.normal(size=(PERTURBATIONS, FEATURES))
    directions[:count_only] = 0
    at_position = position_effect * rng.normal(size=(size, FEATURES))
    of_count = rng.normal(size=FEATURES)
    rows, truth, values = [], [], []
    for plate in range(PLATES):
        place = rng.permutation(size)
        own = rng.normal(size=(size, FEATURES))
        own[:PERTURBATIONS] += directions
        count = rng.normal(200, 5, size=size)
        count[:count_only] -= 60
        seen = own + (count[:, None] - 200) / 30 * of_count if count_only else own
        shift, scale = plate_effect * rng.normal(size=(2, FEATURES))
        values.append((seen + at_position[place]) * np.exp(scale / 2) + shift)
        truth.append(own)
        for number in range(size):
            treated = number < PERTURBATIONS
            rows.append(
                {
                    "Metadata_Batch": f"B{plate // 4}",
                    "Metadata_Plate": f"P{plate}",
                    "Metadata_Well": f"W{place[number]:02d}",
                    GROUP: names[number] if treated else pd.NA,
                    "Metadata_control_type": pd.NA if treated else "negcon",
                    "Metadata_Count_Cells": count[number],
                }
            )
    table = pd.DataFrame(np.concatenate(values), columns=FEATURE_NAMES)
    return pd.concat([pd.DataFrame(rows), table], axis=1), np.concatenate(truth)


def run_chain(profiles: pd.DataFrame, steps: list) -> dict[str, pd.DataFrame]:
    """Run the steps of a chain; the profiles before the first and after each."""
    found = {"start": profiles}
    for number, (step, options) in enumerate(complete_chain("x", steps)["steps"]):
        settings = {
            "step": step,
            "options": options,
            "first": number == 0,
            "precision": "float64",
            "untreated_wells": False,
            "incomplete_wells": False,
            "image_features": True,
            "condition": [],
            "group": GROUP,
        }
        profiles, _, _ = run_step(profiles, settings)
        found[step] = profiles
    return found


def judge_all(levels: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Judge all levels of a chain; one row per step."""
    rows, tables, before = [], {}, ""
    for step, profiles in levels.items():
        wells = join_plates({"all": profiles})
        row, tables["c", step] = judge(wells, OPTIONS, raw=step == "start")
        start = "start" if before not in ("", "start") else ""
        named = {"condition": "c", "chain": "x", "step": step, "level_before": before, "start": start}
        rows.append({**named, "feature_set": step, **row})
        before = step
    return compare(pd.DataFrame(rows), tables, 0).set_index("step")


def get_agreement(profiles: pd.DataFrame, truth: np.ndarray) -> float:
    """Return the mean correlation of features with their true values over all wells."""
    values = profiles[get_features(profiles)].to_numpy()
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(values.T, truth.T, strict=True)]))


def test_normalization_restores_what_a_plate_shifts_and_scales():
    profiles, truth = simulate(plate_effect=2)
    levels = run_chain(profiles, [{"normalize": {"reference": "all"}}])
    assert get_agreement(levels["start"], truth) < 0.6
    assert get_agreement(levels["normalize"], truth) > 0.95
    row = judge_all(levels).loc["normalize"]
    assert row["verdict"].startswith("mixes batches better and raises the biology")
    clean = judge_all({"start": simulate()[0]}).loc["start"]
    for name in ("ilisi", "mean_average_precision_others", "percent_replicating"):
        assert row[name] == pytest.approx(clean[name], rel=0.12), name


@pytest.mark.parametrize("step", ["combat", "tvn"])
def test_other_corrections_mix_batches_too(step):
    profiles, _ = simulate(plate_effect=2)
    row = judge_all(run_chain(profiles, [step])).loc[step]
    assert row["verdict"].startswith("mixes batches better and raises the biology")
    assert row["mixing_change_low"] > 0.2


def test_the_position_is_subtracted():
    profiles, truth = simulate(position_effect=1.5)
    levels = run_chain(profiles, ["well_position"])
    before, after = (get_agreement(levels[name], truth) for name in ("start", "well_position"))
    # the mean of six plates keeps a sixth of the noise
    assert before < 0.75 < 0.85 < after
    row = judge_all(levels).loc["well_position"]
    assert "raises the biology" in row["verdict"]


def test_position_then_plate_together():
    profiles, truth = simulate(plate_effect=1, position_effect=1)
    levels = run_chain(profiles, [{"normalize": {"reference": "all"}}, "well_position"])
    agreement = [get_agreement(levels[name], truth) for name in levels]
    assert agreement[0] < agreement[1] < agreement[2]
    table = judge_all(levels)
    assert "mixes batches better" in table.loc["well_position", "verdict_since_start"]
    assert table.loc["well_position", "precision_change_since_start_low"] > 0


def test_effects_of_the_cell_count_alone_are_removed():
    few = 8
    profiles, truth = simulate(count_only=few)
    levels = run_chain(profiles, ["cell_count"])
    names = [f"C{number:02d}" for number in range(few)]
    replicating = {}
    for step, table in levels.items():
        _, found = judge(join_plates({"all": table}), OPTIONS, raw=step == "start")
        replicating[step] = found.set_index("perturbation")["replicating"]
    assert replicating["start"][names].mean() == 1
    assert replicating["cell_count"][names].mean() <= 2 / few
    others = replicating["cell_count"].drop([*names, "negative controls"])
    assert others.mean() > 0.9
    assert get_agreement(levels["cell_count"], truth) > 0.95 > get_agreement(levels["start"], truth)


def test_a_correction_that_removes_the_signal_is_reported():
    """Where replicates share their position, the mean of a position is the perturbation's own profile."""
    profiles, _ = simulate(plate_effect=0.3)
    number = profiles.groupby("Metadata_Plate").cumcount()
    fixed = profiles.assign(Metadata_Well=[f"W{at:02d}" for at in number])
    with pytest.raises(InputError, match="removes the signal"):
        run_chain(fixed, ["well_position"])
    row = judge_all(run_chain(fixed, [{"well_position": {"fewest_perturbations": 1}}])).loc["well_position"]
    assert "biology" in row["verdict"]
    assert row["precision_change_high"] < -0.2
    assert row["verdict"].startswith(("lowers", "mixes batches better at the cost of biology"))


def test_the_chain_of_crispr_takes_arms_and_batches_out():
    """The preset jump_crispr without Harmony, which has an environment of its own."""
    profiles, _ = simulate(plate_effect=0.5, position_effect=0.5)
    rng = np.random.default_rng(4)
    # 24 unexpressed genes on one arm, 6 expressed ones on another; cutting the first arm has its own effect
    number = profiles[GROUP].str[1:].astype("Int64")
    first = (number < 24).fillna(False).to_numpy(dtype=bool)
    of_arm = 2 * rng.normal(size=FEATURES)
    profiles.loc[first, FEATURE_NAMES] += of_arm
    profiles["Metadata_gene"] = profiles[GROUP]
    profiles["Metadata_arm"] = np.where(first, "1p", np.where(number.isna(), "", "2q"))
    profiles["Metadata_zfpkm"] = np.where(first, "-4", "1")
    options = {"sphere": {"epsilon": 1.0}, "well_position": {"fewest_perturbations": 2}}
    chain = complete_chain("x", {"preset": "jump_crispr", "options": options})
    steps = [{step: options} for step, options in chain["steps"] if step != "harmony"]
    assert [next(iter(step)) for step in steps][-3:] == ["sphere", "pca", "arm_correction"]
    levels = run_chain(profiles, steps)
    # the recipe sorts the wells
    first = (levels["pca"]["Metadata_arm"] == "1p").to_numpy()
    components = get_features(levels["arm_correction"])
    assert components == [f"PC{at}" for at in range(1, len(components) + 1)]
    before = levels["pca"].loc[first, components].mean()
    assert np.abs(before).max() > 0.5
    after = levels["arm_correction"]
    np.testing.assert_allclose(after.loc[first, components].mean(), 0, atol=1e-6)
    # by hand: wells of other arms, and controls, keep their values
    rest = ~first
    pd.testing.assert_frame_equal(
        after.loc[rest, components].astype(float), levels["pca"].loc[rest, components].astype(float)
    )
    _, table = judge(join_plates({"all": after}), OPTIONS, controls_fitted=True)
    assert table.set_index("perturbation")["replicating"].iloc[:-1].mean() > 0.5


def test_a_single_plate_and_missing_controls():
    profiles, _ = simulate()
    one = profiles[profiles["Metadata_Plate"] == "P0"].reset_index(drop=True)
    levels = run_chain(one, ["normalize", "rank_int", "feature_select", "pca"])
    row, _ = judge(join_plates({"all": levels["pca"]}), OPTIONS)
    assert "no perturbation has 2 replicates" in row["message"]
    assert np.isnan(row["ilisi"])
    with pytest.raises(InputError, match="each position has one well"):
        run_chain(one, ["well_position"])
    without = profiles.assign(
        Metadata_control_type=profiles["Metadata_control_type"].mask(profiles["Metadata_Plate"] == "P3"),
        **{GROUP: profiles[GROUP].fillna("X")},
    )
    with pytest.raises(InputError, match="P3 has 0 reference wells"):
        run_chain(without, ["normalize"])
    with pytest.raises(InputError, match=r"tvn: Metadata_Plate P3 has 0 negative controls"):
        run_chain(without, ["tvn"])


def test_plates_that_lack_a_feature_and_features_without_values():
    profiles, _ = simulate()
    third = profiles["Metadata_Plate"] == "P2"
    gaps = profiles.assign(
        Cells_F0=profiles["Cells_F0"].mask(third), Cells_F1=np.nan, Cells_F2=3.0, Cells_F3=1.0 * third
    )
    normalized = run_chain(gaps, ["normalize"])["normalize"]
    assert {"Cells_F0", "Cells_F1", "Cells_F2", "Cells_F3"}.isdisjoint(get_features(normalized))
    ranked = run_chain(gaps, ["rank_int"])["rank_int"]
    assert ranked["Cells_F0"].isna().sum() == third.sum()
    assert ranked["Cells_F1"].isna().all()
    # all wells are tied: the order of a permutation would be noise
    assert "Cells_F2" not in ranked
