"""Write the report: one HTML page of the whole experiment, which needs no other file and no network.

It shows the files in its manifest that exist: a summary, each plate, each condition, the Methods paragraph,
and the provenance. Pictures are in the page as small copies and link to the full ones beside it; a section
without content is left out. The same results give the same page, byte for byte.

The score tables that it shows are kept in `report/history.json`, so that the next report can show what
changed.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lib.logs import log_to
from lib.places import place
from lib.plates import source
from lib.tables import write_whole
from report_page import methods, runs
from report_page.blocks import format_block
from report_page.chosen import BYTES_OF_WELLS, order_evenly
from report_page.conditions import find_condition_pictures, make_condition_entry
from report_page.hits import MOST_HITS, MOST_HITS_OF_PAGE, count_hits
from report_page.left_out import get_totals
from report_page.library import get_digest, get_library
from report_page.matches import get_matches
from report_page.perturbations import get_conditions
from report_page.pictures import (
    BYTES_OF_CONDITIONS,
    BYTES_OF_PLATES,
    Picture,
    compute_allowance,
    link_to,
    make_picture,
    read_caption,
    sort_pictures,
)
from report_page.plates import find_plate_pictures, make_plate_entry, make_plates_table, sum_up_plates
from report_page.results import CANNOT_BE_READ, Results
from report_page.scores import collect_drawn_scores, make_judged_table, score_tables, write_history
from report_page.sheets import allow_examples, allow_sheets
from report_page.tables import make_table
from report_page.wells import find_features, get_wells, read_scored, split_large

HISTORY = place("report_history")
PAGE = Path(__file__).resolve().parent / "report_page"
# The page's own scripts, in the order in which they need each other.
SCRIPTS = ("page.js", "charts.js", "explore.js", "plates.js", "profiles.js", "card.js", "start.js")
FOLDERS = {
    "scores and figures": "benchmark",
    "profiles": "workspace/profiles",
    "quality control": "workspace/quality_control",
    "logs": "logs",
    "run times": "benchmarks",
}


def render(content: Mapping[str, Any]) -> str:
    """Render the page; all content is escaped."""
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(content)


def make_plate_entries(results: Results, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the page's content for each plate."""
    plates, captions, pages = (
        options["manifest"]["plates"],
        options["captions"],
        options["manifest"]["plate_pages"],
    )
    if pages:
        # Pictures and tables are on the plate's own page.
        short = [{**plate, "pictures": [], "outlines": ""} for plate in plates]
        entries = [try_plate_entry(results, i, plate, captions, 0) for i, plate in enumerate(short, start=1)]
        return [{**entry, "link": page, "tables": []} for entry, page in zip(entries, pages, strict=True)]
    allowed = compute_allowance(
        sum(len(find_plate_pictures(results, plate)) for plate in plates), BYTES_OF_PLATES
    )
    return [try_plate_entry(results, i, plate, captions, allowed) for i, plate in enumerate(plates, start=1)]


def try_plate_entry(
    results: Results, number: int, plate: Mapping[str, Any], captions: str, bytes_allowed: int
) -> dict[str, Any]:
    """Return the page's content for one plate; if its results cannot be read, the reason.

    One plate never prevents the page of all plates.

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
    try:
        return make_plate_entry(results, number, plate, captions, bytes_allowed)
    except CANNOT_BE_READ as error:
        logging.exception("plate %s is not shown", plate["plate"]["plate"])
        nothing = {"tables": {}, "pictures": [], "profiles": {}, "cells": {}, "load_data": ""}
        entry = make_plate_entry(results, number, {**plate, **nothing}, captions, bytes_allowed)
        return {**entry, "state": f"not shown, since its results cannot be read: {error}"}


def collect_figures_and_conditions(
    results: Results, options: Mapping[str, Any]
) -> tuple[list[Picture], list[dict[str, Any]]]:
    """Return the figures of the experiment, and the page's content for each condition."""
    manifest, captions = options["manifest"], options["captions"]
    files, conditions = sort_pictures(results.existing(manifest["figures"])), manifest["conditions"]
    number = len(files) + sum(len(find_condition_pictures(results, condition)) for condition in conditions)
    allowed = compute_allowance(number, BYTES_OF_CONDITIONS)
    captions_of_files = {
        file: read_caption(captions, Path(file).stem, {}, options["relation"]) for file in files
    }
    figures = [make_picture(results, file, captions_of_files[file], allowed) for file in files]
    hits = min(MOST_HITS, MOST_HITS_OF_PAGE // max(1, len(conditions)))
    entries = [
        make_condition_entry(results, i, condition, captions, allowed, hits)
        for i, condition in enumerate(conditions, start=1)
    ]
    return figures, entries


def collect_explored_data(results: Results, options: Mapping[str, Any], history: str) -> dict[str, Any]:
    """Return the data that the page explores, as blocks by name; a plate that cannot be read has none."""
    manifest, config = options["manifest"], options["config"]
    plates, conditions = manifest["plates"], manifest["conditions"]
    pages = manifest["plate_pages"]
    # With a page for each plate, this one has only what finds a well and its content.
    features, every = ([], 0) if pages else find_features(results, plates)
    scored = read_scored(results, manifest.get("scored_conditions", conditions))
    wanted = {
        "controls": config["controls"],
        "group": config["benchmark"]["group"],
        "sheets": allow_sheets(plates, config["plate_size"]["wells"]),
        "example_cells": allow_examples(plates, config["plate_size"]["wells"]),
        "brief": bool(pages),
    }
    ids = {
        (plate["plate"]["batch"], plate["plate"]["plate"]): f"plate-{i}" for i, plate in enumerate(plates, 1)
    }
    wells, left_out, used = {}, [], 0
    # Each plate of an index has its own page, so that the index may have the wells of some plates only.
    for at in order_evenly(len(plates)) if pages else range(len(plates)):
        identifier, plate = f"plate-{at + 1}", plates[at]
        if used > BYTES_OF_WELLS:
            left_out.append(identifier)
            continue
        try:
            wells[identifier] = get_wells(results, identifier, plate, features, scored, wanted)
        except CANNOT_BE_READ:
            logging.exception("the wells of plate %s are not shown", plate["plate"]["plate"])
        used += len(format_block(wells.get(identifier))) if pages else 0
    wells = {identifier: wells[identifier] for identifier in ids.values() if identifier in wells}
    maps = get_conditions(results, conditions, ids, config["report"]["perturbations"], left_out)
    known = ("id", "batch", "plate", "plate_map", "perturbation", "condition")
    experiment = {
        "features": features,
        "all_features": every,
        "z_scores": all(plate["z_scores"] for plate in plates),
        "plates": [
            {**{name: data[name] for name in known}, "wells": True} for data in wells.values() if data
        ],
        "conditions": [
            {name: data[name] for name in ("id", "name", "label", "feature_set")} for data in maps.values()
        ],
        "matches": get_matches(results, manifest["matches"]),
        "pages": dict(zip(ids.values(), pages, strict=False)),
        "index": manifest["index"],
        **({"all_plates": len(plates)} if left_out else {}),
    }
    blocks = {"experiment": experiment, **maps}
    for name, data in wells.items():
        if data:
            blocks[name], large = split_large(data)
            if large:
                blocks[f"{name}-large"] = large
    blocks["scores"] = collect_drawn_scores(
        results, manifest["scores"], history, list_feature_sets(conditions)
    )
    return {name: format_block(data) for name, data in blocks.items()}


def list_feature_sets(conditions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the feature sets of the conditions, in the order of the config."""
    return list(dict.fromkeys(condition["feature_set"] for condition in conditions))


def get_scripts() -> list[dict[str, str]]:
    """Return the page's scripts: the library of plots, and the page's own, each with its digest."""
    own = "\n".join((PAGE / name).read_text() for name in SCRIPTS)
    # Each in a function of its own, so that their names cannot clash.
    scripts = [f"(() => {{\n{text}\n}})();" for text in (get_library(), own)]
    return [{"text": text, "digest": get_digest(text)} for text in scripts]


def collect_content(
    results: Results, options: Mapping[str, Any], digests: str, history: str
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the page's content by the names in its template, and the table of all inputs.

    Parameters
    ----------
    results
        The results folder.
    options
        The rule's parameters, see `write_page`.
    digests
        The path of the table of all inputs in the results.
    history
        The path of the earlier score tables in the results.
    """
    config, manifest = options["config"], options["manifest"]
    plates, scores = manifest["plates"], manifest["scores"]
    entries = make_plate_entries(results, options)
    figures, conditions = collect_figures_and_conditions(results, options)
    blocks = collect_explored_data(results, options, history)
    made = runs.collect_provenances(results, plates)
    metrics = runs.get_provenances_of_metrics(results, manifest["scored"])
    versions = runs.list_versions([*made.values(), *(each for some in metrics.values() for each in some)])
    inputs = runs.digest_rows(results, made, plates, config, options["sheet"])
    newest = runs.get_newest_time(
        results.path(file) for file in [*made, *(figure.file for figure in figures), *scores.values()]
    )
    content = {
        "title": options["title"],
        "date": "" if newest is None else datetime.fromtimestamp(newest, UTC).strftime("%Y-%m-%d"),
        "draft": options["draft"],
        "plate_pages": manifest["plate_pages"],
        "index": manifest["index"],
        "numbers": sum_up_plates(entries),
        "hits": count_hits(conditions),
        "plates_table": make_plates_table(entries),
        "plates": entries,
        "left_out": get_totals(results, manifest["left_out"]),
        "left_out_table": link_to(manifest["left_out"]),
        "score_tables": score_tables(results, scores, history, list_feature_sets(conditions)),
        "judged": make_judged_table(results, manifest["judged"]),
        "figures": figures,
        "conditions": conditions,
        "has_hits": any(entry["hits"] for entry in conditions),
        "feature_sets": len({entry["feature_set"] for entry in conditions}),
        "methods": methods.write_methods(
            config,
            Counter(source(plate["plate"]) for plate in plates),
            options["cellprofiler"],
            runs.get_computed_levels(plates, made),
            runs.find_computed_metrics(results, metrics, scores),
            versions,
            options["accelerated"],
            count_hits(conditions),
            runs.count_published_features(results, plates),
        ),
        "versions": make_table(
            pd.DataFrame(versions, columns=["software", "version"]), "versions", "Versions"
        ),
        "times": make_table(runs.run_times(results.path("benchmarks")), "times", "Run time of each stage"),
        "inputs": make_table(runs.find_outside_inputs(inputs), "inputs", "Input files", link_to(digests)),
        "config": yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False, allow_unicode=True),
        "folders": [
            (words, link_to(f"{folder}/"))
            for words, folder in FOLDERS.items()
            if results.path(folder).is_dir()
        ],
        "style": (PAGE / "page.css").read_text(),
        "scripts": get_scripts(),
        "blocks": blocks,
        "explored_conditions": [name for name in blocks if name.startswith("condition-")],
    }
    return content, inputs


def write_page(options: Mapping[str, Any], page: str, digests: str, history: str) -> pd.DataFrame:
    """Write the page from the results that exist; return the table of all inputs.

    Parameters
    ----------
    options : mapping
        The rule's parameters; its `manifest` names the files that are shown, relative to the results folder.
    page : str
        The page. The results are around it: in the working directory, or in the local copy of a storage.
    digests, history : str
        The table of all inputs, and the file with the score tables of the last reports, relative to the
        results folder.
    """
    content, inputs = collect_content(Results(Path(page).parents[1]), options, digests, history)
    text = render(content)
    with write_whole(page) as part:
        part.write_text(text, encoding="utf-8")
    plates, conditions = len(content["plates"]), len(content["conditions"])
    logging.info("%d plates, %d conditions, %.1f MB", plates, conditions, len(text) / 1e6)
    return inputs


def main(options: Mapping[str, Any], page: str, digests: str, history: str) -> None:
    """Write the report.

    Parameters
    ----------
    options : mapping
        The rule's parameters, see `write_page`.
    page, digests : str
        The page, and the table of all inputs.
    history : str
        The file that keeps the score tables for the next report; a draft changes nothing there.
    """
    results = Results(Path(page).parents[1])
    digests, history = (str(Path(file).relative_to(results.folder)) for file in (digests, history))
    if not options["draft"]:
        write_history(results, options["manifest"]["scores"], history)
    inputs = write_page(options, page, digests, history)
    with write_whole(results.path(digests)) as part:
        inputs.to_csv(part, index=False)


if __name__ == "__main__":
    with log_to(snakemake.log[0]):
        main(
            dict(snakemake.params.options),
            snakemake.output.page,
            snakemake.output.digests,
            snakemake.output.get("history", HISTORY),
        )
