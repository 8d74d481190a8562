"""Quality control: measures and flags by hand, faults found and clean sites left alone."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import aggregate
from lib.aggregation import read_excluded_sites
from lib.thresholds import flag_thresholds
from lib.wells import get_row_name, get_well_place
from plate_quality.regions import list_regions
from plot_heatmaps import find_color_range, plot_heat_maps
from quality import check_quality

pytestmark = pytest.mark.unit

LIMITS = {
    "empty_cells": 1,
    "low_cell_count": 0.25,
    "saturated_percent": 0.5,
    "debris_ratio": 2,
    "focus_z": 5,
    "focus_shift": 0.3,
    "region_z": 5,
    "region_shift": 0.1,
}
CHANNELS = ("DNA", "ER", "RNA", "AGP", "Mito")


def layout(rows: int, columns: int, treatments: int = 40, seed: int = 0) -> pd.DataFrame:
    """A plate map at random: a fifth negative controls, a tenth positive ones, treatments twice or so."""
    generator = np.random.default_rng(seed)
    wells = [f"{get_row_name(row + 1)}{column + 1:02d}" for row in range(rows) for column in range(columns)]
    kind = generator.choice(["negcon", "poscon", ""], len(wells), p=[0.2, 0.1, 0.7])
    number = generator.integers(treatments, size=len(wells))
    sample = np.where(kind == "", [f"T{n}" for n in number], np.where(kind == "negcon", "DMSO", "POS"))
    return pd.DataFrame({"well": wells, "broad_sample": sample, "control_type": kind})


def plate(known: pd.DataFrame, sites: int = 2, seed: int = 0) -> pd.DataFrame:
    """Measures of a plate without a fault: strong phenotypes, some of them toxic, and noise."""
    generator = np.random.default_rng(seed)
    samples = known["broad_sample"].unique()
    effect = {sample: np.exp(generator.normal(0, 0.5, 5)) for sample in samples}
    effect["DMSO"] = np.ones(5)
    survival = {sample: generator.choice([1.0, 0.1], p=[0.9, 0.1]) for sample in samples}
    survival["DMSO"] = 1.0
    rows = []
    for well, sample in zip(known["well"], known["broad_sample"], strict=True):
        for site in range(1, sites + 1):
            cells = max(2, generator.poisson(80 * survival[sample]))
            row = {"Metadata_Plate": "P", "Metadata_Well": well, "Metadata_Site": str(site)}
            row |= {"Metadata_ImageNumber": len(rows) + 1, "Count_Cells": cells}
            row["Nuclei_Area"] = 800 * np.exp(generator.normal(0, 0.05))
            for channel, factor in zip(CHANNELS, effect[sample], strict=True):
                signal = factor * np.exp(generator.normal(0, 0.05))
                row[f"CellIntensity_{channel}"] = 0.05 * signal
                row[f"MeanIntensity_{channel}"] = 0.003 + 0.01 * signal * cells / 80
                row[f"StdIntensity_{channel}"] = 0.01 * signal * np.sqrt(cells / 80)
                row[f"MaxIntensity_{channel}"] = 0.2 * signal
                row[f"PercentMaximal_{channel}"] = 0.0001
                # Fewer cells leave more of the flat spectrum of noise.
                row[f"PowerLogLogSlope_{channel}"] = -2 + 0.3 * (1 - cells / 80) + generator.normal(0, 0.05)
            rows.append(row)
    return pd.DataFrame(rows)


def judged(sites: pd.DataFrame, known: pd.DataFrame, exclude: bool = False) -> dict[str, pd.DataFrame]:
    return check_quality(sites, known, "negcon", LIMITS, exclude)


def flagged(tables: dict[str, pd.DataFrame], kind: str) -> set:
    rows = tables["flags"][tables["flags"]["flag"] == kind]
    if rows["region"].notna().any():
        return set(rows["region"])
    return set(zip(rows["Metadata_Well"], rows["Metadata_Site"], strict=True))


def test_wells_and_regions():
    assert [get_well_place(well) for well in ("A01", "P24", "AF48")] == [(1, 1), (16, 24), (32, 48)]
    wells = ["A01", "B02", "B03", "D06"]
    assert list_regions(wells)["edge"] == ("edge_effect", ["A01", "D06"])
    assert list_regions(wells)["row B"] == ("shifted_row", ["B02", "B03"])
    assert list_regions(wells)["column 3"] == ("shifted_column", ["B03"])


@pytest.mark.parametrize("shape", [(3, 6), (8, 12), (16, 24)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_clean_plates_have_hardly_a_flag(shape, seed):
    """Strong phenotypes and toxic wells are not faults; under 2 % of sites, and no region, are flagged."""
    known = layout(*shape, seed=seed)
    tables = judged(plate(known, seed=seed), known)
    image_flags = tables["flags"]["flag"].isin(["out_of_focus", "saturated", "debris", "empty"])
    assert image_flags.sum() / len(tables["sites"]) < 0.02
    assert tables["flags"]["region"].isna().all(), tables["flags"]["reason"].tolist()


def test_each_fault_of_a_site_is_flagged_with_its_reason():
    known = layout(8, 12)
    sites = plate(known)
    at = {
        (w, s): n for n, (w, s) in enumerate(zip(sites["Metadata_Well"], sites["Metadata_Site"], strict=True))
    }
    slopes = [f"PowerLogLogSlope_{channel}" for channel in CHANNELS]
    sites.loc[at["B03", "1"], slopes] = -3.0
    sites.loc[at["B05", "2"], slopes[:2]] = -3.0  # two stains: a phenotype
    sites.loc[at["C04", "1"], ["PercentMaximal_RNA", "MaxIntensity_RNA"]] = [4.0, 5.0]
    for channel in CHANNELS:
        sites.loc[at["D05", "2"], f"MaxIntensity_{channel}"] *= 20
        sites.loc[at["D05", "2"], f"StdIntensity_{channel}"] *= 20
    sites.loc[at["E06", "1"], "Count_Cells"] = 0
    tables = judged(sites, known, exclude=True)
    assert flagged(tables, "out_of_focus") == {("B03", "1")}
    assert flagged(tables, "saturated") == {("C04", "1")}
    assert flagged(tables, "debris") == {("D05", "2")}
    assert flagged(tables, "empty") == {("E06", "1")}
    flags = tables["flags"].set_index("flag")
    assert "in 5 of 5 channels: DNA, ER, RNA, AGP, Mito" in flags.at["out_of_focus", "reason"]
    assert flags.at["saturated", "reason"] == "4 % of the pixels of RNA have the brightest value"
    assert flags.at["empty", "reason"].startswith("0 cells; the plate's sites have ")
    assert flags.loc[["out_of_focus", "saturated", "debris"], "excluded"].all()
    assert not flags.at["empty", "excluded"]
    wells = tables["wells"].set_index("Metadata_Well")
    assert wells.at["B03", "flags"] == "out_of_focus"
    assert wells.at["B03", "Count_Sites_Flagged"] == 1
    summary = tables["summary"].iloc[0]
    assert summary["sites"] == 192
    assert summary["flagged_sites"] == 4
    assert summary["excluded_sites"] == 3
    assert not judged(sites, known)["flags"]["excluded"].any()


def test_a_dead_well_is_not_called_out_of_focus():
    known = layout(8, 12)
    sites = plate(known)
    dead = sites["Metadata_Well"] == "C07"
    sites.loc[dead, "Count_Cells"] = 6
    sites.loc[dead, [f"PowerLogLogSlope_{channel}" for channel in CHANNELS]] = -1.5
    tables = judged(sites, known)
    assert ("C07", "1") not in flagged(tables, "out_of_focus")
    flags = tables["flags"]
    low = flags[(flags["flag"] == "low_cell_count") & (flags["Metadata_Well"] == "C07")]
    assert "toxic" in low["reason"].iloc[0]


def shifted(sites: pd.DataFrame, wells: list[str], factor: float) -> pd.DataFrame:
    sites = sites.copy()
    names = [name for name in sites if name.startswith(("CellIntensity_", "MeanIntensity_"))]
    sites.loc[sites["Metadata_Well"].isin(wells), names] *= factor
    return sites


@pytest.mark.parametrize(
    ("region", "kind"),
    [("column 7", "shifted_column"), ("row C", "shifted_row"), ("edge", "edge_effect")],
)
def test_a_shifted_region_is_flagged(region, kind):
    known = layout(8, 12)
    sites = shifted(plate(known), list_regions(known["well"])[region][1], 0.6)
    tables = judged(sites, known)
    assert flagged(tables, kind) == {region}
    reasons = tables["flags"].loc[tables["flags"]["flag"] == kind, "reason"]
    assert reasons.str.contains("; z -").all()
    well = "A01" if region == "edge" else "C07"
    assert kind in tables["wells"].set_index("Metadata_Well").at[well, "flags"].split()


def test_a_column_of_controls_or_of_one_perturbation_is_not_a_shifted_column():
    known = layout(8, 12)
    columns = known["well"].str[1:].astype(int)
    known.loc[columns == 3, ["broad_sample", "control_type"]] = ["POS", "poscon"]
    known.loc[columns == 9, ["broad_sample", "control_type"]] = ["ALONE", ""]
    sites = plate(known)
    for column in (3, 9):
        sites = shifted(sites, list_regions(known["well"])[f"column {column}"][1], 3)
    assert flagged(judged(sites, known), "shifted_column") == set()


def unreplicated() -> tuple[pd.DataFrame, pd.DataFrame]:
    """A plate with each treatment in one well, controls in two columns; a strong effect on Mito in a well of
    ten, but in half of column 4, whose other wells are a little brighter, too."""
    known = layout(8, 12)
    rows, columns = zip(*map(get_well_place, known["well"]), strict=True)
    control = np.isin(columns, (1, 12))
    known["control_type"] = np.where(control, "negcon", "")
    known["broad_sample"] = np.where(control, "DMSO", "T-" + known["well"])
    strong = np.array(
        [(r + 3 * c) % 10 == 0 if c != 4 else r % 2 == 0 for r, c in zip(rows, columns, strict=True)]
    )
    sites = plate(known.assign(broad_sample="DMSO"), sites=1)
    sites.loc[np.array(columns) == 4, "CellIntensity_Mito"] = 0.05 * 1.06
    sites.loc[strong & ~control, "CellIntensity_Mito"] *= 1.9
    return known, sites


def test_strong_treatments_that_lie_together_are_not_a_shifted_column():
    """The median of column 4 is far off, since half of its wells are; a fault moves all wells."""
    known, sites = unreplicated()
    assert flagged(judged(sites, known), "shifted_column") == set()
    faulty = shifted(sites, list_regions(known["well"])["column 4"][1], 0.6)
    assert flagged(judged(faulty, known), "shifted_column") == {"column 4"}


def test_debris_in_a_well_of_a_dim_perturbation():
    """Half as bright as the plate, a site of four is 2.4 times as bright as the others: debris."""
    known = layout(8, 12)
    known.loc[known["well"].isin(["C04", "E09"]), ["broad_sample", "control_type"]] = ["DIM", ""]
    sites = plate(known.assign(broad_sample="DMSO"))
    light = [f"{kind}Intensity_{channel}" for kind in ("Max", "Std") for channel in CHANNELS]
    dim = sites["Metadata_Well"].isin(["C04", "E09"])
    sites.loc[dim, light] *= 0.5
    assert flagged(judged(sites, known), "debris") == set()
    sites.loc[dim & (sites["Metadata_Well"] == "C04") & (sites["Metadata_Site"] == "2"), light] *= 2.8
    assert flagged(judged(sites, known), "debris") == {("C04", "2")}


def test_of_two_channels_a_treatment_alone_may_change_one():
    """Three times as bright in RNA alone: an effect without any well to compare; in both channels: debris."""
    known, sites = unreplicated()
    sites = sites[[name for name in sites if not name.endswith(("_ER", "_AGP", "_Mito"))]].copy()
    at = sites["Metadata_Well"] == "C05"
    sites.loc[at, ["MaxIntensity_RNA", "StdIntensity_RNA"]] *= 3
    assert flagged(judged(sites, known), "debris") == set()
    sites.loc[at, ["MaxIntensity_DNA", "StdIntensity_DNA"]] *= 1.8
    assert flagged(judged(sites, known), "debris") == {("C05", "1")}


def test_cells_alone_are_judged_where_images_were_not_measured():
    known = layout(4, 6)
    sites = plate(known)
    sites = sites[[name for name in sites if name.startswith(("Metadata_", "Count_", "Nuclei_", "CellInt"))]]
    sites.loc[0, "Count_Cells"] = 0
    tables = judged(sites, known)
    assert flagged(tables, "empty") == {("A01", "1")}
    assert set(tables["flags"]["flag"]) <= {"empty", "low_cell_count"}


def test_a_well_of_the_plate_map_without_a_site_is_kept():
    known = layout(4, 6)
    sites = plate(known)
    tables = judged(sites[sites["Metadata_Well"] != "B02"], known)
    wells = tables["wells"].set_index("Metadata_Well")
    assert len(wells) == 24
    assert wells.at["B02", "Count_Sites"] == 0
    assert wells.at["B02", "Count_Cells"] == 0


def test_excluded_sites_are_left_out_and_reported(tmp_path):
    cells = pd.DataFrame(
        {
            "Metadata_Plate": "P",
            "Metadata_Well": ["A01", "A01", "A01", "A02"],
            "Metadata_Site": ["1", "2", "2", "1"],
            "Cells_F": np.array([1, 5, 9, 3], dtype="float32"),
        }
    )
    image = pd.DataFrame(
        {"Metadata_Plate": "P", "Metadata_Well": ["A01", "A01", "A02"], "Metadata_Site": ["1", "2", "1"]}
    )
    flags = pd.DataFrame(
        {
            "Metadata_Well": ["A01", "A02", np.nan],
            "Metadata_Site": ["1", "1", np.nan],
            "flag": ["saturated", "debris", "shifted_row"],
            "excluded": [True, True, False],
        }
    )
    paths = [tmp_path / name for name in ("cells.parquet", "image.parquet", "flags.csv", "profiles.parquet")]
    cells.to_parquet(paths[0])
    image.to_parquet(paths[1])
    flags.to_csv(paths[2], index=False)
    for operation, middle in (("mean", 7), ("median", 7)):
        table = aggregate.aggregate(*paths[:2], operation, [], read_excluded_sites(paths[2])).set_index(
            "Metadata_Well"
        )
        assert table["Metadata_Count_Sites_Excluded"].tolist() == [1, 1]
        assert table["Metadata_Count_Sites"].tolist() == [1, 0]
        assert table["Metadata_Count_Cells"].tolist() == [2, 0]
        assert table.at["A01", "Cells_F"] == middle
        assert np.isnan(table.at["A02", "Cells_F"])
    parameters = {"batch": "B", "plate": "P", "operation": "mean", "exclude_features": [], "unwanted": []}
    aggregate.main(paths[0], paths[1], paths[3], parameters, paths[2])
    assert (
        b'"excluded_sites": ["A01 site 1", "A02 site 1"]' in pq.read_schema(paths[3]).metadata[b"platewise"]
    )
    assert "Metadata_Count_Sites_Excluded" not in aggregate.aggregate(*paths[:2], "mean", [])


@pytest.mark.parametrize("shape", [(4, 6), (32, 48)])
def test_heat_maps_of_any_plate(shape):
    known = layout(*shape)
    sites = plate(known, sites=1)
    wells = judged(sites.drop(columns=[c for c in sites if c.endswith(("ER", "AGP", "Mito"))]), known)[
        "wells"
    ]
    figure = plot_heat_maps(wells)
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    assert "cells" in titles
    assert "RNA: focus (power log-log slope)" in titles
    assert figure.axes[0].images[0].get_array().shape == shape


def test_one_odd_well_takes_no_color_from_the_others():
    values = np.array([[1.0, 2, 3, 4, 100, np.nan]])
    low, high, ends = find_color_range(values)
    assert (low, ends) == (1.0, "max")
    assert high == pytest.approx(3 + 4 * 1.4826)
    assert find_color_range(np.array([[2.0, 2.0]])) == (1.5, 2.5, "neither")


def test_a_threshold_that_is_another_assays_bound_is_flagged():
    """Of 10 sites: 0.07 calculated and 0.014 used; calculated and used alike; at the bound on half only."""
    image = pd.DataFrame(
        {
            "Threshold_OrigThreshold_Cells": [0.07] * 10,
            "Threshold_FinalThreshold_Cells": [0.014] * 10,
            "Threshold_OrigThreshold_Nuclei": np.linspace(0.02, 0.03, 10),
            "Threshold_FinalThreshold_Nuclei": np.linspace(0.025, 0.0375, 10),
            "Threshold_OrigThreshold_Dim": [0.001] * 10,
            "Threshold_FinalThreshold_Dim": [0.014] * 5 + [0.02] * 5,
        }
    )
    (flag,) = flag_thresholds(image, "P")
    assert (flag["measure"], flag["value"], flag["limit"]) == ("Threshold_FinalThreshold_Cells", 0.07, 0.014)
    assert "assay.cells.threshold.bounds" in flag["reason"]
    assert "includes background" in flag["reason"]
    assert flag_thresholds(image.head(2), "P") == []
    known = layout(8, 12)
    tables = check_quality(plate(known), known, "negcon", LIMITS, exclude=False, plate_flags=[flag])
    assert tables["flags"]["flag"].tolist().count("threshold_at_bound") == 1
    assert not tables["wells"]["flags"].str.contains("threshold").any()
