"""The data of a plate's wells in the page: contents, measures, features, flags and pictures of each well."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.perturbation_names import name_content
from lib.replicates import NEGATIVE_CONTROL, get_control_type, label_wells, mark_controls
from lib.tables import get_features, is_of_workflow, read_feature_names, read_profiles
from lib.wells import get_plate_format, get_well_order
from report_page.blocks import choose_features, encode_text, pack, round_numbers
from report_page.results import Results
from report_page.sheets import get_examples, get_sheets
from report_page.tables import read_csv

BYTES_OF_FEATURES = 9_000_000
STRONGEST = 10
# Largest difference to the controls that counts, so that one feature does not dominate the distance.
LIMIT = 10.0
# The columns of quality control's table of wells: their names in the page, the most useful first.
MEASURES = {
    "Count_Cells": "Cells",
    "Count_Sites": "Sites",
    "Nuclei_Area": "Nuclear area (pixels)",
    "Count_Sites_Flagged": "Flagged sites",
    "Count_Cells_Flagged": "Flagged cells",
}
MEASURES_OF_CHANNELS = {
    "PowerLogLogSlope": "Focus (power log-log slope)",
    "MeanIntensity": "Intensity (mean)",
    "CellIntensity": "Intensity of cells (mean)",
    "Background": "Background",
    "PercentMaximal": "Saturation (% of pixels)",
}
# Those of a page that has all plates of a large experiment.
BRIEF = ("Cells", "Nuclear area (pixels)")
NOT_CONTENT = ("Metadata_Plate", "Metadata_Well", "Metadata_Batch")


def find_features(results: Results, plates: Sequence[Mapping[str, Any]]) -> tuple[list[str], int]:
    """Find the features that the page has of every well, and how many features the profiles have.

    Parameters
    ----------
    results
        The results folder.
    plates
        The plates' parts of the manifest.

    Returns
    -------
    As many features as there is room for, the selected ones first, and the number of all features.
    """
    every, selected, wells = [], [], 0
    for plate in plates:
        if results.has(plate["normalized"]) and is_of_workflow(results.path(plate["normalized"])):
            every.append(read_feature_names(results.path(plate["normalized"])))
            wells += 384
            if results.has(plate["selected"]):
                selected.append(read_feature_names(results.path(plate["selected"])))
    found = choose_features(every, selected, BYTES_OF_FEATURES // (2 * max(wells, 1)))
    return found, len(set().union(*every))


def read_scored(results: Results, conditions: Sequence[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Read the scored perturbations of each condition, in the first feature set."""
    found: dict[str, pd.DataFrame] = {}
    for condition in conditions:
        if condition["name"] not in found and results.has(condition["perturbations"]):
            table = pd.read_parquet(results.path(condition["perturbations"]))
            found[condition["name"]] = table.set_index("perturbation")
    return found


def get_wells(
    results: Results,
    identifier: str,
    plate: Mapping[str, Any],
    features: Sequence[str],
    scored: Mapping[str, pd.DataFrame],
    options: Mapping[str, Any],
) -> dict[str, Any] | None:
    """Return the data of a plate's wells.

    Parameters
    ----------
    results
        The results folder.
    identifier
        The plate's id in the page.
    plate
        Its part of the manifest.
    features
        The features that the page has of every well.
    scored
        The perturbations of each condition, from `read_scored`.
    options
        `controls` and `group` of the config, `sheets` and `example_cells` (the bytes that sheets may have),
        and `brief`: without pictures, features, and most measures.

    Returns
    -------
    The data, or None if no table names the plate's wells.
    """
    brief = options["brief"]
    profiles = read_all(results, plate, options["controls"], brief)
    quality = read_quality(results, plate)
    wells = sorted(
        {*(profiles["Metadata_Well"] if profiles is not None else ()), *quality.index}, key=get_well_order
    )
    if not wells:
        return None
    rows = pd.DataFrame({"Metadata_Well": wells}) if profiles is None else profiles
    rows = rows.set_index("Metadata_Well", drop=False).reindex(wells)
    kept = [name for name in rows if name.startswith("Metadata_")]
    about = rows[kept].copy()
    perturbation = get_perturbations(about, options["group"])
    found: dict[str, Any] = {
        "id": identifier,
        **{name: plate["plate"].get(name, "") for name in ("batch", "plate", "plate_map", "perturbation")},
        "condition": plate["condition"],
        "size": list(get_plate_format(wells)),
        "wells": wells,
        "name": [name_content(row) or "" for row in about.to_dict("records")],
        "treatment": encode_text(perturbation),
        "text": get_contents(about),
        "measures": get_measures(quality.reindex(wells), about),
        "flags": get_flags(results, plate),
        "sheets": None if brief else get_sheets(results, plate, options["sheets"]),
        "examples": None if brief else get_examples(results, plate, options["example_cells"]),
        "outlines": {} if brief else find_outlines(results, plate),
    }
    if brief:
        found["measures"] = {name: found["measures"][name] for name in BRIEF if name in found["measures"]}
    if plate["condition"] in scored:
        table = scored[plate["condition"]].reindex(perturbation.to_numpy())
        found["measures"]["Replicate correlation (median)"] = round_numbers(table["median_correlation"])
        replicating = table["replicating"].map({True: "yes", False: "no"})
        found["text"]["Replicating"] = encode_text(replicating.where(replicating.notna(), None))
    if profiles is not None and not brief:
        add_features(found, rows, features, plate["z_scores"])
        distance = measure_distances(results, plate, options["controls"])
        if distance is not None:
            found["measures"]["Distance to controls"] = round_numbers(distance.reindex(wells))
    return found


def split_large(found: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the data of a plate's wells from its pictures and features, which the page reads when needed."""
    small, large = dict(found), {}
    if "features" in small:
        small["features"], large["features"] = True, found["features"]
    if sheets := found["sheets"]:
        large["sheets"] = sheets["pictures"]
        small["sheets"] = {**sheets, "pictures": list(sheets["pictures"])}
    if examples := found["examples"]:
        large["examples"] = examples["picture"]
        small["examples"] = {**examples, "picture": bool(examples["picture"])}
    return small, large


def read_all(
    results: Results, plate: Mapping[str, Any], controls: Mapping[str, str], brief: bool
) -> pd.DataFrame | None:
    """Read the plate's normalized profiles, or the last level that exists; None without any.

    Parameters
    ----------
    results
        The results folder.
    plate
        The plate's part of the manifest.
    controls
        The `column` that marks controls, and its value `negcon` for negative controls.
    brief
        Whether the features are left out, if the workflow wrote the profiles.
    """
    files = [plate["normalized"], plate["selected"], *reversed(plate["profiles"].values())]
    file = next(iter(results.existing(files)), None)
    if file is None:
        return None
    return mark_controls(read_profiles(results.path(file), features=[] if brief else None), controls)


def read_quality(results: Results, plate: Mapping[str, Any]) -> pd.DataFrame:
    """Read quality control's table of wells, by well; empty if it was not run."""
    if not results.has(plate["well_quality"]):
        return pd.DataFrame()
    return read_csv(results.path(plate["well_quality"])).set_index("Metadata_Well")


def get_perturbations(about: pd.DataFrame, group: str | Sequence[str]) -> pd.Series:
    """Return the perturbation of each well, by which replicates are grouped; None where there is none."""
    columns = [group] if isinstance(group, str) else list(group)
    if not set(columns) <= set(about):
        return pd.Series(None, index=about.index, dtype=object)
    named = label_wells(about, group).astype(object)
    return named.where(named.notna(), None)


def get_contents(about: pd.DataFrame) -> dict[str, Any]:
    """Return each column that describes the content of the wells, without those that are empty."""
    found = {}
    for column in about:
        if column in NOT_CONTENT or column.startswith("Metadata_Count_"):
            continue
        values = about[column].astype(object)
        values = values.where(values.notna() & ~values.isin(["", "nan", "None"]), None)
        if values.notna().any():
            found[column.removeprefix("Metadata_").replace("_", " ")] = encode_text(values)
    return found


def get_measures(quality: pd.DataFrame, about: pd.DataFrame) -> dict[str, list]:
    """Return the measures of quality control by name; without it, the counts that the profiles hold.

    A well without a site has only its number of sites: its cells were not counted.
    """
    found = {}
    counts = about.rename(columns=lambda name: name.removeprefix("Metadata_"))
    for column, name in MEASURES.items():
        table = quality if column in quality else counts
        if column not in table:
            continue
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(float)
        if "Count_Sites" in table and column != "Count_Sites":
            values = np.where(table["Count_Sites"] == 0, np.nan, values)
        found[name] = round_numbers(values)
    for measure, name in MEASURES_OF_CHANNELS.items():
        for column in quality:
            if column.startswith(f"{measure}_"):
                found[f"{name}, {column.removeprefix(f'{measure}_')}"] = round_numbers(quality[column])
    return found


def get_flags(results: Results, plate: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the flags of each well with their reasons."""
    file = plate["tables"].get("flags", "")
    if not results.has(file):
        return {}
    table = pd.read_csv(results.path(file), dtype=str, keep_default_na=False)
    found: dict[str, list[str]] = {}
    if not {"Metadata_Well", "flag"} <= set(table):
        return found
    for row in table[table["Metadata_Well"] != ""].to_dict("records"):
        site = f" (site {row['Metadata_Site']})" if row.get("Metadata_Site") else ""
        reason = f": {row['reason']}" if row.get("reason") else ""
        found.setdefault(row["Metadata_Well"], []).append(f"{row['flag'].replace('_', ' ')}{site}{reason}")
    return found


def find_outlines(results: Results, plate: Mapping[str, Any]) -> dict[str, str]:
    """Return the pictures with outlines that the segmentation check drew: well and link."""
    folder = results.path(plate["outlines"])
    return {file.stem.split("_s")[0]: f"../{plate['outlines']}/{file.name}" for file in folder.glob("*.png")}


def add_features(found: dict[str, Any], rows: pd.DataFrame, features: Sequence[str], z_scores: bool) -> None:
    """Add the values of the page's features, and the strongest features of each well, to its data.

    Parameters
    ----------
    found
        The data of the plate's wells; it is changed in place.
    rows
        The profiles, one row per well of the data.
    features
        The page's features.
    z_scores
        Whether the features are z-scores; only then are there strongest ones.
    """
    values = rows.reindex(columns=list(features)).to_numpy(float)
    found["features"] = pack(values.T)
    if not z_scores:
        return
    names = get_features(rows)
    every = rows[names].to_numpy(float)
    size = np.where(np.isfinite(every), np.abs(every), -1)
    order = np.argsort(-size, axis=1, kind="stable")[:, :STRONGEST]
    used = sorted(set(order.ravel().tolist()))
    place = {number: at for at, number in enumerate(used)}
    found["strongest"] = {
        "features": [names[number] for number in used],
        "wells": [
            [[place[n], float(f"{every[row, n]:.3g}")] for n in numbers if size[row, n] >= 0]
            for row, numbers in enumerate(order.tolist())
        ],
    }


def measure_distances(
    results: Results, plate: Mapping[str, Any], controls: Mapping[str, str]
) -> pd.Series | None:
    """Measure each well's distance to the negative controls of its plate, in the selected features.

    It is the root mean square, over the features, of the difference to the median of the negative controls,
    each difference limited to 10.
    """
    if not results.has(plate["selected"]) or not plate["z_scores"]:
        return None
    profiles = mark_controls(read_profiles(results.path(plate["selected"])), controls)
    values = profiles[get_features(profiles)].to_numpy(float)
    negative = (get_control_type(profiles) == NEGATIVE_CONTROL).to_numpy() & np.isfinite(values).any(axis=1)
    if not negative.any() or not values.shape[1]:
        return None
    known = np.isfinite(values[negative]).any(axis=0)
    if not known.any():
        return None
    values = np.where(np.isfinite(values[:, known]), values[:, known], np.nan)
    difference = np.clip(values - np.nanmedian(values[negative], axis=0), -LIMIT, LIMIT)
    number = np.isfinite(difference).sum(axis=1)
    distance = np.sqrt(np.nansum(difference**2, axis=1) / np.where(number, number, np.nan))
    return pd.Series(distance, index=profiles["Metadata_Well"].to_numpy())
