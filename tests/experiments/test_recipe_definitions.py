"""Chains of JUMP's recipe in other orders, against each step written after its published definition.

The published outputs (test_jump_recipe.py) have few features and no gaps. Here are wells that lack many
features, features of entire images, features that do not vary on a plate, ties, and a plate without controls.
"""

import numpy as np
import pandas as pd
import pytest
from pycytominer import feature_select
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from chain_step import run_step
from lib.chains import KEYS, complete_chain
from lib.tables import get_features

pytestmark = pytest.mark.unit

GROUP = "Metadata_JCP2022"
SEVERAL = [f"W{number:02d}" for number in range(40)]


def simulate(gaps: bool, bare_plate: bool = False) -> pd.DataFrame:
    """Simulate three plates, each with another layout; with gaps, one well lacks a sixth of the features."""
    rng = np.random.default_rng(3)
    names = [f"Cells_F{number:02d}" for number in range(16)] + ["Image_Quality_A", "Image_Quality_B"]
    tables = []
    for plate in range(3):
        values = rng.normal(size=(len(SEVERAL), len(names))) + 5
        values[:, 1] = values[:, 0] + 0.01 * values[:, 1]
        values[:, 2] = np.round(values[:, 2], 1)  # ties
        values[:, 3] = 7.0 if plate == 1 else values[:, 3]  # no spread on one plate
        values[:, 4] = rng.integers(0, 3, len(values))  # few values, and a median of 1
        values[:2, 5] = 1e6  # an outlier on each plate
        values[:, 16] = values[:, 8] + 0.01 * values[:, 16]
        count = rng.integers(50, 200, len(values)).astype(float)
        values[:, 6] += count / 30
        kinds = [f"JCP2022_{number:06d}" for number in range(25)] + ["negcon"] * 12 + [""] * 3
        order = rng.permutation(len(SEVERAL))
        table = pd.DataFrame(values[order].astype(np.float32), columns=names)
        of_wells = pd.DataFrame(
            {
                "Metadata_Batch": f"B{plate // 2}",
                "Metadata_Plate": f"P{plate}",
                "Metadata_Well": SEVERAL,
                GROUP: pd.Series([kinds[at] for at in order], dtype="str").replace("", pd.NA),
                "Metadata_Count_Cells": count[order],
            }
        )
        of_wells["Metadata_control_type"] = of_wells[GROUP].where(of_wells[GROUP] == "negcon")
        tables.append(pd.concat([of_wells, table], axis=1))
    profiles = pd.concat(tables, ignore_index=True)
    if gaps:
        profiles.loc[profiles[GROUP].first_valid_index(), ["Cells_F09", "Cells_F10", "Cells_F11"]] = np.nan
        profiles.loc[50, "Cells_F12"] = np.inf
    if bare_plate:
        rows = (profiles["Metadata_Plate"] == "P1") & (profiles[GROUP] == "negcon")
        profiles.loc[rows, [GROUP, "Metadata_control_type"]] = ["JCP2022_000001", pd.NA]
    number = profiles[GROUP].str[-3:].where(profiles[GROUP] != "negcon").astype("Float64").fillna(99)
    arms = np.where(number < 22, "1p", np.where(number < 25, "2q", ""))
    silent = np.where(number < 21, "-4", "1")
    return profiles.assign(Metadata_arm=arms, Metadata_zfpkm=silent)


class Recipe:
    """The recipe's steps by their words, as RECIPES.md defines them."""

    def __init__(self, profiles: pd.DataFrame, keep_images: bool, controls: bool) -> None:
        self.controls = controls
        profiles = profiles[profiles[GROUP].notna()].reset_index(drop=True)
        images = [] if keep_images else [name for name in profiles if name.startswith("Image_")]
        self.table = profiles.drop(columns=images)

    @property
    def features(self) -> list[str]:
        return get_features(self.table)

    @property
    def values(self) -> pd.DataFrame:
        return self.table[self.features]

    def set(self, values: pd.DataFrame) -> None:
        metadata = self.table.drop(columns=self.features)
        self.table = pd.concat([metadata, values.astype(np.float32)], axis=1)

    def get_statistics(self) -> dict[str, pd.DataFrame]:
        values = self.values.replace([np.inf, -np.inf], np.nan).dropna(axis="columns")
        found = {}
        for plate, rows in self.table.groupby("Metadata_Plate").groups.items():
            known = values.loc[rows]
            if self.controls:
                known = known[self.table.loc[rows, GROUP] == "negcon"]
            if len(known):
                median = known.median()
                mad = (known - median).abs().median()
                cv = (mad / median).abs().replace([np.inf], np.nan).fillna(0).astype(np.float32)
                found[plate] = pd.DataFrame({"median": median, "mad": mad, "cv": cv})
        return found

    def dropna(self) -> None:
        lacking = (~np.isfinite(self.values)).mean(axis=1) > 0.1
        self.table = self.table[~lacking].reset_index(drop=True)

    def wellpos(self) -> None:
        self.table = self.table[np.isfinite(self.values).all(axis=1)].reset_index(drop=True)
        self.set(self.values - self.values.groupby(self.table["Metadata_Well"]).transform("mean"))

    def cc(self) -> None:
        values = self.values.replace([np.inf, -np.inf], np.nan).dropna(axis="columns").astype(float)
        count = self.table[["Metadata_Count_Cells"]].to_numpy()
        for name in values:
            if values[name].nunique() > 100:
                values[name] -= LinearRegression().fit(count, values[name]).predict(count)
        self.set(values)

    def var(self) -> None:
        statistics = self.get_statistics()
        varying = {plate: set(t.index[(t["mad"] != 0) & (t["cv"] > 1e-3)]) for plate, t in statistics.items()}
        varying = {plate: names for plate, names in varying.items() if names}
        kept = sorted(set.intersection(*varying.values()))
        metadata = [name for name in self.table if name.startswith("Metadata_")]
        self.table = self.table[self.table["Metadata_Plate"].isin(varying)][[*metadata, *kept]]
        self.table = self.table.reset_index(drop=True)

    def mad(self) -> None:
        statistics = self.get_statistics()
        parts = []
        for plate, rows in self.table.groupby("Metadata_Plate").groups.items():
            known = statistics[plate].loc[self.features]
            parts.append((self.values.loc[rows] - known["median"]) / known["mad"])
        self.set(pd.concat(parts))
        # pandas' default sort of text as objects does not keep the order of a plate's wells
        table = self.table.astype({"Metadata_Plate": object})
        self.table = table.sort_values("Metadata_Plate", ignore_index=True).astype({"Metadata_Plate": "str"})

    def int(self) -> None:
        number = len(self.table)
        order = np.random.default_rng(0).permutation(number)
        out = {}
        for name in self.features:
            rank = pd.Series(self.table[name].to_numpy()[order]).rank(method="first").to_numpy()
            put_back = np.empty(number)
            put_back[order] = rank
            out[name] = norm.ppf((put_back - 3 / 8) / (number + 1 / 4))
        self.set(pd.DataFrame(out))

    def outlier(self) -> None:
        large = self.values.abs().quantile(0.99) > 100
        self.set(self.values.loc[:, ~large])

    def featselect(self) -> None:
        table = self.table
        for operation in ("frequency_threshold", "correlation_threshold", "blocklist"):
            features = get_features(table)
            table = feature_select(
                table, features=features, operation=operation, freq_cut=0.05, unique_cut=0.01
            )
        self.table = table
        self.set(self.values.dropna(axis="columns"))

    def PCA(self) -> None:  # noqa: N802 (the recipe's word)
        found = PCA(0.98).fit_transform(self.values.to_numpy())
        self.set(pd.DataFrame(found, columns=[f"PC{at + 1}" for at in range(found.shape[1])]))

    def corrected(self) -> None:
        silent = self.table["Metadata_zfpkm"].astype(float) < -3
        values = self.values.astype(float)
        for arm in ("1p", "2q"):
            there = self.table["Metadata_arm"] == arm
            if self.table.loc[there & silent, GROUP].nunique() > 20:
                values[there] -= values[there & silent].mean()
        self.set(values)


NAMES = (
    "profiles_var_mad_int_featselect",
    "profiles_var_mad_outlier_featselect_PCA_corrected",
    "profiles_wellpos_cc_var_mad_outlier_featselect",
    "profiles_dropna_wellpos_cc_var_mad_outlier_featselect_PCA_corrected",
    "profiles_wellpos_var_mad_int_featselect",
    "profiles_cc_var_mad_int_featselect_PCA",
    "profiles_dropna_var_mad_outlier_featselect",
    "profiles_var_mad_int_wellpos_featselect",
    "profiles_var_mad_wellpos_cc_int_outlier",
    "profiles_wellpos_int",
)


@pytest.mark.parametrize("controls", [True, False], ids=["negcon", "all"])
@pytest.mark.parametrize("gaps", [True, False], ids=["gaps", "complete"])
@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_file_is_its_chain(name, gaps, controls):
    keep_images = controls
    profiles = simulate(gaps, bare_plate=controls and "wellpos" not in name)
    expected = Recipe(profiles, keep_images, controls)
    for word in name.split("_")[1:]:
        getattr(expected, word)()
    reference = {"reference": "negcon" if controls else "all"}
    steps = {"variance": reference, "normalize": reference} if "var" in name else {}
    if "wellpos" in name:
        steps["well_position"] = {"fewest_perturbations": 1}
    written = {"preset": name, "options": steps, "image_features": keep_images}
    chain = complete_chain("x", written)
    mine = profiles
    for number, (step, options) in enumerate(chain["steps"]):
        settings = {
            **{key: chain[key] for key in KEYS},
            **{"step": step, "options": options, "first": number == 0, "condition": [], "group": GROUP},
        }
        mine, _, _ = run_step(mine, settings)
    assert len(mine) == len(profiles)
    keys = ["Metadata_Plate", "Metadata_Well"]
    counted = mine[mine[get_features(mine)].notna().any(axis=1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(counted[keys], expected.table[keys], check_dtype=False)
    assert get_features(counted) == expected.features
    assert len(expected.features) > 3
    assert counted[expected.features].dtypes.eq(np.float32).all()
    np.testing.assert_allclose(counted[expected.features], expected.values, rtol=1e-4, atol=2e-5)
