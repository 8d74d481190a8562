"""What the card of a perturbation shows beside its scores: hits, clusters and dose-response curves.

The numbers are those of the tables that the workflow wrote; the page computes nothing anew.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from report_page.answers import read_answers
from report_page.blocks import encode_text, pack, round_numbers
from report_page.pictures import link_to
from report_page.results import Results

LEVEL = 0.05  # q-values of classes below this are shown with their cluster
CURVE = ("bottom", "top", "ec50", "slope", "benchmark_dose", "benchmark_dose_low", "benchmark_dose_high")


def read_hits(results: Results, file: str) -> pd.DataFrame:
    """Read a condition's table of hits; an empty one with the column `name` if it is missing."""
    return read_answers(results.path(file)) if results.has(file) else pd.DataFrame({"name": []}, dtype="str")


def get_hits(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return what each perturbation of a table of hits does, by its name; missing values are left out.

    `strongest` are groups of features with their direction and score, `neighbors` the nearest perturbations
    with cosine, annotation, and the name that people know.
    """
    single = ["active", "active_rule", "toxic", "wells", "plates", "cells", "cell_count_z", "cluster"]
    found = {}
    for row in table.to_dict("records"):
        known = {name: convert_to_plain(value) for name, value in row.items() if pd.notna(value)}
        about = {name: known[name] for name in single if name in known}
        about["strongest"] = get_series(known, "strongest_{}", ("", "_score"))
        about["neighbors"] = get_series(known, "neighbor_{}", ("", "_cosine", "_annotation", "_name"))
        found[str(row["name"])] = about
    return found


def convert_to_plain(value: Any) -> Any:
    """Return a value of a table as one that JSON has."""
    return value.item() if hasattr(value, "item") else value


def get_series(row: Mapping[str, Any], pattern: str, endings: tuple[str, ...]) -> list[list[Any]]:
    """Return the values of numbered columns: one list per number, with None for a missing value."""
    found, number = [], 1
    while (name := pattern.format(number)) in row:
        found.append([row.get(f"{name}{ending}") for ending in endings])
        number += 1
    return found


def get_clusters(results: Results, file: str) -> dict[str, list[list[Any]]]:
    """Return the enriched classes of each cluster with their q-values, by the number of the cluster."""
    if not results.has(file):
        return {}
    table = read_answers(results.path(file))
    if not {"class", "q_value"} <= set(table):
        return {}
    table = table[table["q_value"] < LEVEL]
    return {
        str(int(cluster)): rows[["class", "q_value"]].to_numpy().tolist()
        for cluster, rows in table.groupby("cluster")
    }


def get_doses(
    results: Results, condition: Mapping[str, Any], plates: Mapping[str, str], most: int | None = None
) -> dict[str, Any] | None:
    """Return the dose-response curves of a condition, and the responses of its wells; None without any.

    Of more wells than the page may have, those of the first compounds of the table, the most potent ones, are
    kept, with the solvent wells of their plates. `left_out` then tells how many compounds have their wells.

    Parameters
    ----------
    results
        The results folder.
    condition
        Its part of the manifest.
    plates
        The id of each plate in the page, by its name.
    most
        How many wells the page may have; None for all.
    """
    if not all(results.has(condition[name]) for name in ("doses", "dose_curves", "dose_wells")):
        return None
    compounds = read_answers(results.path(condition["doses"]))
    curves = read_answers(results.path(condition["dose_curves"]))
    wells = read_answers(results.path(condition["dose_wells"]))
    number = len(wells)
    wells = wells[wells["Metadata_Plate"].isin(plates)] if "Metadata_Plate" in wells else wells.head(0)
    if curves.empty or wells.empty:
        return None
    left_out = {}
    if most is not None and number > most:
        kept = choose_compounds(wells, compounds["compound"].astype(str), most)
        about = {"compounds": len(kept), "total": len(compounds), "link": link_to(condition["doses"])}
        left_out = {"left_out": about}
        compounds = compounds[compounds["compound"].astype(str).isin(kept)]
        curves = curves[curves["compound"].astype(str).isin(kept)]
        wells = keep_wells_of(wells, kept)
    responses = [name for name in curves["response"].unique() if name.replace(" ", "_") in wells]
    of_compounds: dict[str, dict[str, Any]] = {str(name): {"curves": {}} for name in compounds["compound"]}
    for row in compounds.to_dict("records"):
        known = {name: convert_to_plain(value) for name, value in row.items() if pd.notna(value)}
        of_compounds[str(row["compound"])] |= {
            name: known[name] for name in ("point_of_departure", "most_sensitive") if name in known
        }
    for row in curves.to_dict("records"):
        values = round_numbers(row.get(name) for name in CURVE)
        message = row.get("message")
        counts = str(row["counts"]) == "True"
        about = [*values, counts, message if isinstance(message, str) else ""]
        of_compounds[str(row["compound"])]["curves"][row["response"]] = about
    units = compounds["unit"].dropna() if "unit" in compounds else []
    return {
        **left_out,
        "unit": str(units.iloc[0]) if len(units) else "",
        "responses": responses,
        "compounds": of_compounds,
        "plate": wells["Metadata_Plate"].map(plates).tolist(),
        "well": wells["Metadata_Well"].tolist(),
        "compound": encode_text(wells["compound"] if "compound" in wells else [None] * len(wells)),
        "dose": round_numbers(wells["dose"]),
        # one row per response
        "values": pack(wells[[name.replace(" ", "_") for name in responses]].to_numpy(float).T),
    }


def choose_compounds(wells: pd.DataFrame, compounds: pd.Series, most: int) -> set[str]:
    """Choose the first compounds that together have at most `most` wells, those of the solvent included."""
    low, high = 0, len(compounds)
    while low < high:
        middle = (low + high + 1) // 2
        if len(keep_wells_of(wells, set(compounds.head(middle)))) <= most:
            low = middle
        else:
            high = middle - 1
    return set(compounds.head(low))


def keep_wells_of(wells: pd.DataFrame, compounds: set[str]) -> pd.DataFrame:
    """Return the wells of some compounds, and the solvent wells of the plates on which these are."""
    mine = wells["compound"].isin(compounds) if "compound" in wells else pd.Series(False, wells.index)
    plates = wells.loc[mine, "Metadata_Plate"].unique()
    return wells[mine | ((wells["dose"] == 0) & wells["Metadata_Plate"].isin(plates))]
