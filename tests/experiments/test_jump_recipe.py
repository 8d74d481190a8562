"""The JUMP recipe's published chains: every step on its own test plates, to the end.

The wells enter as the plates' own files have them, which also hold wells that the recipe leaves out.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chain_step import run_step
from harmony_runs import run_harmony
from lib import chains
from lib.chains import complete_chain
from lib.tables import get_features, read_profiles, write_profiles

pytestmark = pytest.mark.data

KEYS = ["Metadata_Source", "Metadata_Plate", "Metadata_Well"]
REAGENT = "Metadata_JCP2022"
NEGATIVE = ["JCP2022_800001", "JCP2022_800002", "JCP2022_033924"]
NEGATIVE += [f"JCP2022_9151{number}" for number in range(28, 32)]
POSITIVE = [f"JCP2022_9151{number}" for number in range(32, 35)]


@pytest.fixture
def recipe(shared: Path) -> Path:
    return shared / "jump_recipe"


def as_text(profiles: pd.DataFrame) -> pd.DataFrame:
    return profiles.astype({name: str for name in profiles if name.startswith("Metadata_")})


def read_deep(path: Path) -> pd.DataFrame:
    """Published deep features: an array per channel, as features X_0, X_1, ..."""
    table = pd.read_parquet(path)
    arrays = table[[name for name in table if name.endswith("_emb")]].to_numpy()
    values = np.stack([np.concatenate(row) for row in arrays]).astype("float32")
    features = pd.DataFrame(values, columns=[f"X_{number}" for number in range(values.shape[1])])
    keys = table[["source", "plate", "well"]].set_axis(KEYS, axis=1)
    return pd.concat([keys, features], axis=1)


def annotated(recipe: Path, folder: str, expected: pd.DataFrame, read=pd.read_parquet) -> pd.DataFrame:
    """Return all wells of the plates' files, in their order, with reagents, controls and cell counts."""
    files = sorted((recipe / folder).rglob("*.parquet"))
    raw = as_text(pd.concat([read(file) for file in files], ignore_index=True))
    profiles = raw.merge(expected[[*KEYS, REAGENT]], on=KEYS, how="left")
    counts = pd.read_csv(recipe / "cell_counts.csv", dtype={"Metadata_Plate": str})
    counts = counts[["Metadata_Plate", "Metadata_Well", "Metadata_Count_Cells"]]
    profiles = profiles.merge(counts, on=["Metadata_Plate", "Metadata_Well"], how="left")
    kind = np.select(
        [profiles[REAGENT].isin(NEGATIVE), profiles[REAGENT].isin(POSITIVE)], ["negcon", "poscon"], ""
    )
    return profiles.assign(Metadata_Batch="B", Metadata_control_type=kind)


def run_chain(profiles: pd.DataFrame, written, last: str) -> tuple[pd.DataFrame, dict]:
    """The profiles after the steps of a chain up to `last`, and what that step found out."""
    chain = complete_chain("jump", written)
    found = {}
    for number, (step, options) in enumerate(chain["steps"]):
        settings = {
            "step": step,
            "options": options,
            "first": number == 0,
            **{key: chain[key] for key in chains.KEYS},
            "condition": [],
            "group": REAGENT,
        }
        profiles, _, found = run_step(profiles, settings)
        if step == last:
            break
    return profiles, found


def largest_difference(mine: pd.DataFrame, published: pd.DataFrame) -> float:
    """Return the largest difference; print it with the numbers of values and of different ones."""
    names = get_features(published)
    assert get_features(mine) == names
    mine = mine[mine[names].notna().any(axis=1)].reset_index(drop=True)
    assert mine[KEYS].equals(published[KEYS])
    difference = (mine[names].astype("float32") - published[names]).abs().to_numpy()
    assert np.isfinite(difference).all()
    different = (difference > 0).sum()
    print(f"{difference.size} values, {different} different, largest difference {difference.max():.2g}")
    return float(difference.max())


def align(profiles: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Run the script of the step `harmony`, in its environment."""
    before, after = folder / "before.parquet", folder / "after.parquet"
    write_profiles(profiles, before, {})
    ((_, options),) = complete_chain("jump", ["harmony"])["steps"]
    run_harmony([before], options, after, folder / "log.txt", REAGENT)
    return read_profiles(after)


def test_the_compound_chain_up_to_selection_is_the_published_one(recipe):
    file = recipe / "expected" / "compound_trimmed" / "profiles_var_mad_int_featselect.parquet"
    published = as_text(pd.read_parquet(file))
    profiles = annotated(recipe, "profiles/source_5", published)
    mine, _ = run_chain(profiles, "jump_compound", "feature_select")
    assert largest_difference(mine, published) == 0


def test_the_compound_chain_after_harmony_is_the_published_one(recipe, tmp_path):
    file = recipe / "expected" / "compound_trimmed" / "profiles_var_mad_int_featselect_harmony.parquet"
    published = as_text(pd.read_parquet(file))
    profiles = annotated(recipe, "profiles/source_5", published)
    mine, _ = run_chain(profiles, "jump_compound", "feature_select")
    assert largest_difference(align(mine, tmp_path), published) < 1e-5


@pytest.mark.parametrize(
    ("name", "prefix", "folder", "read"),
    [
        ("orf_trimmed", "", "profiles/source_4", pd.read_parquet),
        ("orf_efficientnet_trimmed", "dropna_", "profiles_efficientnet/source_4", read_deep),
    ],
)
def test_the_orf_chains_are_the_published_ones(recipe, tmp_path, name, prefix, folder, read):
    stem = f"profiles_{prefix}wellpos_cc_var_mad_outlier_featselect"
    file = recipe / "expected" / name / f"{stem}.parquet"
    published = as_text(pd.read_parquet(file))
    # replicates share their position on these two plates, and the published files keep the cell count
    options = {
        "well_position": {"fewest_perturbations": 1},
        "cell_count": {"keep_count": True},
        "sphere": {"epsilon": {"draws": 2}},
    }
    written = {"preset": "jump_orf", "options": options}
    profiles = annotated(recipe, folder, published, read)
    mine, _ = run_chain(profiles, written, "feature_select")
    assert largest_difference(mine, published) < 1e-6
    sphered, found = run_chain(profiles, written, "sphere")
    assert found["chosen_epsilon"] == pytest.approx(0.0042665621, rel=1e-8)
    last = as_text(pd.read_parquet(file.with_name(f"{stem}_sphering_harmony.parquet")))
    assert largest_difference(align(sphered, tmp_path), last) < 1e-5
