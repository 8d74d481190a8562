"""The page's content for each plate, and for all of them together."""

import functools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lib.levels import CELLPROFILER
from lib.plates import source
from lib.summary import get_state
from lib.tables import read_feature_names
from report_page.pictures import link_to, make_picture, read_caption, sort_pictures
from report_page.results import Results
from report_page.tables import Table, count_rows, make_cell, number_or_text, read_csv, read_table


def make_plate_entry(
    results: Results, number: int, plate: Mapping[str, Any], captions: str, bytes_allowed: int
) -> dict[str, Any]:
    """Return the page's content for one plate.

    Parameters
    ----------
    results
        The results folder.
    number
        The plate's number on the page, from 1.
    plate
        The plate's part of the manifest.
    captions
        The folder of the captions.
    bytes_allowed
        How many bytes a picture may have.
    """
    row, tables = plate["plate"], plate["tables"]
    flags = read_flags(results, tables.get("flags", ""))
    wildcards = {"batch": row["batch"], "plate": row["plate"]}
    name = f"plate-{number}"
    titles = {
        "quality_summary": ("summary", "Quality control in numbers"),
        "flags": ("flags", "Flags"),
        "dropped_sites": ("dropped", "Sites that were left out"),
        "unmatched_wells": ("unmatched", "Wells without plate map, or without images"),
    }
    tables_to_show = [
        read_table(results, tables[table], f"{name}-{short}", title)
        for table, (short, title) in titles.items()
        if table in tables
    ]
    return {
        "id": name,
        "link": f"#{name}",
        "plate": row,
        "state": get_state(plate["stages"], results.folder),
        "counts": count_contents(results, plate["profiles"]),
        "flags": None if flags is None else len(flags),
        "flag_kinds": {} if flags is None or "flag" not in flags else flags["flag"].value_counts().to_dict(),
        "excluded": count_excluded_sites(flags),
        "dropped_sites": count_rows(results, tables.get("dropped_sites", "")),
        "pictures": [
            make_picture(results, file, get_plate_caption(captions, file, wildcards), bytes_allowed)
            for file in find_plate_pictures(results, plate)
        ],
        "tables": [table for table in tables_to_show if table],
        "files": list_files(results, plate),
        "logs": find_logs(results, row),
    }


def find_plate_pictures(results: Results, plate: Mapping[str, Any]) -> list[str]:
    """Return the existing pictures of a plate."""
    return sort_pictures(results.existing(plate["pictures"]))


def get_plate_caption(captions: str, file: str, wildcards: Mapping[str, str]) -> tuple[str, str]:
    """Return title and caption of a plate's picture; those of single channels share one."""
    path = Path(file)
    name = "segmentation_montage" if path.parent.name == "segmentation" else path.stem
    channel = name.removeprefix("montage_")
    if name.startswith("montage_") and channel != "composite":
        return read_caption(captions, "montage_channel", {**wildcards, "channel": channel})
    return read_caption(captions, name, wildcards)


def count_contents(results: Results, profiles: Mapping[str, str]) -> dict[str, float | None]:
    """Count wells, wells without cells, cells and sites of a plate, and features at its last level."""
    files = [results.path(file) for file in results.existing(profiles.values())]
    found: dict[str, float | None] = dict.fromkeys(("wells", "without_cells", "cells", "sites", "features"))
    if not files:
        return found
    first = files[0]
    names = pq.read_schema(first).names
    wanted = [n for n in ("Metadata_Well", "Metadata_Count_Cells", "Metadata_Count_Sites") if n in names]
    table = pq.read_table(first, columns=wanted).to_pandas()
    found["wells"] = len(table)
    if "Metadata_Count_Cells" in table:
        cells = pd.to_numeric(table["Metadata_Count_Cells"], errors="coerce")
        found["cells"] = int(cells.sum())
        found["without_cells"] = int((cells == 0).sum())
    if "Metadata_Count_Sites" in table:
        found["sites"] = int(pd.to_numeric(table["Metadata_Count_Sites"], errors="coerce").sum())
    found["features"] = len(read_feature_names(files[-1]))
    return found


def read_flags(results: Results, file: str) -> pd.DataFrame | None:
    """Return quality control's flags of a plate; None if it was not run."""
    if not results.has(file):
        return None
    return read_csv(results.path(file))


def count_excluded_sites(flags: pd.DataFrame | None) -> int:
    """Return how many sites were left out of the profiles because of a flag."""
    if flags is None or "excluded" not in flags:
        return 0
    out = flags[flags["excluded"].astype(str).str.lower() == "true"]
    return len(out[[name for name in out if name.startswith("Metadata_")]].drop_duplicates())


def find_logs(results: Results, plate: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the logs of a plate: stage (with its part, if it has several) and link.

    For CellProfiler's jobs the link is that of the folder.
    """
    found = []
    for stage in list_names(results.path("logs")):
        folder, name = results.path(f"logs/{stage}/{plate['batch']}"), plate["plate"]
        files = list_names(folder)
        # Between these two are the names that begin with the plate's and an underscore.
        first, last = (bisect_left(files, f"{name}{sign}") for sign in ("_", chr(ord("_") + 1)))
        parts = [file for file in files[first:last] if file.endswith(".log")]
        for file in (f"{name}.log", *parts, name):
            if file in parts or (folder / file).exists():
                which = file.removesuffix(".log").removeprefix(name).strip("_").replace("_", " ")
                link = link_to(f"logs/{stage}/{plate['batch']}/{file}")
                found.append((f"{stage} ({which})" if which else stage, link))
    return found


@functools.cache
def list_names(folder: Path) -> list[str]:
    """Return the names in a folder, sorted; it is read once for all plates."""
    return sorted(path.name for path in folder.glob("*"))


def list_files(results: Results, plate: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the files of a plate: what each is, and its link."""
    files = {
        "image table": plate["load_data"],
        "single cells": plate["cells"].get(CELLPROFILER, ""),
        **{level.replace("_", " "): file for level, file in plate["profiles"].items()},
    }
    return [(words, link_to(file)) for words, file in files.items() if results.has(file)]


def make_plates_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table with one row per plate; columns that are empty for all plates are left out."""
    columns = ["plate", "batch", "perturbation", "cell line", "hours", "state", "flags", "wells"]
    columns += ["without cells", "cells", "sites", "sites dropped", "features", "starts with"]
    rows = []
    for entry in entries:
        plate, counted = entry["plate"], entry["counts"]
        row = [
            make_cell(plate["plate"], entry["link"]),
            make_cell(plate["batch"]),
            make_cell(plate["perturbation"]),
        ]
        row += [make_cell(plate["cell_line"]), make_cell(number_or_text(plate["timepoint"]))]
        row += [make_cell(entry["state"]), make_cell(entry["flags"])]
        row += [make_cell(counted[name]) for name in ("wells", "without_cells", "cells", "sites")]
        row += [make_cell(entry["dropped_sites"]), make_cell(counted["features"]), make_cell(source(plate))]
        rows.append(row)
    kept = [at for at in range(len(columns)) if any(row[at].text for row in rows)]
    columns, rows = [columns[at] for at in kept], [[row[at] for at in kept] for row in rows]
    return Table("plates-table", "Plates", columns, rows, len(rows))


def sum_up_plates(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the summary's numbers over all plates."""

    def total(name: str) -> int:
        return int(sum(entry["counts"][name] or 0 for entry in entries))

    kinds: dict[str, int] = {}
    for entry in entries:
        for kind, count in entry["flag_kinds"].items():
            kinds[str(kind)] = kinds.get(str(kind), 0) + int(count)
    return {
        "plates": len(entries),
        "complete": sum(entry["state"] == "complete" for entry in entries),
        "wells": total("wells"),
        "without_cells": total("without_cells"),
        "cells": total("cells"),
        "checked": sum(entry["flags"] is not None for entry in entries),
        "flags": sum(entry["flags"] or 0 for entry in entries),
        "flagged_plates": sum(bool(entry["flags"]) for entry in entries),
        "kinds": dict(sorted(kinds.items())),
        "excluded": sum(entry["excluded"] for entry in entries),
        "dropped_sites": sum(entry["dropped_sites"] or 0 for entry in entries),
    }
