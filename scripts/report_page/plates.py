"""The page's content for each plate, and for all of them together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from lib.levels import CELLPROFILER
from lib.plates import source
from lib.summary import get_state
from lib.tables import features_in
from report_page.pictures import caption_of, link_to, ordered, picture
from report_page.results import Results
from report_page.tables import Table, cell, number_or_text, rows_of, table_of_file, text_columns


def plate_entry(
    results: Results, number: int, plate: Mapping[str, Any], captions: str, bytes_allowed: int
) -> dict[str, Any]:
    """Return the page's content for one plate; `plate` is its part of the manifest."""
    row, tables = plate["plate"], plate["tables"]
    flags = flags_of(results, tables.get("flags", ""))
    wildcards = {"batch": row["batch"], "plate": row["plate"]}
    name = f"plate-{number}"
    titles = {
        "quality_summary": ("summary", "Quality control in numbers"),
        "flags": ("flags", "Flags"),
        "dropped_sites": ("dropped", "Sites that were left out"),
        "unmatched_wells": ("unmatched", "Wells without plate map, or without images"),
    }
    shown = [
        table_of_file(results, tables[table], f"{name}-{short}", title)
        for table, (short, title) in titles.items()
        if table in tables
    ]
    return {
        "id": name,
        "link": f"#{name}",
        "plate": row,
        "state": get_state(plate["stages"], results.folder),
        "counts": counts(results, plate["profiles"]),
        "flags": None if flags is None else len(flags),
        "flag_kinds": {} if flags is None or "flag" not in flags else flags["flag"].value_counts().to_dict(),
        "excluded": excluded(flags),
        "dropped_sites": rows_of(results, tables.get("dropped_sites", "")),
        "pictures": [
            picture(results, file, plate_caption(captions, file, wildcards), bytes_allowed)
            for file in plate_pictures(results, plate)
        ],
        "tables": [table for table in shown if table],
        "files": files_of(results, plate),
        "logs": logs_of(results, row),
    }


def plate_pictures(results: Results, plate: Mapping[str, Any]) -> list[str]:
    """Return the existing pictures of a plate."""
    return ordered(results.existing(plate["pictures"]))


def plate_caption(captions: str, file: str, wildcards: Mapping[str, str]) -> tuple[str, str]:
    """Return title and caption of a plate's picture; those of single channels share one."""
    path = Path(file)
    name = "segmentation_montage" if path.parent.name == "segmentation" else path.stem
    channel = name.removeprefix("montage_")
    if name.startswith("montage_") and channel != "composite":
        return caption_of(captions, "montage_channel", {**wildcards, "channel": channel})
    return caption_of(captions, name, wildcards)


def counts(results: Results, profiles: Mapping[str, str]) -> dict[str, float | None]:
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
    found["features"] = len(features_in(files[-1]))
    return found


def flags_of(results: Results, file: str) -> pd.DataFrame | None:
    """Return quality control's flags of a plate; None if it was not run."""
    if not results.has(file):
        return None
    path = results.path(file)
    return pd.read_csv(path, dtype=dict.fromkeys(text_columns(path), str))


def excluded(flags: pd.DataFrame | None) -> int:
    """Return how many sites were left out of the profiles because of a flag."""
    if flags is None or "excluded" not in flags:
        return 0
    out = flags[flags["excluded"].astype(str).str.lower() == "true"]
    return len(out[[name for name in out if name.startswith("Metadata_")]].drop_duplicates())


def logs_of(results: Results, plate: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the logs of a plate: stage (with its part, if it has several) and link.

    For CellProfiler's jobs the link is that of the folder.
    """
    found = []
    for stage in sorted(path for path in results.path("logs").glob("*") if path.is_dir()):
        folder, name = stage / plate["batch"], plate["plate"]
        files = [folder / f"{name}.log", *sorted(folder.glob(f"{name}_*.log")), folder / name]
        for file in files:
            if file.exists():
                which = file.name.removesuffix(".log").removeprefix(name).strip("_").replace("_", " ")
                link = link_to(str(file.relative_to(results.folder)))
                found.append((f"{stage.name} ({which})" if which else stage.name, link))
    return found


def files_of(results: Results, plate: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the files of a plate: what each is, and its link."""
    files = {
        "image table": plate["load_data"],
        "single cells": plate["cells"].get(CELLPROFILER, ""),
        **{level.replace("_", " "): file for level, file in plate["profiles"].items()},
    }
    return [(words, link_to(file)) for words, file in files.items() if results.has(file)]


def plates_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table with one row per plate."""
    columns = ["plate", "batch", "perturbation", "cell line", "hours", "state", "flags", "wells"]
    columns += ["without cells", "cells", "sites", "sites dropped", "features", "starts with"]
    rows = []
    for entry in entries:
        plate, counted = entry["plate"], entry["counts"]
        row = [cell(plate["plate"], entry["link"]), cell(plate["batch"]), cell(plate["perturbation"])]
        row += [cell(plate["cell_line"]), cell(number_or_text(plate["timepoint"]))]
        row += [cell(entry["state"]), cell(entry["flags"])]
        row += [cell(counted[name]) for name in ("wells", "without_cells", "cells", "sites")]
        row += [cell(entry["dropped_sites"]), cell(counted["features"]), cell(source(plate))]
        rows.append(row)
    return Table("plates-table", "Plates", columns, rows, len(rows))


def numbers(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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
