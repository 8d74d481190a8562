"""Values that would make a wrong score: gaps, spreads that are rounding, features that explode."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cases.case import case
from consensus import compute_consensus
from feature_select import mask_lone_values_of_plate
from import_profiles import find_extremes
from lib.errors import InputError
from lib.feature_names import keep_wanted
from lib.gaps import find_few_cells, mark_few_cells
from lib.perturbation_names import describe_alike
from lib.provenance import add_left_out
from lib.replicates import join_plates
from lib.scores import describe_left_out, read_scores
from lib.selection import OUTLIERS, find_dropped_features
from lib.sphering import fit_on_controls
from lib.tables import get_features, write_profiles
from normalize import get_notable, normalize
from percent_replicating import main as score
from simulated_profiles import plates

pytestmark = pytest.mark.unit
SELECTION = {"freq_cut": 0.05, "unique_cut": 0.1, "correlation": 0.9, "na_cutoff": 0.05, "blocklist": True}
LIMIT = 1000


def experiment() -> dict[str, pd.DataFrame]:
    """Two plates of 40 perturbations and 24 controls."""
    return plates(40, 2, effect=0.6, controls=24, features=42)


def scored(raw: dict[str, pd.DataFrame], folder: Path) -> pd.Series:
    """The row of Percent Replicating after normalization to the controls and selection on each plate."""
    files = []
    for name, profiles in raw.items():
        chosen = (profiles["Metadata_control_type"] == "negcon") & ~find_few_cells(profiles)
        controls = profiles[chosen]
        normalized, dropped, lone = normalize(profiles, controls, LIMIT, 3)
        selected = find_dropped_features(normalized, SELECTION, LIMIT)
        made_by = add_left_out({}, "", get_notable(dropped), values=lone)
        files.append(str(folder / Path(name).stem / name))
        write_profiles(normalized.drop(columns=set(selected["feature"])), files[-1], made_by)
    outputs = {name: str(folder / f"{name}.csv") for name in ("score", "perturbations", "null")}
    score(files, {"cell_line": "U2OS"}, "normalized", outputs, {"draws": 500, "repeats": 3})
    return read_scores(outputs["score"]).iloc[0]


@case(
    "scores",
    kind="a well that lacks most features",
    comes_from="CytoTable, pycytominer: a single cell that could not be measured is the mean of its well",
    says="1 well left out because more than a tenth of the features are missing: Pplate0 W00003",
    happens="the well stays in every table and is in no score; the features stay",
)
def test_one_poor_well_takes_no_feature_from_its_condition(tmp_path):
    sound = scored(experiment(), tmp_path / "sound")
    raw = experiment()
    first = raw["Pplate0.parquet"]
    first.loc[3, get_features(first)[4:]] = np.nan
    poor = scored(raw, tmp_path / "poor")
    assert (poor["features"], poor["wells"]) == (sound["features"], sound["wells"] - 1)
    assert poor["wells_incomplete"] == 1
    assert abs(poor["percent_replicating"] - sound["percent_replicating"]) <= 5
    assert sound["message"] is np.nan or "left out" not in str(sound["message"])
    return poor["message"]


@case(
    "scores",
    kind="a missing value in every feature, each in another well",
    comes_from="own trial: 23 of 30 features were gone",
    says="... missing values replaced by the median of the feature",
    happens="the features are kept, and a gap is filled with the median of its feature",
)
def test_gaps_everywhere_take_no_feature(tmp_path):
    sound = scored(experiment(), tmp_path / "sound")
    raw = experiment()
    first = raw["Pplate0.parquet"]
    for number, name in enumerate(get_features(first)):
        first.loc[number, name] = np.nan
    row = scored(raw, tmp_path / "gaps")
    assert (row["features"], row["wells"]) == (sound["features"], sound["wells"])
    assert abs(row["percent_replicating"] - sound["percent_replicating"]) <= 5
    return row["message"]


@case(
    "scores",
    kind="a feature that cannot be measured under one compound, in sphered profiles and in consensus",
    comes_from="lincs-cell-painting: the compound lost all its wells",
    happens="the feature is left out (`..._spherized_dropped.csv` names it), no well is lost",
)
def test_a_gap_under_one_compound_loses_no_well():
    raw = experiment()
    for profiles in raw.values():
        profiles.loc[profiles["Metadata_broad_sample"] == "P0003", "Cells_F7"] = np.nan
    wells = join_plates(raw)
    fit = fit_on_controls(wells)
    assert fit.left_out == {"Cells_F7": "missing in a well"}
    assert fit.of(wells)[fit.features].notna().all(axis=None)
    table, left_out = compute_consensus(wells)
    assert left_out == {"wells": {}, "features": {"Cells_F7": "missing in a well"}}
    assert "Cells_F7" not in table
    assert "P0003" in set(table["Metadata_perturbation"])


@case(
    "scores",
    kind="a feature whose spread in the controls is the rounding of single precision",
    comes_from="lincs-cell-painting, pycytominer: Manders coefficients that are 1 in every control",
    says="1 feature left out on plate Pplate0, Pplate1: Cells_Flat (the spread in the reference wells is "
    "rounding: MAD ..., rounding ...)",
    happens="the feature is dropped, `..._dropped.csv` and the message of each score name it",
)
def test_a_spread_that_is_rounding(tmp_path):
    without = scored(experiment(), tmp_path / "without")
    raw = experiment()
    for seed, profiles in enumerate(raw.values()):
        rng = np.random.default_rng(seed)
        value = 1 + rng.integers(-2, 3, len(profiles)) * 2.0**-24
        low = (rng.random(len(profiles)) < 0.3) & (profiles["Metadata_control_type"] != "negcon")
        profiles["Cells_Flat"] = value - 0.01 * low
    row = scored(raw, tmp_path / "with")
    assert row["percent_replicating"] == without["percent_replicating"]
    assert row["features"] == without["features"]
    return row["message"]


@case(
    "scores",
    kind="a feature that explodes",
    comes_from="published CRISPR plates: Costes features up to 10,789 were all that the correlations saw",
    says="1 feature left out on plate Pplate0, Pplate1: Cells_Wild (exploded: beyond 1,000 in ... of 64 "
    "wells, to ...)",
    happens="the feature is dropped (normalize.outlier_cutoff) and named in the message of each score",
)
def test_a_feature_that_explodes(tmp_path):
    without = scored(experiment(), tmp_path / "without")
    raw = experiment()
    for seed, profiles in enumerate(raw.values()):
        rng = np.random.default_rng(seed)
        wild = (rng.random(len(profiles)) < 0.3) & (profiles["Metadata_control_type"] != "negcon")
        profiles["Cells_Wild"] = rng.normal(size=len(profiles)) + wild * 8000
    row = scored(raw, tmp_path / "with")
    assert row["percent_replicating"] == without["percent_replicating"]
    return row["message"]


@case(
    "scores",
    kind="a value far beyond all others in a single well",
    comes_from="divisions by almost 0 in one well; its profile correlates with nothing",
    says="2 values far beyond all others, taken as missing: Pplate0 W00003 Cells_F7 (...)",
    happens="the value is missing, and the rules for missing values apply; strong but graded effects stay",
)
def test_a_value_that_explodes_in_one_well(tmp_path):
    raw = experiment()
    for profiles in raw.values():
        profiles.loc[3, "Cells_F7"] = np.nan
    gap = scored(raw, tmp_path / "gap")
    raw = experiment()
    # Another sign and size on each plate.
    for profiles, value in zip(raw.values(), (4e4, -3e7), strict=True):
        profiles.loc[3, "Cells_F7"] = value
    row = scored(raw, tmp_path / "lone")
    assert row["percent_replicating"] == gap["percent_replicating"]
    assert (row["features"], row["wells"]) == (gap["features"], gap["wells"])
    assert row["wells_incomplete"] == 0
    return row["message"]


def test_a_well_that_explodes_in_many_features_is_incomplete(tmp_path):
    raw = experiment()
    first = raw["Pplate0.parquet"]
    first.loc[3, get_features(first)[:20]] = 1e6
    row = scored(raw, tmp_path / "lone")
    assert row["wells_incomplete"] == 1
    sound = scored(experiment(), tmp_path / "sound")
    assert (row["features"], row["wells"]) == (sound["features"], sound["wells"] - 1)


def test_lone_values_of_published_profiles_are_taken_as_missing_at_selection():
    profiles = next(iter(experiment().values()))
    profiles.loc[5, "Cells_F3"] = -70_000.0
    selected, lone = mask_lone_values_of_plate(profiles, LIMIT)
    assert lone == {"W00005 Cells_F3": "-70,000"}
    assert selected.isna().sum().sum() - profiles.isna().sum().sum() == 1
    assert mask_lone_values_of_plate(profiles, None)[1] == {}


@case(
    "scores",
    kind="published profiles, normalized and selected elsewhere, with features that explode",
    comes_from="published CRISPR plates whose Costes features reached 10,789",
    says="features with extreme values are kept, since the published profiles were normalized and selected "
    "elsewhere (exclude_features removes them): P1 Cells_F1 (to 10,789), Cells_F3 (to 70,000)",
    happens="they are scored as published, and the message of each score names these features",
)
def test_extreme_features_of_published_profiles_are_reported(tmp_path):
    profiles = next(iter(experiment().values()))
    assert find_extremes(profiles, LIMIT) == {}
    profiles.loc[::3, "Cells_F1"] = 10_789.0
    profiles.loc[5, "Cells_F3"] = -70_000.0
    assert find_extremes(profiles, None) == {}
    path = tmp_path / "P1" / "P1.parquet"
    write_profiles(profiles, path, {"extreme_features": find_extremes(profiles, LIMIT)})
    (message,) = describe_left_out([str(path)])
    return message


def test_a_lone_value_takes_its_feature_from_sphered_profiles():
    raw = experiment()
    raw["Pplate0.parquet"].loc[3, "Cells_F7"] = 1e6
    fit = fit_on_controls(join_plates(raw), outlier_cutoff=LIMIT)
    assert list(fit.left_out) == ["Cells_F7"]
    assert fit.left_out["Cells_F7"].startswith("exploded in a single well")


@case(
    "scores",
    kind="a well with a handful of cells",
    comes_from="toxic compounds: the mean of three cells is noise",
    says="2 wells left out, with too few cells",
    happens="with `minimum_cells`, the well is marked in every table, has no influence on other wells and is "
    "not scored",
)
def test_wells_with_few_cells_steer_nothing_and_are_not_scored(tmp_path):
    sound, raw = experiment(), experiment()
    first = raw["Pplate0.parquet"]
    features = get_features(first)
    for profiles in (*sound.values(), *raw.values()):
        profiles.insert(0, "Metadata_Count_Cells", 100)
    control = int(np.flatnonzero(first["Metadata_control_type"] == "negcon")[0])
    first.loc[[3, control], "Metadata_Count_Cells"] = 3
    first.loc[[3, control], features] *= 1e4
    marked = {name: mark_few_cells(profiles, 10) for name, profiles in raw.items()}
    row = scored(marked, tmp_path / "few")
    expected = {
        name: profiles.drop(index=[3, control] if "0" in name else []) for name, profiles in sound.items()
    }
    without = scored(expected, tmp_path / "without")
    assert row["percent_replicating"] == without["percent_replicating"]
    assert (row["wells"], row["features"]) == (without["wells"], without["features"])
    return row["message"]


@case(
    "scores",
    kind="a well with 0 cells whose features a table fills with zeros",
    comes_from="tables that fill missing values with zeros before profiles are published",
    says="3 wells have values although they have 0 cells; they are left out: W00003",
    happens="the well is marked in every table, has no influence on other wells and is not scored",
)
def test_wells_of_zeros_are_neither_reference_nor_replicate(tmp_path, caplog):
    filled, missing = experiment(), experiment()
    first = filled["Pplate0.parquet"]
    features = get_features(first)
    rows = [3, *np.flatnonzero(first["Metadata_control_type"] == "negcon")[:2]]
    for tables, value in ((filled, 0.0), (missing, np.nan)):
        for profiles in tables.values():
            profiles.insert(0, "Metadata_Count_Cells", 100)
        tables["Pplate0.parquet"].loc[rows, "Metadata_Count_Cells"] = 0
        tables["Pplate0.parquet"].loc[rows, features] = value
    marked = {name: mark_few_cells(profiles, 1) for name, profiles in filled.items()}
    assert find_few_cells(marked["Pplate0.parquet"]).sum() == 3
    row, without = scored(marked, tmp_path / "filled"), scored(missing, tmp_path / "missing")
    assert row["percent_replicating"] == without["percent_replicating"]
    assert (row["wells"], row["features"]) == (without["wells"], without["features"])
    return caplog.text


@case(
    "scores",
    kind="minimum_cells if the numbers of cells are not known, or all below it",
    comes_from="published profiles without a column of counts; a limit in cells per site",
    says="the number of cells is not known in 64 of 64 wells: minimum_cells leaves out none of them ... "
    "minimum_cells is 500, and no well has so many cells: the largest number is 240. Set it lower.",
    happens="a warning; or the plate stops at once",
)
def test_minimum_cells_without_cells(caplog):
    profiles = next(iter(experiment().values()))
    assert not find_few_cells(mark_few_cells(profiles, 20)).any()
    counts = np.arange(177, 241)
    with pytest.raises(InputError) as error:
        mark_few_cells(profiles.assign(Metadata_Count_Cells=counts), 500)
    # a plate without any cell is reported elsewhere
    assert find_few_cells(mark_few_cells(profiles.assign(Metadata_Count_Cells=0), 500)).all()
    return f"{caplog.text} {error.value}"


@case(
    "scores",
    kind="perturbations whose names differ only in capitalization, blanks or dashes",
    comes_from="plates that different people described",
    says="no perturbation has 2 replicates: nothing to score; spelled differently, and therefore not "
    "treated as one perturbation: P0000 and p0000, P0001 and p0001, P0002 and p0002 and 37 more",
    happens="they are different perturbations, and the message of each score says so",
)
def test_perturbations_that_are_written_differently(tmp_path):
    raw = experiment()
    first = raw["Pplate0.parquet"]
    first["Metadata_broad_sample"] = first["Metadata_broad_sample"].str.lower()
    assert describe_alike(["BRD-K1", "BRD K1", "BRD-K11", "a|0.1", "a|01"]) == [
        "spelled differently, and therefore not treated as one perturbation: BRD K1 and BRD-K1"
    ]
    return scored(raw, tmp_path)["message"]


def test_published_profiles_with_a_feature_that_explodes_lose_it_at_selection():
    profiles = next(iter(experiment().values()))
    profiles.loc[:3, "Cells_F0"] = -50_000.0
    dropped = find_dropped_features(profiles, SELECTION, LIMIT)
    assert dropped.set_index("feature").loc["Cells_F0", "operation"] == OUTLIERS
    assert OUTLIERS not in set(find_dropped_features(profiles, SELECTION, None)["operation"])


def test_what_is_left_out_travels_with_the_profiles(tmp_path):
    write_profiles(pd.DataFrame({"Metadata_Well": ["A01"]}), tmp_path / "a.parquet", {"left_out": {}})
    assert add_left_out({"x": 1}, tmp_path / "a.parquet") == {"x": 1}
    made_by = add_left_out({}, tmp_path / "a.parquet", {"F": "exploded"}, {"A01": "lacks"})
    write_profiles(pd.DataFrame({"Metadata_Well": ["A01"]}), tmp_path / "b.parquet", made_by)
    assert add_left_out({}, tmp_path / "b.parquet", {"G": "rounding"})["left_out"] == {
        "features": {"F": "exploded", "G": "rounding"},
        "wells": {"A01": "lacks"},
    }


@case(
    "profiles",
    kind="unwanted features (`Image_*`, Costes)",
    comes_from="own trial: no key took them out of published profiles",
    says="exclude_features leaves none of the 2 features: ... Exclude fewer features.",
    happens="`exclude_features` removes them at every level, by name or pattern",
)
def test_features_are_taken_out_by_name_or_pattern():
    names = ["Image_Granularity_1_DNA", "Cells_Correlation_Costes_DNA_ER", "Cells_AreaShape_Area"]
    assert keep_wanted(names, []) == names
    assert keep_wanted(names, ["Image_*", "*_Costes_*"]) == names[2:]
    assert keep_wanted(names, ["Cells_AreaShape_Area", "cells_*"]) == names[:2]
    with pytest.raises(InputError) as error:
        keep_wanted(names[:2], ["*"])
    return str(error.value)
