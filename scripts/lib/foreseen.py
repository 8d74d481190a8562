"""Foresee what will stop plates later: warnings before anything runs.

A plate whose tables have errors stops alone, after its cells have been measured. A warning before that may
save the hours until then. Nothing here raises an error.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.errors import InputError, find_nearest_name, join_names, number_of
from lib.experiment import Experiment
from lib.feature_names import describe_identifiers
from lib.imaged_wells import find_wells_with_images
from lib.layouts import SAMPLE_COLUMNS, find_clashes, read_annotation_rows, read_plate_map_rows
from lib.levels import get_levels
from lib.plates import KNOWN, MAY_BE_EMPTY, SOURCES, Plate, is_address, source
from lib.profile_files import find_header_problems, find_wells_in_profiles, read_column_names
from lib.suspects import find_alike_names, find_contradictions, find_suspects, report_missing_words
from lib.values import SEVERAL, MissingValues, is_same_name
from lib.wells import get_well_order

# Reading a plate map takes milliseconds; thousands of different ones are left to their plates.
MOST_MAPS = 200
# The wells of profiles are read from the entire file, which takes a moment for each plate of an experiment.
MOST_PROFILES = 24


def find_problems(experiment: Experiment) -> Iterator[str]:
    """Return, as sentences, what will stop chosen plates at annotation, normalization or the benchmark.

    A file that does not exist, or would have to be fetched, is skipped.
    """
    config, folder = experiment.config, experiment.config_file.parent
    types = {plate["perturbation"] for plate in experiment.plates}
    if unused := sorted(set(config["annotation"]) - types):
        yield (
            f"annotation: no plate has the perturbation type {join_names(unused)}; the sample sheet's are "
            f"{join_names(sorted(types))}. Their wells will not be annotated."
        )
    for column in [name for name in experiment.plates[0] if name not in (*SOURCES, "plate_map", "level")]:
        for names in find_alike_names(plate[column] for plate in experiment.plates):
            yield f"{column} of the sample sheet: {names} and are not taken for one."
    same: dict[tuple[str, str], list[Plate]] = {}
    annotated: dict[tuple[str, str, str], list[str]] = {}
    for plate in experiment.chosen:
        if source(plate) != "profiles" or not experiment.levels[plate["level"]].annotated:
            same.setdefault((plate["plate_map"], plate["perturbation"]), []).append(plate)
        else:
            key = plate["profiles"], plate["plate_map"], plate["perturbation"]
            annotated.setdefault(key, []).append(plate["plate"])
    reads_profiles = sum(source(plate) == "profiles" for plate in experiment.chosen) <= MOST_PROFILES
    for (plate_map, perturbation), plates in list(same.items())[:MOST_MAPS]:
        table = config["annotation"].get(perturbation, {}).get("table", "")
        paths = [folder / name for name in (plate_map, table) if name]
        if not any(map(is_address, (plate_map, table))) and all(path.is_file() for path in paths):
            for problem in find_map_problems(plates, paths, experiment, reads_profiles):
                yield f"plate {join_names((plate['plate'] for plate in plates), 3)}: {problem}"
    files: dict[str, list[str]] = {}
    for plate in experiment.chosen:
        if source(plate) == "profiles":
            files.setdefault(plate["profiles"], []).append(plate["plate"])
    for file, names in list(files.items())[:MOST_MAPS]:
        if not is_address(file) and (folder / file).is_file():
            for problem in find_header_problems(folder / file, names):
                yield f"plate {join_names(names, 3)}: {problem}"
    yield from find_identifiers(experiment)
    of_tables: dict[str, set[str]] = {}  # the columns of each annotation table, which is read once
    for (file, plate_map, perturbation), names in list(annotated.items())[:MOST_MAPS]:
        for problem in find_annotation_problems(folder, file, plate_map, perturbation, experiment, of_tables):
            yield f"plate {join_names(names, 3)}: {problem}"


def find_identifiers(experiment: Experiment) -> Iterator[str]:
    """Return which features of profiles that are normalized here are not measurements.

    Plates with the same features share a sentence.
    """
    config, folder = experiment.config, experiment.config_file.parent
    files: dict[str, list[str]] = {}
    for plate in experiment.chosen:
        is_file = source(plate) == "profiles" and not is_address(plate["profiles"])
        if is_file and experiment.levels[plate["level"]].has_measurements:
            files.setdefault(plate["profiles"], []).append(plate["plate"])
    same: dict[tuple[str, ...], list[str]] = {}
    for file, plates in list(files.items())[:MOST_MAPS]:
        if (folder / file).is_file():
            same.setdefault(tuple(sorted(read_column_names(folder / file))), []).extend(plates)
    rules, patterns = config["aggregate"]["exclude_features"], config["exclude_features"]
    told: dict[str, list[str]] = {}
    for names, plates in same.items():
        told.setdefault(describe_identifiers(list(names), rules, patterns), []).extend(plates)
    yield from (f"plate {join_names(plates, 3)}: {text}." for text, plates in told.items() if text)


def find_annotation_problems(
    folder: Path,
    file: str,
    plate_map: str,
    perturbation: str,
    experiment: Experiment,
    of_tables: dict[str, set[str]],
) -> Iterator[str]:
    """Return what annotated profiles lack: names of replicates, or controls that only their plate map names.

    Parameters
    ----------
    folder
        The folder of the config.
    file
        The profiles. Nothing is known of a file that is fetched, does not exist, or is AnnData.
    plate_map
        The plate map in the sample sheet, which is not read for annotated profiles; "" if there is none.
    perturbation
        The perturbation type of the plates that start with this file.
    experiment
        The experiment, for its annotation, its sample sheet and its names of replicates and controls.
    of_tables
        The columns of the annotation of each perturbation type that was read before; this one is added.
    """
    path, config = folder / file, experiment.config
    table = config["annotation"].get(perturbation, {}).get("table", "")
    if is_address(file) or is_address(table) or not path.is_file():
        return
    columns = read_column_names(path)
    if not columns:
        return
    missing = MissingValues.of_config(config)
    # A column of text is not a feature, and is read as metadata.
    columns |= {f"Metadata_{name}" for name in (*columns, *experiment.plates[0], "Batch", "Plate", "Well")}
    of_map = []
    try:
        if table and perturbation not in of_tables:
            gene = config["annotation"][perturbation]["gene"]
            of_tables[perturbation] = set(read_annotation_rows(folder / table, gene, missing)[0])
        columns |= {f"Metadata_{name}" for name in of_tables.get(perturbation, ())}
        if plate_map and not is_address(plate_map) and (folder / plate_map).is_file():
            of_map = read_plate_map_rows(folder / plate_map, missing=missing)[0]
    except InputError:
        return
    group, control = config["benchmark"]["group"], config["controls"]["column"]
    names = [group] if isinstance(group, str) else group
    lacking = [name for name in names if f"Metadata_{name.removeprefix('Metadata_')}" not in columns]
    why = ", by which benchmark.group defines replicates: nothing can be scored" if lacking else ""
    if control in of_map and f"Metadata_{control}" not in columns:
        lacking.append(f"Metadata_{control}")
    if lacking:
        unread = f" {plate_map} is not read: a plate_map is used for profiles of level `aggregated` only."
        yield (
            f"{path.name} has no column {join_names(lacking)}{why}.{unread if of_map else ''} Add the column "
            "to the file or, if these profiles are not normalized yet, write `aggregated` as their level."
        )


def find_map_problems(
    plates: list[Plate], paths: list[Path], experiment: Experiment, reads_profiles: bool
) -> Iterator[str]:
    """Return the errors of a plate map and its annotation (`paths`), for the plates that use them.

    Parameters
    ----------
    plates
        Plates of one perturbation type that share a plate map.
    paths
        The plate map, and the annotation if there is one.
    experiment
        The experiment.
    reads_profiles
        Whether wells are read from profiles.
    """
    perturbation = plates[0]["perturbation"]
    config, folder = experiment.config, experiment.config_file.parent
    try:
        missing = MissingValues.of_config(config)
        known, reagents = [], []
        if len(paths) > 1:
            known, reagents = read_annotation_rows(
                paths[1], config["annotation"][perturbation]["gene"], missing
            )
        samples = {row["broad_sample"] for row in reagents}
        columns, wells = read_plate_map_rows(paths[0], plates[0]["plate"], missing, samples)
        for path in paths:
            if words := report_missing_words(path, missing):
                found = join_names(words)
                yield f"in {path.name}, taken as empty: {found}. See missing_values in the config."
            yield from (f"{path.name}: {sentence}." for sentence in find_suspects(path, missing))
        names = [plate["plate"] for plate in plates]
        others = {plate["plate"] for plate in experiment.plates}
        contradictions = find_contradictions(paths[0], names, missing, others)
        yield from (f"{paths[0].name}: {text}." for text in contradictions)
        own = {name: value for name, value in plates[0].items() if name not in SOURCES}
        own |= {
            "Batch": None,
            "Count_Cells": None,
            "Count_Cells_Flagged": None,
            "Count_Sites": None,
            "Count_Sites_Excluded": None,
        }
        of_map = {name: {row[name] for row in wells} for name in columns}
        yield from find_clashes(of_map, {name: {row[name] for row in reagents} for name in known}, own)[1]
        # A column that the plate map leaves empty comes from the annotation.
        empty = [name for name in columns if name in known and not any(row[name] for row in wells)]
        if hidden := set(empty) - set(SAMPLE_COLUMNS):
            columns = [name for name in columns if name not in hidden]
            wells = [{name: row[name] for name in columns} for row in wells]
    except InputError as error:
        yield str(error)
        return
    present = [(plate, find_wells_of_plate(plate, config, folder, reads_profiles)) for plate in plates]
    of_wells = {row["well"] for row in wells}
    lacking: dict[tuple[str, ...], list[str]] = {}
    for plate, there in present:
        if unknown := sorted((there or set()) - of_wells, key=get_well_order):
            lacking.setdefault(tuple(unknown), []).append(plate["plate"])
    for unknown_wells, names in lacking.items():
        number, of_plates = number_of(len(unknown_wells), "well"), join_names(names, 3)
        yield (
            f"{paths[0].name} has no entry for {number} of plate {of_plates}, which will not be scored: "
            f"{join_names(unknown_wells, 5)}. Add them to the plate map."
        )
    if not any(row["broad_sample"] or row.get("solvent") for row in wells):
        yield (
            f"no well of {paths[0].name} has a perturbation (broad_sample), so nothing can be scored: fill "
            "in what is in the wells."
        )
    controls, tables = config["controls"], join_names(path.name for path in paths)
    column, there = controls["column"], list(dict.fromkeys([*columns, *known]))
    of_sample = {row["broad_sample"]: row for row in reagents}
    if "negcon" in config["normalize"]["to"]:
        marks = [get_mark(well, column, of_sample) for well in wells]
        names = controls["negcon"].split(SEVERAL)
        is_negative = [any(is_same_name(mark, name) for name in names) for mark in marks]
        number = sum(is_negative)
        needed = config["normalize"]["minimum_wells"]
        if column not in there:
            yield (
                f"no column {column} in {tables}, by which negative controls are found; it has "
                f"{join_names(there)}. Name theirs in controls.column, or do without: {get_remedy(config)}."
            )
        elif number < needed:
            values = join_names(sorted(set(marks) - {""}), 5) or "no value"
            near = find_misspelled_controls(names, marks, cutoff=0.6)
            hint = f" Did you mean {join_names(near)}?" if near else ""
            yield (
                f"{number} negative controls ({column} = {controls['negcon']}) in {tables}; normalizing "
                f"needs {needed}.{hint} The column has {values}; see controls.negcon and "
                f"normalize.minimum_wells, or do without: {get_remedy(config)}."
            )
        else:
            if column not in SAMPLE_COLUMNS and (near := find_misspelled_controls(names, marks)):
                yield (
                    f"{column} has {join_names(near)} in {tables}, which is not the name of negative "
                    f"controls (controls.negcon: {controls['negcon']}). If it is misspelled, correct it."
                )
            negative = [well["well"] for well, one in zip(wells, is_negative, strict=True) if one]
            yield from find_controls_without_images(present, negative, config)
    group = config["benchmark"]["group"]
    wanted = [name.removeprefix("Metadata_") for name in ([group] if isinstance(group, str) else group)]
    of_sheet = (set(plates[0]) - set(KNOWN)) | {"plate_map", "perturbation", *MAY_BE_EMPTY}
    there += [*of_sheet, "Batch", "Plate", "Well"]
    if lacking := [name for name in wanted if name not in there]:
        yield f"no column {join_names(lacking)} in {tables}, by which benchmark.group defines replicates."
    if "dose_response" in config:
        doses = config["dose_response"]
        compound = [doses["compound"]] if isinstance(doses["compound"], str) else doses["compound"]
        wanted = [name.removeprefix("Metadata_") for name in (doses["dose"], *compound)]
        if lacking := [name for name in wanted if name not in there]:
            yield f"no column {join_names(lacking)} in {tables}, which dose_response names."


def find_misspelled_controls(names: list[str], marks: list[str], cutoff: float = 0.8) -> list[str]:
    """Return the values of a column of controls that may be misspellings of a name of negative controls.

    Parameters
    ----------
    names
        The names of negative controls (`controls.negcon`).
    marks
        The column's value for each well.
    cutoff
        The least similarity of a misspelling, from 0 to 1. Names that differ in their digits are not alike.
    """
    others = {mark for mark in marks if mark and not any(is_same_name(mark, name) for name in names)}
    alike_others = []
    for name in names:
        same_digits = [other for other in others if re.findall(r"\d", other) == re.findall(r"\d", name)]
        if near := find_nearest_name(name, sorted(same_digits), cutoff):
            alike_others.append(near)
    return list(dict.fromkeys(alike_others))


def find_wells_of_plate(
    plate: Plate, config: Mapping[str, Any], folder: Path, reads_profiles: bool
) -> set[str] | None:
    """Return the wells of a plate that have images or profiles; None if that is not known quickly.

    Parameters
    ----------
    plate
        The plate's row of the sample sheet.
    config
        The complete config.
    folder
        The folder of the config.
    reads_profiles
        Whether wells are read from profiles.
    """
    if source(plate) != "profiles":
        return find_wells_with_images(plate, folder, config["images"]["pattern"])
    path = folder / plate["profiles"]
    if not reads_profiles or is_address(plate["profiles"]) or not path.is_file():
        return None
    return find_wells_in_profiles(path, plate["plate"])


def find_controls_without_images(
    present: Sequence[tuple[Plate, set[str] | None]], negative: list[str], config: Mapping[str, Any]
) -> Iterator[str]:
    """Return the plates of which too few negative controls have images.

    Parameters
    ----------
    present
        Plates that share a plate map, each with its wells that have images; None if they are not known.
    negative
        The wells of the map's negative controls.
    config
        The complete config.
    """
    needed = config["normalize"]["minimum_wells"]
    kind = f"{config['controls']['column']} = {config['controls']['negcon']}"
    if config["normalize"]["over"] == "batch":
        # The controls of all plates of a batch serve together.
        return
    for plate, imaged in present:
        if imaged is None or source(plate) != "images":
            continue
        there = [well for well in negative if well in imaged]
        if len(there) < needed:
            without = [well for well in negative if well not in imaged]
            yield (
                f"plate {plate['plate']} has images of {len(imaged)} wells, of which {len(there)} are "
                f"negative controls ({kind}); normalizing needs {needed}. Without images are "
                f"{join_names(without, 5)}. Correct the plate map or images.pattern, lower "
                f"normalize.minimum_wells (at least 2), or do without: {get_remedy(config)}."
            )


def get_remedy(config: Mapping[str, Any]) -> str:
    """Return every key of the config that must change to compute profiles without negative controls."""
    levels = get_levels(config)
    judged = [levels[name] for name in config["benchmark"]["feature_sets"] if name in levels]
    others = {
        (level.features, level.step, level.scope, level.reference): level.name
        for level in levels.values()
        if not level.summary
    }
    kept = [
        others.get((level.features, level.step, level.scope, "all"), "") if level.reference else level.name
        for level in judged
    ]
    keys = ["normalize.to: [all]", "feature_select.reference: all"]
    keys.append(f"benchmark.feature_sets: [{', '.join(name for name in kept if name)}]")
    keys += ["spherize.enabled: false"] if config["spherize"]["enabled"] else []
    return "set " + ", ".join(keys)


def get_mark(well: Mapping[str, str], column: str, of_sample: Mapping[str, Mapping[str, str]]) -> str:
    """Return a column's value for a well, from the plate map or its reagent, as `join_annotation` joins them.

    If `broad_sample` is empty, the solvent is the reagent.
    """
    sample = well["broad_sample"] or well.get("solvent", "")
    if column == "broad_sample":
        return sample
    reagent = of_sample.get(well["broad_sample"]) or of_sample.get(sample) or {}
    return well[column] if column in well else reagent.get(column, "")
