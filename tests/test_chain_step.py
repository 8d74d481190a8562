"""A step of a chain on several plates: which wells count, which it processes together, what it reports."""

import warnings

import numpy as np
import pandas as pd
import pytest

from chain_step import run_step
from lib.chain_options import CHOICES, OPERATIONS, STEPS
from lib.chains import complete_chain
from lib.errors import InputError
from lib.tables import get_features
from simulated_profiles import plates

pytestmark = pytest.mark.unit


def wells() -> pd.DataFrame:
    """Two batches of two plates, 10 perturbations and 12 controls each."""
    found = plates(10, 4, effect=1, features=20, controls=12)
    tables = [
        plate.assign(Metadata_Batch=f"B{number // 2}", Metadata_Count_Cells=100 + np.arange(len(plate)))
        for number, plate in enumerate(found.values())
    ]
    return pd.concat(tables, ignore_index=True)


def settings(step: str, first: bool = True, **options) -> dict:
    return {
        "step": step,
        "options": {"over": "experiment", **STEPS[step], **options},
        "first": first,
        "precision": "float64",
        "untreated_wells": False,
        "incomplete_wells": False,
        "image_features": True,
        "condition": ["Batch"],
        "group": "Metadata_broad_sample",
    }


def test_each_plate_is_normalized_on_its_own_or_with_its_batch():
    raw = wells()
    own, _, found = run_step(raw, settings("normalize"))
    assert found["reference_wells"] == 48
    medians = (
        own[own["Metadata_control_type"] == "negcon"].groupby("Metadata_Plate")[get_features(own)].median()
    )
    np.testing.assert_allclose(medians, 0, atol=1e-12)
    together, _, _ = run_step(raw, settings("normalize", over="batch"))
    assert not np.allclose(own[get_features(own)], together[get_features(own)])


def test_wells_may_come_in_the_order_of_the_recipes_files():
    """The published files of two plates of 384 wells begin with A01, K22, K21 and with K15, K16, K17, K21."""
    names = [f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)]
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({"Metadata_Plate": plate, "Metadata_Well": names, "Cells_A": rng.normal(size=384)})
        for plate in ("APTJUM122", "APTJUM422")
    ]
    # a well without values, which the recipe's files do not have
    nothing = parts[0].assign(Metadata_Well="Z99", Cells_A=np.nan).iloc[:1]
    profiles = pd.concat([nothing, *parts], ignore_index=True)
    profiles = profiles.assign(Metadata_Batch="B", Metadata_broad_sample="a")
    plain, _, _ = run_step(profiles, settings("normalize", reference="all"))
    sorted_wells, _, _ = run_step(profiles, settings("normalize", reference="all", recipe_order=True))
    assert plain["Metadata_Well"].tolist() == profiles["Metadata_Well"].tolist()
    found = sorted_wells["Metadata_Well"].tolist()
    assert found[:5] == ["A01", "K22", "K21", "K20", "K19"]
    assert found[384] == "Z99"
    assert found[385:389] == ["K15", "K16", "K17", "K21"]
    keys = ["Metadata_Plate", "Metadata_Well"]
    pd.testing.assert_frame_equal(
        sorted_wells.sort_values(keys, ignore_index=True), plain.sort_values(keys, ignore_index=True)
    )


def test_wells_that_do_not_count_stay_without_values_and_steer_nothing():
    raw = wells()
    features = get_features(raw)
    expected, _, _ = run_step(raw, settings("rank_int"))
    more = raw.copy()
    more.loc[len(more)] = {**raw.iloc[0].to_dict(), "Metadata_Well": "W99", "Metadata_broad_sample": np.nan}
    more.loc[len(more)] = {**raw.iloc[1].to_dict(), "Metadata_Well": "W98"}
    more.loc[len(more) - 1, features[3:]] = np.nan
    out, _, _ = run_step(more, settings("rank_int"))
    assert len(out) == len(more)
    assert out[features].iloc[-2:].isna().all(axis=None)
    pd.testing.assert_frame_equal(out.iloc[:-2].reset_index(drop=True), expected, check_dtype=False)


def test_wells_without_a_perturbation_count_unless_the_chain_leaves_them_out():
    raw = wells()
    raw.loc[0, "Metadata_broad_sample"] = np.nan
    options = settings("normalize", method="standardize", reference="all", over="experiment")
    without, _, found = run_step(raw, options)
    assert found["reference_wells"] == len(raw) - 1
    assert without.loc[0, get_features(raw)].isna().all()
    with_all, _, found = run_step(raw, {**options, "untreated_wells": True})
    assert found["reference_wells"] == len(raw)
    np.testing.assert_allclose(with_all[get_features(raw)].mean(), 0, atol=1e-12)
    assert complete_chain("own", ["normalize"])["untreated_wells"]
    assert not complete_chain("own", "jump_orf")["untreated_wells"]


def test_sphering_within_each_condition_keeps_the_common_features():
    raw = wells()
    raw.loc[raw["Metadata_Batch"] == "B0", "Cells_F0"] = 5.0
    selected, dropped, _ = run_step(raw, settings("variance", over="condition"))
    assert set(dropped) == {"Cells_F0"}
    out, _, found = run_step(selected, settings("sphere", over="condition", first=False))
    assert found["chosen_epsilon"] == 1e-6
    for _, part in out.groupby("Metadata_Batch"):
        controls = part.loc[part["Metadata_control_type"] == "negcon", get_features(out)]
        np.testing.assert_allclose(np.cov(controls.T), np.eye(19), atol=1e-3)


def test_dropped_wells_keep_their_row():
    raw = wells()
    raw.loc[3, get_features(raw)[0]] = np.nan
    out, dropped, _ = run_step(raw, settings("drop_missing_wells", share=0))
    assert list(dropped) == ["Pplate0 W00003"]
    assert len(out) == len(raw)
    assert out.loc[3, get_features(out)].isna().all()


def test_every_step_runs_on_the_wells_of_several_plates():
    raw = wells().assign(Metadata_arm="1p", Metadata_zfpkm="-4", Metadata_gene="G")
    for step in STEPS:
        if step in ("harmony", "well_position"):
            continue
        options = {"epsilon": {"draws": 2}} if step == "sphere" else {}
        out, _, _ = run_step(raw, settings(step, **options))
        assert len(out) == len(raw), step
        assert out["Metadata_Well"].tolist() == raw["Metadata_Well"].tolist(), step


def test_no_well_and_no_feature_are_answered():
    raw = wells()
    with pytest.raises(InputError, match="no well has values"):
        run_step(raw.assign(**dict.fromkeys(get_features(raw), np.nan)), settings("rank_int"))
    flat = raw.assign(**dict.fromkeys(get_features(raw), 1.0))
    with pytest.raises(InputError, match="no plate has reference wells among which a feature varies"):
        run_step(flat, settings("variance"))
    with pytest.raises(InputError, match="no feature is left"):
        run_step(flat, settings("normalize"))


@pytest.mark.parametrize("step", ["sphere", "tvn", "combat", "pca"])
def test_steps_that_need_complete_profiles_leave_out_what_a_well_lacks(step):
    raw = wells()
    raw.loc[5, "Cells_F3"] = np.nan
    out, dropped, _ = run_step(raw, settings(step, first=False))
    assert dropped == {"Cells_F3": "missing in a well"}
    assert out[get_features(out)].notna().all(axis=None)


def test_reference_wells_may_be_a_query():
    raw = wells().assign(Metadata_row=lambda t: [str(n % 3) for n in range(len(t))])
    raw = raw.rename(columns={"Metadata_row": "Metadata_kind"})
    query = "Metadata_kind == '1' or Metadata_Count_Cells > 110"
    chosen = (raw["Metadata_kind"] == "1") | (raw["Metadata_Count_Cells"] > 110)
    out, _, found = run_step(raw, settings("normalize", over="experiment", reference=query))
    assert found["reference_wells"] == chosen.sum()
    np.testing.assert_allclose(out.loc[chosen, get_features(out)].median(), 0, atol=1e-12)
    with pytest.raises(InputError, match=r"cannot be applied .*Metadata_lot.*The columns of the wells are"):
        run_step(raw, settings("normalize", reference="Metadata_lot == 'x'"))
    with pytest.raises(InputError, match="has 0 reference wells"):
        run_step(raw, settings("normalize", reference="Metadata_kind == '7'"))
    selected, _, _ = run_step(raw, settings("feature_select", reference=query))
    expected, _, _ = run_step(raw[chosen].reset_index(drop=True), settings("feature_select"))
    assert get_features(selected) == get_features(expected)
    assert len(selected) == len(raw)


# Options of each step whose ends are tested.
VARIANTS = {
    **{step: [{}] for step in STEPS if step != "harmony"},
    "normalize": [
        {"method": method, "reference": reference, "minimum_wells": minimum, "keep_flat": keep}
        for method in CHOICES["normalize"]["method"]
        for reference in ("negcon", "all")
        for minimum, keep in ((3, False), (1, True))
    ],
    "well_position": [{}, {"fewest_perturbations": 1}],
    "feature_select": [
        *({"operations": [operation]} for operation in OPERATIONS),
        *(
            {"operations": ["correlation_threshold"], "corr_method": method}
            for method in ("spearman", "kendall")
        ),
        *({}, {"together": True}, {"blocklist": ["Cells_F*"]}),
    ],
    "sphere": [
        {"method": method, "epsilon": epsilon, "reference": reference}
        for method in CHOICES["sphere"]["method"]
        for epsilon in (1e-6, "shrink", {"draws": 2})
        for reference in ("negcon", "all")
    ],
    "tvn": [{}, {"reference": "all"}, {"batch": "Metadata_Lot"}],
    "combat": [{}, {"batch": "Metadata_Lot"}, {"batch": "Metadata_Batch"}],
}


def few_wells(plates: int, wells: int, controls: int, gaps: bool) -> pd.DataFrame:
    """Few wells with a feature of zero variance; with gaps, a feature without values and one with a gap."""
    rng = np.random.default_rng(0)
    tables = []
    for plate in range(plates):
        table = pd.DataFrame(rng.normal(size=(wells, 6)), columns=[f"Cells_F{at}" for at in range(6)])
        table["Cells_Flat"] = 0.1 + 0.2
        if gaps:
            table["Cells_Nan"] = np.nan
            table["Cells_Gap"] = np.where(np.arange(wells) == 1, np.nan, np.arange(wells))
        names = ["DMSO"] * controls + [f"c{at // 2}" for at in range(wells - controls)]
        about = {
            "Metadata_Batch": "B",
            "Metadata_Plate": f"P{plate}",
            "Metadata_Well": [f"A{at:02d}" for at in range(1, wells + 1)],
            "Metadata_broad_sample": names,
            "Metadata_control_type": pd.Series(names)
            .where(pd.Series(names) == "DMSO")
            .replace("DMSO", "negcon"),
            "Metadata_Count_Cells": rng.integers(10, 100, wells),
            "Metadata_arm": "1p",
            "Metadata_zfpkm": "-4",
        }
        tables.append(pd.concat([pd.DataFrame(about), table], axis=1))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize(
    "size",
    [(1, 8, 2, True), (1, 8, 2, False), (2, 8, 2, True), (2, 8, 0, True), (1, 3, 1, True), (1, 1, 1, False)],
)
@pytest.mark.parametrize("step", VARIANTS)
def test_the_smallest_experiments_have_values_or_a_clear_error(step, size):
    profiles = few_wells(*size)
    refused = 0
    for options in VARIANTS[step]:
        message = ""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                out, _, _ = run_step(profiles, {**settings(step, **options), "untreated_wells": True})
            except InputError as error:
                refused += 1
                message = str(error)
                out = profiles
        assert message.startswith(step) or not message
        assert len(out) == len(profiles)
        values = out[get_features(out)].to_numpy()
        assert np.isfinite(values).any()
        assert not np.isinf(values).any()
    # where there are controls and no gaps, something must work (on one plate, each position has one well)
    if size == (1, 8, 2, False) and step not in ("sphere", "well_position"):
        assert refused < len(VARIANTS[step])


def test_an_error_on_one_of_several_plates_names_the_plate():
    raw = wells()
    raw.loc[raw["Metadata_Plate"] == raw["Metadata_Plate"].iloc[-1], "Metadata_control_type"] = np.nan
    with pytest.raises(InputError, match=f"On plate {raw['Metadata_Plate'].iloc[-1]}: tvn: 0 wells"):
        run_step(raw, settings("tvn", over="plate"))
