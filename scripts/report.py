"""Write the report: one HTML page of the whole experiment, which needs no other file and no network.

It shows what is in the results folder: a summary, each plate, each condition, the Methods paragraph, and
what made it all. Pictures are in the page as small copies and link to the whole ones beside it; a piece that
an experiment does not have is a piece less. The same results give the same page, byte for byte.

The score tables that it shows are kept in `report/history/`, so that the next report can say what changed.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lib.experiment import LEVELS, file_of, levels_of
from lib.logs import logged
from lib.plates import source
from lib.scores import BOUNDARY, condition_columns
from lib.summary import reached
from lib.tables import digest, whole
from report_page import methods, runs
from report_page.pictures import (
    BYTES_OF_CONDITIONS,
    BYTES_OF_PLATES,
    Picture,
    allowance,
    caption_of,
    existing,
    heading_of,
    link_to,
    picture,
)

PAGE = Path(__file__).resolve().parent / "report_page"
MOST_ROWS = 300  # of a table in the page; the file beside has them all
# Pictures in the order in which they are read; others that are there follow.
ORDER = (
    "plate_maps",
    "percent_replicating",
    "percent_matching",
    "mean_average_precision",
    "mean_average_precision_matching",
    "dropped_features",
    "replicate_null",
    "replicate_correlations",
    "profile_maps",
    "changed_features",
    "position_effects",
    "heatmaps",
    "illumination",
    "montage_composite",
)
# The scores of the summary: table, the column that is told, its name, and its unit.
SCORES = (
    ("percent_replicating", "percent_replicating", "Percent Replicating", "%"),
    ("percent_matching", "percent_matching_right", "Percent Matching, alike", "%"),
    ("percent_matching", "percent_matching_left", "Percent Matching, opposite", "%"),
    ("mean_average_precision", "mean_average_precision", "Mean average precision", ""),
    ("mean_average_precision_matching", "mean_average_precision", "Mean average precision, matching", ""),
)
PUBLISHED = {"percent_replicating": "percent_replicating", "percent_matching": "percent_matching_right"}
HISTORY = Path("report/history")
FOLDERS = {
    "scores and figures": "benchmark",
    "profiles": "workspace/profiles",
    "quality control": "workspace/quality_control",
    "logs": "logs",
    "run times": "benchmarks",
}


@dataclass(frozen=True)
class Cell:
    """One value of a table: what is read, and what it is sorted by."""

    text: str
    sort: str
    number: bool
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page; `total` counts the rows of its file, of which the page may have fewer."""

    id: str
    title: str
    columns: list[str]
    rows: list[list[Cell]]
    total: int
    link: str = ""
    notes: Sequence[str] = ()

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers, and is read from the right."""
        cells = [row[column] for row in self.rows if row[column].text]
        return bool(cells) and all(each.number for each in cells)


def cell(value: Any, link: str = "", digits: int = 4) -> Cell:
    """A value as it is read and sorted; a missing one is empty and sorts last."""
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return Cell("yes" if value else "no", "yes" if value else "no", False, link)
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return Cell("", "", False, link)
    if isinstance(value, float):
        text = f"{value:,.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:,.{digits}g}"
        return Cell(text, repr(float(value)), True, link)
    if isinstance(value, int) or hasattr(value, "__index__"):
        return Cell(f"{int(value):,}", str(int(value)), True, link)
    return Cell(str(value), str(value), False, link)


def table_of(
    frame: pd.DataFrame, identifier: str, title: str, link: str = "", most: int = MOST_ROWS
) -> Table:
    """A data frame as a table of the page."""
    columns = [str(name).removeprefix("Metadata_").replace("_", " ") for name in frame]
    rows = [[cell(value) for value in row] for row in frame.head(most).itertuples(index=False)]
    return Table(identifier, title, columns, rows, len(frame), link)


def table_of_file(file: str, identifier: str, title: str) -> Table | None:
    """A CSV file of the results as a table; None where it is missing or has no row."""
    if not Path(file).is_file():
        return None
    frame = pd.read_csv(file, dtype=dict.fromkeys(text_columns(file), str))
    return table_of(frame, identifier, title, link_to(file)) if len(frame) else None


def text_columns(file: str) -> list[str]:
    """The columns of a CSV file that are names, though they may look like numbers."""
    return [
        name for name in pd.read_csv(file, nrows=0) if name.startswith("Metadata_") and "Count" not in name
    ]


def ordered(files: Sequence[str]) -> list[str]:
    """Pictures in reading order."""
    place = {name: number for number, name in enumerate(ORDER)}
    return sorted(files, key=lambda file: (place.get(Path(file).stem, len(ORDER)), file))


# --- plates -----------------------------------------------------------------------------------------


def quality_folder(plate: Mapping[str, str]) -> str:
    """Where quality control's files of a plate are."""
    return f"workspace/quality_control/{plate['batch']}/{plate['plate']}"


def plate_pictures(plate: Mapping[str, str]) -> list[str]:
    """The pictures of a plate that are there."""
    folder = Path(quality_folder(plate))
    found = [*folder.glob("*.png"), *folder.glob("pictures/*.png"), *folder.glob("pictures/*/montage.png")]
    return ordered([str(file) for file in found])


def picture_title(file: str) -> str:
    """What a picture is called in the page."""
    path = Path(file)
    return "Segmentation check" if path.parent.name == "segmentation" else heading_of(path.stem)


def counts(plate: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, float | None]:
    """Wells, wells without cells, cells and sites of a plate, and its numbers of features."""
    levels = levels_of(plate, config)
    files = {level: file_of(plate, level) for level in levels if Path(file_of(plate, level)).is_file()}
    found: dict[str, float | None] = dict.fromkeys(("wells", "without_cells", "cells", "sites", "features"))
    if not files:
        return found
    first = next(iter(files.values()))
    names = pq.read_schema(first).names
    wanted = [n for n in ("Metadata_Well", "Metadata_Count_Cells", "Metadata_Count_Sites") if n in names]
    table = pq.read_table(first, columns=wanted).to_pandas()
    found["wells"] = len(table)
    if "Metadata_Count_Cells" in table:
        cells = pd.to_numeric(table["Metadata_Count_Cells"])
        found["cells"] = int(cells.sum())
        found["without_cells"] = int((cells == 0).sum())
    if "Metadata_Count_Sites" in table:
        found["sites"] = int(pd.to_numeric(table["Metadata_Count_Sites"]).sum())
    last = pq.read_schema(list(files.values())[-1]).names
    found["features"] = sum(not name.startswith("Metadata_") for name in last)
    return found


def rows_of(file: str) -> int | None:
    """How many rows a CSV file has; None where there is none."""
    return len(pd.read_csv(file)) if Path(file).is_file() else None


def flags_of(plate: Mapping[str, str]) -> pd.DataFrame | None:
    """Quality control's flags of a plate; None where it was not made."""
    file = f"{quality_folder(plate)}/flags.csv"
    return pd.read_csv(file, dtype=dict.fromkeys(text_columns(file), str)) if Path(file).is_file() else None


def logs_of(plate: Mapping[str, str]) -> list[tuple[str, str]]:
    """The logs of a plate: stage and link; of CellProfiler's jobs the folder."""
    found = []
    for stage in sorted(path for path in Path("logs").glob("*") if path.is_dir()):
        folder, name = stage / plate["batch"], plate["plate"]
        files = [folder / f"{name}.log", *sorted(folder.glob(f"{name}_*.log")), folder / name]
        found += [(f"{stage.name}", link_to(str(file))) for file in files if file.exists()]
    return found


def files_of(plate: Mapping[str, str], config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The files of a plate: what each is, and its link."""
    batch, name = plate["batch"], plate["plate"]
    files = {
        "image table": f"workspace/load_data_csv/{batch}/{name}/load_data.csv",
        "single cells": f"workspace/backend/{batch}/{name}/{name}.parquet",
        **{level.replace("_", " "): file_of(plate, level) for level in levels_of(plate, config)},
    }
    return [(words, link_to(file)) for words, file in files.items() if Path(file).exists()]


def plate_entry(
    number: int, plate: Mapping[str, str], config: Mapping[str, Any], captions: str, bytes_allowed: int
) -> dict[str, Any]:
    """What the page says of one plate."""
    folder = quality_folder(plate)
    flags = flags_of(plate)
    wildcards = {"batch": plate["batch"], "plate": plate["plate"]}
    name = f"plate-{number}"
    tables = [
        table_of_file(f"{folder}/summary.csv", f"{name}-summary", "Quality control in numbers"),
        table_of_file(f"{folder}/flags.csv", f"{name}-flags", "Flags"),
        table_of_file(f"{folder}/dropped_sites.csv", f"{name}-dropped", "Sites that were left out"),
        table_of_file(
            f"workspace/profiles/{plate['batch']}/{plate['plate']}/{plate['plate']}_unmatched_wells.csv",
            f"{name}-unmatched",
            "Wells without plate map, or without images",
        ),
    ]
    return {
        "id": name,
        "plate": plate,
        "state": reached(plate, config),
        "counts": counts(plate, config),
        "flags": None if flags is None else len(flags),
        "flag_kinds": {} if flags is None or "flag" not in flags else flags["flag"].value_counts().to_dict(),
        "excluded": excluded(flags),
        "dropped_sites": rows_of(f"{folder}/dropped_sites.csv"),
        "pictures": [
            picture(
                file,
                f"{plate['plate']}: {picture_title(file)}",
                plate_caption(captions, file, wildcards),
                bytes_allowed,
            )
            for file in plate_pictures(plate)
        ],
        "tables": [table for table in tables if table],
        "files": files_of(plate, config),
        "logs": logs_of(plate),
    }


def excluded(flags: pd.DataFrame | None) -> int:
    """How many sites were left out of the profiles because of a flag."""
    if flags is None or "excluded" not in flags:
        return 0
    out = flags[flags["excluded"].astype(str).str.lower() == "true"]
    return len(out[[name for name in out if name.startswith("Metadata_")]].drop_duplicates())


def plate_caption(captions: str, file: str, wildcards: Mapping[str, str]) -> str:
    """The caption of a plate's picture; those of single channels share one."""
    path = Path(file)
    name = "segmentation_montage" if path.parent.name == "segmentation" else path.stem
    channel = name.removeprefix("montage_")
    if name.startswith("montage_") and channel != "composite":
        return caption_of(captions, "montage_channel", {**wildcards, "channel": channel})
    return caption_of(captions, name, wildcards)


def plates_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    """A row a plate."""
    columns = ["plate", "batch", "perturbation", "cell line", "hours", "state", "flags", "wells"]
    columns += ["without cells", "cells", "sites", "sites dropped", "features", "starts with"]
    rows = []
    for entry in entries:
        plate, counted = entry["plate"], entry["counts"]
        row = [cell(plate["plate"], f"#{entry['id']}"), cell(plate["batch"]), cell(plate["perturbation"])]
        row += [cell(plate["cell_line"]), cell(number_or_text(plate["timepoint"]))]
        row += [cell(entry["state"]), cell(entry["flags"])]
        row += [cell(counted[name]) for name in ("wells", "without_cells", "cells", "sites")]
        row += [cell(entry["dropped_sites"]), cell(counted["features"]), cell(source(plate))]
        rows.append(row)
    return Table("plates-table", "Plates", columns, rows, len(rows))


def number_or_text(text: str) -> float | str:
    """A number where the text is one, so that it is sorted as one."""
    try:
        return float(text)
    except ValueError:
        return text


# --- scores and conditions --------------------------------------------------------------------------


def condition_label(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """A condition in words; of a comparison, both sides."""

    def text(chosen: Sequence[str]) -> str:
        return " ".join(f"{row[n]} h" if n.startswith("timepoint") else str(row[n]) for n in chosen)

    first = [name for name in names if name.endswith("_a")]
    second = [name for name in names if name.endswith("_b")]
    rest = [name for name in names if name not in (*first, *second, BOUNDARY)]
    return " × ".join(part for part in (text(first), text(second), text(rest)) if part)


def score_rows(metric: str, value: str) -> pd.DataFrame:
    """A metric's scores: condition, score, interval, position-aware, published, previous; or nothing."""
    file = Path(f"benchmark/{metric}.csv")
    if not file.is_file():
        return pd.DataFrame()
    names = condition_columns(pd.read_csv(file, nrows=0))
    table = pd.read_csv(file, dtype=dict.fromkeys(names, str), keep_default_na=True)
    if value not in table:
        return pd.DataFrame()
    rows = pd.DataFrame({"condition": [condition_label(row, names) for _, row in table.iterrows()]})
    if table[BOUNDARY].nunique() > 1:
        rows["feature set"] = table[BOUNDARY]
    rows["score"] = table[value]
    ends = {"": "", "_sampling": "sampling "}
    named = {
        f"{value}{kind}_{end}": f"{words}{end}" for kind, words in ends.items() for end in ("low", "high")
    }
    for column, name in named.items():
        if column in table:
            rows[name] = table[column]
    if f"position_aware_{value}" in table:
        rows["position-aware null"] = table[f"position_aware_{value}"]
    beside = Path(f"benchmark/figures/{metric}.csv")
    if PUBLISHED.get(metric) == value and beside.is_file():
        drawn = pd.read_csv(beside)
        if "published" in drawn and len(drawn) == len(rows) and drawn["published"].notna().any():
            rows["published"] = drawn["published"].to_numpy()
            rows["difference"] = rows["score"] - rows["published"]
    former = HISTORY / "previous" / file.name
    if former.is_file():
        old = pd.read_csv(former, dtype=dict.fromkeys(names, str))
        if set(names) <= set(old) and value in old:
            kept = old.drop_duplicates(names)[[*names, value]].rename(columns={value: "previous"})
            rows["previous"] = table[names].merge(kept, on=names, how="left")["previous"].to_numpy()
            rows["change"] = rows["score"] - rows["previous"]
    return rows


def score_notes(metric: str) -> list[str]:
    """What a reader of a metric's scores must know: each message with its conditions."""
    file = Path(f"benchmark/{metric}.csv")
    names = condition_columns(pd.read_csv(file, nrows=0))
    table = pd.read_csv(file, dtype={**dict.fromkeys(names, str), "message": str})
    if "message" not in table:
        return []
    said = table.dropna(subset=["message"])
    labels = pd.Series(
        [condition_label(row, names) for _, row in said.iterrows()], index=said.index, dtype=str
    )
    by_message = labels.groupby(said["message"], sort=False)
    return [f"{', '.join(dict.fromkeys(of_message))}: {message}." for message, of_message in by_message]


def score_tables() -> list[Table]:
    """The summary's table of each score."""
    found = []
    for metric, value, title, unit in SCORES:
        rows = score_rows(metric, value)
        if rows.empty:
            continue
        for name in rows.select_dtypes("number"):
            rows[name] = rows[name].round(1 if unit else 3)
        notes = score_notes(metric) if value in (metric, PUBLISHED.get(metric)) else []
        heading = f"{title} ({unit})" if unit else title
        link = link_to(f"benchmark/{metric}.csv")
        found.append(replace(table_of(rows, f"score-{metric}-{value}", heading, link), notes=notes))
    return found


def remember_scores(metrics: Sequence[str]) -> None:
    """Keep a copy of the score tables; what they were before they changed becomes the previous ones."""
    latest, previous = HISTORY / "latest", HISTORY / "previous"
    now = {f"{name}.csv": Path(f"benchmark/{name}.csv").read_bytes() for name in metrics if present(name)}
    before = {file.name: file.read_bytes() for file in latest.glob("*.csv")} if latest.is_dir() else {}
    if now == before:
        return
    if before:
        shutil.rmtree(previous, ignore_errors=True)
        latest.rename(previous)
    for name, content in now.items():
        with whole(latest / name) as part:
            part.write_bytes(content)


def present(metric: str) -> bool:
    """Whether there is a table of a metric."""
    return Path(f"benchmark/{metric}.csv").is_file()


def condition_entry(
    number: int, feature_set: str, name: str, described: Mapping[str, Any], captions: str, bytes_allowed: int
) -> dict[str, Any]:
    """What the page says of one condition in one feature set."""
    wildcards = {"condition": name, "feature_set": feature_set}
    identifier = f"condition-{number}"
    table = None
    file = f"benchmark/percent_replicating/{feature_set}/{name}_perturbations.parquet"
    if Path(file).is_file():
        frame = pd.read_parquet(file).sort_values("median_correlation", ascending=False, kind="stable")
        about = [f"Metadata_{column}" for column in (*described["columns"], "feature_set")]
        frame = frame.drop(columns=[column for column in about if column in frame]).dropna(axis=1, how="all")
        beside = f"benchmark/figures/{feature_set}/{name}/replicate_null.csv"
        link = link_to(beside) if Path(beside).is_file() else ""
        table = table_of(frame, f"{identifier}-perturbations", "Perturbations", link)
    return {
        "id": identifier,
        "name": name,
        "label": described["label"],
        "feature_set": feature_set,
        "plates": described["plates"],
        "pictures": [
            picture(
                file,
                f"{described['label']}: {heading_of(Path(file).stem)}",
                caption_of(captions, Path(file).stem, wildcards),
                bytes_allowed,
            )
            for file in condition_pictures(feature_set, name)
        ],
        "table": table,
    }


def condition_pictures(feature_set: str, name: str) -> list[str]:
    """The pictures of a condition that are there."""
    return ordered([str(file) for file in Path(f"benchmark/figures/{feature_set}/{name}").glob("*.png")])


# --- what made it -----------------------------------------------------------------------------------


def made_of(plates: Sequence[Mapping[str, str]], config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The provenance of every file of every plate, by path."""
    files = []
    for plate in plates:
        batch, name = plate["batch"], plate["plate"]
        files += [f"workspace/{part}/{batch}/{name}/{name}.parquet" for part in ("backend", "embeddings")]
        files += [file_of(plate, level) for level in levels_of(plate, config)]
    return {file: made_by for file in existing(files) if (made_by := runs.provenance_of(file))}


def levels_made(
    plates: Sequence[Mapping[str, str]], config: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[Mapping[str, Any]]]:
    """Provenances by level, of the levels that were made here and not given as published profiles."""
    of_cells = {"single_cells": "backend", "network": "embeddings"}
    found: dict[str, list[Mapping[str, Any]]] = {name: [] for name in (*of_cells, *LEVELS)}
    for plate in plates:
        batch, name = plate["batch"], plate["plate"]
        for what, part in of_cells.items():
            cells = f"workspace/{part}/{batch}/{name}/{name}.parquet"
            if cells in made:
                found[what].append(made[cells])
        for level in levels_of(plate, config):
            file = file_of(plate, level)
            if file in made and plate.get("level") != level:
                found[level].append(made[file])
    return found


def metrics_made(feature_sets: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Provenances of the benchmark's tables by metric."""
    kinds = {
        "percent_replicating": "perturbations",
        "percent_matching": "pairs",
        "mean_average_precision": "perturbations",
    }
    return {
        metric: [
            made_by
            for feature_set in feature_sets
            for file in sorted(Path(f"benchmark/{metric}/{feature_set}").glob(f"*_{kind}.parquet"))
            if (made_by := runs.provenance_of(file))
        ]
        for metric, kind in kinds.items()
    }


def digest_rows(
    made: Mapping[str, Mapping[str, Any]],
    plates: Sequence[Mapping[str, str]],
    config: Mapping[str, Any],
    sheet: str,
) -> pd.DataFrame:
    """What went in: a row a file and input, with the input's SHA-256."""
    rows = [("config", "the complete config", config_digest(config))]
    if Path(sheet).is_file():
        rows.append(("sample sheet", Path(sheet).name, digest(sheet)))
    images = [f"workspace/load_data_csv/{p['batch']}/{p['plate']}/load_data.csv" for p in plates]
    rows += [(file, "names of its images", digest(file)) for file in existing(images)]
    return pd.DataFrame([*rows, *runs.input_digests(made)], columns=["file", "input", "sha256"])


def config_digest(config: Mapping[str, Any]) -> str:
    """SHA-256 of the complete config as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()


def from_outside(rows: pd.DataFrame) -> pd.DataFrame:
    """The inputs that no job of the workflow wrote, each once."""
    written = {Path(file).name for file in rows["file"]}
    own = rows["input"].isin(written) | rows["input"].str.endswith(("_dropped.csv", "_Image.parquet"))
    return rows[~own].drop_duplicates(["input", "sha256"])


def numbers(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The summary's numbers over all plates."""

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


def render(content: Mapping[str, Any]) -> str:
    """The page; what it shows is escaped."""
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(content)


def main(options: Mapping[str, Any], page: str, digests: str) -> None:
    """Gather what is there and write the page; `options` are the rule's parameters."""
    config, plates, captions = options["config"], options["plates"], options["captions"]
    remember_scores(sorted({metric for metric, *_ in SCORES}))
    number_of_pictures = sum(len(plate_pictures(plate)) for plate in plates)
    for_plates = allowance(number_of_pictures, BYTES_OF_PLATES)
    entries = [plate_entry(i, plate, config, captions, for_plates) for i, plate in enumerate(plates, start=1)]
    of_experiment = ordered([str(file) for file in Path("benchmark/figures").glob("*.png")])
    pairs = [(f, name) for f in options["feature_sets"] for name in options["conditions"]]
    number_of_pictures = len(of_experiment) + sum(len(condition_pictures(*pair)) for pair in pairs)
    for_conditions = allowance(number_of_pictures, BYTES_OF_CONDITIONS)
    conditions = [
        condition_entry(i, feature_set, name, options["conditions"][name], captions, for_conditions)
        for i, (feature_set, name) in enumerate(pairs, start=1)
    ]
    figures: list[Picture] = [
        picture(file, heading_of(Path(file).stem), caption_of(captions, Path(file).stem, {}), for_conditions)
        for file in of_experiment
    ]
    made = made_of(plates, config)
    metrics = metrics_made(options["feature_sets"])
    versions = runs.versions([*made.values(), *(each for some in metrics.values() for each in some)])
    inputs = digest_rows(made, plates, config, options["sheet"])
    sources = {
        name: sum(source(plate) == name for plate in plates)
        for name in ("images", "cellprofiler", "profiles")
    }
    newest = runs.newest([*made, *of_experiment, *(f"benchmark/{metric}.csv" for metric, *_ in SCORES)])
    content = {
        "title": options["title"],
        "date": "" if newest is None else datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d"),
        "draft": options["draft"],
        "numbers": numbers(entries),
        "plates_table": plates_table(entries),
        "plates": entries,
        "score_tables": score_tables(),
        "figures": figures,
        "conditions": conditions,
        "methods": methods.methods(
            config, sources, options["cellprofiler"], levels_made(plates, config, made), metrics, versions
        ),
        "versions": table_of(pd.DataFrame(versions, columns=["software", "version"]), "versions", "Versions"),
        "times": table_of(
            pd.DataFrame(
                runs.run_times(), columns=["stage", "jobs", "seconds", "longest", "cpu", "memory"]
            ).rename(
                columns={"longest": "longest job (s)", "cpu": "CPU seconds", "memory": "largest memory (MB)"}
            ),
            "times",
            "Run time of each stage",
        ),
        "inputs": table_of(from_outside(inputs), "inputs", "What went in", link_to(digests)),
        "config": yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False, allow_unicode=True),
        "folders": [
            (words, link_to(f"{folder}/")) for words, folder in FOLDERS.items() if Path(folder).is_dir()
        ],
        "style": (PAGE / "page.css").read_text(),
        "script": (PAGE / "page.js").read_text(),
        "most_rows": MOST_ROWS,
    }
    text = render(content)
    with whole(digests) as part:
        inputs.to_csv(part, index=False)
    with whole(page) as part:
        part.write_text(text, encoding="utf-8")
    logging.info("%d plates, %d conditions, %.1f MB", len(plates), len(conditions), len(text) / 1e6)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main(dict(snakemake.params.options), snakemake.output.page, snakemake.output.digests)
