"""Dose response of simulated compounds (potent, weak, toxic, inactive), without doses, without controls."""

import numpy as np
import pandas as pd
import pytest

from dose_response import CELL_COUNT, draw_figure, fit_series, get_series, main, summarize_compounds
from lib.dose_curves import get_share
from lib.errors import InputError
from lib.replicates import Wells
from lib.tables import write_profiles

pytestmark = pytest.mark.unit

LEVELS = [0.1, 0.3, 1, 3, 10, 30]
GROUPS = (("Texture", "ER"), ("Intensity", "DNA"))
FEATURES = [f"{c}_{f}_M_{k}_{i}" for c in ("Cells", "Nuclei") for f, k in GROUPS for i in range(5)]
# compound: half of the effect at this dose, and at this dose half of the cells are lost
COMPOUNDS = {"potent": (0.5, np.inf), "weak": (8, np.inf), "toxic": (np.inf, 3), "inactive": (np.inf, np.inf)}


def simulate(written="{:g}", seed=0) -> Wells:
    """Two plates with 16 solvent wells and each compound at six doses, twice."""
    rng = np.random.default_rng(seed)
    rows, values = [], []
    for plate in ("p", "q"):
        plan = [("", 0.0)] * 16 + [(name, dose) for name in COMPOUNDS for dose in LEVELS for _ in range(2)]
        for number, (name, dose) in enumerate(plan):
            half, lethal = COMPOUNDS.get(name, (np.inf, np.inf))
            effect = 8 * get_share(np.array(dose), half, 2) if np.isfinite(half) and dose else 0
            lost = get_share(np.array(dose), lethal, 2) if np.isfinite(lethal) and dose else 0
            rows.append(
                {
                    "Metadata_Plate": plate,
                    "Metadata_Well": f"{chr(65 + number // 12)}{number % 12 + 1:02d}",
                    "Metadata_broad_sample": name or "DMSO",
                    "Metadata_dose": written.format(dose) if name else "",
                    "Metadata_control_type": "" if name else "negcon",
                    "Metadata_Count_Cells": rng.poisson(200 * (1 - 0.9 * lost)),
                }
            )
            direction = np.array(["Texture" in feature for feature in FEATURES], dtype=float)
            values.append(rng.normal(size=len(FEATURES)) + effect * direction)
    return Wells(pd.DataFrame(rows), np.array(values), FEATURES, {})


def get_tables(wells, limit="2sd"):
    series = get_series(wells, "Metadata_dose", "Metadata_broad_sample", ["ER", "DNA"], True)
    curves = fit_series(series, limit, 1)
    return summarize_compounds(curves, series.unit).set_index("compound"), curves


@pytest.mark.parametrize("limit", ["2sd", "mad"])
def test_potent_compounds_have_lower_benchmark_doses(limit):
    compounds, curves = get_tables(simulate(), limit)
    assert list(compounds.index[:2]) == ["potent", "weak"]
    assert compounds.loc["potent", "benchmark_dose"] < compounds.loc["weak", "benchmark_dose"]
    assert compounds.loc["potent", "benchmark_dose"] < 0.5
    assert 0.5 < compounds.loc["weak", "benchmark_dose"] < 8
    for name in ("inactive", "toxic"):
        assert np.isnan(compounds.loc[name, "benchmark_dose"])
    assert 0.3 < compounds.loc["toxic", "cell_count_benchmark_dose"] < 4
    assert compounds["cell_count_benchmark_dose"].drop("toxic").isna().all()
    assert (compounds["point_of_departure"].dropna() <= compounds["benchmark_dose"].dropna()).all()
    by_response = curves[curves["compound"] == "potent"].set_index("response")
    assert by_response.loc["Texture", "counts"]
    assert not by_response.loc["Intensity", "counts"]


def test_a_benchmark_dose_that_is_hardly_known_is_not_a_point_of_departure():
    curves = pd.DataFrame(
        {
            "compound": "x",
            "response": ["all features", "Texture", "Intensity", "Nuclei DNA"],
            "doses": 6,
            "counts": True,
            "benchmark_dose": [3.0, 0.1, 2.0, 0.5],
            "benchmark_dose_low": [2.0, 0.05, 1.0, 0.1],
            "benchmark_dose_high": [4.0, 2.1, 3.0, np.inf],
            "ec50": 5.0,
            "top": 9.0,
            "message": ["", "", "below the lowest dose", ""],
        }
    )
    row = summarize_compounds(curves, "uM").iloc[0]
    assert row["message"] == "point of departure: below the lowest dose"
    assert (row["point_of_departure"], row["most_sensitive"]) == (2.0, "Intensity")
    unbounded = summarize_compounds(curves.iloc[3:].assign(response="all features"), "uM").iloc[0]
    assert np.isnan(unbounded["point_of_departure"])
    assert unbounded["benchmark_dose"] == 0.5


def test_a_curve_without_a_benchmark_dose_says_why():
    series = get_series(simulate(), "Metadata_dose", "Metadata_broad_sample", ["ER", "DNA"], True)
    curves = fit_series(series, "2sd", 1)
    messages = curves.set_index(["compound", "response"])["message"]
    assert messages["inactive", "all features"] == "no effect of the dose"
    assert messages["potent", "all features"] == ""
    panels = draw_figure(series, curves, summarize_compounds(curves, ""), "T").axes
    assert len(panels) == 2 * len(COMPOUNDS)
    for axes in panels:
        # The style that another test may have set moves titles to the left.
        name, response = (axes.get_title() or axes.get_title("left")).split(": ")
        found = [text.get_text() for text in axes.texts]
        assert found == ([messages[name, response]] if messages[name, response] else [])


def test_doses_with_a_unit_are_the_same_doses():
    expected, _ = get_tables(simulate())
    for written in ("{:g} uM", "{:.3f}"):
        found, _ = get_tables(simulate(written))
        assert found["benchmark_dose"].to_numpy() == pytest.approx(
            expected["benchmark_dose"].to_numpy(), nan_ok=True
        )


def test_without_cell_counts_there_is_no_curve_of_them():
    wells = simulate()
    without = Wells(wells.metadata.drop(columns="Metadata_Count_Cells"), wells.values, FEATURES, {})
    compounds, curves = get_tables(without)
    assert CELL_COUNT not in set(curves["response"])
    assert compounds["cell_count_benchmark_dose"].isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="Metadata_dose"), "no column Metadata_dose"),
        (lambda table: table.assign(Metadata_dose="high"), "no well has a dose above 0"),
        (lambda table: table.assign(Metadata_dose="1e400"), "no well has a dose above 0"),
        (
            lambda table: table.assign(Metadata_dose=[str(-(at % 3)) for at in range(len(table))]),
            "has negative doses",
        ),
    ],
)
def test_missing_doses_are_refused(change, message):
    wells = simulate()
    with pytest.raises(InputError, match=message):
        get_tables(Wells(change(wells.metadata), wells.values, FEATURES, {}))


@pytest.mark.parametrize("solvent", [True, False])
def test_the_files_of_a_condition(tmp_path, solvent):
    wells = simulate()
    metadata = wells.metadata if solvent else wells.metadata.assign(Metadata_control_type="")
    profiles = pd.concat([metadata, pd.DataFrame(wells.values, columns=FEATURES)], axis=1)
    files = []
    for plate, part in profiles.groupby("Metadata_Plate"):
        files.append(str(tmp_path / f"{plate}.parquet"))
        write_profiles(part.reset_index(drop=True), files[-1], {})
    outputs = {name: str(tmp_path / f"{name}.csv") for name in ("compounds", "curves", "wells")}
    outputs["figure"] = str(tmp_path / "figure.png")
    options = {
        "dose": "Metadata_dose",
        "compound": "Metadata_broad_sample",
        "channels": ["ER", "DNA"],
        "positive_controls": True,
        "limit": "2sd",
        "seed": 1,
        "title": "T",
    }
    controls = {"column": "control_type", "negcon": "negcon"}
    head = {"cell_line": "U2OS", "feature_set": "f"}
    main(files, outputs, head, options, controls)
    found = pd.read_csv(outputs["compounds"])
    if not solvent:
        # The report must not wait for a condition that has no dose response.
        assert found[["cell_line", "feature_set", "doses"]].to_numpy().tolist() == [["U2OS", "f", 0]]
        assert "no well is a negative control" in found["message"].item()
        curves, wells = (pd.read_csv(outputs[name]) for name in ("curves", "wells"))
        assert curves.empty
        assert wells.empty
        assert {"compound", "response"} <= set(curves)
        assert (tmp_path / "figure.png").stat().st_size > 1_000
        return
    assert list(found)[:3] == ["cell_line", "feature_set", "compound"]
    assert len(found) == len(COMPOUNDS)
    assert len(pd.read_csv(outputs["wells"])) == len(wells)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
